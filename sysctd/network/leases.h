/* Who has which address: leases of a network, allocations of all. */
#ifndef SYSCT_NETWORK_LEASES_H
#define SYSCT_NETWORK_LEASES_H

#include <jansson.h>

#include "error.h"

struct server;

/* LXD's list for one network: gateway, instances' NICs, and strangers that dnsmasq knows. */
json_t *leases_read(struct server *server, const char *network, struct error **error);

/* LXD's list over all networks: "used_by", "address", "type", "nat", "hwaddr", "network". */
json_t *allocations_read(struct server *server, struct error **error);

#endif
