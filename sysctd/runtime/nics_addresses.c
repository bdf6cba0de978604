/* See nics.h: what a NIC has of addresses and routes without DHCP. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "links.h"
#include "nics.h"
#include "routes.h"

static int parse(const json_t *text, struct route *route, struct error **error)
{
	const char *value = json_string_value(text);
	*route = (struct route){0};
	if (value && route_parse(value, route))
		return 0;
	return error_set(error, ERROR_INVALID, "\"%s\" is no address with a prefix",
			 value ? value : "");
}

/* route_parse() clears the bits of a host. */
static int add_addresses(struct netlink *netlink, const char *name, const json_t *list,
			 struct error **error)
{
	size_t i;
	const json_t *text;
	json_array_foreach (list, i, text) {
		struct route route;
		char address[INET6_ADDRSTRLEN + 8];
		if (parse(text, &route, error) < 0)
			return -1;
		snprintf(address, sizeof(address), "%s", json_string_value(text));
		address[strcspn(address, "/")] = '\0';
		inet_pton(route.family, address, route.to);
		if (link_add_ip(netlink, name, route.family, route.to, route.prefix, error) < 0)
			return -1;
	}
	return 0;
}

int nics_address_host(struct netlink *netlink, const json_t *nic, struct error **error)
{
	const char *name = json_string_value(json_object_get(nic, "host_name"));
	size_t i;
	const json_t *text;
	if (add_addresses(netlink, name, json_object_get(nic, "host_addresses"), error) < 0)
		return -1;
	json_array_foreach (json_object_get(nic, "host_routes"), i, text) {
		struct route route;
		if (parse(text, &route, error) < 0)
			return -1;
		route.device = name;
		if (route_add(netlink, &route, error) < 0)
			return -1;
		route.table = (uint32_t)json_integer_value(
			json_object_get(nic, route.family == AF_INET ? "table4" : "table6"));
		if (route.table && route_add(netlink, &route, error) < 0)
			return -1;
	}
	return 0;
}

static int add_gateway(struct netlink *netlink, const char *name, const char *gateway,
		       struct error **error)
{
	unsigned char via[16];
	struct route route = {.device = name};
	bool ipv6 = strcmp(gateway, "inet6") == 0 || strchr(gateway, ':');
	route.family = ipv6 ? AF_INET6 : AF_INET;
	if (inet_pton(route.family, gateway, via) == 1)
		route.via = via;
	return route_add(netlink, &route, error);
}

int nics_address_inside(struct netlink *netlink, const json_t *nic, struct error **error)
{
	const char *name = json_string_value(json_object_get(nic, "name"));
	size_t i;
	const json_t *gateway;
	if (link_set_up(netlink, name, true, error) < 0 ||
	    add_addresses(netlink, name, json_object_get(nic, "addresses"), error) < 0)
		return -1;
	json_array_foreach (json_object_get(nic, "gateways"), i, gateway)
		if (add_gateway(netlink, name, json_string_value(gateway), error) < 0)
			return -1;
	return 0;
}
