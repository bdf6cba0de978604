/*
 * Which addresses the NICs of instances have. They are kept in the instances'
 * volatile.* keys; the tables of the manager (struct network, networks.c) say
 * which are taken, so that finding a free one asks no database. An instance
 * keeps its address while it is stopped; only when a network is full a stopped
 * instance loses it to a new one.
 */
#include "network/addresses.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "file.h"
#include "links.h"
#include "memory.h"
#include "network/manager.h"
#include "network/nic.h"
#include "server.h"

static void keep(struct instance_row *row, json_t *changed, const char *device, const char *key,
		 const char *value)
{
	cleanup_free char *name = memory_printf("volatile.%s.%s", device, key);
	json_object_set_new(row->config, name, json_string(value));
	if (changed)
		json_object_set_new(changed, name, json_string(value));
}

/* Xen's prefix, which LXD uses too: tools know it as a virtual machine's. */
static void make_hwaddr(uint32_t number, char text[static LINK_ADDRESS_TEXT])
{
	const uint8_t address[] = {
		0x00, 0x16, 0x3e, (uint8_t)(number >> 16), (uint8_t)(number >> 8), (uint8_t)number};
	link_address_format(address, text);
}

static int assign_hwaddr(struct networks *networks, struct instance_row *row, const char *name,
			 const json_t *device, json_t *changed, struct error **error)
{
	char text[LINK_ADDRESS_TEXT];
	const char *given = nic_value(device, "hwaddr");
	const char *wanted = given ? given : nic_volatile(row, name, "hwaddr");
	cleanup_free char *owner = memory_printf("%s %s", row->uuid, name);
	const char *taken =
		json_string_value(json_object_get(networks->hwaddrs, wanted ? wanted : ""));
	bool another = taken && strcmp(taken, owner) != 0;
	if (given && another)
		return error_set(error, ERROR_EXISTS,
				 "the MAC address %s is taken by another instance", given);
	/* What a backup brings along may be of an instance that is still here. */
	if (!wanted || another) {
		uint32_t number = nic_hash(row->uuid, name);
		do
			make_hwaddr(number++, text);
		while (json_object_get(networks->hwaddrs, text));
		wanted = text;
		keep(row, changed, name, "hwaddr", text);
	}
	json_object_set_new(networks->hwaddrs, wanted, json_string(owner));
	return 0;
}

/* An address that dnsmasq lent to somebody unknown, such as a machine inside of an instance. */
static bool is_lent(const char *leases, const char *address)
{
	cleanup_free char *field = memory_printf(" %s ", address);
	return leases && strstr(leases, field);
}

struct search {
	const struct network *network;
	const char *leases;
	uint32_t start;
	char found[ADDRESS_TEXT];
};

static void search_range(const struct address *first, const struct address *last, void *data)
{
	struct search *search = data;
	uint32_t from, to;
	memcpy(&from, first->bytes, 4);
	memcpy(&to, last->bytes, 4);
	from = ntohl(from);
	to = ntohl(to);
	uint64_t count = (uint64_t)to - from + 1;
	for (uint64_t i = 0; !*search->found && i < count; i++) {
		char text[ADDRESS_TEXT];
		struct address address =
			address_plus(first, (uint32_t)((search->start + i) % count));
		address_format(&address, text);
		if (!address_equal(&address, &search->network->ipv4.address) &&
		    !json_object_get(search->network->taken, text) &&
		    !is_lent(search->leases, text))
			memcpy(search->found, text, sizeof(text));
	}
}

/* Full: the address of an instance that does not run. */
static const char *take_over(const struct networks *networks, const struct network *network)
{
	const char *address;
	json_t *owner;
	json_object_foreach (network->taken, address, owner)
		if (!json_object_get(networks->running, json_string_value(owner)))
			return address;
	return NULL;
}

static int find_free(struct server *server, struct network *network, const char *uuid,
		     const char *device, char text[static ADDRESS_TEXT], struct error **error)
{
	cleanup_free char *directory = network_directory(server, network->name);
	cleanup_free char *path = memory_printf("%s/leases", directory);
	cleanup_free char *leases = file_try_read_at(AT_FDCWD, path);
	struct search search = {network, leases, nic_hash(uuid, device), ""};
	const char *ranges = network_config_get(network->config, "ipv4.dhcp.ranges");
	struct address first = subnet_network(&network->ipv4), last = subnet_last(&network->ipv4);
	first = address_plus(&first, 1);
	last.bytes[3]--;
	if (ranges)
		network_ranges_parse(ranges, &network->ipv4, search_range, &search, NULL);
	else
		search_range(&first, &last, &search);
	const char *found = *search.found ? search.found : take_over(server->networks, network);
	if (!found)
		return error_set(error, ERROR_NO_SPACE,
				 "network \"%s\" has no free IPv4 address: every one belongs to a "
				 "running instance (ipv4.address, ipv4.dhcp.ranges)",
				 network->name);
	snprintf(text, ADDRESS_TEXT, "%s", found);
	return 0;
}

static int check_given(const struct network *network, const char *uuid, const char *given,
		       struct error **error)
{
	struct address address;
	const char *owner = json_string_value(json_object_get(network->taken, given));
	address_parse(AF_INET, given, &address);
	if (!network->ipv4.address.family || !subnet_contains(&network->ipv4, &address))
		return error_set(error, ERROR_INVALID,
				 "the address %s is outside of the network \"%s\"", given,
				 network->name);
	if (address_equal(&address, &network->ipv4.address))
		return error_set(error, ERROR_INVALID, "%s is the address of the bridge", given);
	if (owner && strcmp(owner, uuid) != 0)
		return error_set(error, ERROR_EXISTS, "the address %s is taken by another instance",
				 given);
	return 0;
}

static bool still_good(const struct network *network, const char *uuid, const char *kept)
{
	struct address address;
	const char *owner = kept ? json_string_value(json_object_get(network->taken, kept)) : NULL;
	return kept && address_parse(AF_INET, kept, &address) &&
	       subnet_contains(&network->ipv4, &address) && (!owner || strcmp(owner, uuid) == 0);
}

static int assign_ipv4(struct server *server, struct network *network, struct instance_row *row,
		       const char *name, const json_t *device, json_t *changed,
		       struct error **error)
{
	char text[ADDRESS_TEXT];
	const char *given = nic_value(device, "ipv4.address");
	const char *kept = nic_volatile(row, name, "ipv4.address");
	if (given && check_given(network, row->uuid, given, error) < 0)
		return -1;
	if (!given &&
	    (!network->ipv4.address.family || !network_config_bool(network->config, "ipv4.dhcp")))
		return 0;
	if (!given && !still_good(network, row->uuid, kept)) {
		if (find_free(server, network, row->uuid, name, text, error) < 0)
			return -1;
		keep(row, changed, name, "ipv4.address", text);
		kept = text;
	}
	json_object_set_new(network->taken, given ? given : kept, json_string(row->uuid));
	return 0;
}

static int assign(struct server *server, struct instance_row *row, const char *name,
		  const json_t *device, json_t *changed, struct error **error)
{
	const char *network_name = nic_value(device, "network");
	struct network *network = NULL;
	if (network_name)
		network = networks_find(server, network_name, error);
	else
		networks_hold(server);
	if (network_name && !network)
		return -1;
	int result = acls_check_names(server->networks, nic_value(device, "security.acls"), error);
	if (result == 0)
		result = assign_hwaddr(server->networks, row, name, device, changed, error);
	if (result == 0 && network)
		result = assign_ipv4(server, network, row, name, device, changed, error);
	networks_release(server);
	return result;
}

int nics_assign(struct server *server, struct instance_row *row, const json_t *devices,
		json_t *changed, struct error **error)
{
	size_t count;
	cleanup_free const char **names = nic_names(devices, &count);
	for (size_t i = 0; i < count; i++)
		if (assign(server, row, names[i], json_object_get(devices, names[i]), changed,
			   error) < 0)
			return error_prefix(error, "NIC \"%s\"", names[i]);
	return 0;
}

int nics_check_acls(struct server *server, const json_t *devices, struct error **error)
{
	const char *name;
	json_t *device;
	int result = 0;
	networks_hold(server);
	json_object_foreach ((json_t *)devices, name, device)
		if (result == 0 && acls_check_names(server->networks,
						    nic_value(device, "security.acls"), error) < 0)
			result = error_prefix(error, "device \"%s\"", name);
	networks_release(server);
	return result;
}

static void drop_owner(json_t *table, const char *uuid)
{
	const char *key;
	json_t *owner;
	void *next;
	json_object_foreach_safe (table, next, key, owner)
		if (strncmp(json_string_value(owner), uuid, strlen(uuid)) == 0)
			json_object_del(table, key);
}

void nics_release(struct server *server, const char *uuid)
{
	networks_hold(server);
	drop_owner(server->networks->hwaddrs, uuid);
	for (struct network *at = server->networks->first; at; at = at->next)
		drop_owner(at->taken, uuid);
	networks_release(server);
}

/* volatile.DEVICE.hwaddr and volatile.DEVICE.ipv4.address: a network is found by the subnet. */
void nics_note(struct server *server, const struct instance_row *row)
{
	const char *key;
	json_t *value;
	networks_hold(server);
	json_object_foreach (row->config, key, value) {
		const char *text = json_string_value(value);
		const char *dot = strncmp(key, "volatile.", 9) == 0 ? strchr(key + 9, '.') : NULL;
		struct address address;
		if (!dot)
			continue;
		cleanup_free char *owner =
			memory_printf("%s %.*s", row->uuid, (int)(dot - key - 9), key + 9);
		if (strcmp(dot, ".hwaddr") == 0)
			json_object_set_new(server->networks->hwaddrs, text, json_string(owner));
		if (strcmp(dot, ".ipv4.address") != 0 || !address_parse(AF_INET, text, &address))
			continue;
		for (struct network *at = server->networks->first; at; at = at->next)
			if (at->ipv4.address.family && subnet_contains(&at->ipv4, &address))
				json_object_set_new(at->taken, text, json_string(row->uuid));
	}
	networks_release(server);
}
