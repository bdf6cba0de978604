/* See links.h. Each change is one message, so that one call of the kernel makes a veth pair whole. */
#include "links.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/pkt_sched.h>
#include <linux/veth.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cleanup.h"

bool link_address_parse(const char *text, uint8_t address[static LINK_ADDRESS_SIZE])
{
	char end;
	int count = sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%c", &address[0], &address[1],
			   &address[2], &address[3], &address[4], &address[5], &end);
	return count == 6 && strlen(text) == 17 && !(address[0] & 1);
}

void link_address_format(const uint8_t address[static LINK_ADDRESS_SIZE],
			 char text[static LINK_ADDRESS_TEXT])
{
	snprintf(text, LINK_ADDRESS_TEXT, "%02x:%02x:%02x:%02x:%02x:%02x", address[0], address[1],
		 address[2], address[3], address[4], address[5]);
}

int link_check_name(const char *name, struct error **error)
{
	size_t length = strlen(name);
	bool good = length > 0 && length < IFNAMSIZ && isalnum((unsigned char)*name);
	for (const char *at = name; good && *at; at++)
		good = isalnum((unsigned char)*at) || *at == '-' || *at == '_' || *at == '.';
	if (good)
		return 0;
	return error_set(error, ERROR_INVALID,
			 "\"%s\" is no name for a network interface: use 1 to %d letters, digits "
			 "and \"-_.\", the first a letter or digit",
			 name, IFNAMSIZ - 1);
}

static int index_of(const char *name, struct error **error)
{
	unsigned int index = if_nametoindex(name);
	if (index == 0)
		return error_set(error, ERROR_NOT_FOUND, "there is no network interface \"%s\"",
				 name);
	return (int)index;
}

static void add_peer(struct netlink_request *request, const struct veth *veth)
{
	struct ifinfomsg nothing = {.ifi_family = AF_UNSPEC};
	size_t info = netlink_nest(request, IFLA_LINKINFO, NULL, 0);
	netlink_add_text(request, IFLA_INFO_KIND, "veth");
	size_t data = netlink_nest(request, IFLA_INFO_DATA, NULL, 0);
	size_t peer = netlink_nest(request, VETH_INFO_PEER, &nothing, sizeof(nothing));
	netlink_add_text(request, IFLA_IFNAME, veth->name);
	netlink_add_u32(request, IFLA_NET_NS_PID, (uint32_t)veth->pid);
	netlink_add(request, IFLA_ADDRESS, veth->address, LINK_ADDRESS_SIZE);
	if (veth->mtu)
		netlink_add_u32(request, IFLA_MTU, veth->mtu);
	if (veth->queue_length)
		netlink_add_u32(request, IFLA_TXQLEN, veth->queue_length);
	netlink_nest_end(request, peer);
	netlink_nest_end(request, data);
	netlink_nest_end(request, info);
}

/* This end gets a high address of its own: a bridge takes the lowest of its ports as its own. */
static int create_pair(struct netlink *netlink, const struct veth *veth)
{
	struct ifinfomsg header = {.ifi_family = AF_UNSPEC};
	struct netlink_request request;
	uint8_t own[LINK_ADDRESS_SIZE];
	memcpy(own, veth->address, sizeof(own));
	own[0] = 0xfe;
	netlink_begin(&request, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &header, sizeof(header));
	netlink_add_text(&request, IFLA_IFNAME, veth->host_name);
	netlink_add(&request, IFLA_ADDRESS, own, sizeof(own));
	if (veth->mtu)
		netlink_add_u32(&request, IFLA_MTU, veth->mtu);
	if (veth->queue_length)
		netlink_add_u32(&request, IFLA_TXQLEN, veth->queue_length);
	add_peer(&request, veth);
	return netlink_send(netlink, &request);
}

static void add_no_ipv6(struct netlink_request *request)
{
	size_t families = netlink_nest(request, IFLA_AF_SPEC, NULL, 0);
	size_t ipv6 = netlink_nest(request, AF_INET6, NULL, 0);
	netlink_add_u8(request, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	netlink_nest_end(request, ipv6);
	netlink_nest_end(request, families);
}

static int connect_host_end(struct netlink *netlink, const struct veth *veth, struct error **error)
{
	struct netlink_request request;
	struct ifinfomsg header = {.ifi_family = AF_UNSPEC,
				   .ifi_flags = veth->down ? 0 : IFF_UP,
				   .ifi_change = IFF_UP};
	int bridge = veth->bridge ? index_of(veth->bridge, error) : 0;
	if (bridge < 0)
		return -1;
	netlink_begin(&request, RTM_NEWLINK, 0, &header, sizeof(header));
	netlink_add_text(&request, IFLA_IFNAME, veth->host_name);
	if (bridge)
		netlink_add_u32(&request, IFLA_MASTER, (uint32_t)bridge);
	if (access("/proc/sys/net/ipv6", F_OK) == 0)
		add_no_ipv6(&request);
	if (netlink_send(netlink, &request) < 0)
		return error_errno(error, errno, "connecting %s%s%s", veth->host_name,
				   bridge ? " to " : "", bridge ? veth->bridge : "");
	return 0;
}

/* linux/if_link.h, IFLA_BRPORT_*. */
static int set_port(struct netlink *netlink, const struct veth *veth, struct error **error)
{
	struct netlink_request request;
	struct ifinfomsg header = {.ifi_family = AF_BRIDGE};
	if (!veth->bridge)
		return 0;
	header.ifi_index = index_of(veth->host_name, error);
	if (header.ifi_index < 0)
		return -1;
	netlink_begin(&request, RTM_SETLINK, 0, &header, sizeof(header));
	size_t port = netlink_nest(&request, IFLA_PROTINFO, NULL, 0);
	netlink_add_u8(&request, IFLA_BRPORT_ISOLATED, veth->isolated);
	netlink_add_u8(&request, IFLA_BRPORT_MODE, veth->hairpin);
	netlink_nest_end(&request, port);
	if (netlink_send(netlink, &request) < 0)
		return error_errno(error, errno, "setting up the bridge port %s", veth->host_name);
	return 0;
}

/*
 * tc-tbf(8): what is sent to the other end waits its turn. A tenth of a second may go
 * at once, so that it is the rate also where the kernel's clock ticks slowly.
 */
static int limit_ingress(struct netlink *netlink, const struct veth *veth, struct error **error)
{
	struct netlink_request request;
	uint64_t burst = veth->ingress / 10 < 131072 ? 131072 : veth->ingress / 10;
	uint64_t waiting = burst + veth->ingress / 20; /* 50 ms */
	struct tc_tbf_qopt parameters = {
		.rate = {.linklayer = TC_LINKLAYER_ETHERNET,
			 .rate = veth->ingress > UINT32_MAX ? UINT32_MAX : (uint32_t)veth->ingress},
		.limit = waiting > UINT32_MAX ? UINT32_MAX : (uint32_t)waiting,
	};
	struct tcmsg header = {.tcm_family = AF_UNSPEC, .tcm_parent = TC_H_ROOT};
	header.tcm_ifindex = index_of(veth->host_name, error);
	if (header.tcm_ifindex < 0)
		return -1;
	netlink_begin(&request, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE, &header,
		      sizeof(header));
	netlink_add_text(&request, TCA_KIND, "tbf");
	size_t options = netlink_nest(&request, TCA_OPTIONS, NULL, 0);
	netlink_add(&request, TCA_TBF_PARMS, &parameters, sizeof(parameters));
	if (veth->ingress > UINT32_MAX)
		netlink_add(&request, TCA_TBF_RATE64, &veth->ingress, sizeof(veth->ingress));
	netlink_add_u32(&request, TCA_TBF_BURST, burst > UINT32_MAX ? UINT32_MAX : (uint32_t)burst);
	netlink_nest_end(&request, options);
	if (netlink_send(netlink, &request) == 0)
		return 0;
	if (errno == ENOENT)
		return error_set(error, ERROR_UNSUPPORTED,
				 "limits.ingress: this kernel has no token bucket filter (module "
				 "sch_tbf)");
	return error_errno(error, errno, "limiting what %s receives", veth->name);
}

static int unlimit_ingress(struct netlink *netlink, const struct veth *veth, struct error **error)
{
	struct netlink_request request;
	struct tcmsg header = {
		.tcm_family = AF_UNSPEC,
		.tcm_parent = TC_H_ROOT,
		.tcm_ifindex = index_of(veth->host_name, error),
	};
	if (header.tcm_ifindex < 0)
		return -1;
	netlink_begin(&request, RTM_DELQDISC, 0, &header, sizeof(header));
	/* ENOENT, or EINVAL from older kernels: there is none but the one that always is. */
	if (netlink_send(netlink, &request) < 0 && errno != ENOENT && errno != EINVAL)
		return error_errno(error, errno, "lifting a limit of %s", veth->name);
	return 0;
}

int veth_adjust(struct netlink *netlink, const struct veth *veth, struct error **error)
{
	if (set_port(netlink, veth, error) < 0 ||
	    link_set_up(netlink, veth->host_name, !veth->down, error) < 0)
		return -1;
	return veth->ingress ? limit_ingress(netlink, veth, error)
			     : unlimit_ingress(netlink, veth, error);
}

int veth_create(struct netlink *netlink, const struct veth *veth, struct error **error)
{
	int result = create_pair(netlink, veth);
	if (result < 0 && errno == EEXIST) {
		if (link_delete(netlink, veth->host_name, error) < 0)
			return -1;
		result = create_pair(netlink, veth);
	}
	if (result < 0)
		return error_errno(error, errno, "making the network interface %s", veth->name);
	bool plain = !veth->isolated && !veth->hairpin && !veth->ingress;
	if (connect_host_end(netlink, veth, error) == 0 &&
	    (plain || veth_adjust(netlink, veth, error) == 0))
		return 0;
	link_delete(netlink, veth->host_name, NULL);
	return -1;
}

static void take_index(const struct nlmsghdr *message, void *data)
{
	const struct ifinfomsg *link = NLMSG_DATA(message);
	if (message->nlmsg_type == RTM_NEWLINK)
		*(int *)data = link->ifi_index;
}

int link_index(struct netlink *netlink, const char *name)
{
	struct netlink_request request;
	struct ifinfomsg header = {.ifi_family = AF_UNSPEC};
	int index = 0;
	netlink_begin(&request, RTM_GETLINK, 0, &header, sizeof(header));
	netlink_add_text(&request, IFLA_IFNAME, name);
	return netlink_get(netlink, &request, take_index, &index) < 0 ? 0 : index;
}

int link_delete(struct netlink *netlink, const char *name, struct error **error)
{
	struct netlink_request request;
	struct ifinfomsg header = {.ifi_family = AF_UNSPEC};
	netlink_begin(&request, RTM_DELLINK, 0, &header, sizeof(header));
	netlink_add_text(&request, IFLA_IFNAME, name);
	if (netlink_send(netlink, &request) < 0 && errno != ENODEV)
		return error_errno(error, errno, "removing the network interface %s", name);
	return 0;
}

int bridge_create(struct netlink *netlink, const char *name, const uint8_t *address, uint32_t mtu,
		  struct error **error)
{
	struct netlink_request request;
	struct ifinfomsg header = {.ifi_family = AF_UNSPEC};
	netlink_begin(&request, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &header, sizeof(header));
	netlink_add_text(&request, IFLA_IFNAME, name);
	if (address)
		netlink_add(&request, IFLA_ADDRESS, address, LINK_ADDRESS_SIZE);
	if (mtu)
		netlink_add_u32(&request, IFLA_MTU, mtu);
	size_t info = netlink_nest(&request, IFLA_LINKINFO, NULL, 0);
	netlink_add_text(&request, IFLA_INFO_KIND, "bridge");
	netlink_nest_end(&request, info);
	if (netlink_send(netlink, &request) == 0)
		return 0;
	if (errno == EOPNOTSUPP)
		return error_set(error, ERROR_UNSUPPORTED,
				 "this kernel has no bridges (module bridge)");
	return error_errno(error, errno, "making the bridge %s", name);
}

bool link_exists(const char *name)
{
	return if_nametoindex(name) > 0;
}

bool link_is_bridge(const char *name)
{
	char path[64];
	snprintf(path, sizeof(path), "/sys/class/net/%s/bridge", name);
	return access(path, F_OK) == 0;
}

/* A change of one attribute; @bytes NULL for none. */
static int change(struct netlink *netlink, const char *name, unsigned int flags,
		  unsigned int flag_mask, uint16_t attribute, const void *bytes, size_t length)
{
	struct netlink_request request;
	struct ifinfomsg header = {
		.ifi_family = AF_UNSPEC,
		.ifi_flags = flags,
		.ifi_change = flag_mask,
	};
	netlink_begin(&request, RTM_NEWLINK, 0, &header, sizeof(header));
	netlink_add_text(&request, IFLA_IFNAME, name);
	if (bytes)
		netlink_add(&request, attribute, bytes, length);
	return netlink_send(netlink, &request);
}

int link_set_up(struct netlink *netlink, const char *name, bool up, struct error **error)
{
	if (change(netlink, name, up ? IFF_UP : 0, IFF_UP, 0, NULL, 0) < 0)
		return error_errno(error, errno, "bringing %s %s", name, up ? "up" : "down");
	return 0;
}

int link_set_mtu(struct netlink *netlink, const char *name, uint32_t mtu, struct error **error)
{
	if (change(netlink, name, 0, 0, IFLA_MTU, &mtu, sizeof(mtu)) < 0)
		return error_errno(error, errno, "setting the MTU of %s to %u", name, mtu);
	return 0;
}

int link_set_address(struct netlink *netlink, const char *name, const uint8_t *address,
		     struct error **error)
{
	if (change(netlink, name, 0, 0, IFLA_ADDRESS, address, LINK_ADDRESS_SIZE) < 0)
		return error_errno(error, errno, "setting the MAC address of %s", name);
	return 0;
}

int link_set_master(struct netlink *netlink, const char *name, const char *bridge,
		    struct error **error)
{
	int master = bridge ? index_of(bridge, error) : 0;
	if (master < 0)
		return -1;
	if (change(netlink, name, 0, 0, IFLA_MASTER, &master, sizeof(master)) < 0)
		return error_errno(error, errno, "putting %s into %s", name,
				   bridge ? bridge : "no bridge");
	return 0;
}

static int change_ip(struct netlink *netlink, uint16_t type, const char *name, int family,
		     const void *address, int prefix)
{
	struct netlink_request request;
	size_t length = family == AF_INET ? 4 : 16;
	struct ifaddrmsg header = {
		.ifa_family = (unsigned char)family,
		.ifa_prefixlen = (unsigned char)prefix,
		.ifa_flags = IFA_F_NODAD,
		.ifa_index = (unsigned int)link_index(netlink, name),
	};
	netlink_begin(&request, type, type == RTM_NEWADDR ? NLM_F_CREATE | NLM_F_REPLACE : 0,
		      &header, sizeof(header));
	netlink_add(&request, IFA_LOCAL, address, length);
	netlink_add(&request, IFA_ADDRESS, address, length);
	if (family == AF_INET && type == RTM_NEWADDR && prefix < 31) {
		uint32_t broadcast;
		memcpy(&broadcast, address, sizeof(broadcast));
		broadcast |= htonl(UINT32_MAX >> prefix);
		netlink_add_u32(&request, IFA_BROADCAST, broadcast);
	}
	return netlink_send(netlink, &request);
}

int link_add_ip(struct netlink *netlink, const char *name, int family, const void *address,
		int prefix, struct error **error)
{
	if (change_ip(netlink, RTM_NEWADDR, name, family, address, prefix) < 0 && errno != EEXIST)
		return error_errno(error, errno, "giving %s an address", name);
	return 0;
}

int link_remove_ip(struct netlink *netlink, const char *name, int family, const void *address,
		   int prefix, struct error **error)
{
	if (change_ip(netlink, RTM_DELADDR, name, family, address, prefix) < 0 &&
	    errno != EADDRNOTAVAIL && errno != ENODEV)
		return error_errno(error, errno, "taking an address from %s", name);
	return 0;
}
