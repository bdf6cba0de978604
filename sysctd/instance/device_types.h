/* Types of devices and their keys; the configuration an instance has with its profiles. */
#ifndef SYSCT_INSTANCE_DEVICE_TYPES_H
#define SYSCT_INSTANCE_DEVICE_TYPES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "db/profiles.h"
#include "error.h"

struct device_key {
	const char *name;
	bool required;
	int (*validate)(const char *value, struct error **error);
	const char *help;
};

struct device_type {
	const char *name;
	const struct device_key *keys; /* ends with a NULL name */
	const char *help;
};

/* The supported types, by name. */
const struct device_type *device_types(size_t *count);
const struct device_type *device_type_find(const char *name);

/**
 * devices_validate - every device of an instance or a profile.
 * @devices: {name: {key: value}}. ERROR_UNSUPPORTED for a type or key that sysct
 * has not yet, ERROR_INVALID for a wrong one; the message names the device.
 */
int devices_validate(const json_t *devices, struct error **error);

/* The root disk of (expanded) devices: borrowed, NULL when there is none; *name may be NULL. */
const json_t *devices_find_root(const json_t *devices, const char **name);

/* Name of the pool of the root disk, borrowed; else ERROR_INVALID with what to do. */
const char *devices_root_pool(const json_t *devices, struct error **error);

/**
 * config_expand - what an instance gets: later profiles over earlier ones, its own
 * configuration over all. A device is replaced whole.
 * @profiles: rows to look the names up in; @names: of the instance's profiles, in order.
 * @config, @devices: the instance's own, or NULL.
 * @expanded_config, @expanded_devices: new objects; either may be NULL.
 */
int config_expand(const struct profile_list *profiles, const json_t *names, const json_t *config,
		  const json_t *devices, json_t **expanded_config, json_t **expanded_devices,
		  struct error **error);

#endif
