/* What the files about NICs share. */
#ifndef SYSCT_NETWORK_ADDRESSES_H
#define SYSCT_NETWORK_ADDRESSES_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "db/instances.h"

/* The value of a key of a device; NULL also for an empty one, which is an unset key. */
const char *nic_value(const json_t *device, const char *key);

/* Whether the key has that value. */
bool nic_has(const json_t *device, const char *key, const char *value);

/* Whether a device is a NIC. */
bool nic_is(const json_t *device);

/* The names of the NICs among @devices, sorted; borrowed texts, the caller frees the array. */
const char **nic_names(const json_t *devices, size_t *count);

/* volatile.DEVICE.KEY of a row, or NULL. */
const char *nic_volatile(const struct instance_row *row, const char *device, const char *key);

/* A number that stays the same for this NIC. */
uint32_t nic_hash(const char *uuid, const char *device);

#endif
