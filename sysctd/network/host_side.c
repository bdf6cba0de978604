/* See host_side.h. */
#include "network/host_side.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "fault.h"
#include "file.h"
#include "link_kinds.h"
#include "links.h"
#include "log.h"
#include "memory.h"
#include "network/addresses.h"
#include "network/forwarding.h"
#include "network/manager.h"
#include "routes.h"
#include "server.h"

/* A VLAN interface that we made and may remove: its group, as ip-link(8) has them. */
enum { OUR_GROUP = ROUTE_PROTOCOL };

static char *file_of(const struct networks *networks, const char *uuid)
{
	return memory_printf("%s/nics/%s", networks->server->paths.state, uuid);
}

static bool needs_host(const json_t *nics)
{
	static const char *const keys[] = {"vlan_parent", "routes", "proxies", "host_routes",
					   "restore",	  "vlan",   "tagged"};
	size_t i;
	const json_t *nic;
	json_array_foreach (nics, i, nic)
		for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++)
			if (json_object_get(nic, keys[k]))
				return true;
	return false;
}

/* ---- VLANs of interfaces of the host ---- */

static int make_vlan(struct netlink *netlink, const json_t *nic, struct error **error)
{
	const char *name = nic_value(nic, "parent"), *parent = nic_value(nic, "vlan_parent");
	struct link_over link = {
		.kind = "vlan",
		.parent = parent,
		.name = name,
		.vlan = (uint16_t)json_integer_value(json_object_get(nic, "vlan_id")),
		.gvrp = json_is_true(json_object_get(nic, "gvrp")),
		.group = OUR_GROUP,
	};
	if (!parent || link_exists(name))
		return 0;
	if (link_check_name(name, error) < 0 || link_create_over(netlink, &link, error) < 0)
		return -1;
	return link_set_up(netlink, name, true, error);
}

static bool is_used(const struct networks *networks, const char *parent)
{
	const char *uuid;
	json_t *nics;
	const json_t *nic;
	size_t i;
	json_object_foreach (networks->running, uuid, nics)
		json_array_foreach (nics, i, nic)
			if (nic_has(nic, "parent", parent))
				return true;
	return false;
}

static void drop_vlan(const struct networks *networks, struct netlink *netlink, const json_t *nic)
{
	const char *name = nic_value(nic, "parent");
	struct link_identity identity;
	if (nic_value(nic, "vlan_parent") && !is_used(networks, name) &&
	    link_identify(netlink, name, &identity) && identity.group == OUR_GROUP)
		link_delete(netlink, name, NULL);
}

/* Only a bridge of ours is set up for them; what does so elsewhere is not ours to decide. */
static int filter_vlans(struct netlink *netlink, const json_t *nic, struct error **error)
{
	const char *bridge = nic_value(nic, "bridge");
	bool any = json_object_get(nic, "vlan") || json_object_get(nic, "tagged");
	if (!bridge || !any || bridge_filters_vlans(bridge))
		return 0;
	if (nic_value(nic, "network"))
		return bridge_filter_vlans(netlink, bridge, error);
	return error_set(error, ERROR_INVALID,
			 "the bridge %s does not look at VLANs: ip link set %s type bridge "
			 "vlan_filtering 1",
			 bridge, bridge);
}

/* ---- routes, and answers for addresses ---- */

static bool take_route(const json_t *nic, const json_t *text, struct address *gateway,
		       struct route *route)
{
	*route = (struct route){0};
	if (!json_is_string(text) || !route_parse(json_string_value(text), route))
		return false;
	const char *via = nic_value(nic, route->family == AF_INET ? "via4" : "via6");
	route->device = nic_value(nic, "route_device");
	if (via && address_parse(route->family, via, gateway))
		route->via = gateway->bytes;
	return route->device;
}

static int change_routes(struct netlink *netlink, const json_t *nic, bool add, struct error **error)
{
	size_t i;
	const json_t *text;
	json_array_foreach (json_object_get(nic, "routes"), i, text) {
		struct address gateway;
		struct route route;
		if (!take_route(nic, text, &gateway, &route))
			continue;
		if (add && (forwarding_enable(route.family, error) < 0 ||
			    route_add(netlink, &route, error) < 0))
			return -1;
		if (!add)
			route_remove(netlink, &route, NULL);
	}
	return 0;
}

static int change_proxies(struct netlink *netlink, const json_t *nic, bool add,
			  struct error **error)
{
	const char *parent = nic_value(nic, "parent");
	size_t i;
	const json_t *text;
	json_array_foreach (json_object_get(nic, "proxies"), i, text) {
		struct route route = {0};
		if (!route_parse(json_string_value(text), &route))
			continue;
		if (neighbour_proxy(netlink, parent, route.family, route.to, add, error) < 0 && add)
			return -1;
		if (add && route.family == AF_INET6)
			sysctl_set("ipv6", parent, "proxy_ndp", "1");
	}
	return 0;
}

/* A routed NIC: its own routes go with its interface. */
static int enable_routing(const json_t *nic, struct error **error)
{
	size_t i;
	const json_t *text;
	json_array_foreach (json_object_get(nic, "host_routes"), i, text)
		if (forwarding_enable(strchr(json_string_value(text), ':') ? AF_INET6 : AF_INET,
				      error) < 0)
			return -1;
	return 0;
}

/* ---- an interface of the host whose instance ended without giving it back ---- */

/* The kernel gives cards to the first network namespace, under the name they had, or another. */
static void recover(struct netlink *netlink, const json_t *nic)
{
	cleanup_error struct error *error = NULL;
	const json_t *restore = json_object_get(nic, "restore");
	const char *name = nic_value(restore, "name"), *kind = nic_value(restore, "kind");
	struct link_identity identity = {
		.mtu = (uint32_t)json_integer_value(json_object_get(restore, "mtu"))};
	if (!name || kind || link_exists(name) ||
	    !link_address_parse(nic_value(restore, "hwaddr"), identity.address))
		return;
	/* Not by the name it had inside: that may be another card's here. */
	int index = link_find(netlink, "", &identity);
	if (index &&
	    link_move(netlink, index, getpid(), name, identity.address, identity.mtu, &error) < 0)
		log_event(LOG_LEVEL_ERROR, NULL, "interface %s: %s", name, error_message(error));
}

/* ---- all of it ---- */

static int bring_up(struct netlink *netlink, const json_t *nics, struct error **error)
{
	size_t i;
	const json_t *nic;
	json_array_foreach (nics, i, nic)
		if (make_vlan(netlink, nic, error) < 0 || filter_vlans(netlink, nic, error) < 0 ||
		    enable_routing(nic, error) < 0 ||
		    change_routes(netlink, nic, true, error) < 0 ||
		    change_proxies(netlink, nic, true, error) < 0)
			return error_prefix(error, "NIC \"%s\"", nic_value(nic, "device"));
	return 0;
}

static void bring_down(const struct networks *networks, struct netlink *netlink, const json_t *nics)
{
	size_t i;
	const json_t *nic;
	json_array_foreach (nics, i, nic) {
		change_proxies(netlink, nic, false, NULL);
		change_routes(netlink, nic, false, NULL);
		drop_vlan(networks, netlink, nic);
		recover(netlink, nic);
	}
}

static int note(const char *path, const json_t *nics, struct error **error)
{
	cleanup_free char *text = json_dumps(nics, JSON_COMPACT);
	cleanup_free char *directory = memory_strndup(path, (size_t)(strrchr(path, '/') - path));
	if (file_make_directories(directory, 0711, error) < 0)
		return -1;
	return file_replace_at(AT_FDCWD, path, text, strlen(text), 0600, false, error);
}

static bool is_among(const json_t *nics, const json_t *wanted)
{
	size_t i;
	const json_t *nic;
	json_array_foreach (nics, i, nic)
		if (json_equal(nic, wanted))
			return true;
	return false;
}

static json_t *without(const json_t *nics, const json_t *those)
{
	json_t *rest = json_array();
	size_t i;
	json_t *nic;
	json_array_foreach (nics, i, nic)
		if (!is_among(those, nic))
			json_array_append(rest, nic);
	return rest;
}

int host_side_up(const struct networks *networks, const char *uuid, const json_t *nics,
		 struct error **error)
{
	cleanup_netlink struct netlink netlink = NETLINK_INIT;
	cleanup_free char *path = file_of(networks, uuid);
	json_t *old = json_load_file(path, 0, NULL);
	if (!old && !needs_host(nics))
		return 0;
	json_t *gone = without(old, nics);
	json_decref(old);
	int result = note(path, nics, error) < 0 || netlink_open(&netlink, error) < 0 ? -1 : 0;
	fault_point("network.host-side");
	if (result == 0) {
		bring_down(networks, &netlink, gone);
		result = bring_up(&netlink, nics, error);
		if (result < 0)
			bring_down(networks, &netlink, nics);
	}
	if (result < 0 || !needs_host(nics))
		unlink(path);
	json_decref(gone);
	return result;
}

void host_side_down(const struct networks *networks, const char *uuid)
{
	cleanup_netlink struct netlink netlink = NETLINK_INIT;
	cleanup_free char *path = file_of(networks, uuid);
	json_t *nics = access(path, F_OK) == 0 ? json_load_file(path, 0, NULL) : NULL;
	if (nics && netlink_open(&netlink, NULL) == 0)
		bring_down(networks, &netlink, nics);
	if (nics)
		unlink(path);
	json_decref(nics);
}

void host_side_sweep(const struct networks *networks)
{
	cleanup_free char *path = file_of(networks, "");
	cleanup_dir DIR *dir = opendir(path);
	struct dirent *entry;
	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.' && !json_object_get(networks->running, entry->d_name))
			host_side_down(networks, entry->d_name);
}

static void mend(struct netlink *netlink, const json_t *nic)
{
	filter_vlans(netlink, nic, NULL);
	change_routes(netlink, nic, true, NULL);
}

void host_side_mend(const struct networks *networks, const char *bridge)
{
	networks_each_port(networks, bridge, mend);
}
