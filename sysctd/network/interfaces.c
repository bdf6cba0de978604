/*
 * See interfaces.h. Other namespaces are asked through our own socket, by the
 * id that ours has for them (rtnetlink(7), RTM_GETNSID, IFLA_TARGET_NETNSID):
 * two dumps for an instance, however many interfaces it has. No IFLA_EXT_MASK, which
 * would save the counters: with it the kernel looks at all interfaces of the host first.
 */
#include "network/interfaces.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/net_namespace.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <pthread.h>
#include <string.h>

#include "links.h"
#include "netlink.h"

enum { OWN = -1 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct netlink shared = NETLINK_INIT; /* guarded by it, kept open */

struct reading {
	json_t *interfaces;
	json_t *by_index; /* {"2": interface}, borrowed */
	bool own;
	enum interface_detail detail;
	bool nameless; /* an address of an interface whose name is not known yet */
};

static void take_id(const struct nlmsghdr *message, void *data)
{
	const struct rtattr *attributes[NETNSA_MAX + 1];
	netlink_attributes(message, sizeof(struct rtgenmsg), attributes, NETNSA_MAX + 1);
	if (message->nlmsg_type == RTM_NEWNSID && attributes[NETNSA_NSID])
		memcpy(data, RTA_DATA(attributes[NETNSA_NSID]), sizeof(int));
}

static int ask_id(struct netlink *netlink, pid_t pid)
{
	struct netlink_request request;
	struct rtgenmsg header = {.rtgen_family = AF_UNSPEC};
	int id = -1;
	netlink_begin(&request, RTM_GETNSID, 0, &header, sizeof(header));
	netlink_add_u32(&request, NETNSA_PID, (uint32_t)pid);
	return netlink_get(netlink, &request, take_id, &id) < 0 ? -1 : id;
}

/* A namespace that has no id here yet, as one without a link to ours, gets one. */
static int namespace_id(struct netlink *netlink, pid_t pid)
{
	struct netlink_request request;
	struct rtgenmsg header = {.rtgen_family = AF_UNSPEC};
	int id = ask_id(netlink, pid);
	if (id >= 0)
		return id;
	netlink_begin(&request, RTM_NEWNSID, 0, &header, sizeof(header));
	netlink_add_u32(&request, NETNSA_PID, (uint32_t)pid);
	netlink_add_u32(&request, NETNSA_NSID, UINT32_MAX); /* the kernel chooses */
	if (netlink_send(netlink, &request) < 0 && errno != EEXIST)
		return -1;
	return ask_id(netlink, pid);
}

static json_t *render_counters(const struct rtattr *attribute)
{
	struct rtnl_link_stats64 stats = {0};
	if (attribute) {
		size_t length = RTA_PAYLOAD(attribute);
		memcpy(&stats, RTA_DATA(attribute),
		       length < sizeof(stats) ? length : sizeof(stats));
	}
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "bytes_received",
			 (json_int_t)stats.rx_bytes, "packets_received",
			 (json_int_t)stats.rx_packets, "errors_received",
			 (json_int_t)stats.rx_errors, "packets_dropped_inbound",
			 (json_int_t)stats.rx_dropped, "bytes_sent", (json_int_t)stats.tx_bytes,
			 "packets_sent", (json_int_t)stats.tx_packets, "errors_sent",
			 (json_int_t)stats.tx_errors, "packets_dropped_outbound",
			 (json_int_t)stats.tx_dropped);
}

static const char *type_of(const struct ifinfomsg *info)
{
	if (info->ifi_flags & IFF_LOOPBACK)
		return "loopback";
	return info->ifi_flags & IFF_POINTOPOINT ? "point-to-point" : "broadcast";
}

static uint32_t number(const struct rtattr *attribute)
{
	uint32_t value = 0;
	if (attribute)
		memcpy(&value, RTA_DATA(attribute), sizeof(value));
	return value;
}

/* The other end, where that is here: the host's name of an instance's NIC. */
static void name_host_end(json_t *interface, const struct reading *reading,
			  const struct rtattr *link)
{
	char name[IFNAMSIZ];
	if (!reading->own && link && if_indextoname(number(link), name))
		json_object_set_new(interface, "host_name", json_string(name));
}

static void take_link(const struct nlmsghdr *message, void *data)
{
	struct reading *reading = data;
	const struct ifinfomsg *info = NLMSG_DATA(message);
	const struct rtattr *attributes[IFLA_MAX + 1];
	char mac[LINK_ADDRESS_TEXT] = "", index[16];
	if (message->nlmsg_type != RTM_NEWLINK)
		return;
	netlink_attributes(message, sizeof(*info), attributes, IFLA_MAX + 1);
	const struct rtattr *address = attributes[IFLA_ADDRESS];
	if (!attributes[IFLA_IFNAME])
		return;
	if (address && RTA_PAYLOAD(address) == LINK_ADDRESS_SIZE &&
	    info->ifi_type != ARPHRD_LOOPBACK)
		link_address_format(RTA_DATA(address), mac);
	json_t *interface = json_pack(
		"{s:[], s:o*, s:s, s:s, s:i, s:s, s:s}", "addresses", "counters",
		reading->detail == INTERFACES_COUNTERS ? render_counters(attributes[IFLA_STATS64])
						       : NULL,
		"hwaddr", mac, "host_name", "", "mtu", (int)number(attributes[IFLA_MTU]), "state",
		info->ifi_flags & IFF_UP ? "up" : "down", "type", type_of(info));
	name_host_end(interface, reading, attributes[IFLA_LINK]);
	snprintf(index, sizeof(index), "%d", info->ifi_index);
	json_object_set(reading->by_index, index, interface);
	json_object_set_new(reading->interfaces, RTA_DATA(attributes[IFLA_IFNAME]), interface);
}

/* Where no link was asked for: by the label of an IPv4 address, which begins with the name. */
static json_t *add_by_label(struct reading *reading, const char *index, const struct rtattr *label)
{
	char name[IFNAMSIZ];
	if (reading->detail != INTERFACES_ADDRESSES || !label) {
		reading->nameless = true;
		return NULL;
	}
	snprintf(name, sizeof(name), "%s", (const char *)RTA_DATA(label));
	name[strcspn(name, ":")] = '\0';
	json_t *interface = json_pack("{s:[]}", "addresses");
	json_object_set(reading->by_index, index, interface);
	json_object_set_new(reading->interfaces, name, interface);
	return interface;
}

static const char *scope_of(const struct ifaddrmsg *info)
{
	switch (info->ifa_scope) {
	case RT_SCOPE_HOST:
		return "local";
	case RT_SCOPE_LINK:
		return "link";
	default:
		return "global";
	}
}

static void take_address(const struct nlmsghdr *message, void *data)
{
	struct reading *reading = data;
	const struct ifaddrmsg *info = NLMSG_DATA(message);
	const struct rtattr *attributes[IFA_MAX + 1];
	char text[INET6_ADDRSTRLEN], index[16], prefix[8];
	if (message->nlmsg_type != RTM_NEWADDR)
		return;
	netlink_attributes(message, sizeof(*info), attributes, IFA_MAX + 1);
	const struct rtattr *address =
		attributes[IFA_LOCAL] ? attributes[IFA_LOCAL] : attributes[IFA_ADDRESS];
	snprintf(index, sizeof(index), "%u", info->ifa_index);
	snprintf(prefix, sizeof(prefix), "%d", info->ifa_prefixlen);
	json_t *interface = json_object_get(reading->by_index, index);
	if (!interface)
		interface = add_by_label(reading, index, attributes[IFA_LABEL]);
	json_t *list = json_object_get(interface, "addresses");
	if (!list || !address ||
	    !inet_ntop(info->ifa_family, RTA_DATA(address), text, sizeof(text)))
		return;
	json_array_append_new(list,
			      json_pack("{s:s, s:s, s:s, s:s}", "family",
					info->ifa_family == AF_INET ? "inet" : "inet6", "address",
					text, "netmask", prefix, "scope", scope_of(info)));
}

static int dump_links(struct netlink *netlink, int id, struct reading *reading)
{
	struct netlink_request request;
	struct ifinfomsg header = {.ifi_family = AF_UNSPEC};
	netlink_begin(&request, RTM_GETLINK, 0, &header, sizeof(header));
	if (id != OWN)
		netlink_add_u32(&request, IFLA_TARGET_NETNSID, (uint32_t)id);
	return netlink_dump(netlink, &request, take_link, reading);
}

/* The kernel tells all of IPv4 before IPv6, which is the order that people expect. */
static int dump_addresses(struct netlink *netlink, int id, struct reading *reading)
{
	struct netlink_request request;
	struct ifaddrmsg header = {.ifa_family = AF_UNSPEC};
	netlink_begin(&request, RTM_GETADDR, 0, &header, sizeof(header));
	if (id != OWN)
		netlink_add_u32(&request, IFA_TARGET_NETNSID, (uint32_t)id);
	return netlink_dump(netlink, &request, take_address, reading);
}

/* Addresses alone tell the names of interfaces, too, where each has one of IPv4. */
static void read_all(struct netlink *netlink, int id, struct reading *reading)
{
	if (reading->detail == INTERFACES_ADDRESSES) {
		if (dump_addresses(netlink, id, reading) < 0 || !reading->nameless)
			return;
		json_object_clear(reading->interfaces);
		json_object_clear(reading->by_index);
	}
	if (dump_links(netlink, id, reading) == 0)
		dump_addresses(netlink, id, reading);
}

json_t *interfaces_read(pid_t pid, enum interface_detail detail)
{
	struct reading reading = {json_object(), json_object(), pid == 0, detail, false};
	pthread_mutex_lock(&lock);
	if (shared.fd >= 0 || netlink_open(&shared, NULL) == 0) {
		int id = pid ? namespace_id(&shared, pid) : OWN;
		if (!pid || id >= 0)
			read_all(&shared, id, &reading);
	}
	pthread_mutex_unlock(&lock);
	json_decref(reading.by_index);
	return reading.interfaces;
}
