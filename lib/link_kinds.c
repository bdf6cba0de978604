/* See link_kinds.h. */
#include "link_kinds.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/if_vlan.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "file.h"
#include "links.h"

struct mode {
	const char *name;
	uint32_t value;
};

static const struct mode macvlan_modes[] = {{"private", MACVLAN_MODE_PRIVATE},
					    {"vepa", MACVLAN_MODE_VEPA},
					    {"bridge", MACVLAN_MODE_BRIDGE},
					    {"passthru", MACVLAN_MODE_PASSTHRU},
					    {NULL, 0}};
static const struct mode ipvlan_modes[] = {
	{"l2", IPVLAN_MODE_L2}, {"l3", IPVLAN_MODE_L3}, {"l3s", IPVLAN_MODE_L3S}, {NULL, 0}};

static uint32_t find_mode(const struct mode *modes, const char *name, uint32_t fallback)
{
	for (; name && modes->name; modes++)
		if (strcmp(modes->name, name) == 0)
			return modes->value;
	return fallback;
}

static void add_data(struct netlink_request *request, const struct link_over *link)
{
	if (strcmp(link->kind, "macvlan") == 0)
		netlink_add_u32(request, IFLA_MACVLAN_MODE,
				find_mode(macvlan_modes, link->mode, MACVLAN_MODE_BRIDGE));
	if (strcmp(link->kind, "ipvlan") == 0)
		netlink_add_u16(request, IFLA_IPVLAN_MODE,
				(uint16_t)find_mode(ipvlan_modes, link->mode, IPVLAN_MODE_L3S));
	if (strcmp(link->kind, "vlan") != 0)
		return;
	netlink_add_u16(request, IFLA_VLAN_ID, link->vlan);
	if (link->gvrp) {
		struct ifla_vlan_flags flags = {VLAN_FLAG_GVRP, VLAN_FLAG_GVRP};
		netlink_add(request, IFLA_VLAN_FLAGS, &flags, sizeof(flags));
	}
}

static int fail(const struct link_over *link, int problem, struct error **error)
{
	if (problem == EOPNOTSUPP)
		return error_set(error, ERROR_UNSUPPORTED,
				 "this kernel has no interfaces of type %s (module %s)", link->kind,
				 strcmp(link->kind, "vlan") == 0 ? "8021q" : link->kind);
	if (problem == EBUSY)
		return error_set(error, ERROR_BUSY,
				 "%s is in use by a bridge, or by interfaces of another type than "
				 "%s",
				 link->parent, link->kind);
	return error_errno(error, problem, "making the %s %s over %s", link->kind, link->name,
			   link->parent);
}

int link_create_over(struct netlink *netlink, const struct link_over *link, struct error **error)
{
	struct ifinfomsg header = {.ifi_family = AF_UNSPEC};
	struct netlink_request request;
	unsigned int parent = if_nametoindex(link->parent);
	if (parent == 0)
		return error_set(error, ERROR_NOT_FOUND, "the host has no network interface \"%s\"",
				 link->parent);
	netlink_begin(&request, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &header, sizeof(header));
	netlink_add_text(&request, IFLA_IFNAME, link->name);
	netlink_add_u32(&request, IFLA_LINK, parent);
	if (link->pid)
		netlink_add_u32(&request, IFLA_NET_NS_PID, (uint32_t)link->pid);
	if (link->address)
		netlink_add(&request, IFLA_ADDRESS, link->address, LINK_ADDRESS_SIZE);
	if (link->mtu)
		netlink_add_u32(&request, IFLA_MTU, link->mtu);
	if (link->group)
		netlink_add_u32(&request, IFLA_GROUP, link->group);
	size_t info = netlink_nest(&request, IFLA_LINKINFO, NULL, 0);
	netlink_add_text(&request, IFLA_INFO_KIND, link->kind);
	size_t data = netlink_nest(&request, IFLA_INFO_DATA, NULL, 0);
	add_data(&request, link);
	netlink_nest_end(&request, data);
	netlink_nest_end(&request, info);
	return netlink_send(netlink, &request) < 0 ? fail(link, errno, error) : 0;
}

static void take_identity(const struct rtattr *const *attributes, struct link_identity *identity)
{
	const struct rtattr *info[IFLA_INFO_KIND + 1] = {NULL};
	const struct rtattr *address = attributes[IFLA_ADDRESS], *mtu = attributes[IFLA_MTU];
	*identity = (struct link_identity){0};
	if (attributes[IFLA_LINKINFO])
		netlink_nested(attributes[IFLA_LINKINFO], info, IFLA_INFO_KIND + 1);
	if (info[IFLA_INFO_KIND])
		snprintf(identity->kind, sizeof(identity->kind), "%s",
			 (const char *)RTA_DATA(info[IFLA_INFO_KIND]));
	if (address && RTA_PAYLOAD(address) == LINK_ADDRESS_SIZE)
		memcpy(identity->address, RTA_DATA(address), LINK_ADDRESS_SIZE);
	if (mtu)
		memcpy(&identity->mtu, RTA_DATA(mtu), sizeof(identity->mtu));
	if (attributes[IFLA_GROUP])
		memcpy(&identity->group, RTA_DATA(attributes[IFLA_GROUP]), sizeof(identity->group));
}

static void see_identity(const struct nlmsghdr *message, void *data)
{
	const struct rtattr *attributes[IFLA_GROUP + 1];
	netlink_attributes(message, sizeof(struct ifinfomsg), attributes, IFLA_GROUP + 1);
	if (message->nlmsg_type == RTM_NEWLINK)
		take_identity(attributes, data);
}

bool link_identify(struct netlink *netlink, const char *name, struct link_identity *identity)
{
	struct netlink_request request;
	struct ifinfomsg header = {.ifi_family = AF_UNSPEC};
	netlink_begin(&request, RTM_GETLINK, 0, &header, sizeof(header));
	netlink_add_text(&request, IFLA_IFNAME, name);
	return netlink_get(netlink, &request, see_identity, identity) == 0;
}

struct wanted {
	const char *name;
	const struct link_identity *identity;
	int by_address, by_maker, by_name;
};

static void see_link(const struct nlmsghdr *message, void *data)
{
	struct wanted *wanted = data;
	struct link_identity found;
	const struct ifinfomsg *link = NLMSG_DATA(message);
	const struct rtattr *attributes[IFLA_PERM_ADDRESS + 1];
	netlink_attributes(message, sizeof(*link), attributes, IFLA_PERM_ADDRESS + 1);
	take_identity(attributes, &found);
	if (strcmp(found.kind, wanted->identity->kind) != 0)
		return;
	const struct rtattr *maker = attributes[IFLA_PERM_ADDRESS], *name = attributes[IFLA_IFNAME];
	if (memcmp(found.address, wanted->identity->address, LINK_ADDRESS_SIZE) == 0)
		wanted->by_address = link->ifi_index;
	if (maker && RTA_PAYLOAD(maker) == LINK_ADDRESS_SIZE &&
	    memcmp(RTA_DATA(maker), wanted->identity->address, LINK_ADDRESS_SIZE) == 0)
		wanted->by_maker = link->ifi_index;
	if (name && strcmp(RTA_DATA(name), wanted->name) == 0)
		wanted->by_name = link->ifi_index;
}

int link_find(struct netlink *netlink, const char *name, const struct link_identity *identity)
{
	struct wanted wanted = {.name = name, .identity = identity};
	struct netlink_request request;
	struct ifinfomsg header = {.ifi_family = AF_UNSPEC};
	netlink_begin(&request, RTM_GETLINK, 0, &header, sizeof(header));
	netlink_dump(netlink, &request, see_link, &wanted);
	return wanted.by_maker	   ? wanted.by_maker
	       : wanted.by_address ? wanted.by_address
				   : wanted.by_name;
}

int link_move(struct netlink *netlink, int index, pid_t pid, const char *new_name,
	      const uint8_t *address, uint32_t mtu, struct error **error)
{
	struct netlink_request request;
	struct ifinfomsg header = {
		.ifi_family = AF_UNSPEC, .ifi_change = IFF_UP, .ifi_index = index};
	/* Many drivers take another MAC address only while the card is down. */
	netlink_begin(&request, RTM_NEWLINK, 0, &header, sizeof(header));
	if (netlink_send(netlink, &request) < 0)
		return error_errno(error, errno, "bringing down what becomes %s", new_name);
	netlink_begin(&request, RTM_NEWLINK, 0, &header, sizeof(header));
	netlink_add_u32(&request, IFLA_NET_NS_PID, (uint32_t)pid);
	netlink_add_text(&request, IFLA_IFNAME, new_name);
	if (address)
		netlink_add(&request, IFLA_ADDRESS, address, LINK_ADDRESS_SIZE);
	if (mtu)
		netlink_add_u32(&request, IFLA_MTU, mtu);
	if (netlink_send(netlink, &request) == 0)
		return 0;
	if (errno == EINVAL)
		return error_set(error, ERROR_UNSUPPORTED,
				 "it cannot be moved to another network namespace");
	return error_errno(error, errno, "moving it to another network namespace, as %s", new_name);
}

/* ---- VLANs of bridge ports ---- */

static int change_vlan(struct netlink *netlink, uint16_t type, const char *port, uint16_t first,
		       uint16_t last, uint16_t flags)
{
	struct netlink_request request;
	struct ifinfomsg header = {.ifi_family = AF_BRIDGE, .ifi_index = (int)if_nametoindex(port)};
	struct bridge_vlan_info info = {.vid = first, .flags = flags};
	netlink_begin(&request, type, 0, &header, sizeof(header));
	size_t spec = netlink_nest(&request, IFLA_AF_SPEC, NULL, 0);
	if (first != last)
		info.flags |= BRIDGE_VLAN_INFO_RANGE_BEGIN;
	netlink_add(&request, IFLA_BRIDGE_VLAN_INFO, &info, sizeof(info));
	if (first != last) {
		info = (struct bridge_vlan_info){
			.vid = last, .flags = (uint16_t)(flags | BRIDGE_VLAN_INFO_RANGE_END)};
		netlink_add(&request, IFLA_BRIDGE_VLAN_INFO, &info, sizeof(info));
	}
	netlink_nest_end(&request, spec);
	return netlink_send(netlink, &request);
}

int link_set_vlans(struct netlink *netlink, const char *port, const struct port_vlans *vlans,
		   struct error **error)
{
	int result = 0;
	if (vlans->untagged != 0) /* else the default one stays */
		change_vlan(netlink, RTM_DELLINK, port, 1, VLAN_MAX, 0);
	if (vlans->untagged > 0)
		result = change_vlan(netlink, RTM_SETLINK, port, (uint16_t)vlans->untagged,
				     (uint16_t)vlans->untagged,
				     BRIDGE_VLAN_INFO_PVID | BRIDGE_VLAN_INFO_UNTAGGED);
	for (size_t i = 0; i < vlans->tagged_count && result == 0; i++)
		result = change_vlan(netlink, RTM_SETLINK, port, vlans->tagged[i], vlans->tagged[i],
				     0);
	if (result < 0)
		return error_errno(error, errno, "giving %s its VLANs", port);
	return 0;
}

bool bridge_filters_vlans(const char *bridge)
{
	char path[96];
	snprintf(path, sizeof(path), "/sys/class/net/%s/bridge/vlan_filtering", bridge);
	return file_read_number_at(AT_FDCWD, path, 0) == 1;
}

int bridge_filter_vlans(struct netlink *netlink, const char *bridge, struct error **error)
{
	struct netlink_request request;
	struct ifinfomsg header = {.ifi_family = AF_UNSPEC};
	netlink_begin(&request, RTM_NEWLINK, 0, &header, sizeof(header));
	netlink_add_text(&request, IFLA_IFNAME, bridge);
	size_t info = netlink_nest(&request, IFLA_LINKINFO, NULL, 0);
	netlink_add_text(&request, IFLA_INFO_KIND, "bridge");
	size_t data = netlink_nest(&request, IFLA_INFO_DATA, NULL, 0);
	netlink_add_u8(&request, IFLA_BR_VLAN_FILTERING, 1);
	netlink_nest_end(&request, data);
	netlink_nest_end(&request, info);
	if (netlink_send(netlink, &request) == 0 && bridge_filters_vlans(bridge))
		return 0;
	return error_set(error, ERROR_UNSUPPORTED,
			 "this kernel's bridges know no VLANs (CONFIG_BRIDGE_VLAN_FILTERING)");
}
