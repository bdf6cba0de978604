/*
 * The network interfaces of an instance: "sysct.nics" of the spec. Each has "device", "name" (in the
 * instance), "hwaddr" and "mtu", and by "kind":
 *
 * without one: a veth pair with "host_name", in "bridge" or none; "isolated", "hairpin", "ingress"
 * (bytes a second), "queue" (packets), "down", "vlan" (an ID, or -1 for none) and "tagged" (IDs);
 * "host_addresses", and "host_routes" to it, also into the tables "table4" and "table6".
 * "macvlan", "ipvlan", "vlan": made over "parent", with "mode", or "vlan_id" and "gvrp".
 * "physical": "parent" itself, which returns with "restore" {"name", "kind", "hwaddr", "mtu"}.
 *
 * All may have "addresses" (with prefixes) and "gateways" inside: an address, or "inet" or "inet6"
 * for a default route without one.
 */
#ifndef SYSCT_NICS_H
#define SYSCT_NICS_H

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#include "error.h"
#include "netlink.h"

/**
 * nics_create - make those of @nics (may be NULL) in the network namespace of @pid.
 * On failure nothing is left; afterwards they go with that namespace, but for those that
 * nics_return() brings back.
 */
int nics_create(const json_t *nics, pid_t pid, struct error **error);

/* Whether nics_return() will have something to do. */
bool nics_must_return(const json_t *nics);

/* The instance ended: interfaces of the host that it had go home. @space: its network namespace. */
void nics_return(const json_t *nics, int space);

/* One of a running instance goes. Missing is no error. */
int nics_remove(const json_t *nic, pid_t pid, struct error **error);

/**
 * nics_adjust - what can be changed of one that is there: "isolated", "hairpin", "ingress", "down".
 * What a port has lost with its bridge, such as its VLANs, is set again.
 */
int nics_adjust(const json_t *nic, struct error **error);

/**
 * nics_prepare - in the instance, before its init: addresses of managed networks come of MAC
 * addresses that the host has seen to being the only ones, so IPv6 need not look for doubles, which
 * takes one to two seconds (ip-sysctl.rst, accept_dad).
 */
void nics_prepare(const json_t *nics);

/* ---- addresses and routes of a NIC (nics_addresses.c) ---- */

/* "host_addresses" and "host_routes" on the host's end. */
int nics_address_host(struct netlink *netlink, const json_t *nic, struct error **error);

/* "addresses" and "gateways" in the instance, whose socket it is; brings the interface up. */
int nics_address_inside(struct netlink *netlink, const json_t *nic, struct error **error);

#endif
