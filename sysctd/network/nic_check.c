/*
 * What may be said of a NIC (nic.h): the values of its keys, and which keys each
 * nictype has. Names and meanings are LXD's.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "instance/config_keys_values.h"
#include "link_kinds.h"
#include "links.h"
#include "memory.h"
#include "network/addresses.h"
#include "network/network.h"
#include "network/nic.h"
#include "routes.h"

static const char bridged_keys[] =
	" network parent host_name ipv4.address ipv6.address ipv4.routes ipv6.routes "
	"limits.egress limits.ingress limits.max limits.priority queue.tx.length connected "
	"security.mac_filtering security.ipv4_filtering security.ipv6_filtering "
	"security.port_isolation vlan vlan.tagged security.acls "
	"security.acls.default.ingress.action security.acls.default.ingress.logged "
	"security.acls.default.egress.action security.acls.default.egress.logged ";
static const char p2p_keys[] = " host_name ipv4.routes ipv6.routes limits.ingress "
			       "queue.tx.length connected ";
static const char routed_keys[] =
	" parent host_name ipv4.address ipv6.address ipv4.gateway ipv6.gateway ipv4.host_address "
	"ipv6.host_address ipv4.host_table ipv6.host_table ipv4.routes ipv6.routes limits.ingress "
	"queue.tx.length connected vlan gvrp ";
static const char macvlan_keys[] = " parent mode vlan gvrp ";
static const char ipvlan_keys[] =
	" parent mode vlan gvrp ipv4.address ipv6.address ipv4.gateway ipv6.gateway ";
static const char physical_keys[] = " parent vlan gvrp ";
static const char common_keys[] = " type nictype name hwaddr mtu boot.priority attached ";

static const struct nictype {
	const char *name, *keys;
	bool needs_parent;
} types[] = {
	{"bridged", bridged_keys, true}, {"p2p", p2p_keys, false},
	{"routed", routed_keys, false},	 {"macvlan", macvlan_keys, true},
	{"ipvlan", ipvlan_keys, true},	 {"physical", physical_keys, true},
};

static const struct nictype *find_type(const char *name)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(types[i].name, name) == 0)
			return &types[i];
	return NULL;
}

const char *nic_type(const json_t *device)
{
	return nic_value(device, "network") ? "bridged" : nic_value(device, "nictype");
}

int nic_check_type(const char *value, struct error **error)
{
	if (find_type(value))
		return 0;
	if (strcmp(value, "sriov") == 0 || strcmp(value, "ovn") == 0)
		return error_set(error, ERROR_UNSUPPORTED,
				 "NICs of nictype \"%s\" are not supported by sysct", value);
	return error_set(error, ERROR_INVALID,
			 "\"%s\" is no nictype: use bridged, p2p, routed, macvlan, ipvlan or "
			 "physical",
			 value);
}

/* ---- values ---- */

/* "10Mbit", as LXD has it: bits in a second, in decimal or binary units. */
json_int_t nic_rate(const char *text)
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

int nic_check_name(const char *value, struct error **error)
{
	return link_check_name(value, error);
}

int nic_check_hwaddr(const char *value, struct error **error)
{
	uint8_t address[LINK_ADDRESS_SIZE];
	if (link_address_parse(value, address))
		return 0;
	return error_set(error, ERROR_INVALID,
			 "\"%s\" is not a MAC address, such as 00:16:3e:01:02:03", value);
}

static int check_number(const char *value, long long least, long long most, const char *what,
			struct error **error)
{
	char *end;
	long long number = strtoll(value, &end, 10);
	if (isdigit((unsigned char)*value) && !*end && number >= least && number <= most)
		return 0;
	return error_set(error, ERROR_INVALID, "\"%s\" is not %s between %lld and %lld", value,
			 what, least, most);
}

int nic_check_mtu(const char *value, struct error **error)
{
	return check_number(value, 68, 65535, "an MTU", error);
}

int nic_check_queue(const char *value, struct error **error)
{
	return check_number(value, 1, 1000000, "a number of packets", error);
}

int nic_check_priority(const char *value, struct error **error)
{
	return check_number(value, 0, 65535, "a priority", error);
}

int nic_check_order(const char *value, struct error **error)
{
	return check_number(value, 0, 1000000, "a priority", error);
}

int nic_check_table(const char *value, struct error **error)
{
	return check_number(value, 1, UINT32_MAX, "a routing table", error);
}

int nic_check_bool(const char *value, struct error **error)
{
	if (strcasecmp(value, "true") == 0 || strcasecmp(value, "false") == 0)
		return 0;
	return error_set(error, ERROR_INVALID, "\"%s\" is not true or false", value);
}

int nic_check_rate(const char *value, struct error **error)
{
	if (value[0] >= '0' && value[0] <= '9' && nic_rate(value) > 0)
		return 0;
	return error_set(error, ERROR_INVALID,
			 "\"%s\" is not a rate: bits in a second, such as 10Mbit", value);
}

int nic_check_vlan(const char *value, struct error **error)
{
	return strcmp(value, "none") == 0 ? 0
					  : check_number(value, 1, VLAN_MAX, "a VLAN ID", error);
}

/* Appends the IDs of "10,20-29" to @ids, which may be NULL. */
static int parse_vlans(const char *value, json_t *ids, struct error **error)
{
	cleanup_free char *copy = memory_strdup(value);
	char *rest = copy;
	for (char *one; (one = strsep(&rest, ","));) {
		char *dash = strchr(one, '-');
		if (dash)
			*dash = '\0';
		if (check_number(one, 1, VLAN_MAX, "a VLAN ID", error) < 0 ||
		    (dash && check_number(dash + 1, atoi(one), VLAN_MAX, "a VLAN ID", error) < 0))
			return -1;
		int last = dash ? atoi(dash + 1) : atoi(one);
		for (int id = atoi(one); ids && id <= last; id++)
			json_array_append_new(ids, json_integer(id));
	}
	return 0;
}

int nic_check_vlans(const char *value, struct error **error)
{
	return parse_vlans(value, NULL, error);
}

json_t *nic_vlans(const char *value)
{
	json_t *ids = json_array();
	parse_vlans(value, ids, NULL);
	return ids;
}

/* Each of a list is an address, where @prefix is allowed also with one behind it. */
static int check_list(int family, bool prefix, const char *value, struct error **error)
{
	cleanup_free char *copy = memory_strdup(value);
	char *rest = copy;
	for (char *one; (one = strsep(&rest, ","));) {
		struct route route;
		if (!route_parse(one, &route) || route.family != family ||
		    (!prefix && strchr(one, '/')))
			return error_set(error, ERROR_INVALID, "\"%s\" is not an IPv%d %s", one,
					 family == AF_INET ? 4 : 6, prefix ? "subnet" : "address");
	}
	return 0;
}

int nic_check_ipv4(const char *value, struct error **error)
{
	return check_list(AF_INET, false, value, error);
}

int nic_check_ipv6(const char *value, struct error **error)
{
	return check_list(AF_INET6, false, value, error);
}

int nic_check_routes4(const char *value, struct error **error)
{
	return check_list(AF_INET, true, value, error);
}

int nic_check_routes6(const char *value, struct error **error)
{
	return check_list(AF_INET6, true, value, error);
}

static int check_gateway(int family, const char *value, struct error **error)
{
	struct address address;
	if (strcmp(value, "auto") == 0 || strcmp(value, "none") == 0 ||
	    address_parse(family, value, &address))
		return 0;
	return error_set(error, ERROR_INVALID, "\"%s\" is not auto, none or an IPv%d address",
			 value, family == AF_INET ? 4 : 6);
}

int nic_check_gateway4(const char *value, struct error **error)
{
	return check_gateway(AF_INET, value, error);
}

int nic_check_gateway6(const char *value, struct error **error)
{
	return check_gateway(AF_INET6, value, error);
}

int nic_check_mode(const char *value, struct error **error)
{
	static const char *const modes[] = {"bridge", "vepa", "passthru", "private",
					    "l2",     "l3",   "l3s"};
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (strcmp(value, modes[i]) == 0)
			return 0;
	return error_set(error, ERROR_INVALID,
			 "\"%s\" is no mode: macvlan has bridge, vepa, passthru and private, "
			 "ipvlan l2, l3 and l3s",
			 value);
}

/* ---- keys together ---- */

bool nic_is_true(const json_t *device, const char *key)
{
	const char *value = nic_value(device, key);
	return value && strcasecmp(value, "true") == 0;
}

static bool is_in(const char *keys, const char *key)
{
	cleanup_free char *word = memory_printf(" %s ", key);
	return strstr(keys, word);
}

static int check_keys(const json_t *device, const struct nictype *type, struct error **error)
{
	const char *key;
	json_t *value;
	json_object_foreach ((json_t *)device, key, value)
		if (*json_string_value(value) && !is_in(common_keys, key) &&
		    !is_in(type->keys, key))
			return error_set(error, ERROR_INVALID,
					 "a NIC of nictype \"%s\" has no key \"%s\"", type->name,
					 key);
	return 0;
}

/* What sysct must know the addresses of the network for. */
static int check_unmanaged(const json_t *device, struct error **error)
{
	static const char *const keys[] = {"ipv4.address", "ipv6.address", "ipv4.routes",
					   "ipv6.routes", "security.acls"};
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (nic_value(device, keys[i]))
			return error_set(error, ERROR_INVALID,
					 "\"%s\" can be set on a bridged NIC of a managed network "
					 "only",
					 keys[i]);
	if (nic_is_true(device, "security.ipv4_filtering") ||
	    nic_is_true(device, "security.ipv6_filtering"))
		return error_set(error, ERROR_INVALID,
				 "security.ipv4_filtering and security.ipv6_filtering need "
				 "\"network\": only there sysct knows its addresses");
	return 0;
}

static int check_acls(const json_t *device, struct error **error)
{
	const char *key;
	json_t *value;
	bool any = nic_value(device, "security.acls");
	json_object_foreach ((json_t *)device, key, value)
		if (!any && strncmp(key, "security.acls.", 14) == 0 && nic_value(device, key))
			return error_set(error, ERROR_INVALID, "\"%s\" needs \"security.acls\"",
					 key);
	/* They would not be looked into. */
	if (any && nic_value(device, "vlan.tagged"))
		return error_set(error, ERROR_INVALID,
				 "\"security.acls\" and \"vlan.tagged\" exclude each other");
	return 0;
}

static int check_bridged(const json_t *device, struct error **error)
{
	static const char *const keys[] = {"ipv4.address", "ipv6.address"};
	if (check_acls(device, error) < 0)
		return -1;
	if (!nic_value(device, "network"))
		return check_unmanaged(device, error);
	for (int i = 0; i < 2; i++) {
		const char *value = nic_value(device, keys[i]);
		if (value && strchr(value, ','))
			return error_set(error, ERROR_INVALID,
					 "\"%s\" of a bridged NIC is one address", keys[i]);
	}
	return 0;
}

static bool is_mode_of(const json_t *device, const char *modes)
{
	const char *mode = nic_value(device, "mode");
	return !mode || is_in(modes, mode);
}

static int check_ipvlan(const json_t *device, struct error **error)
{
	const char *mode = nic_value(device, "mode");
	bool l2 = mode && strcmp(mode, "l2") == 0;
	if (!is_mode_of(device, " l2 l3 l3s "))
		return error_set(error, ERROR_INVALID, "an ipvlan has the modes l2, l3 and l3s");
	if (!l2 && !nic_value(device, "ipv4.address") && !nic_value(device, "ipv6.address"))
		return error_set(error, ERROR_INVALID,
				 "an ipvlan in mode l3 or l3s needs ipv4.address or ipv6.address: "
				 "there is no DHCP");
	return 0;
}

static int check_by_type(const json_t *device, const struct nictype *type, struct error **error)
{
	if (strcmp(type->name, "bridged") == 0)
		return check_bridged(device, error);
	if (strcmp(type->name, "ipvlan") == 0)
		return check_ipvlan(device, error);
	if (strcmp(type->name, "macvlan") == 0 && !is_mode_of(device, " bridge vepa passthru "
								      "private "))
		return error_set(error, ERROR_INVALID,
				 "a macvlan has the modes bridge, vepa, passthru and private");
	if (strcmp(type->name, "routed") == 0 && !nic_value(device, "ipv4.address") &&
	    !nic_value(device, "ipv6.address"))
		return error_set(
			error, ERROR_INVALID,
			"a routed NIC needs ipv4.address or ipv6.address: there is no DHCP");
	return 0;
}

int nic_check_device(const json_t *device, struct error **error)
{
	const char *network = nic_value(device, "network"), *name = nic_type(device);
	const char *parent = nic_value(device, "parent"), *vlan = nic_value(device, "vlan");
	if (network && (nic_value(device, "nictype") || parent))
		return error_set(
			error, ERROR_INVALID,
			"it has \"network\": then \"nictype\" and \"parent\" must not be set");
	const struct nictype *type = name ? find_type(name) : NULL;
	if (!type)
		return error_set(error, ERROR_INVALID, "it needs \"network\", or \"nictype\"");
	if (check_keys(device, type, error) < 0)
		return -1;
	if (!network && type->needs_parent && !parent)
		return error_set(error, ERROR_INVALID,
				 "it needs \"parent\", an interface of the host");
	if (vlan && strcmp(name, "bridged") != 0 && (!parent || strcmp(vlan, "none") == 0))
		return error_set(error, ERROR_INVALID, "\"vlan\" needs \"parent\", and a number");
	return check_by_type(device, type, error);
}
