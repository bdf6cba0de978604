/* What may be said of a device of type disk. Names and meanings are LXD's; source=tmpfs: is Incus's. */
#ifndef SYSCT_INSTANCE_DISK_CHECK_H
#define SYSCT_INSTANCE_DISK_CHECK_H

#include <jansson.h>
#include <stdbool.h>

#include "error.h"

/* Validators of single keys (device_types.c). */
int disk_check_path(const char *value, struct error **error);
int disk_check_pool(const char *value, struct error **error);
int disk_check_source(const char *value, struct error **error);
int disk_check_bool(const char *value, struct error **error);
int disk_check_size(const char *value, struct error **error);
int disk_check_propagation(const char *value, struct error **error);

/* Why a key that LXD or Incus has is not there; NULL: they have no such key. */
const char *disk_key_missing(const char *key);

/* The keys together, each of which has passed its own. */
int disk_check_device(const json_t *device, struct error **error);

/* No two disks among @devices have one path. */
int disks_check_paths(const json_t *devices, struct error **error);

bool disk_is(const json_t *device);	 /* of type disk */
bool disk_is_root(const json_t *device); /* the one with path "/" */
bool disk_is_tmpfs(const json_t *device);

/* The value of a key, or NULL when it is unset or empty; and whether a boolean is true. */
const char *disk_value(const json_t *device, const char *key);
bool disk_is_true(const json_t *device, const char *key, bool unset);

#endif
