/* What the files about NICs share. */
#ifndef SYSCT_NETWORK_ADDRESSES_H
#define SYSCT_NETWORK_ADDRESSES_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "db/instances.h"
#include "error.h"
#include "network/subnet.h"

struct network;
struct server;

/* The value of a key of a device; NULL also for an empty one, which is an unset key. */
const char *nic_value(const json_t *device, const char *key);

/* Whether the key has that value. */
bool nic_has(const json_t *device, const char *key, const char *value);

/* Whether a device is a NIC, and of which nictype. */
bool nic_is(const json_t *device);
const char *nic_type(const json_t *device);

/* Whether the key is "true". */
bool nic_is_true(const json_t *device, const char *key);

/* Values that passed their check: bytes a second of "10Mbit"; IDs of "10,20-29", the caller's. */
json_int_t nic_rate(const char *value);
json_t *nic_vlans(const char *value);

/* The names of the NICs among @devices, by boot.priority, then sorted; borrowed texts, the caller frees the array. */
const char **nic_names(const json_t *devices, size_t *count);

/* volatile.DEVICE.KEY of a row, or NULL. */
const char *nic_volatile(const struct instance_row *row, const char *device, const char *key);

/**
 * nic_ipv6 - the address that a described NIC has in the network: the one it is given, or that
 * which router advertisements lead to (subnet_eui64()). False when it has none that is known.
 * @network: may be NULL.
 */
bool nic_ipv6(const json_t *nic, const struct network *network, struct address *address);

/* ---- descriptions for the runtime (nic_host.c); the keys are those of runtime/nics.h ---- */

/* Appends each of a list "A,B" to the array of that key; with @prefix behind those that have none. */
void nic_add_list(json_t *nic, const char *key, const char *list, const char *prefix);

/* Where the host sends what it routes through a NIC with "routes": "via4", "via6". */
void nic_set_gateways(json_t *nic, const struct network *network);

enum { NIC_IPV6_MAX = 2 };

/**
 * nic_ipv6_addresses - the link-local address of a NIC of the spec, and the one that it was given or
 * makes of router advertisements.
 * @network: NULL: none. Returns how many there are.
 */
int nic_ipv6_addresses(const json_t *nic, const struct network *network,
		       struct address addresses[static NIC_IPV6_MAX]);

/* The part of a routed NIC beside its veth pair. */
int nic_describe_routed(const json_t *device, json_t *nic, struct error **error);

/* A macvlan, ipvlan, or the interface of the host itself. @uuid: whose NIC it is. */
int nic_describe_over(struct server *server, const char *uuid, const json_t *device, json_t *nic,
		      struct error **error);

/* A number that stays the same for this NIC. */
uint32_t nic_hash(const char *uuid, const char *device);

#endif
