/*
 * NICs that need something of the host: routed ones, and those over an interface
 * of the host (addresses.h). What they need beside the interface itself, which
 * the runtime makes, is for host_side.c: "vlan_parent" with "vlan_id" and "gvrp",
 * "routes" by "route_device", and "proxies", addresses that "parent" answers for.
 */
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "link_kinds.h"
#include "links.h"
#include "memory.h"
#include "network/addresses.h"
#include "network/manager.h"
#include "server.h"

void nic_add_list(json_t *nic, const char *key, const char *list, const char *prefix)
{
	cleanup_free char *copy = memory_strdup(list ? list : "");
	char *rest = copy;
	if (!json_object_get(nic, key) && list)
		json_object_set_new(nic, key, json_array());
	for (char *one; list && (one = strsep(&rest, ","));) {
		if (prefix)
			one[strcspn(one, "/")] = '\0';
		json_array_append_new(json_object_get(nic, key),
				      json_sprintf("%s%s", one, prefix ? prefix : ""));
	}
}

void nic_set_gateways(json_t *nic, const struct network *network)
{
	char text[ADDRESS_TEXT];
	struct address address;
	const char *ipv4 = nic_value(nic, "ipv4");
	if (!json_object_get(nic, "routes"))
		return;
	json_object_set_new(nic, "route_device", json_string(network->name));
	if (ipv4)
		json_object_set_new(nic, "via4", json_string(ipv4));
	if (!nic_ipv6(nic, network, &address))
		return;
	address_format(&address, text);
	json_object_set_new(nic, "via6", json_string(text));
}

int nic_ipv6_addresses(const json_t *nic, const struct network *network,
		       struct address addresses[static NIC_IPV6_MAX])
{
	uint8_t mac[LINK_ADDRESS_SIZE];
	struct subnet link = {{AF_INET6, {0xfe, 0x80}}, 64};
	if (!link_address_parse(nic_value(nic, "hwaddr"), mac))
		return 0;
	addresses[0] = subnet_eui64(&link, mac);
	return nic_ipv6(nic, network, &addresses[1]) ? 2 : 1;
}

/* "eth1", or its VLAN, which host_side.c makes. */
static void take_parent(const json_t *device, json_t *nic)
{
	const char *parent = nic_value(device, "parent"), *vlan = nic_value(device, "vlan");
	if (!parent)
		return;
	if (!vlan) {
		json_object_set_new(nic, "parent", json_string(parent));
		return;
	}
	json_object_set_new(nic, "parent", json_sprintf("%s.%s", parent, vlan));
	json_object_set_new(nic, "vlan_parent", json_string(parent));
	json_object_set_new(nic, "vlan_id", json_integer(atoi(vlan)));
	if (nic_is_true(device, "gvrp"))
		json_object_set_new(nic, "gvrp", json_true());
}

static int check_parent(const char *parent, struct error **error)
{
	if (!parent || link_exists(parent))
		return 0;
	return error_set(error, ERROR_NOT_FOUND, "the host has no network interface \"%s\"",
			 parent);
}

struct family {
	const char *address, *gateway, *host_address, *host_table; /* keys of the device */
	const char *fallback, *host_prefix, *prefix, *table, *word;
};

static const struct family families[] = {
	{"ipv4.address", "ipv4.gateway", "ipv4.host_address", "ipv4.host_table", "169.254.0.1",
	 "/32", "/32", "table4", "inet"},
	{"ipv6.address", "ipv6.gateway", "ipv6.host_address", "ipv6.host_table", "fe80::1", "/64",
	 "/128", "table6", "inet6"},
};

static void add_routed_family(const json_t *device, const struct family *family, json_t *nic)
{
	const char *addresses = nic_value(device, family->address);
	const char *host = nic_value(device, family->host_address);
	const char *table = nic_value(device, family->host_table);
	if (!addresses)
		return;
	nic_add_list(nic, "addresses", addresses, family->prefix);
	nic_add_list(nic, "host_routes", addresses, family->prefix);
	nic_add_list(nic, "host_addresses", host ? host : family->fallback,
		     host ? family->prefix : family->host_prefix);
	if (!nic_has(device, family->gateway, "none"))
		nic_add_list(nic, "gateways", host ? host : family->fallback, "");
	if (table)
		json_object_set_new(nic, family->table, json_integer(atoll(table)));
	if (nic_value(device, "parent"))
		nic_add_list(nic, "proxies", addresses, "");
}

int nic_describe_routed(const json_t *device, json_t *nic, struct error **error)
{
	const char *vlan = nic_value(device, "vlan"), *parent = nic_value(device, "parent");
	for (int i = 0; i < 2; i++)
		add_routed_family(device, &families[i], nic);
	take_parent(device, nic);
	return vlan ? 0 : check_parent(parent, error);
}

/* An ipvlan in mode l3 has no neighbours: its parent answers for it where a route leads elsewhere. */
static void add_ipvlan_family(const json_t *device, const struct family *family, bool l2,
			      json_t *nic)
{
	const char *addresses = nic_value(device, family->address);
	const char *gateway = nic_value(device, family->gateway);
	bool given = gateway && strcmp(gateway, "auto") != 0 && strcmp(gateway, "none") != 0;
	if (!addresses)
		return;
	if (!l2) {
		nic_add_list(nic, "addresses", addresses, family->prefix);
		nic_add_list(nic, "routes", addresses, family->prefix);
		nic_add_list(nic, "proxies", addresses, "");
		json_object_set_new(nic, "route_device", json_string("lo"));
	} else {
		nic_add_list(nic, "addresses", addresses, NULL);
	}
	if (given || (!l2 && !nic_has(device, family->gateway, "none")))
		nic_add_list(nic, "gateways", given ? gateway : family->word, "");
}

static void describe_ipvlan(const json_t *device, json_t *nic)
{
	bool l2 = nic_has(device, "mode", "l2");
	json_object_del(nic, "hwaddr"); /* it is the parent's */
	for (int i = 0; i < 2; i++)
		add_ipvlan_family(device, &families[i], l2, nic);
}

/* The running instance that has the interface. */
static const json_t *find_holder(struct server *server, const char *parent, const char **uuid)
{
	json_t *nics;
	const json_t *nic;
	size_t i;
	json_object_foreach (server->networks->running, *uuid, nics)
		json_array_foreach (nics, i, nic)
			if (nic_has(nic, "kind", "physical") && nic_has(nic, "parent", parent))
				return nic;
	return NULL;
}

static int identify(const char *parent, json_t *nic, struct error **error)
{
	cleanup_netlink struct netlink netlink = NETLINK_INIT;
	struct link_identity identity;
	char address[LINK_ADDRESS_TEXT];
	if (netlink_open(&netlink, error) < 0)
		return -1;
	if (!link_identify(&netlink, parent, &identity))
		return error_set(error, ERROR_NOT_FOUND, "the host has no network interface \"%s\"",
				 parent);
	link_address_format(identity.address, address);
	json_object_set_new(nic, "restore",
			    json_pack("{s:s, s:s, s:s, s:i}", "name", parent, "kind", identity.kind,
				      "hwaddr", address, "mtu", (int)identity.mtu));
	return 0;
}

/* Whoever has it now, it returns as what it was before. */
static int describe_physical(struct server *server, const char *uuid, const json_t *device,
			     json_t *nic, struct error **error)
{
	const char *parent = nic_value(nic, "parent"), *holder, *own = nic_value(device, "hwaddr");
	if (!own)
		json_object_del(nic, "hwaddr");
	networks_hold(server);
	const json_t *held = find_holder(server, parent, &holder);
	json_t *restore = held && strcmp(holder, uuid) == 0
				  ? json_incref(json_object_get(held, "restore"))
				  : NULL;
	networks_release(server);
	if (restore)
		return json_object_set_new(nic, "restore", restore);
	if (held)
		return error_set(error, ERROR_BUSY,
				 "another running instance has the interface \"%s\"", parent);
	return identify(parent, nic, error);
}

/* A VLAN of an interface that stays where it is: made in the instance at once. */
static void describe_vlan(const json_t *device, json_t *nic)
{
	json_object_set_new(nic, "kind", json_string("vlan"));
	json_object_set_new(nic, "parent", json_string(nic_value(device, "parent")));
	json_object_set_new(nic, "vlan_id", json_integer(atoi(nic_value(device, "vlan"))));
	if (nic_is_true(device, "gvrp"))
		json_object_set_new(nic, "gvrp", json_true());
}

int nic_describe_over(struct server *server, const char *uuid, const json_t *device, json_t *nic,
		      struct error **error)
{
	const char *type = nic_type(device), *mode = nic_value(device, "mode");
	const char *parent = nic_value(device, "parent"), *vlan = nic_value(device, "vlan");
	json_object_set_new(nic, "kind", json_string(type));
	if (vlan && strcmp(type, "physical") == 0) {
		describe_vlan(device, nic);
		return check_parent(parent, error);
	}
	if (mode)
		json_object_set_new(nic, "mode", json_string(mode));
	take_parent(device, nic);
	if (strcmp(type, "ipvlan") == 0)
		describe_ipvlan(device, nic);
	if (strcmp(type, "physical") == 0)
		return describe_physical(server, uuid, device, nic, error);
	return vlan ? 0 : check_parent(parent, error);
}
