/* Routes and proxy neighbours: ip-route(8), ip-neighbour(8), by rtnetlink(7). */
#ifndef SYSCT_ROUTES_H
#define SYSCT_ROUTES_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"
#include "netlink.h"

/* The routing protocol by which routes of ours are known among others (rtm_protocol). */
enum { ROUTE_PROTOCOL = 115 };

struct route {
	int family; /* AF_INET, AF_INET6 */
	unsigned char to[16];
	int prefix;
	const unsigned char *via; /* of the same family; NULL: the device's own link */
	const char *device;
	uint32_t table; /* 0: main */
};

/**
 * route_parse - "10.1.2.0/24" or "10.1.2.3" into family, to and prefix.
 * Bits behind the prefix are cleared. False when it is neither.
 */
bool route_parse(const char *text, struct route *route);

/* There already is fine. The device is of the socket's namespace; so is the gateway. */
int route_add(struct netlink *netlink, const struct route *route, struct error **error);

/* Missing is fine. */
int route_remove(struct netlink *netlink, const struct route *route, struct error **error);

/* Whether @device answers for an address that is elsewhere (ARP, neighbour discovery). */
int neighbour_proxy(struct netlink *netlink, const char *device, int family,
		    const unsigned char *address, bool answer, struct error **error);

#endif
