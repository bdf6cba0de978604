/* The bridge of a managed network: interface, addresses, forwarding. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "links.h"
#include "log.h"
#include "memory.h"
#include "network/forwarding.h"
#include "network/network.h"
#include "routes.h"

/* The same after each start, so that neighbours keep what they know: FNV-1a of the name. */
void bridge_hwaddr(const struct network *network, uint8_t address[LINK_ADDRESS_SIZE])
{
	const char *given = network_config_get(network->config, "bridge.hwaddr");
	uint32_t hash = 2166136261u;
	if (given && link_address_parse(given, address))
		return;
	for (const char *at = network->name; *at; at++)
		hash = (hash ^ (unsigned char)*at) * 16777619u;
	/* Part of the addresses, too: two hosts on one wire must differ. */
	hash ^= (uint32_t)network->ipv4.address.bytes[1] << 8 | network->ipv4.address.bytes[2];
	const uint8_t made[] = {
		0x00, 0x16, 0x3e, (uint8_t)(hash >> 16), (uint8_t)(hash >> 8), (uint8_t)hash};
	memcpy(address, made, sizeof(made));
}

static int enable_forwarding(const struct network *network, struct error **error)
{
	if (network->ipv4.address.family && network_config_bool(network->config, "ipv4.routing") &&
	    forwarding_enable(AF_INET, error) < 0)
		return -1;
	if (!network->ipv6.address.family || !network_config_bool(network->config, "ipv6.routing"))
		return 0;
	return forwarding_enable(AF_INET6, error);
}

static void quieten(const char *name)
{
	sysctl_set("ipv6", name, "accept_ra", "0");
	sysctl_set("ipv6", name, "autoconf", "0");
	sysctl_set("ipv6", name, "accept_dad", "0");
}

static int add_addresses(struct netlink *netlink, const struct network *network,
			 struct error **error)
{
	const struct subnet *const subnets[] = {&network->ipv4, &network->ipv6};
	for (int i = 0; i < 2; i++)
		if (subnets[i]->address.family &&
		    link_add_ip(netlink, network->name, subnets[i]->address.family,
				subnets[i]->address.bytes, subnets[i]->prefix, error) < 0)
			return -1;
	return 0;
}

/* "ipv4.routes" and "ipv6.routes". */
static int change_routes(struct netlink *netlink, const struct network *network, bool add,
			 struct error **error)
{
	static const char *const keys[] = {"ipv4.routes", "ipv6.routes"};
	for (int i = 0; i < 2; i++) {
		const char *list = network_config_get(network->config, keys[i]);
		cleanup_free char *copy = memory_strdup(list ? list : "");
		char *rest = copy;
		for (char *one; list && (one = strsep(&rest, ","));) {
			struct route route = {0};
			if (!route_parse(one, &route))
				continue;
			route.device = network->name;
			if (add && route_add(netlink, &route, error) < 0)
				return -1;
			if (!add)
				route_remove(netlink, &route, NULL);
		}
	}
	return 0;
}

static void each_external(const struct network *network,
			  void (*visit)(struct netlink *, const char *, const char *),
			  struct netlink *netlink, const char *bridge)
{
	const char *list = network_config_get(network->config, "bridge.external_interfaces");
	cleanup_free char *copy = memory_strdup(list ? list : "");
	char *rest = copy;
	for (char *name; (name = strsep(&rest, ","));)
		if (*name)
			visit(netlink, name, bridge);
}

static void join(struct netlink *netlink, const char *name, const char *bridge)
{
	cleanup_error struct error *error = NULL;
	if (link_set_master(netlink, name, bridge, &error) < 0 ||
	    (bridge && link_set_up(netlink, name, true, &error) < 0))
		log_event(LOG_LEVEL_WARNING, NULL, "external interface %s of network %s: %s", name,
			  bridge ? bridge : "none", error_message(error));
}

static uint32_t mtu_of(const struct network *network)
{
	return (uint32_t)strtoul(network_config_get(network->config, "bridge.mtu"), NULL, 10);
}

static int create(struct netlink *netlink, const struct network *network, struct error **error)
{
	uint8_t address[LINK_ADDRESS_SIZE];
	bridge_hwaddr(network, address);
	if (link_exists(network->name) && !link_is_bridge(network->name))
		return error_set(error, ERROR_EXISTS,
				 "the host has an interface \"%s\" that is no bridge",
				 network->name);
	if (link_exists(network->name))
		return link_set_address(netlink, network->name, address, error);
	return bridge_create(netlink, network->name, address, mtu_of(network), error);
}

/* A bridge that is there already, as after a restart of the daemon, is set right and not made anew. */
int bridge_up(const struct network *network, struct error **error)
{
	cleanup_netlink struct netlink netlink = NETLINK_INIT;
	if (netlink_open(&netlink, error) < 0 || create(&netlink, network, error) < 0)
		return -1;
	quieten(network->name);
	if (add_addresses(&netlink, network, error) < 0 ||
	    link_set_up(&netlink, network->name, true, error) < 0 ||
	    change_routes(&netlink, network, true, error) < 0 ||
	    enable_forwarding(network, error) < 0)
		return -1;
	each_external(network, join, &netlink, network->name);
	return 0;
}

static bool same_subnet(const struct subnet *one, const struct subnet *other)
{
	return one->prefix == other->prefix && address_equal(&one->address, &other->address);
}

int bridge_change(const struct network *old, const struct network *new, struct error **error)
{
	cleanup_netlink struct netlink netlink = NETLINK_INIT;
	const struct subnet *const pairs[][2] = {{&old->ipv4, &new->ipv4},
						 {&old->ipv6, &new->ipv6}};
	if (netlink_open(&netlink, error) < 0)
		return -1;
	for (int i = 0; i < 2; i++) {
		const struct subnet *gone = pairs[i][0];
		if (gone->address.family && !same_subnet(gone, pairs[i][1]) &&
		    link_remove_ip(&netlink, old->name, gone->address.family, gone->address.bytes,
				   gone->prefix, error) < 0)
			return -1;
	}
	if (mtu_of(old) != mtu_of(new) && link_set_mtu(&netlink, new->name, mtu_of(new), error) < 0)
		return -1;
	change_routes(&netlink, old, false, NULL);
	each_external(old, join, &netlink, NULL);
	return bridge_up(new, error);
}

void bridge_down(const struct network *network)
{
	cleanup_netlink struct netlink netlink = NETLINK_INIT;
	cleanup_error struct error *error = NULL;
	if (netlink_open(&netlink, &error) < 0 || link_delete(&netlink, network->name, &error) < 0)
		log_event(LOG_LEVEL_WARNING, NULL, "network %s: %s", network->name,
			  error_message(error));
}
