/* See nic.h: what a device of type nic means. */
#include "network/nic.h"

#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "links.h"
#include "memory.h"
#include "network/acl.h"
#include "network/addresses.h"
#include "network/network.h"
#include "runtime/nics.h"
#include "server.h"

const char *nic_value(const json_t *device, const char *key)
{
	const char *value = json_string_value(json_object_get(device, key));
	return value && *value ? value : NULL;
}

bool nic_has(const json_t *device, const char *key, const char *value)
{
	const char *found = nic_value(device, key);
	return found && value && strcmp(found, value) == 0;
}

bool nic_is(const json_t *device)
{
	return nic_has(device, "type", "nic");
}

static uint32_t hash(const char *text, uint32_t start)
{
	for (; *text; text++)
		start = (start ^ (unsigned char)*text) * 16777619u;
	return start;
}

uint32_t nic_hash(const char *uuid, const char *device)
{
	return hash(device, hash(uuid, 2166136261u));
}

const char *nic_volatile(const struct instance_row *row, const char *device, const char *key)
{
	cleanup_free char *name = memory_printf("volatile.%s.%s", device, key);
	return json_string_value(json_object_get(row->config, name));
}

bool nic_ipv6(const json_t *nic, const struct network *network, struct address *address)
{
	uint8_t mac[LINK_ADDRESS_SIZE];
	const char *given = nic_value(nic, "ipv6");
	if (given && address_parse(AF_INET6, given, address))
		return true;
	if (!network || !network->ipv6.address.family || network->ipv6.prefix != 64 ||
	    !link_address_parse(nic_value(nic, "hwaddr"), mac))
		return false;
	*address = subnet_eui64(&network->ipv6, mac);
	return true;
}

/* The lowest ethN that no device is given. */
static void pick_name(const json_t *devices, const json_t *nics, char name[static IFNAMSIZ])
{
	for (int number = 0;; number++) {
		const char *key;
		json_t *device, *nic;
		size_t i;
		bool taken = false;
		snprintf(name, IFNAMSIZ, "eth%d", number);
		json_object_foreach ((json_t *)devices, key, device) {
			taken = taken || (nic_is(device) && nic_has(device, "name", name));
		}
		json_array_foreach (nics, i, nic)
			taken = taken || nic_has(nic, "name", name);
		if (!taken)
			return;
	}
}

static int find_network(struct server *server, const char *name, json_t *nic, struct error **error)
{
	const struct network *network = networks_find(server, name, error);
	if (!network)
		return -1;
	int result = network->problem
			     ? error_set(error, ERROR_INTERNAL, "network \"%s\" does not work: %s",
					 name, network->problem)
			     : 0;
	const char *mtu = network_config_get(network->config, "bridge.mtu");
	if (!json_object_get(nic, "mtu") && strcmp(mtu, "1500") != 0)
		json_object_set_new(nic, "mtu", json_integer(strtol(mtu, NULL, 10)));
	nic_set_gateways(nic, network);
	networks_release(server);
	json_object_set_new(nic, "network", json_string(name));
	json_object_set_new(nic, "bridge", json_string(name));
	return result;
}

static int find_bridge(const char *name, json_t *nic, struct error **error)
{
	if (!link_is_bridge(name))
		return error_set(error, ERROR_NOT_FOUND, "the host has no bridge \"%s\"", name);
	json_object_set_new(nic, "bridge", json_string(name));
	return 0;
}

static void copy_text(json_t *nic, const char *to, const char *text)
{
	if (text)
		json_object_set_new(nic, to, json_string(text));
}

static void copy_number(json_t *nic, const char *to, const char *text)
{
	if (text)
		json_object_set_new(nic, to, json_integer(strtoll(text, NULL, 10)));
}

static void copy_true(json_t *nic, const char *to, bool value)
{
	if (value)
		json_object_set_new(nic, to, json_true());
}

static void add_limits(json_t *nic, const json_t *device)
{
	static const char *const keys[][2] = {{"ingress", "limits.ingress"},
					      {"egress", "limits.egress"}};
	for (int i = 0; i < 2; i++) {
		const char *own = nic_value(device, keys[i][1]);
		const char *rate = own ? own : nic_value(device, "limits.max");
		if (rate)
			json_object_set_new(nic, keys[i][0], json_integer(nic_rate(rate)));
	}
	copy_number(nic, "priority", nic_value(device, "limits.priority"));
	copy_number(nic, "queue", nic_value(device, "queue.tx.length"));
}

/* Each kind of filter needs the one before: an address is worth nothing without the MAC. */
static void add_filters(json_t *nic, const json_t *device)
{
	bool ipv4 = nic_is_true(device, "security.ipv4_filtering");
	bool ipv6 = nic_is_true(device, "security.ipv6_filtering");
	copy_true(nic, "mac_filter", ipv4 || ipv6 || nic_is_true(device, "security.mac_filtering"));
	copy_true(nic, "ipv4_filter", ipv4);
	copy_true(nic, "ipv6_filter", ipv6);
	copy_true(nic, "isolated", nic_is_true(device, "security.port_isolation"));
}

static void add_vlans(json_t *nic, const json_t *device)
{
	const char *vlan = nic_value(device, "vlan"), *tagged = nic_value(device, "vlan.tagged");
	if (vlan)
		json_object_set_new(nic, "vlan",
				    json_integer(strcmp(vlan, "none") == 0 ? -1 : atoi(vlan)));
	if (tagged)
		json_object_set_new(nic, "tagged", nic_vlans(tagged));
}

static int describe_bridged(struct server *server, const struct instance_row *row, const char *name,
			    const json_t *device, json_t *nic, struct error **error)
{
	const char *network = nic_value(device, "network");
	const char *ipv4 = nic_value(device, "ipv4.address");
	add_filters(nic, device);
	add_vlans(nic, device);
	copy_text(nic, "ipv4", ipv4 ? ipv4 : nic_volatile(row, name, "ipv4.address"));
	copy_text(nic, "ipv6", nic_value(device, "ipv6.address"));
	acls_describe(device, nic);
	if (!network)
		return find_bridge(nic_value(device, "parent"), nic, error);
	nic_add_list(nic, "routes", nic_value(device, "ipv4.routes"), NULL);
	nic_add_list(nic, "routes", nic_value(device, "ipv6.routes"), NULL);
	return find_network(server, network, nic, error);
}

/* One that has its host's end. */
static int describe_veth(struct server *server, const struct instance_row *row, const char *name,
			 const json_t *device, json_t *nic, struct error **error)
{
	const char *host_name = nic_value(device, "host_name"), *type = nic_type(device);
	cleanup_free char *own = memory_printf("veth%08x", nic_hash(row->uuid, name));
	copy_text(nic, "host_name", host_name ? host_name : own);
	add_limits(nic, device);
	copy_true(nic, "down", nic_has(device, "connected", "false"));
	if (strcmp(type, "bridged") == 0)
		return describe_bridged(server, row, name, device, nic, error);
	nic_add_list(nic, "host_routes", nic_value(device, "ipv4.routes"), NULL);
	nic_add_list(nic, "host_routes", nic_value(device, "ipv6.routes"), NULL);
	return strcmp(type, "routed") == 0 ? nic_describe_routed(device, nic, error) : 0;
}

static json_t *describe(struct server *server, const struct instance_row *row, const char *name,
			const json_t *device, const json_t *devices, const json_t *nics,
			struct error **error)
{
	char inside[IFNAMSIZ];
	const char *given = nic_value(device, "name"), *address = nic_value(device, "hwaddr");
	const char *type = nic_type(device);
	pick_name(devices, nics, inside);
	json_t *nic = json_pack("{s:s, s:s}", "device", name, "name", given ? given : inside);
	copy_text(nic, "hwaddr", address ? address : nic_volatile(row, name, "hwaddr"));
	copy_number(nic, "mtu", nic_value(device, "mtu"));
	int result = strcmp(type, "bridged") == 0 || strcmp(type, "p2p") == 0 ||
				     strcmp(type, "routed") == 0
			     ? describe_veth(server, row, name, device, nic, error)
			     : nic_describe_over(server, row->uuid, device, nic, error);
	if (result == 0)
		return nic;
	json_decref(nic);
	error_prefix(error, "NIC \"%s\"", name);
	return NULL;
}

struct named {
	const char *name;
	long priority;
};

/* By names, so that eth0 is the same one after each start. */
static int compare(const void *left, const void *right)
{
	const struct named *one = left, *other = right;
	if (one->priority != other->priority)
		return one->priority > other->priority ? -1 : 1;
	return strcmp(one->name, other->name);
}

const char **nic_names(const json_t *devices, size_t *count)
{
	size_t most = json_object_size(devices) + 1;
	cleanup_free struct named *found = memory_alloc(most * sizeof(*found));
	const char **names = memory_alloc(most * sizeof(*names));
	const char *key;
	json_t *device;
	*count = 0;
	json_object_foreach ((json_t *)devices, key, device) {
		const char *priority = nic_value(device, "boot.priority");
		if (nic_is(device))
			found[(*count)++] = (struct named){key, priority ? atol(priority) : 0};
	}
	qsort(found, *count, sizeof(*found), compare);
	for (size_t i = 0; i < *count; i++)
		names[i] = found[i].name;
	return names;
}

static int check_unique(const json_t *nics, const json_t *nic, struct error **error)
{
	size_t i;
	const json_t *other;
	json_array_foreach (nics, i, other)
		if (nic_has(other, "name", nic_value(nic, "name")))
			return error_set(error, ERROR_INVALID,
					 "devices \"%s\" and \"%s\" are both named \"%s\" in the "
					 "instance",
					 nic_value(other, "device"), nic_value(nic, "device"),
					 nic_value(nic, "name"));
	return 0;
}

json_t *nics_spec(struct server *server, const struct instance_row *row, const json_t *devices,
		  struct error **error)
{
	size_t count;
	cleanup_free const char **names = nic_names(devices, &count);
	json_t *nics = json_array();
	for (size_t i = 0; i < count; i++) {
		const json_t *device = json_object_get(devices, names[i]);
		if (nic_has(device, "attached", "false"))
			continue;
		json_t *nic = describe(server, row, names[i], device, devices, nics, error);
		if (!nic || check_unique(nics, nic, error) < 0) {
			json_decref(nic);
			json_decref(nics);
			return NULL;
		}
		json_array_append_new(nics, nic);
	}
	return nics;
}

/* What can be changed of an interface that is there, or is no matter of it. */
static bool is_adjustable(const char *key)
{
	static const char *const keys[] = {"isolated",	 "hairpin",	"ingress",     "egress",
					   "mac_filter", "ipv4_filter", "ipv6_filter", "ipv4",
					   "ipv6",	 "network",	"priority",    "down",
					   "routes",	 "via4",	"via6",	       "acls"};
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (strcmp(keys[i], key) == 0)
			return true;
	return false;
}

static bool has_all(const json_t *one, const json_t *other)
{
	const char *key;
	json_t *value;
	json_object_foreach ((json_t *)one, key, value)
		if (!is_adjustable(key) && !json_equal(value, json_object_get(other, key)))
			return false;
	return true;
}

static bool is_same_link(const json_t *one, const json_t *other)
{
	return has_all(one, other) && has_all(other, one);
}

static const json_t *find_same(const json_t *nics, const json_t *wanted)
{
	size_t i;
	const json_t *nic;
	json_array_foreach (nics, i, nic)
		if (is_same_link(nic, wanted))
			return nic;
	return NULL;
}

static int remove_missing(const json_t *old, const json_t *new, pid_t pid, struct error **error)
{
	size_t i;
	const json_t *nic;
	json_array_foreach (old, i, nic)
		if (!find_same(new, nic) && nics_remove(nic, pid, error) < 0)
			return -1;
	return 0;
}

int nics_replug(const json_t *old, const json_t *new, pid_t pid, struct error **error)
{
	size_t i;
	json_t *nic;
	json_t *added = json_array();
	int result = remove_missing(old, new, pid, error);
	json_array_foreach (new, i, nic) {
		const json_t *before = find_same(old, nic);
		if (!before)
			json_array_append(added, nic);
		else if (result == 0 && !json_equal(before, nic))
			result = nics_adjust(nic, error);
	}
	if (result == 0)
		result = nics_create(added, pid, error);
	json_decref(added);
	return result;
}
