/* What may be said of a device of type proxy. Names and meanings are LXD's. */
#ifndef SYSCT_INSTANCE_PROXY_CHECK_H
#define SYSCT_INSTANCE_PROXY_CHECK_H

#include <jansson.h>
#include <stdbool.h>

#include "error.h"

/* Validators of single keys (device_types.c). */
int proxy_check_address(const char *value, struct error **error);
int proxy_check_bind(const char *value, struct error **error);
int proxy_check_mode(const char *value, struct error **error);
int proxy_check_id(const char *value, struct error **error);
int proxy_check_bool(const char *value, struct error **error);

/* The keys together, each of which has passed its own. */
int proxy_check_device(const json_t *device, struct error **error);

/* Whether it listens in the instance ("guest" and "container" are LXD's old words for that). */
bool proxy_is_in_instance(const json_t *device);

/* Whether the key is true. */
bool proxy_is_true(const json_t *device, const char *key);

#endif
