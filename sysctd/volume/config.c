/* Names and configuration of volumes. */
#include <ctype.h>
#include <string.h>

#include "instance/config_keys_values.h"
#include "instance/schedule.h"
#include "volume/volume.h"

enum { LONGEST_NAME = 128 };

int volume_check_name(const char *name, struct error **error)
{
	size_t length = name ? strlen(name) : 0;
	bool good = length > 0 && length <= LONGEST_NAME && isalnum((unsigned char)*name);
	for (const char *at = name; good && *at; at++)
		good = isalnum((unsigned char)*at) || strchr("-_.:", *at);
	if (good)
		return 0;
	return error_set(error, ERROR_INVALID,
			 "\"%s\" is not a name for a volume: use up to %d letters, digits and "
			 "\"-_.:\", the first a letter or digit",
			 name ? name : "", LONGEST_NAME);
}

static const struct {
	const char *key, *why;
	bool prefix;
} missing[] = {
	{"block.", "there are no block volumes", true},
	{"security.shared", "it is for block volumes", false},
	{"security.unmapped", "ids of a volume are always those of the instance", false},
	{"initial.", "give owner and mode to the files themselves", true},
	{"volatile.", "what the daemon keeps is not told by others", true},
};

/* Those that snapshots of instances have, too. */
static int check_snapshots(const char *key, const char *value, struct error **error)
{
	static const char *const known[] = {"snapshots.schedule", "snapshots.expiry",
					    "snapshots.expiry.manual", "snapshots.pattern"};
	struct schedule schedule = {0};
	size_t i = 0;
	while (i < sizeof(known) / sizeof(known[0]) && strcmp(key, known[i]) != 0)
		i++;
	if (i == sizeof(known) / sizeof(known[0]))
		return error_set(error, ERROR_INVALID, "a volume has no key \"%s\"", key);
	if (snapshot_check_key(key, value, error) < 0)
		return error_prefix(error, "%s", key);
	if (strcmp(key, "snapshots.schedule") == 0 && schedule_parse(value, &schedule, NULL) == 0 &&
	    schedule.startup)
		return error_set(error, ERROR_INVALID,
				 "snapshots.schedule: a volume does not start: \"@startup\" is for "
				 "instances");
	return 0;
}

static int check_key(const char *key, const json_t *value, struct error **error)
{
	const char *text = json_string_value(value);
	uint64_t bytes;
	bool on = false;
	if (!text)
		return error_set(error, ERROR_INVALID, "the value of \"%s\" is not a text", key);
	if (strncmp(key, "user.", 5) == 0)
		return 0;
	if (strcmp(key, "size") == 0)
		return *text && size_parse(text, &bytes, error) < 0
			       ? error_prefix(error, "key \"size\"")
			       : 0;
	if (strncmp(key, "snapshots.", strlen("snapshots.")) == 0)
		return check_snapshots(key, text, error);
	if (strcmp(key, "security.shifted") == 0) {
		if (bool_parse(text, &on, error) < 0)
			return error_prefix(error, "%s", key);
		return on ? 0
			  : error_set(error, ERROR_UNSUPPORTED,
				      "security.shifted=false is not supported by sysct: every "
				      "instance sees the ids of a volume as its own");
	}
	for (size_t i = 0; i < sizeof(missing) / sizeof(missing[0]); i++)
		if (missing[i].prefix ? strncmp(key, missing[i].key, strlen(missing[i].key)) == 0
				      : strcmp(key, missing[i].key) == 0)
			return error_set(error, ERROR_UNSUPPORTED,
					 "\"%s\" of a volume is not supported by sysct: %s", key,
					 missing[i].why);
	return error_set(error, ERROR_INVALID, "a volume has no key \"%s\"", key);
}

int volume_check_config(const json_t *config, struct error **error)
{
	const char *key;
	json_t *value;
	json_object_foreach ((json_t *)config, key, value)
		if (check_key(key, value, error) < 0)
			return -1;
	return 0;
}
