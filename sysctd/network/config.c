/* The configuration keys of a managed bridge (network.h): names and meanings are LXD's. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "instance/config_keys_values.h"
#include "links.h"
#include "memory.h"
#include "network/acl.h"
#include "network/network.h"
#include "network/nic.h"
#include "routes.h"

static int fail(const char *value, const char *wanted, struct error **error)
{
	return error_set(error, ERROR_INVALID, "\"%s\" is not %s", value, wanted);
}

static int check_any(const char *value, struct error **error)
{
	(void)value;
	(void)error;
	return 0;
}

static int check_bool(const char *value, struct error **error)
{
	bool parsed;
	return bool_parse(value, &parsed, NULL) == 0 ? 0 : fail(value, "true or false", error);
}

static int check_driver(const char *value, struct error **error)
{
	return strcmp(value, "native") == 0
		       ? 0
		       : error_set(error, ERROR_UNSUPPORTED,
				   "the bridge driver \"%s\" is not supported: only native", value);
}

static int check_interfaces(const char *value, struct error **error)
{
	cleanup_free char *copy = memory_strdup(value);
	char *rest = copy;
	for (char *name; (name = strsep(&rest, ","));)
		if (link_check_name(name, error) < 0)
			return -1;
	return 0;
}

static int check_domain(const char *value, struct error **error)
{
	bool good = strlen(value) <= 253 && isalnum((unsigned char)*value);
	for (const char *at = value; good && *at; at++)
		good = isalnum((unsigned char)*at) || *at == '-' || *at == '_' ||
		       (*at == '.' && at[1] != '.');
	return good ? 0 : fail(value, "a domain name", error);
}

static int check_domains(const char *value, struct error **error)
{
	cleanup_free char *copy = memory_strdup(value);
	char *rest = copy;
	for (char *name; (name = strsep(&rest, ","));)
		if (check_domain(name, error) < 0)
			return -1;
	return 0;
}

static int check_dns_mode(const char *value, struct error **error)
{
	bool good = strcmp(value, "managed") == 0 || strcmp(value, "dynamic") == 0 ||
		    strcmp(value, "none") == 0;
	return good ? 0 : fail(value, "managed, dynamic or none", error);
}

static int check_servers(const char *value, struct error **error)
{
	cleanup_free char *copy = memory_strdup(value);
	struct address address;
	char *rest = copy;
	for (char *one; (one = strsep(&rest, ","));)
		if (!address_parse(AF_UNSPEC, one, &address))
			return fail(one, "an IP address", error);
	return 0;
}

static int check_subnet(int family, int longest, const char *value, struct error **error)
{
	struct subnet subnet;
	if (strcmp(value, "none") == 0 || strcmp(value, "auto") == 0)
		return 0;
	if (subnet_parse(family, value, &subnet, error) < 0)
		return -1;
	struct address first = subnet_network(&subnet), last = subnet_last(&subnet);
	if (subnet.prefix > longest || address_equal(&first, &subnet.address) ||
	    address_equal(&last, &subnet.address))
		return error_set(error, ERROR_INVALID,
				 "\"%s\" must be the address of a host in a subnet of at most /%d",
				 value, longest);
	return 0;
}

static int check_ipv4(const char *value, struct error **error)
{
	return check_subnet(AF_INET, 30, value, error);
}

static int check_ipv6(const char *value, struct error **error)
{
	return check_subnet(AF_INET6, 126, value, error);
}

static int check_expiry(const char *value, struct error **error)
{
	char *end;
	unsigned long number = strtoul(value, &end, 10);
	bool good = isdigit((unsigned char)*value) && number > 0 &&
		    (!*end || (strchr("smhdw", *end) && !end[1]));
	return good || strcmp(value, "infinite") == 0
		       ? 0
		       : fail(value, "a time such as 1h, 30m or infinite", error);
}

static int check_gateway(const char *value, struct error **error)
{
	struct address address;
	return strcmp(value, "none") == 0 || address_parse(AF_INET, value, &address)
		       ? 0
		       : fail(value, "an IPv4 address or \"none\"", error);
}

static int check_address(const char *value, struct error **error)
{
	struct address address;
	return address_parse(AF_UNSPEC, value, &address) ? 0 : fail(value, "an IP address", error);
}

static int check_dhcp_routes(const char *value, struct error **error)
{
	cleanup_free char *copy = memory_strdup(value);
	char *rest = copy;
	for (char *to; (to = strsep(&rest, ","));) {
		const char *gateway = rest ? strsep(&rest, ",") : "";
		struct address address;
		struct route route;
		if (!route_parse(to, &route) || route.family != AF_INET ||
		    !address_parse(AF_INET, gateway, &address))
			return fail(value, "a list of pairs SUBNET,GATEWAY", error);
	}
	return 0;
}

static int check_order(const char *value, struct error **error)
{
	return strcmp(value, "before") == 0 || strcmp(value, "after") == 0
		       ? 0
		       : fail(value, "before or after", error);
}

static const struct {
	const char *name, *fallback;
	int (*check)(const char *value, struct error **error);
	const char *help;
} keys[] = {
	{"bridge.driver", "native", check_driver, "How the bridge is made. Only `native`."},
	{"bridge.external_interfaces", NULL, check_interfaces,
	 "Interfaces of the host, separated by commas, that are in the bridge too."},
	{"bridge.hwaddr", NULL, nic_check_hwaddr,
	 "MAC address of the bridge. Unset: one made from its name, the same after every start."},
	{"bridge.mtu", "1500", nic_check_mtu, "MTU of the bridge and of the NICs in it."},
	{"dns.domain", "sysct", check_domain, "Domain of the instances: `mybox.sysct`."},
	{"dns.mode", "managed", check_dns_mode,
	 "`managed`: names of instances, as sysct knows them. `dynamic`: those that DHCP clients "
	 "tell. `none`: no names."},
	{"dns.nameservers", NULL, check_servers,
	 "DNS servers that instances are told, separated by commas. Unset: the bridge's "
	 "addresses."},
	{"dns.search", NULL, check_domains,
	 "Search list that instances are told. Unset: `dns.domain`."},
	{"dns.zone.forward", NULL, check_domains,
	 "Zones, separated by commas, that have the names of the instances: `mybox.ZONE`."},
	{"dns.zone.reverse.ipv4", NULL, check_domain,
	 "Zone below `in-addr.arpa` that has the reverse names: those of the first forward zone."},
	{"dns.zone.reverse.ipv6", NULL, check_domain, "The same below `ip6.arpa`."},
	{"ipv4.address", NULL, check_ipv4,
	 "Address and prefix of the bridge, `auto` for a random free subnet, or `none`."},
	{"ipv4.dhcp", "true", check_bool, "Whether instances get addresses by DHCP."},
	{"ipv4.dhcp.expiry", "1h", check_expiry, "How long a lease lasts."},
	{"ipv4.dhcp.gateway", NULL, check_gateway,
	 "Gateway that instances are told, or `none`. Unset: the bridge."},
	{"ipv4.dhcp.ranges", NULL, check_any,
	 "Ranges `FIRST-LAST`, separated by commas, to give addresses from. Unset: all."},
	{"ipv4.dhcp.routes", NULL, check_dhcp_routes,
	 "Routes that DHCP tells: `SUBNET,GATEWAY`, and more such pairs (option 121)."},
	{"ipv4.firewall", "true", check_bool,
	 "Whether rules accept what instances send through the host and its DHCP and DNS."},
	{"ipv4.nat", "false", check_bool,
	 "Whether packets that leave the network get the host's address. `true` where "
	 "`ipv4.address` "
	 "was `auto`."},
	{"ipv4.nat.address", NULL, check_address,
	 "Source address of what leaves, in place of the host's."},
	{"ipv4.nat.order", "before", check_order,
	 "For LXD's clients: the order of rules, which means nothing to nftables."},
	{"ipv4.routes", NULL, nic_check_routes4,
	 "Subnets, separated by commas, that the host reaches through the bridge too."},
	{"ipv4.routing", "true", check_bool, "Whether the host forwards packets of the network."},
	{"ipv6.address", NULL, check_ipv6,
	 "Address and prefix of the bridge, `auto` for a random private one, or `none`."},
	{"ipv6.dhcp", "true", check_bool,
	 "Whether DHCPv6 tells instances more than their address."},
	{"ipv6.dhcp.expiry", "1h", check_expiry, "How long a lease lasts."},
	{"ipv6.dhcp.ranges", NULL, check_any, "Ranges for `ipv6.dhcp.stateful`. Unset: all."},
	{"ipv6.dhcp.stateful", "false", check_bool, "Whether addresses are given by DHCPv6."},
	{"ipv6.firewall", "true", check_bool, "As `ipv4.firewall`."},
	{"ipv6.nat", "false", check_bool, "As `ipv4.nat`."},
	{"ipv6.nat.address", NULL, check_address, "As `ipv4.nat.address`."},
	{"ipv6.nat.order", "before", check_order, "As `ipv4.nat.order`."},
	{"ipv6.ra", "true", check_bool, "Whether the bridge sends router advertisements."},
	{"ipv6.routes", NULL, nic_check_routes6, "As `ipv4.routes`."},
	{"ipv6.routing", "true", check_bool, "As `ipv4.routing`."},
	{"raw.dnsmasq", NULL, check_any, "Lines for the configuration of dnsmasq."},
	{"security.acls", NULL, acl_check_list,
	 "Network ACLs, separated by commas, for what enters and leaves the network."},
	{"security.acls.default.egress.action", "reject", acl_check_default,
	 "`allow`, `drop` or `reject`: what leaves it and matches no rule."},
	{"security.acls.default.egress.logged", "false", nic_check_bool, "`true`: that is logged."},
	{"security.acls.default.ingress.action", "reject", acl_check_default,
	 "`allow`, `drop` or `reject`: what enters it and matches no rule."},
	{"security.acls.default.ingress.logged", "false", nic_check_bool,
	 "`true`: that is logged."},
	{"user.*", NULL, check_any, "Anything; sysct only keeps it."},
};

static const char *const unsupported[] = {
	"bgp.",	     "bridge.multicast_snooping",
	"ipv4.ovn.", "ipv6.ovn.",
	"security.", "tunnel.",
	"fan.",	     "maas.",
	NULL,
};

enum { KEY_COUNT = sizeof(keys) / sizeof(keys[0]) };

const char *network_config_key(size_t index, const char **fallback, const char **help)
{
	if (index >= KEY_COUNT)
		return NULL;
	*fallback = keys[index].fallback;
	*help = keys[index].help;
	return keys[index].name;
}

static int find(const char *key)
{
	if (strncmp(key, "user.", 5) == 0)
		key = "user.*";
	for (int i = 0; i < KEY_COUNT; i++)
		if (strcmp(keys[i].name, key) == 0)
			return i;
	return -1;
}

const char *network_config_get(const json_t *config, const char *key)
{
	const char *value = json_string_value(json_object_get(config, key));
	int row = value && *value ? -1 : find(key);
	return row < 0 ? value : keys[row].fallback;
}

bool network_config_bool(const json_t *config, const char *key)
{
	const char *value = network_config_get(config, key);
	bool result = false;
	return value && bool_parse(value, &result, NULL) == 0 && result;
}

static int check_key(const char *key, const char *value, struct error **error)
{
	int row = find(key);
	for (const char *const *prefix = unsupported; row < 0 && *prefix; prefix++)
		if (strncmp(key, *prefix, strlen(*prefix)) == 0)
			return error_set(error, ERROR_UNSUPPORTED,
					 "\"%s\" of a network is not supported by sysct yet", key);
	if (row < 0)
		return error_set(error, ERROR_INVALID, "a network has no key \"%s\"", key);
	return keys[row].check(value, error) < 0 ? error_prefix(error, "%s", key) : 0;
}

/* "auto" becomes a free subnet; then NAT is on unless it was said otherwise. */
static int resolve_auto(json_t *config, int family, bool new, struct error **error)
{
	const char *key = family == AF_INET ? "ipv4.address" : "ipv6.address";
	const char *nat = family == AF_INET ? "ipv4.nat" : "ipv6.nat";
	const char *value = json_string_value(json_object_get(config, key));
	char text[ADDRESS_TEXT];
	struct subnet subnet;
	if (value ? strcmp(value, "auto") != 0 : !new)
		return 0;
	if (subnet_pick_free(family, &subnet, error) < 0)
		return -1;
	address_format(&subnet.address, text);
	json_object_set_new(config, key, json_sprintf("%s/%d", text, subnet.prefix));
	if (!json_object_get(config, nat))
		json_object_set_new(config, nat, json_string("true"));
	return 0;
}

static int check_ranges(const json_t *config, const char *key, const char *address_key, int family,
			struct error **error)
{
	const char *ranges = json_string_value(json_object_get(config, key));
	const char *address = network_config_get(config, address_key);
	struct subnet subnet;
	if (!ranges)
		return 0;
	if (!address || strcmp(address, "none") == 0)
		return error_set(error, ERROR_INVALID, "%s needs %s", key, address_key);
	if (subnet_parse(family, address, &subnet, error) < 0 ||
	    network_ranges_parse(ranges, &subnet, NULL, NULL, error) < 0)
		return error_prefix(error, "%s", key);
	return 0;
}

int network_config_check(json_t *config, bool new, struct error **error)
{
	const char *key;
	json_t *value;
	void *next;
	json_object_foreach_safe (config, next, key, value)
		if (!json_is_string(value) || !*json_string_value(value))
			json_object_del(config, key);
	json_object_foreach (config, key, value)
		if (check_key(key, json_string_value(value), error) < 0)
			return -1;
	if (resolve_auto(config, AF_INET, new, error) < 0 ||
	    resolve_auto(config, AF_INET6, new, error) < 0 ||
	    check_ranges(config, "ipv4.dhcp.ranges", "ipv4.address", AF_INET, error) < 0)
		return -1;
	return check_ranges(config, "ipv6.dhcp.ranges", "ipv6.address", AF_INET6, error);
}

int network_ranges_parse(const char *text, const struct subnet *subnet,
			 void (*visit)(const struct address *first, const struct address *last,
				       void *data),
			 void *data, struct error **error)
{
	cleanup_free char *copy = memory_strdup(text);
	char *rest = copy;
	for (char *one; (one = strsep(&rest, ","));) {
		struct address first, last;
		char *dash = strchr(one, '-');
		if (dash)
			*dash = '\0';
		if (!dash || !address_parse(subnet->address.family, one, &first) ||
		    !address_parse(subnet->address.family, dash + 1, &last) ||
		    address_compare(&first, &last) > 0)
			return error_set(error, ERROR_INVALID,
					 "\"%s\" is not a list of ranges FIRST-LAST", text);
		if (!subnet_contains(subnet, &first) || !subnet_contains(subnet, &last))
			return error_set(error, ERROR_INVALID,
					 "the range %s-%s is outside of the network", one,
					 dash + 1);
		if (visit)
			visit(&first, &last, data);
	}
	return 0;
}
