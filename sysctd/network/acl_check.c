/* See acl.h: which names and rules there may be. Names and meanings are LXD's. */
#include "network/acl.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "memory.h"
#include "network/subnet.h"
#include "routes.h"

enum { NAME_MAX_LENGTH = 63, PORT_MAX = 65535, RULES_MAX = 1000 };

static const char *const fields[] = {
	"action",    "source",	  "destination", "protocol", "source_port", "destination_port",
	"icmp_type", "icmp_code", "description", "state",    NULL,
};

static const char *value_of(const json_t *rule, const char *field)
{
	const char *value = json_string_value(json_object_get(rule, field));
	return value ? value : "";
}

static bool is_one_of(const char *value, const char *const *choices)
{
	for (; *choices; choices++)
		if (strcmp(value, *choices) == 0)
			return true;
	return false;
}

/* A host's name, so that it is never taken for an address. */
int acl_check_name(const char *name, struct error **error)
{
	size_t length = strlen(name);
	bool good = length > 0 && length <= NAME_MAX_LENGTH && *name != '-' &&
		    strspn(name, "0123456789") != length && name[length - 1] != '-';
	for (const char *at = name; good && *at; at++)
		good = isalnum((unsigned char)*at) || *at == '-';
	if (good)
		return 0;
	return error_set(error, ERROR_INVALID,
			 "\"%s\" is no name for a network ACL: it needs 1 to %d letters, digits "
			 "and dashes, no dash at its ends, and not digits alone",
			 name, NAME_MAX_LENGTH);
}

json_t *acl_list_split(const char *list)
{
	json_t *items = json_array();
	cleanup_free char *copy = memory_strdup(list ? list : "");
	char *rest = copy;
	for (char *one; list && *list && (one = strsep(&rest, ","));) {
		one += strspn(one, " ");
		one[strcspn(one, " ")] = '\0';
		json_array_append_new(items, json_string(one));
	}
	return items;
}

bool acl_list_has(const char *list, const char *name)
{
	json_t *items = acl_list_split(list);
	size_t i;
	const json_t *item;
	bool found = false;
	json_array_foreach (items, i, item)
		found = found || strcmp(json_string_value(item), name) == 0;
	json_decref(items);
	return found;
}

int acl_check_list(const char *value, struct error **error)
{
	json_t *items = acl_list_split(value);
	size_t i;
	const json_t *item;
	int result = 0;
	json_array_foreach (items, i, item)
		if (result == 0)
			result = acl_check_name(json_string_value(item), error);
	json_decref(items);
	return result;
}

int acl_check_default(const char *value, struct error **error)
{
	static const char *const choices[] = {"allow", "drop", "reject", NULL};
	if (is_one_of(value, choices))
		return 0;
	return error_set(error, ERROR_INVALID, "\"%s\" is not allow, drop or reject", value);
}

/* ---- source and destination ---- */

static int range_family(const char *text)
{
	const char *dash = strchr(text, '-');
	struct address first, last;
	if (!dash)
		return 0;
	cleanup_free char *start = memory_strndup(text, (size_t)(dash - text));
	if (!address_parse(AF_UNSPEC, start, &first) ||
	    !address_parse(first.family, dash + 1, &last) || address_compare(&first, &last) > 0)
		return 0;
	return first.family;
}

int acl_subject_family(const char *subject)
{
	struct route route;
	return route_parse(subject, &route) ? route.family : range_family(subject);
}

static int check_subject(const char *subject, const char *field, const char *protocol,
			 struct error **error)
{
	int family = acl_subject_family(subject);
	if (*subject == '@' || *subject == '#')
		return error_set(
			error, ERROR_UNSUPPORTED,
			"%s \"%s\": only networks of type ovn have such names, which sysct "
			"has not",
			field, subject);
	if (!family && acl_check_name(subject, NULL) < 0)
		return error_set(error, ERROR_INVALID,
				 "%s \"%s\" is neither an address, a subnet, a range FIRST-LAST "
				 "nor the name of an ACL",
				 field, subject);
	if ((family == AF_INET6 && strcmp(protocol, "icmp4") == 0) ||
	    (family == AF_INET && strcmp(protocol, "icmp6") == 0))
		return error_set(error, ERROR_INVALID, "%s \"%s\" does not go with protocol %s",
				 field, subject, protocol);
	return 0;
}

enum { FOUR = 1, SIX = 2 };

/* *families: of which families the list has something; names have both. */
static int check_subjects(const json_t *rule, const char *field, int *families,
			  struct error **error)
{
	json_t *items = acl_list_split(value_of(rule, field));
	size_t i;
	const json_t *item;
	int result = 0;
	*families = json_array_size(items) ? 0 : FOUR | SIX;
	json_array_foreach (items, i, item) {
		const char *subject = json_string_value(item);
		int family = acl_subject_family(subject);
		*families |= family == AF_INET ? FOUR : family == AF_INET6 ? SIX : FOUR | SIX;
		if (result == 0)
			result = check_subject(subject, field, value_of(rule, "protocol"), error);
	}
	json_decref(items);
	return result;
}

/* ---- ports and types ---- */

static bool is_number(const char *text, size_t length, long most)
{
	char *end;
	if (length == 0 || length > 5 || strspn(text, "0123456789") < length)
		return false;
	long number = strtol(text, &end, 10);
	return end == text + length && number <= most;
}

static bool is_port_or_range(const char *text)
{
	size_t first = strcspn(text, "-");
	if (!text[first])
		return is_number(text, first, PORT_MAX);
	return is_number(text, first, PORT_MAX) &&
	       is_number(text + first + 1, strlen(text + first + 1), PORT_MAX) &&
	       atol(text) <= atol(text + first + 1);
}

static int check_ports(const json_t *rule, const char *field, struct error **error)
{
	const char *value = value_of(rule, field), *protocol = value_of(rule, "protocol");
	if (!*value)
		return 0;
	if (strcmp(protocol, "tcp") != 0 && strcmp(protocol, "udp") != 0)
		return error_set(error, ERROR_INVALID, "%s needs protocol tcp or udp", field);
	json_t *items = acl_list_split(value);
	size_t i;
	const json_t *item;
	int result = 0;
	json_array_foreach (items, i, item)
		if (result == 0 && !is_port_or_range(json_string_value(item)))
			result = error_set(error, ERROR_INVALID,
					   "%s \"%s\" is neither a port nor a range FIRST-LAST",
					   field, json_string_value(item));
	json_decref(items);
	return result;
}

static int check_icmp(const json_t *rule, const char *field, struct error **error)
{
	const char *value = value_of(rule, field), *protocol = value_of(rule, "protocol");
	if (!*value)
		return 0;
	if (strcmp(protocol, "icmp4") != 0 && strcmp(protocol, "icmp6") != 0)
		return error_set(error, ERROR_INVALID, "%s needs protocol icmp4 or icmp6", field);
	if (is_number(value, strlen(value), 255))
		return 0;
	return error_set(error, ERROR_INVALID, "%s \"%s\" is not a number between 0 and 255", field,
			 value);
}

/* ---- one rule ---- */

static int check_fields(const json_t *rule, struct error **error)
{
	const char *field;
	json_t *value;
	if (!json_is_object(rule))
		return error_set(error, ERROR_INVALID, "it is not an object");
	json_object_foreach ((json_t *)rule, field, value) {
		if (!is_one_of(field, fields))
			return error_set(error, ERROR_INVALID, "a rule has no field \"%s\"", field);
		if (!json_is_string(value))
			return error_set(error, ERROR_INVALID, "%s is not a text", field);
	}
	return 0;
}

static void normalize(json_t *rule)
{
	const char *field;
	json_t *value;
	void *next;
	json_object_foreach_safe (rule, next, field, value)
		if (!*json_string_value(value))
			json_object_del(rule, field);
	if (!json_object_get(rule, "state"))
		json_object_set_new(rule, "state", json_string("enabled"));
}

static int check_words(const json_t *rule, struct error **error)
{
	static const char *const actions[] = {"allow", "drop", "reject", NULL};
	static const char *const states[] = {"enabled", "disabled", "logged", NULL};
	static const char *const protocols[] = {"", "icmp4", "icmp6", "tcp", "udp", NULL};
	const char *action = value_of(rule, "action");
	if (!*action)
		return error_set(error, ERROR_INVALID, "it has no action: allow, drop or reject");
	if (strcmp(action, "allow-stateless") == 0)
		return error_set(error, ERROR_UNSUPPORTED,
				 "action \"allow-stateless\" is not supported by sysct");
	if (!is_one_of(action, actions))
		return error_set(error, ERROR_INVALID, "action \"%s\" is not allow, drop or reject",
				 action);
	if (!is_one_of(value_of(rule, "state"), states))
		return error_set(error, ERROR_INVALID,
				 "state \"%s\" is not enabled, disabled or logged",
				 value_of(rule, "state"));
	if (!is_one_of(value_of(rule, "protocol"), protocols))
		return error_set(error, ERROR_INVALID,
				 "protocol \"%s\" is not icmp4, icmp6, tcp or udp",
				 value_of(rule, "protocol"));
	return 0;
}

static int check_rule(json_t *rule, struct error **error)
{
	int from, to;
	if (check_fields(rule, error) < 0)
		return -1;
	normalize(rule);
	if (check_words(rule, error) < 0 || check_subjects(rule, "source", &from, error) < 0 ||
	    check_subjects(rule, "destination", &to, error) < 0 ||
	    check_ports(rule, "source_port", error) < 0 ||
	    check_ports(rule, "destination_port", error) < 0 ||
	    check_icmp(rule, "icmp_type", error) < 0 || check_icmp(rule, "icmp_code", error) < 0)
		return -1;
	if (!(from & to))
		return error_set(error, ERROR_INVALID,
				 "its source and destination are of different families: no packet "
				 "matches");
	if (*value_of(rule, "icmp_code") && !*value_of(rule, "icmp_type"))
		return error_set(error, ERROR_INVALID, "icmp_code needs icmp_type");
	return 0;
}

int acl_check_rules(json_t *rules, const char *direction, struct error **error)
{
	size_t i;
	json_t *rule;
	if (json_array_size(rules) > RULES_MAX)
		return error_set(error, ERROR_INVALID, "more than %d %s rules", RULES_MAX,
				 direction);
	json_array_foreach (rules, i, rule) {
		if (check_rule(rule, error) < 0)
			return error_prefix(error, "%s rule %zu", direction, i + 1);
		for (size_t other = 0; other < i; other++)
			if (json_equal(rule, json_array_get(rules, other)))
				return error_set(error, ERROR_INVALID,
						 "%s rule %zu is the same as rule %zu", direction,
						 i + 1, other + 1);
	}
	return 0;
}
