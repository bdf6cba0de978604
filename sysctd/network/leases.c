/* See leases.h. Instances come from the database, strangers from dnsmasq's file of leases. */
#include "network/leases.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "db/parts.h"
#include "db/profiles.h"
#include "file.h"
#include "instance/device_types.h"
#include "links.h"
#include "memory.h"
#include "network/addresses.h"
#include "network/manager.h"
#include "server.h"

struct entry {
	const char *owner; /* name of the instance; NULL: the network itself */
	const char *hwaddr, *address, *type;
};

struct visitor {
	void (*visit)(const struct network *network, const struct entry *entry, void *data);
	void *data;
};

static void tell(const struct visitor *visitor, const struct network *network, const char *owner,
		 const char *hwaddr, const char *address, const char *type)
{
	struct entry entry = {owner, hwaddr, address, type};
	visitor->visit(network, &entry, visitor->data);
}

static void visit_gateway(const struct visitor *visitor, const struct network *network)
{
	const struct subnet *const subnets[] = {&network->ipv4, &network->ipv6};
	char text[ADDRESS_TEXT];
	for (int i = 0; i < 2; i++) {
		if (!subnets[i]->address.family)
			continue;
		address_format(&subnets[i]->address, text);
		tell(visitor, network, NULL, "", text, "gateway");
	}
}

static void visit_nic(const struct visitor *visitor, const struct network *network,
		      const struct instance_row *row, const char *name, const json_t *device)
{
	const char *given = json_string_value(json_object_get(device, "hwaddr"));
	const char *hwaddr = given ? given : nic_volatile(row, name, "hwaddr");
	const char *ipv4 = json_string_value(json_object_get(device, "ipv4.address"));
	const char *ipv6 = json_string_value(json_object_get(device, "ipv6.address"));
	const char *kept = nic_volatile(row, name, "ipv4.address");
	uint8_t mac[LINK_ADDRESS_SIZE];
	char eui[ADDRESS_TEXT];
	if (ipv4 || kept)
		tell(visitor, network, row->name, hwaddr, ipv4 ? ipv4 : kept,
		     ipv4 ? "static" : "dynamic");
	if (ipv6) {
		tell(visitor, network, row->name, hwaddr, ipv6, "static");
	} else if (network->ipv6.address.family && network->ipv6.prefix == 64 && hwaddr &&
		   link_address_parse(hwaddr, mac)) {
		struct address address = subnet_eui64(&network->ipv6, mac);
		address_format(&address, eui);
		tell(visitor, network, row->name, hwaddr, eui, "dynamic");
	}
}

static void visit_instance(const struct visitor *visitor, const struct network *network,
			   const struct instance_row *row, const json_t *devices)
{
	size_t count;
	cleanup_free const char **names = nic_names(devices, &count);
	for (size_t i = 0; i < count; i++) {
		const json_t *device = json_object_get(devices, names[i]);
		const char *in = json_string_value(json_object_get(device, "network"));
		if (in && strcmp(in, network->name) == 0)
			visit_nic(visitor, network, row, names[i], device);
	}
}

/* dnsmasq(8), --dhcp-leasefile: expiry, MAC address, address, name, client id. */
static void visit_strangers(const struct server *server, const struct visitor *visitor,
			    const struct network *network)
{
	cleanup_free char *directory = network_directory(server, network->name);
	cleanup_free char *path = memory_printf("%s/leases", directory);
	cleanup_free char *text = file_try_read_at(AT_FDCWD, path);
	char *rest = text;
	for (char *line; text && (line = strsep(&rest, "\n"));) {
		char hwaddr[32], address[ADDRESS_TEXT], name[128];
		if (sscanf(line, "%*s %31s %45s %127s", hwaddr, address, name) == 3 &&
		    !json_object_get(server->networks->hwaddrs, hwaddr) && strchr(hwaddr, ':'))
			tell(visitor, network, strcmp(name, "*") == 0 ? "" : name, hwaddr, address,
			     "dynamic");
	}
}

/* @only: of that network, or NULL for all. */
static int visit_all(struct server *server, const char *only, const struct visitor *visitor,
		     struct error **error)
{
	cleanup_instance_list struct instance_list rows = {0};
	cleanup_profile_list struct profile_list profiles = {0};
	if (db_instance_list(server->db, &rows, error) < 0 ||
	    db_profile_list(server->db, &profiles, error) < 0)
		return -1;
	networks_hold(server);
	for (const struct network *at = server->networks->first; at; at = at->next) {
		if (only && strcmp(at->name, only) != 0)
			continue;
		visit_gateway(visitor, at);
		for (size_t i = 0; i < rows.count; i++) {
			json_t *devices = NULL;
			if (config_expand(&profiles, rows.rows[i].profiles, rows.rows[i].config,
					  rows.rows[i].devices, NULL, &devices, NULL) == 0)
				visit_instance(visitor, at, &rows.rows[i], devices);
			json_decref(devices);
		}
		visit_strangers(server, visitor, at);
	}
	networks_release(server);
	return 0;
}

static void add_lease(const struct network *network, const struct entry *entry, void *data)
{
	cleanup_free char *gateway = memory_printf("%s.gw", network->name);
	json_array_append_new(data,
			      json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "hostname",
					entry->owner ? entry->owner : gateway, "hwaddr",
					entry->hwaddr, "address", entry->address, "type",
					entry->type, "location", "none", "project", "default"));
}

json_t *leases_read(struct server *server, const char *network, struct error **error)
{
	if (!networks_find(server, network, error))
		return NULL;
	networks_release(server);
	json_t *leases = json_array();
	struct visitor visitor = {add_lease, leases};
	if (visit_all(server, network, &visitor, error) == 0)
		return leases;
	json_decref(leases);
	return NULL;
}

static void add_allocation(const struct network *network, const struct entry *entry, void *data)
{
	bool six = strchr(entry->address, ':');
	const struct subnet *subnet = six ? &network->ipv6 : &network->ipv4;
	bool nat = network_config_bool(network->config, six ? "ipv6.nat" : "ipv4.nat");
	int prefix = entry->owner ? (six ? 128 : 32) : subnet->prefix;
	json_array_append_new(
		data, json_pack("{s:o, s:o, s:s, s:b, s:s, s:s}", "used_by",
				entry->owner ? json_sprintf("/1.0/instances/%s", entry->owner)
					     : json_sprintf("/1.0/networks/%s", network->name),
				"addresses", json_sprintf("%s/%d", entry->address, prefix), "type",
				entry->owner ? "instance" : "network", "nat", nat, "hwaddr",
				entry->hwaddr, "network", network->name));
}

static void add_forward(struct server *server, const struct part_row *row, json_t *allocations)
{
	bool six = strchr(row->name, ':');
	const struct network *network = networks_find(server, row->owner, NULL);
	if (!network)
		return;
	bool nat = network_config_bool(network->config, six ? "ipv6.nat" : "ipv4.nat");
	networks_release(server);
	json_array_append_new(
		allocations,
		json_pack("{s:o, s:o, s:s, s:b, s:s, s:s}", "used_by",
			  json_sprintf("/1.0/networks/%s/forwards/%s", row->owner, row->name),
			  "addresses", json_sprintf("%s/%d", row->name, six ? 128 : 32), "type",
			  "network-forward", "nat", nat, "hwaddr", "", "network", row->owner));
}

static int add_forwards(struct server *server, json_t *allocations, struct error **error)
{
	cleanup_part_list struct part_list rows = {0};
	if (db_part_list(server->db, &db_forwards, NULL, &rows, error) < 0)
		return -1;
	for (size_t i = 0; i < rows.count; i++)
		add_forward(server, &rows.rows[i], allocations);
	return 0;
}

json_t *allocations_read(struct server *server, struct error **error)
{
	json_t *allocations = json_array();
	struct visitor visitor = {add_allocation, allocations};
	if (visit_all(server, NULL, &visitor, error) == 0 &&
	    add_forwards(server, allocations, error) == 0)
		return allocations;
	json_decref(allocations);
	return NULL;
}
