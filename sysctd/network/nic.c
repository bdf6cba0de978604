/* See nic.h: what a device of type nic means. */
#include "network/nic.h"

#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "links.h"
#include "memory.h"
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

int nic_check_name(const char *value, struct error **error)
{
	return link_check_name(value, error);
}

int nic_check_type(const char *value, struct error **error)
{
	static const char *const later[] = {"macvlan", "ipvlan",   "sriov",
					    "routed",  "physical", "ovn"};
	if (strcmp(value, "bridged") == 0 || strcmp(value, "p2p") == 0)
		return 0;
	for (size_t i = 0; i < sizeof(later) / sizeof(later[0]); i++)
		if (strcmp(value, later[i]) == 0)
			return error_set(error, ERROR_UNSUPPORTED,
					 "NICs of nictype \"%s\" are not supported by sysct yet",
					 value);
	return error_set(error, ERROR_INVALID, "\"%s\" is no nictype: use bridged or p2p", value);
}

int nic_check_hwaddr(const char *value, struct error **error)
{
	uint8_t address[LINK_ADDRESS_SIZE];
	if (link_address_parse(value, address))
		return 0;
	return error_set(error, ERROR_INVALID,
			 "\"%s\" is not a MAC address, such as 00:16:3e:01:02:03", value);
}

int nic_check_mtu(const char *value, struct error **error)
{
	char *end;
	long number = strtol(value, &end, 10);
	if (*value && !*end && number >= 68 && number <= 65535)
		return 0;
	return error_set(error, ERROR_INVALID, "\"%s\" is not an MTU between 68 and 65535", value);
}

int nic_check_ipv4(const char *value, struct error **error)
{
	struct address address;
	if (address_parse(AF_INET, value, &address))
		return 0;
	return error_set(error, ERROR_INVALID, "\"%s\" is not an IPv4 address", value);
}

int nic_check_ipv6(const char *value, struct error **error)
{
	struct address address;
	if (address_parse(AF_INET6, value, &address))
		return 0;
	return error_set(error, ERROR_INVALID, "\"%s\" is not an IPv6 address", value);
}

int nic_check_bool(const char *value, struct error **error)
{
	if (strcasecmp(value, "true") == 0 || strcasecmp(value, "false") == 0)
		return 0;
	return error_set(error, ERROR_INVALID, "\"%s\" is not true or false", value);
}

static bool is_true(const json_t *device, const char *key)
{
	const char *value = nic_value(device, key);
	return value && strcasecmp(value, "true") == 0;
}

int nic_check_device(const json_t *device, struct error **error)
{
	const char *network = nic_value(device, "network"), *type = nic_value(device, "nictype");
	const char *parent = nic_value(device, "parent");
	bool p2p = nic_has(device, "nictype", "p2p");
	if (network && (type || parent))
		return error_set(
			error, ERROR_INVALID,
			"it has \"network\": then \"nictype\" and \"parent\" must not be set");
	if (!network && !type)
		return error_set(error, ERROR_INVALID, "it needs \"network\", or \"nictype\"");
	if (!network && !p2p && !parent)
		return error_set(error, ERROR_INVALID, "it needs \"parent\", the bridge");
	if (p2p && parent)
		return error_set(error, ERROR_INVALID, "a p2p NIC has no \"parent\"");
	if (!network && (is_true(device, "security.ipv4_filtering") ||
			 is_true(device, "security.ipv6_filtering")))
		return error_set(error, ERROR_INVALID,
				 "security.ipv4_filtering and security.ipv6_filtering need "
				 "\"network\": only there sysct knows its addresses");
	if (p2p && (is_true(device, "security.mac_filtering") ||
		    nic_value(device, "limits.egress") || nic_value(device, "limits.max")))
		return error_set(
			error, ERROR_UNSUPPORTED,
			"security.mac_filtering, limits.egress and limits.max need a bridge");
	if (!network && (nic_value(device, "ipv4.address") || nic_value(device, "ipv6.address")))
		return error_set(error, ERROR_INVALID,
				 "addresses can be set on a NIC of a managed network only");
	return 0;
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
	networks_release(server);
	json_object_set_new(nic, "network", json_string(name));
	json_object_set_new(nic, "bridge", json_string(name));
	return result;
}

static int find_parent(const char *name, json_t *nic, struct error **error)
{
	if (!name)
		return 0; /* p2p */
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

/* "10Mbit", as LXD has it: bits in a second, in decimal or binary units. */
static json_int_t parse_rate(const char *text)
{
	static const struct {
		const char *suffix;
		double factor;
	} units[] = {{"", 1},
		     {"bit", 1},
		     {"kbit", 1e3},
		     {"Mbit", 1e6},
		     {"Gbit", 1e9},
		     {"Tbit", 1e12},
		     {"Kibit", 1024},
		     {"Mibit", 1048576},
		     {"Gibit", 1073741824},
		     {"Tibit", 1099511627776.0}};
	char *end;
	unsigned long long number = strtoull(text, &end, 10);
	for (size_t i = 0; end != text && i < sizeof(units) / sizeof(units[0]); i++)
		if (strcmp(end, units[i].suffix) == 0)
			return (json_int_t)((double)number * units[i].factor / 8);
	return 0;
}

int nic_check_rate(const char *value, struct error **error)
{
	if (value[0] >= '0' && value[0] <= '9' && parse_rate(value) > 0)
		return 0;
	return error_set(error, ERROR_INVALID,
			 "\"%s\" is not a rate: bits in a second, such as 10Mbit", value);
}

static void add_limits(json_t *nic, const json_t *device)
{
	static const char *const keys[][2] = {{"ingress", "limits.ingress"},
					      {"egress", "limits.egress"}};
	for (int i = 0; i < 2; i++) {
		const char *own = nic_value(device, keys[i][1]);
		const char *rate = own ? own : nic_value(device, "limits.max");
		if (rate)
			json_object_set_new(nic, keys[i][0], json_integer(parse_rate(rate)));
	}
}

/* Each kind of filter needs the one before: an address is worth nothing without the MAC. */
static void add_filters(json_t *nic, const json_t *device)
{
	bool ipv4 = is_true(device, "security.ipv4_filtering");
	bool ipv6 = is_true(device, "security.ipv6_filtering");
	if (ipv4 || ipv6 || is_true(device, "security.mac_filtering"))
		json_object_set_new(nic, "mac_filter", json_true());
	if (ipv4)
		json_object_set_new(nic, "ipv4_filter", json_true());
	if (ipv6)
		json_object_set_new(nic, "ipv6_filter", json_true());
	if (is_true(device, "security.port_isolation"))
		json_object_set_new(nic, "isolated", json_true());
}

static json_t *describe(struct server *server, const struct instance_row *row, const char *name,
			const json_t *device, const json_t *devices, const json_t *nics,
			struct error **error)
{
	char inside[IFNAMSIZ];
	const char *given = nic_value(device, "name"), *mtu = nic_value(device, "mtu");
	const char *address = nic_value(device, "hwaddr"), *network = nic_value(device, "network");
	const char *host_name = nic_value(device, "host_name");
	const char *ipv4 = nic_value(device, "ipv4.address");
	cleanup_free char *own = memory_printf("veth%08x", nic_hash(row->uuid, name));
	pick_name(devices, nics, inside);
	json_t *nic = json_pack("{s:s, s:s, s:s, s:s}", "device", name, "name",
				given ? given : inside, "host_name", host_name ? host_name : own,
				"hwaddr", address ? address : nic_volatile(row, name, "hwaddr"));
	if (!nic) {
		error_set(error, ERROR_INTERNAL, "NIC \"%s\" has no MAC address", name);
		return NULL;
	}
	if (mtu)
		json_object_set_new(nic, "mtu", json_integer(strtol(mtu, NULL, 10)));
	add_filters(nic, device);
	add_limits(nic, device);
	copy_text(nic, "ipv4", ipv4 ? ipv4 : nic_volatile(row, name, "ipv4.address"));
	copy_text(nic, "ipv6", nic_value(device, "ipv6.address"));
	if ((network ? find_network(server, network, nic, error)
		     : find_parent(nic_value(device, "parent"), nic, error)) == 0)
		return nic;
	json_decref(nic);
	error_prefix(error, "NIC \"%s\"", name);
	return NULL;
}

/* In the order of the devices' names, so that eth0 is the same one after each start. */
static int compare_keys(const void *left, const void *right)
{
	return strcmp(*(const char *const *)left, *(const char *const *)right);
}

const char **nic_names(const json_t *devices, size_t *count)
{
	const char **names = memory_alloc((json_object_size(devices) + 1) * sizeof(*names));
	const char *key;
	json_t *device;
	*count = 0;
	json_object_foreach ((json_t *)devices, key, device)
		if (nic_is(device))
			names[(*count)++] = key;
	qsort(names, *count, sizeof(*names), compare_keys);
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
		json_t *nic = describe(server, row, names[i], json_object_get(devices, names[i]),
				       devices, nics, error);
		if (!nic || check_unique(nics, nic, error) < 0) {
			json_decref(nic);
			json_decref(nics);
			return NULL;
		}
		json_array_append_new(nics, nic);
	}
	return nics;
}

/* What cannot be changed of an interface that is there. */
static bool is_same_link(const json_t *one, const json_t *other)
{
	static const char *const keys[] = {"device", "name",   "host_name",
					   "hwaddr", "bridge", "mtu"};
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const json_t *a = json_object_get(one, keys[i]),
			     *b = json_object_get(other, keys[i]);
		if (a != b && !(a && b && json_equal(a, b)))
			return false;
	}
	return true;
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

static int remove_missing(const json_t *old, const json_t *new, struct error **error)
{
	cleanup_netlink struct netlink netlink = NETLINK_INIT;
	size_t i;
	const json_t *nic;
	if (netlink_open(&netlink, error) < 0)
		return -1;
	json_array_foreach (old, i, nic)
		if (!find_same(new, nic) &&
		    link_delete(&netlink, nic_value(nic, "host_name"), error) < 0)
			return -1;
	return 0;
}

int nics_replug(const json_t *old, const json_t *new, pid_t pid, struct error **error)
{
	size_t i;
	json_t *nic;
	json_t *added = json_array();
	int result = remove_missing(old, new, error);
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
