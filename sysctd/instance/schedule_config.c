/* See schedule.h: what the keys "snapshots.*" of an instance or volume say. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "instance/schedule.h"
#include "memory.h"

static const char *value_of(const json_t *config, const char *key)
{
	const char *text = json_string_value(json_object_get(config, key));
	return text && *text ? text : NULL;
}

int snapshot_check_key(const char *key, const char *value, struct error **error)
{
	struct schedule schedule;
	int64_t time;
	if (strcmp(key, "snapshots.schedule") == 0)
		return schedule_parse(value, &schedule, error);
	if (strcmp(key, "snapshots.pattern") != 0)
		return expiry_add(value, 0, &time, error);
	cleanup_free char *example = snapshot_pattern_expand(value, 0, 0, error);
	return example ? snapshot_check_name(example, error) : -1;
}

int snapshot_expiry(const json_t *config, bool scheduled, int64_t from, int64_t *result,
		    struct error **error)
{
	const char *manual = scheduled ? NULL : value_of(config, "snapshots.expiry.manual");
	const char *text = manual ? manual : value_of(config, "snapshots.expiry");
	return expiry_add(text ? text : "", from, result, error);
}

/* ---- names ---- */

/* The number behind @prefix and before @suffix; -1 where the name is not so. */
static int64_t number_in(const char *name, const char *prefix, const char *suffix)
{
	char *end;
	size_t length = strlen(prefix);
	if (strncmp(name, prefix, length) != 0 || !isdigit((unsigned char)name[length]))
		return -1;
	unsigned long number = strtoul(name + length, &end, 10);
	return strcmp(end, suffix) == 0 && number < 1000000000 ? (int64_t)number : -1;
}

static char *number_name(const char *const *taken, size_t count, const char *prefix,
			 const char *suffix)
{
	int64_t next = 0;
	for (size_t i = 0; i < count; i++) {
		int64_t number = number_in(taken[i], prefix, suffix);
		next = number >= next ? number + 1 : next;
	}
	return memory_printf("%s%u%s", prefix, (unsigned)next, suffix);
}

char *snapshot_make_name(const json_t *config, const char *const *taken, size_t count, int64_t time,
			 struct error **error)
{
	const char *given = value_of(config, "snapshots.pattern");
	const char *pattern = given ? given : "snap%d", *number = strstr(pattern, "%d");
	cleanup_free char *before =
		memory_strndup(pattern, number ? (size_t)(number - pattern) : strlen(pattern));
	cleanup_free char *prefix = snapshot_pattern_expand(before, time, 0, error);
	cleanup_free char *suffix =
		prefix ? snapshot_pattern_expand(number ? number + 2 : "", time, 0, error) : NULL;
	if (!suffix)
		return NULL;
	if (number)
		return number_name(taken, count, prefix, suffix);
	for (size_t i = 0; i < count; i++) {
		if (strcmp(taken[i], prefix) != 0)
			continue;
		cleanup_free char *numbered = memory_printf("%s-", prefix);
		return number_name(taken, count, numbered, "");
	}
	return memory_strdup(prefix);
}
