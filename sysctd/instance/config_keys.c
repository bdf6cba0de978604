/*
 * The table of configuration keys, and what is made from it. A key is here when
 * its behaviour is there; see config_keys_unsupported.c for the others.
 */
#include "instance/config_keys.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "instance/config_keys_unsupported.h"
#include "instance/config_keys_values.h"
#include "instance/schedule.h"
#include "memory.h"

static const char *const type_names[CONFIG_TYPE_COUNT] = {
	[CONFIG_TYPE_STRING] = "string",
	[CONFIG_TYPE_BOOL] = "bool",
	[CONFIG_TYPE_INTEGER] = "integer",
	[CONFIG_TYPE_SIZE_OR_PERCENT] = "size or percentage",
	[CONFIG_TYPE_CPU] = "number or set of CPUs",
};

const char *config_type_to_string(enum config_type type)
{
	return type < CONFIG_TYPE_COUNT ? type_names[type] : NULL;
}

static int validate_any(const char *name, const char *value, struct error **error)
{
	(void)name, (void)value, (void)error;
	return 0;
}

static int validate_bool(const char *name, const char *value, struct error **error)
{
	bool ignored;
	(void)name;
	return bool_parse(value, &ignored, error);
}

static int parse_integer(const char *value, long long least, long long most, struct error **error)
{
	char *end;
	errno = 0;
	long long number = strtoll(value, &end, 10);
	if (errno || end == value || *end || !strchr("-0123456789", *value))
		return error_set(error, ERROR_INVALID, "\"%s\" is not a whole number", value);
	if (number < least || number > most)
		return error_set(error, ERROR_INVALID, "%s is not between %lld and %lld", value,
				 least, most);
	return 0;
}

static int validate_integer(const char *name, const char *value, struct error **error)
{
	(void)name;
	return parse_integer(value, INT_MIN, INT_MAX, error);
}

static int validate_seconds(const char *name, const char *value, struct error **error)
{
	(void)name;
	return parse_integer(value, 0, INT_MAX, error);
}

static int validate_processes(const char *name, const char *value, struct error **error)
{
	enum { PID_MAX_LIMIT = 4194304 }; /* the kernel's own limit on 64-bit machines */
	(void)name;
	return parse_integer(value, 1, PID_MAX_LIMIT, error);
}

static int validate_memory(const char *name, const char *value, struct error **error)
{
	enum { ANY_TOTAL = 1 << 30 };
	uint64_t bytes;
	(void)name;
	if (size_or_percent_parse(value, ANY_TOTAL, &bytes, error) < 0)
		return -1;
	if (bytes == 0)
		return error_set(error, ERROR_INVALID, "\"%s\" leaves the instance no memory",
				 value);
	return 0;
}

static int validate_cpu(const char *name, const char *value, struct error **error)
{
	struct cpu_limit limit;
	(void)name;
	return cpu_limit_parse(value, &limit, error);
}

static int validate_cpu_allowance(const char *name, const char *value, struct error **error)
{
	struct cpu_allowance allowance;
	(void)name;
	return cpu_allowance_parse(value, &allowance, error);
}

static int validate_environment(const char *name, const char *value, struct error **error)
{
	const char *variable = strchr(name, '.') + 1;
	(void)value;
	if (strchr(variable, '='))
		return error_set(error, ERROR_INVALID,
				 "the name of an environment variable cannot contain \"=\"");
	return 0;
}

static int validate_privileged(const char *name, const char *value, struct error **error)
{
	bool privileged;
	(void)name;
	if (bool_parse(value, &privileged, error) < 0)
		return -1;
	if (privileged)
		return error_set(error, ERROR_UNSUPPORTED,
				 "sysct has no privileged instances: each runs in a user namespace "
				 "with ids that are nobody's on the host");
	return 0;
}

static int validate_isolated(const char *name, const char *value, struct error **error)
{
	bool isolated;
	(void)name;
	if (bool_parse(value, &isolated, error) < 0)
		return -1;
	if (!isolated)
		return error_set(error, ERROR_UNSUPPORTED,
				 "sysct gives every instance an id range of its own, so this is "
				 "always true");
	return 0;
}

#define ANYWHERE      (CONFIG_SCOPE_INSTANCE | CONFIG_SCOPE_PROFILE)
#define INSTANCE_ONLY CONFIG_SCOPE_INSTANCE

/* By name; where two rows match a key, the longer name comes first. */
static const struct config_key table[] = {
	{"boot.autostart", CONFIG_TYPE_BOOL, ANYWHERE, true, false, NULL, validate_bool,
	 "Start the instance when sysctd starts. Unset, an instance that was running when the "
	 "host went down is started again, and a stopped one is not."},
	{"boot.autostart.delay", CONFIG_TYPE_INTEGER, ANYWHERE, true, false, "0", validate_seconds,
	 "Seconds to wait after the start of this instance before the next one is started."},
	{"boot.autostart.priority", CONFIG_TYPE_INTEGER, ANYWHERE, true, false, "0",
	 validate_integer, "Order of automatic starts: the highest number first."},
	{"environment.*", CONFIG_TYPE_STRING, ANYWHERE, true, false, NULL, validate_environment,
	 "An environment variable for init (from its next start) and for commands run by exec."},
	{"image.*", CONFIG_TYPE_STRING, INSTANCE_ONLY, true, false, NULL, validate_any,
	 "A property of the image that the instance was made from, noted at its creation."},
	{"limits.cpu", CONFIG_TYPE_CPU, ANYWHERE, true, false, NULL, validate_cpu,
	 "CPUs that the instance may use: how many (`2`), or which (`0-3,5`; `2-2` is CPU 2). "
	 "Unset, all."},
	{"limits.cpu.allowance", CONFIG_TYPE_STRING, ANYWHERE, true, false, NULL,
	 validate_cpu_allowance,
	 "Processor time: a hard limit (`25ms/100ms`: so much in each period, 1 to 1000 ms, of all "
	 "CPUs "
	 "together), or a share of what others want too (`50%`). The instance is bound to as many "
	 "CPUs "
	 "as a hard limit needs, rounded up, so that programs in it start no more threads than "
	 "can run. "
	 "Unset, 100%."},
	{"limits.memory", CONFIG_TYPE_SIZE_OR_PERCENT, ANYWHERE, true, false, NULL, validate_memory,
	 "Most memory that the instance may use: a size (`512MiB`, `2GB`) or a part of the host's "
	 "(`25%`). Unset, all."},
	{"limits.processes", CONFIG_TYPE_INTEGER, ANYWHERE, true, false, NULL, validate_processes,
	 "Most processes and threads in the instance. Unset, as many as the kernel allows."},
	{"security.idmap.isolated", CONFIG_TYPE_BOOL, ANYWHERE, false, false, "true",
	 validate_isolated,
	 "Whether the instance has an id range that it shares with no other. Only `true`."},
	{"security.privileged", CONFIG_TYPE_BOOL, ANYWHERE, false, false, "false",
	 validate_privileged, "Whether the instance's root is the host's. Only `false`."},
	{"security.syscalls.intercept.sysinfo", CONFIG_TYPE_BOOL, ANYWHERE, false, false, "false",
	 validate_bool,
	 "`true`: sysinfo(2) tells the instance's memory, load and processes, as its /proc does "
	 "(busybox's free and uptime ask it), and not the host's. A container engine in the "
	 "instance "
	 "cannot answer system calls of its own containers then."},
	{"snapshots.expiry", CONFIG_TYPE_STRING, ANYWHERE, true, false, NULL, snapshot_check_key,
	 "How long new snapshots are kept: `30M`, `2H`, `3d`, `4w`, `5m`, `6y`, or several of "
	 "these. "
	 "Unset: until they are deleted."},
	{"snapshots.expiry.manual", CONFIG_TYPE_STRING, ANYWHERE, true, false, NULL,
	 snapshot_check_key, "The same for snapshots that are not taken by the schedule."},
	{"snapshots.pattern", CONFIG_TYPE_STRING, ANYWHERE, true, false, "snap%d",
	 snapshot_check_key,
	 "Name of snapshots that are given none. `%d` is a number, `{{ creation_date }}` the time, "
	 "and "
	 "`{{ creation_date|date:'2006-01-02' }}` the time in that layout."},
	{"snapshots.schedule", CONFIG_TYPE_STRING, ANYWHERE, true, false, NULL, snapshot_check_key,
	 "When snapshots are taken: `minute hour day month weekday` as in crontab(5), in local "
	 "time, "
	 "or words: `@hourly`, `@daily`, `@midnight`, `@weekly`, `@monthly`, `@annually`, "
	 "`@yearly`, "
	 "`@startup`."},
	{"snapshots.schedule.stopped", CONFIG_TYPE_BOOL, ANYWHERE, true, false, "false",
	 validate_bool, "`true`: also while the instance is stopped."},
	{"user.*", CONFIG_TYPE_STRING, ANYWHERE, true, false, NULL, validate_any,
	 "Anything of your own; sysct keeps it and does not look at it."},
	{"volatile.idmap.*", CONFIG_TYPE_STRING, INSTANCE_ONLY, false, true, NULL, validate_any,
	 "The id range of the instance. Kept by sysct."},
	{"volatile.last_state.*", CONFIG_TYPE_STRING, INSTANCE_ONLY, false, true, NULL,
	 validate_any, "What the instance was when it was last seen. Kept by sysct."},
	{"volatile.uuid", CONFIG_TYPE_STRING, INSTANCE_ONLY, false, true, NULL, validate_any,
	 "The UUID of the instance; its machine-id is made from it. Kept by sysct."},
	{"volatile.*", CONFIG_TYPE_STRING, INSTANCE_ONLY, false, false, NULL, validate_any,
	 "Other facts that sysct notes about the instance, such as `volatile.base_image`."},
};

enum { TABLE_COUNT = sizeof(table) / sizeof(table[0]) };

const struct config_key *config_keys(size_t *count)
{
	*count = TABLE_COUNT;
	return table;
}

const struct config_key *config_key_find(const char *name)
{
	for (size_t i = 0; i < TABLE_COUNT; i++)
		if (config_key_matches(table[i].name, name))
			return &table[i];
	return NULL;
}

const struct config_key *config_key_check_name(const char *name, struct error **error)
{
	const struct config_key *key = config_key_find(name);
	if (key)
		return key;
	if (config_key_is_unsupported(name)) {
		error_set(error, ERROR_UNSUPPORTED, "key \"%s\" is not supported by sysct yet",
			  name);
		return NULL;
	}
	const char *nearest = config_key_nearest(name);
	if (nearest)
		error_set(error, ERROR_INVALID,
			  "unknown configuration key \"%s\": did you mean \"%s\"?", name, nearest);
	else
		error_set(error, ERROR_INVALID, "unknown configuration key \"%s\"", name);
	return NULL;
}

static int validate_pair(const char *name, const json_t *value, enum config_scope scope,
			 struct error **error)
{
	const struct config_key *key = config_key_check_name(name, error);
	if (!key)
		return -1;
	if (!(key->scopes & scope))
		return error_set(error, ERROR_INVALID, "key \"%s\" can only be set on instances",
				 name);
	if (!json_is_string(value))
		return error_set(error, ERROR_INVALID, "the value of key \"%s\" is not a text",
				 name);
	const char *text = json_string_value(value);
	if (*text && key->validate(name, text, error) < 0)
		return error_prefix(error, "key \"%s\"", name);
	return 0;
}

int config_validate(const json_t *config, enum config_scope scope, struct error **error)
{
	const char *name;
	json_t *value;
	if (config && !json_is_object(config))
		return error_set(error, ERROR_INVALID, "the configuration is not an object");
	json_object_foreach ((json_t *)config, name, value)
		if (validate_pair(name, value, scope, error) < 0)
			return -1;
	return 0;
}

static bool is_protected(const char *name)
{
	const struct config_key *key = config_key_find(name);
	return key && key->protected;
}

/* An error for a protected key of @one that @other does not have, or has with another value. */
static int check_protected(const json_t *one, const json_t *other, struct error **error)
{
	const char *name;
	json_t *value;
	json_object_foreach ((json_t *)one, name, value)
		if (is_protected(name) && !json_equal(value, json_object_get(other, name)))
			return error_set(error, ERROR_INVALID,
					 "key \"%s\" is kept by sysct "
					 "and cannot be changed",
					 name);
	return 0;
}

int config_validate_change(const json_t *old, const json_t *new, enum config_scope scope,
			   struct error **error)
{
	if (config_validate(new, scope, error) < 0 || check_protected(old, new, error) < 0)
		return -1;
	return check_protected(new, old, error);
}

static json_t *value_as_text(const json_t *value)
{
	if (json_is_boolean(value))
		return json_string(json_is_true(value) ? "true" : "false");
	if (!json_is_integer(value))
		return NULL;
	cleanup_free char *text = memory_printf("%lld", (long long)json_integer_value(value));
	return json_string(text);
}

void config_normalize(json_t *config)
{
	const char *name;
	json_t *value;
	void *next;
	json_object_foreach_safe (config, next, name, value) {
		if (json_is_null(value) || (json_is_string(value) && !json_string_length(value))) {
			json_object_del(config, name);
			continue;
		}
		json_t *text = value_as_text(value);
		if (text)
			json_object_set_new(config, name, text);
	}
}

bool config_key_is_live(const char *name)
{
	const struct config_key *key = config_key_find(name);
	return key && key->live;
}

const char *config_get(const json_t *config, const char *name)
{
	const char *value = json_string_value(json_object_get(config, name));
	if (value && *value)
		return value;
	const struct config_key *key = config_key_find(name);
	return key ? key->fallback : NULL;
}
