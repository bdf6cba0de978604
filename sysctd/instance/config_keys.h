/*
 * The configuration keys of instances and profiles: one table, from which
 * validation, completion and the reference page are made.
 */
#ifndef SYSCT_INSTANCE_CONFIG_KEYS_H
#define SYSCT_INSTANCE_CONFIG_KEYS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "error.h"

/* Where a configuration is kept. */
enum config_scope {
	CONFIG_SCOPE_INSTANCE = 1 << 0,
	CONFIG_SCOPE_PROFILE = 1 << 1,
};

enum config_type {
	CONFIG_TYPE_STRING,
	CONFIG_TYPE_BOOL,
	CONFIG_TYPE_INTEGER,
	CONFIG_TYPE_SIZE_OR_PERCENT,
	CONFIG_TYPE_CPU,
	CONFIG_TYPE_COUNT
};

const char *config_type_to_string(enum config_type type);

struct config_key {
	const char *name; /* "limits.cpu"; "user.*" is every key that begins with "user." */
	enum config_type type;
	unsigned int scopes;
	bool live;	      /* a change has effect while the instance runs */
	bool protected;	      /* kept by the daemon: users cannot change it */
	const char *fallback; /* value when unset, or NULL: "no limit", "none" */
	int (*validate)(const char *name, const char *value, struct error **error);
	const char *help;
};

/* All rows, by name: for completion and pages. */
const struct config_key *config_keys(size_t *count);

/* The row of a key, or NULL. */
const struct config_key *config_key_find(const char *name);

/**
 * config_key_check_name - the row of a key, or why there is none.
 * ERROR_UNSUPPORTED for a key that LXD or Incus has and sysct has not,
 * ERROR_INVALID with the nearest name for anything else.
 */
const struct config_key *config_key_check_name(const char *name, struct error **error);

/**
 * config_validate - every key and value of a configuration.
 * @config: object of strings. The message names the key. An empty value is an
 * unset key, as in LXD: see config_normalize().
 */
int config_validate(const json_t *config, enum config_scope scope, struct error **error);

/**
 * config_validate_change - config_validate(@new), and refuse a user's change of a
 * protected key (one in @old that is missing or different in @new, or the other way).
 */
int config_validate_change(const json_t *old, const json_t *new, enum config_scope scope,
			   struct error **error);

/* Removes keys with an empty or null value, and makes bare numbers and booleans of JSON strings. */
void config_normalize(json_t *config);

/* Whether a change of this key has effect in a running instance. Unknown keys are not. */
bool config_key_is_live(const char *name);

/* The value of a key, or its default from the table; NULL when there is neither. */
const char *config_get(const json_t *config, const char *name);

/* doc/config-keys.md, from the tables of keys and devices. */
void config_keys_write_reference(FILE *out);

#endif
