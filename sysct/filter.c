/* See filter.h. */
#include "filter.h"

#include <regex.h>
#include <string.h>

#include "client.h"
#include "lib/cleanup.h"
#include "lib/memory.h"

/* 1 when the extended regular expression matches the whole of @text. */
static int matches_pattern(const char *pattern, const char *text, struct error **error)
{
	cleanup_free char *whole = memory_printf("^(%s)$", pattern);
	regex_t compiled;
	int result = regcomp(&compiled, whole, REG_EXTENDED | REG_NOSUB | REG_ICASE);
	if (result != 0) {
		char reason[128];
		regerror(result, &compiled, reason, sizeof(reason));
		regfree(&compiled);
		return error_set(error, ERROR_INVALID, "filter '%s': %s", pattern, reason);
	}
	result = regexec(&compiled, text, 0, NULL, 0) == 0;
	regfree(&compiled);
	return result;
}

/* "u.blah" stands for "user.blah": each part may be cut short. */
static bool key_matches(const char *wanted, const char *key)
{
	for (;;) {
		size_t wanted_part = strcspn(wanted, "."), part = strcspn(key, ".");
		bool last = !wanted[wanted_part];
		if (wanted_part > part || strncmp(wanted, key, wanted_part) != 0)
			return false;
		if (last)
			return !key[part] && wanted_part == part;
		if (!key[part])
			return false;
		wanted += wanted_part + 1;
		key += part + 1;
	}
}

static bool value_matches(const char *wanted, const char *value)
{
	if (strcasecmp(wanted, value) == 0)
		return true;
	int matched = matches_pattern(wanted, value, NULL);
	return matched > 0;
}

static bool in_values(const char *values, const char *text)
{
	size_t length = strlen(text);
	for (;;) {
		size_t part = strcspn(values, ",");
		if (part == length && strncasecmp(values, text, part) == 0)
			return true;
		if (!values[part])
			return false;
		values += part + 1;
	}
}

static bool address_matches(const json_t *instance, const char *family, const char *values)
{
	const json_t *network = json_object_get(json_object_get(instance, "state"), "network");
	const char *name;
	json_t *link, *address;
	size_t index;
	json_object_foreach ((json_t *)network, name, link)
		json_array_foreach (json_object_get(link, "addresses"), index, address)
			if (strcmp(json_text(address, "family"), family) == 0 &&
			    in_values(values, json_text(address, "address")))
				return true;
	return false;
}

static bool config_matches(const json_t *instance, const char *key, const char *value)
{
	const json_t *config = json_object_get(instance, "expanded_config");
	const char *name;
	json_t *member;
	if (!config)
		config = json_object_get(instance, "config");
	json_object_foreach ((json_t *)config, name, member)
		if (key_matches(key, name) && json_is_string(member) &&
		    value_matches(value, json_string_value(member)))
			return true;
	return false;
}

static bool pair_matches(const json_t *instance, const char *key, const char *value)
{
	static const char *const members[] = {"type", "status", "architecture", "location"};
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		if (strcmp(key, members[i]) == 0)
			return in_values(value, json_text(instance, key));
	if (strcmp(key, "ipv4") == 0)
		return address_matches(instance, "inet", value);
	if (strcmp(key, "ipv6") == 0)
		return address_matches(instance, "inet6", value);
	return config_matches(instance, key, value);
}

int filter_matches(const char *filter, const json_t *instance, struct error **error)
{
	const char *equals = strchr(filter, '=');
	const char *name = json_text(instance, "name");
	if (equals) {
		cleanup_free char *key = memory_strndup(filter, (size_t)(equals - filter));
		return pair_matches(instance, key, equals + 1);
	}
	if (strncmp(name, filter, strlen(filter)) == 0)
		return 1;
	return matches_pattern(filter, name, error);
}

bool filter_needs_state(const char *filter)
{
	return strncmp(filter, "ipv4=", 5) == 0 || strncmp(filter, "ipv6=", 5) == 0;
}
