/* subnet_pick_free(): what the host routes is read by rtnetlink(7). */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "memory.h"
#include "netlink.h"
#include "network/subnet.h"

enum { TRIES = 1000 };

struct taken {
	struct subnet *subnets;
	size_t count;
};

static void take_route(const struct nlmsghdr *message, void *data)
{
	struct taken *taken = data;
	const struct rtmsg *route = NLMSG_DATA(message);
	const struct rtattr *attributes[RTA_DST + 1];
	if (message->nlmsg_type != RTM_NEWROUTE || route->rtm_dst_len == 0 ||
	    route->rtm_type == RTN_MULTICAST)
		return;
	netlink_attributes(message, sizeof(*route), attributes, RTA_DST + 1);
	if (!attributes[RTA_DST])
		return;
	struct subnet subnet = {{.family = route->rtm_family}, route->rtm_dst_len};
	memcpy(subnet.address.bytes, RTA_DATA(attributes[RTA_DST]),
	       RTA_PAYLOAD(attributes[RTA_DST]) > 16 ? 16 : RTA_PAYLOAD(attributes[RTA_DST]));
	taken->subnets =
		memory_realloc(taken->subnets, (taken->count + 1) * sizeof(*taken->subnets));
	taken->subnets[taken->count++] = subnet;
}

static int read_routes(int family, struct taken *taken, struct error **error)
{
	cleanup_netlink struct netlink netlink = NETLINK_INIT;
	struct netlink_request request;
	struct rtmsg header = {.rtm_family = (unsigned char)family};
	netlink_begin(&request, RTM_GETROUTE, 0, &header, sizeof(header));
	if (netlink_open(&netlink, error) < 0)
		return -1;
	if (netlink_dump(&netlink, &request, take_route, taken) < 0)
		return error_errno(error, errno, "reading the host's routes");
	return 0;
}

static int random_subnet(int family, struct subnet *subnet, struct error **error)
{
	unsigned char random[6];
	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		return error_errno(error, errno, "getting random numbers");
	*subnet = (struct subnet){{.family = family}, family == AF_INET ? 24 : 64};
	unsigned char *bytes = subnet->address.bytes;
	if (family == AF_INET) {
		memcpy(bytes, (unsigned char[]){10, random[0], random[1], 1}, 4);
	} else {
		memcpy(bytes, (unsigned char[]){0xfd, 0x42}, 2);
		memcpy(bytes + 2, random, sizeof(random));
		bytes[15] = 1;
	}
	return 0;
}

static bool is_free(const struct taken *taken, const struct subnet *subnet)
{
	for (size_t i = 0; i < taken->count; i++)
		if (subnet_overlaps(&taken->subnets[i], subnet))
			return false;
	return true;
}

int subnet_pick_free(int family, struct subnet *subnet, struct error **error)
{
	struct taken taken = {0};
	bool found = false;
	int result = read_routes(family, &taken, error);
	for (int i = 0; result == 0 && !found && i < TRIES; i++) {
		result = random_subnet(family, subnet, error);
		found = result == 0 && is_free(&taken, subnet);
	}
	free(taken.subnets);
	if (result == 0 && !found)
		return error_set(error, ERROR_NO_SPACE,
				 "no free private subnet was found: the host's routes cover them; "
				 "set ipv%d.address",
				 family == AF_INET ? 4 : 6);
	return result;
}
