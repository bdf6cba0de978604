/* What handlers have in common: times, lists, and the fields of a JSON body. */
#ifndef SYSCT_API_RENDER_H
#define SYSCT_API_RENDER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "api/request.h"
#include "api/response.h"
#include "error.h"

/* RFC 3339 in UTC; 0 ("never") is LXD's "0001-01-01T00:00:00Z". A new reference. */
json_t *render_time(int64_t nanoseconds);

/* The other way; null, "" and years before 1970 are 0. ERROR_INVALID names @field. */
int render_parse_time(const json_t *value, const char *field, int64_t *nanoseconds,
		      struct error **error);

/* @prefix and the percent-encoded @name; a new reference. */
json_t *render_url(const char *prefix, const char *name);

/* 201 with the URL of @prefix and @name as Location. */
struct response *render_created(const char *prefix, const char *name);

/* URLs of an array of names; a new reference. */
json_t *render_urls(const char *prefix, const json_t *names);

/**
 * render_list - answer a list: what `filter` leaves, as objects or (recursion=0) as URLs.
 * @objects: takes the reference.
 * @prefix: of the URLs, "/1.0/images"; @key: the field that names an object.
 */
struct response *render_list(const struct request *request, json_t *objects, const char *prefix,
			     const char *key, struct error **error);

/* ERROR_NOT_FOUND for any project but "default". */
int render_check_project(const struct request *request, struct error **error);

/* ERROR_INVALID for a field that is not in @known (ended by NULL). */
int render_check_fields(const json_t *body, const char *const *known, struct error **error);

/**
 * render_text_field - a text in a body.
 * *value (borrowed) stays as it is when the field is absent or null.
 */
int render_text_field(const json_t *body, const char *field, const char **value,
		      struct error **error);
int render_bool_field(const json_t *body, const char *field, bool *value, struct error **error);

/**
 * render_map_field - an object of texts in a body.
 * Returns a new object: a copy with numbers and booleans as texts, as LXD
 * does; empty when the field is absent or null. NULL with ERROR_INVALID.
 */
json_t *render_map_field(const json_t *body, const char *field, struct error **error);

#endif
