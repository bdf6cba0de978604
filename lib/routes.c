/* See routes.h. */
#include "routes.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/neighbour.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "links.h"

static size_t length_of(int family)
{
	return family == AF_INET ? 4 : 16;
}

bool route_parse(const char *text, struct route *route)
{
	char copy[INET6_ADDRSTRLEN + 8];
	if (strlen(text) >= sizeof(copy))
		return false;
	strcpy(copy, text);
	char *slash = strchr(copy, '/'), *end = NULL;
	if (slash)
		*slash = '\0';
	route->family = strchr(copy, ':') ? AF_INET6 : AF_INET;
	int most = (int)length_of(route->family) * 8;
	long prefix = slash ? strtol(slash + 1, &end, 10) : most;
	if (inet_pton(route->family, copy, route->to) != 1 ||
	    (slash && (end == slash + 1 || *end)) || prefix < 0 || prefix > most)
		return false;
	route->prefix = (int)prefix;
	for (int bit = route->prefix; bit < most; bit++)
		route->to[bit / 8] &= (unsigned char)~(0x80 >> (bit % 8));
	return true;
}

static int change(struct netlink *netlink, uint16_t type, uint16_t flags, const struct route *route)
{
	struct netlink_request request;
	uint32_t table = route->table ? route->table : RT_TABLE_MAIN;
	struct rtmsg header = {
		.rtm_family = (unsigned char)route->family,
		.rtm_dst_len = (unsigned char)route->prefix,
		.rtm_table = table < 256 ? (unsigned char)table : RT_TABLE_UNSPEC,
		.rtm_protocol = ROUTE_PROTOCOL,
		.rtm_scope =
			route->via || route->family == AF_INET6 ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK,
		.rtm_type = RTN_UNICAST,
		.rtm_flags = route->via ? RTNH_F_ONLINK : 0,
	};
	netlink_begin(&request, type, flags, &header, sizeof(header));
	netlink_add(&request, RTA_DST, route->to, length_of(route->family));
	if (route->via)
		netlink_add(&request, RTA_GATEWAY, route->via, length_of(route->family));
	netlink_add_u32(&request, RTA_OIF, (uint32_t)link_index(netlink, route->device));
	netlink_add_u32(&request, RTA_TABLE, table);
	return netlink_send(netlink, &request);
}

static void format(const struct route *route, char text[static INET6_ADDRSTRLEN])
{
	inet_ntop(route->family, route->to, text, INET6_ADDRSTRLEN);
}

int route_add(struct netlink *netlink, const struct route *route, struct error **error)
{
	char text[INET6_ADDRSTRLEN];
	if (change(netlink, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, route) == 0)
		return 0;
	int problem = errno;
	format(route, text);
	return error_errno(error, problem, "adding the route to %s/%d by %s", text, route->prefix,
			   route->device);
}

int route_remove(struct netlink *netlink, const struct route *route, struct error **error)
{
	char text[INET6_ADDRSTRLEN];
	if (change(netlink, RTM_DELROUTE, 0, route) == 0 || errno == ESRCH || errno == ENODEV)
		return 0;
	int problem = errno;
	format(route, text);
	return error_errno(error, problem, "removing the route to %s/%d", text, route->prefix);
}

int neighbour_proxy(struct netlink *netlink, const char *device, int family,
		    const unsigned char *address, bool answer, struct error **error)
{
	struct netlink_request request;
	struct ndmsg header = {
		.ndm_family = (unsigned char)family,
		.ndm_ifindex = link_index(netlink, device),
		.ndm_flags = NTF_PROXY,
	};
	if (header.ndm_ifindex == 0)
		return answer ? error_set(error, ERROR_NOT_FOUND,
					  "the host has no network interface \"%s\"", device)
			      : 0;
	netlink_begin(&request, answer ? RTM_NEWNEIGH : RTM_DELNEIGH,
		      answer ? NLM_F_CREATE | NLM_F_REPLACE : 0, &header, sizeof(header));
	netlink_add(&request, NDA_DST, address, length_of(family));
	netlink_add_u8(&request, NDA_PROTOCOL, ROUTE_PROTOCOL);
	if (netlink_send(netlink, &request) == 0 || (!answer && errno == ENOENT))
		return 0;
	return error_errno(error, errno, "answering for an address on %s", device);
}
