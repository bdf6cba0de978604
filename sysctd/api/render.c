/* See render.h. */
#include "api/render.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "api/filter.h"
#include "cleanup.h"
#include "sysctd/events.h"
#include "http_client.h"
#include "memory.h"
#include "strbuf.h"

enum { NANOSECONDS = 1000000000 };

json_t *render_time(int64_t nanoseconds)
{
	char text[EVENT_TIME_SIZE];
	if (nanoseconds <= 0)
		return json_string("0001-01-01T00:00:00Z");
	const struct timespec time = {nanoseconds / NANOSECONDS, nanoseconds % NANOSECONDS};
	event_format_time(&time, text);
	return json_string(text);
}

/* "Z", "+01:00" or "-01:00"; -1 for anything else. */
static int parse_zone(const char *text, long *seconds)
{
	int hours, minutes, length = 0;
	*seconds = 0;
	if (strcmp(text, "Z") == 0 || strcmp(text, "z") == 0)
		return 0;
	if ((*text != '+' && *text != '-') ||
	    sscanf(text + 1, "%2d:%2d%n", &hours, &minutes, &length) != 2 || text[1 + length])
		return -1;
	*seconds = (hours * 60L + minutes) * 60 * (*text == '-' ? -1 : 1);
	return 0;
}

static int parse_time(const char *text, int64_t *nanoseconds)
{
	struct tm parts = {0};
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &parts);
	int64_t fraction = 0;
	long offset;
	if (!rest)
		return -1;
	if (*rest == '.') {
		int64_t unit = NANOSECONDS;
		for (rest++; *rest >= '0' && *rest <= '9'; rest++) {
			unit /= 10;
			fraction += unit * (*rest - '0');
		}
	}
	if (parse_zone(rest, &offset) < 0)
		return -1;
	int64_t seconds = (int64_t)timegm(&parts) - offset;
	*nanoseconds = 0;
	if (seconds > 0 && seconds < INT64_MAX / NANOSECONDS)
		*nanoseconds = seconds * NANOSECONDS + fraction;
	return 0;
}

int render_parse_time(const json_t *value, const char *field, int64_t *nanoseconds,
		      struct error **error)
{
	const char *text = json_string_value(value);
	*nanoseconds = 0;
	if (!value || json_is_null(value) || (text && !*text))
		return 0;
	if (!text || parse_time(text, nanoseconds) < 0)
		return error_set(error, ERROR_INVALID,
				 "\"%s\" must be a time like 2030-12-31T23:59:59Z", field);
	return 0;
}

json_t *render_url(const char *prefix, const char *name)
{
	cleanup_strbuf struct strbuf url = {0};
	strbuf_printf(&url, "%s/", prefix);
	http_append_escaped(&url, name);
	return json_string(url.text);
}

struct response *render_created(const char *prefix, const char *name)
{
	json_t *url = render_url(prefix, name);
	struct response *response = response_created(json_string_value(url));
	json_decref(url);
	return response;
}

json_t *render_urls(const char *prefix, const json_t *names)
{
	json_t *urls = json_array();
	size_t i;
	json_t *name;
	json_array_foreach ((json_t *)names, i, name)
		json_array_append_new(urls, render_url(prefix, json_string_value(name)));
	return urls;
}

struct response *render_list(const struct request *request, json_t *objects, const char *prefix,
			     const char *key, struct error **error)
{
	struct filter *filter = NULL;
	size_t i;
	json_t *object;
	if (filter_compile(request_query(request, "filter"), &filter, error) < 0) {
		json_decref(objects);
		return NULL;
	}
	json_t *list = json_array();
	bool whole = request_recursion(request) > 0;
	json_array_foreach (objects, i, object) {
		if (!filter_match(filter, object))
			continue;
		const char *name = json_string_value(json_object_get(object, key));
		json_array_append_new(list, whole ? json_incref(object) : render_url(prefix, name));
	}
	filter_free(filter);
	json_decref(objects);
	return response_sync(list);
}

int render_check_project(const struct request *request, struct error **error)
{
	const char *project = request_project(request);
	if (strcmp(project, "default") == 0)
		return 0;
	return error_set(error, ERROR_NOT_FOUND,
			 "there is no project \"%s\": sysct has the project \"default\" only",
			 project);
}

int render_check_fields(const json_t *body, const char *const *known, struct error **error)
{
	const char *key;
	json_t *value;
	json_object_foreach ((json_t *)body, key, value) {
		const char *const *name = known;
		while (*name && strcmp(*name, key) != 0)
			name++;
		if (!*name)
			return error_set(error, ERROR_INVALID, "unknown field \"%s\"", key);
	}
	return 0;
}

int render_text_field(const json_t *body, const char *field, const char **value,
		      struct error **error)
{
	const json_t *found = json_object_get(body, field);
	if (!found || json_is_null(found))
		return 0;
	if (!json_is_string(found))
		return error_set(error, ERROR_INVALID, "\"%s\" must be a text", field);
	*value = json_string_value(found);
	return 0;
}

int render_bool_field(const json_t *body, const char *field, bool *value, struct error **error)
{
	const json_t *found = json_object_get(body, field);
	if (!found || json_is_null(found))
		return 0;
	if (!json_is_boolean(found))
		return error_set(error, ERROR_INVALID, "\"%s\" must be true or false", field);
	*value = json_is_true(found);
	return 0;
}

/* NULL for what has no text: objects, arrays. */
static json_t *text_of(json_t *value)
{
	char number[32];
	if (json_is_string(value))
		return json_incref(value);
	if (json_is_boolean(value))
		return json_string(json_is_true(value) ? "true" : "false");
	if (json_is_null(value))
		return json_string("");
	if (!json_is_integer(value))
		return NULL;
	snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	return json_string(number);
}

json_t *render_map_field(const json_t *body, const char *field, struct error **error)
{
	const json_t *found = json_object_get(body, field);
	const char *key;
	json_t *value;
	json_t *map = json_object();
	if (!found || json_is_null(found))
		return map;
	if (!json_is_object(found)) {
		error_set(error, ERROR_INVALID, "\"%s\" must be an object", field);
		json_decref(map);
		return NULL;
	}
	json_object_foreach ((json_t *)found, key, value) {
		json_t *text = text_of(value);
		if (text && json_object_set_new(map, key, text) == 0)
			continue;
		error_set(error, ERROR_INVALID, "\"%s\" of \"%s\" must be a text", key, field);
		json_decref(map);
		return NULL;
	}
	return map;
}
