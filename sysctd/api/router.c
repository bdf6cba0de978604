/*
 * See router.h. The paths of all rows are cut into segments once, at start;
 * finding a row compares segment by segment. `rank` orders rows that match the
 * same path: its highest bit is the first segment, set for a literal.
 */
#include "api/router.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "api/percent.h"
#include "memory.h"
#include "strbuf.h"

struct segment {
	const char *text;
	size_t length;
	bool parameter;
};

struct pattern {
	const struct route *route;
	struct segment segments[ROUTE_MAX_SEGMENTS];
	size_t count;
	uint32_t rank;
};

struct router {
	struct pattern *patterns;
	size_t count;
};

/*
 * What LXD has and sysct has not: 501 instead of 404, so that a client reads
 * "not supported" rather than suspects a typing error. Everything below too.
 * Looked at only after no route matched.
 */
static const struct {
	const char *path, *advice;
} advised[] = {
	{"/1.0/networks/{name}/load-balancers",
	 "load balancers belong to OVN networks, which sysct has not: a forward "
	 "('sysct network forward') leads an address and ports to one instance"},
	{"/1.0/networks/{name}/peers",
	 "peers belong to OVN networks, which sysct has not: the host routes between the networks "
	 "that it has"},
};

static const char *const unsupported[] = {
	"/1.0/certificates",
	"/1.0/cluster/certificate",
	"/1.0/cluster/groups",
	"/1.0/cluster/members",
	"/1.0/instances/{name}/access",
	"/1.0/instances/{name}/bitmaps",
	"/1.0/instances/{name}/debug",
	"/1.0/instances/{name}/nbd",
	"/1.0/instances/{name}/nvram",
	"/1.0/instances/{name}/port-forward",
	"/1.0/instances/{name}/sftp",
	"/1.0/metrics",
	"/1.0/network-acls",
	"/1.0/network-address-sets",
	"/1.0/network-integrations",
	"/1.0/projects",
	"/1.0/resources",
	"/1.0/storage-pools/{name}/buckets",
	"/1.0/virtual-machines",
	"/1.0/warnings",
};

/* Cuts "/a/{b}/c"; a slash at the end is allowed. -1 for too many segments. */
static int split_path(const char *path, struct segment *segments, size_t *count)
{
	*count = 0;
	while (*path == '/') {
		path++;
		if (!*path)
			break;
		if (*count == ROUTE_MAX_SEGMENTS)
			return -1;
		size_t length = strcspn(path, "/");
		bool parameter = length > 2 && path[0] == '{' && path[length - 1] == '}';
		segments[(*count)++] = (struct segment){path, length, parameter};
		path += length;
	}
	return *path ? -1 : 0;
}

static bool segment_is(const struct segment *segment, const char *text)
{
	return segment->length == strlen(text) && memcmp(segment->text, text, segment->length) == 0;
}

static bool segments_match(const struct segment *pattern, const struct segment *path, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (pattern[i].parameter
			    ? path[i].length == 0
			    : pattern[i].length != path[i].length ||
				      memcmp(pattern[i].text, path[i].text, path[i].length) != 0)
			return false;
	}
	return true;
}

static int pattern_init(struct pattern *pattern, const struct route *route, struct error **error)
{
	*pattern = (struct pattern){.route = route};
	size_t parameters = 0;
	if (!route->path || !route->handler ||
	    split_path(route->path, pattern->segments, &pattern->count) < 0)
		return error_set(error, ERROR_INTERNAL, "route %s %s is malformed", route->method,
				 route->path ? route->path : "");
	for (size_t i = 0; i < pattern->count; i++) {
		if (pattern->segments[i].parameter)
			parameters++;
		else
			pattern->rank |= 1u << (31 - i);
	}
	if (parameters > ROUTE_MAX_PARAMETERS)
		return error_set(error, ERROR_INTERNAL, "route %s has too many parameters",
				 route->path);
	return 0;
}

static bool same_path(const struct pattern *a, const struct pattern *b)
{
	if (a->count != b->count || a->rank != b->rank)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (!a->segments[i].parameter &&
		    (a->segments[i].length != b->segments[i].length ||
		     memcmp(a->segments[i].text, b->segments[i].text, a->segments[i].length) != 0))
			return false;
	return true;
}

static int router_add(struct router *router, const struct route *route, struct error **error)
{
	struct pattern pattern;
	if (pattern_init(&pattern, route, error) < 0)
		return -1;
	for (size_t i = 0; i < router->count; i++)
		if (same_path(&router->patterns[i], &pattern) &&
		    strcmp(router->patterns[i].route->method, route->method) == 0)
			return error_set(error, ERROR_INTERNAL, "route %s %s is there twice",
					 route->method, route->path);
	router->patterns = memory_realloc(router->patterns, (router->count + 1) * sizeof(pattern));
	router->patterns[router->count++] = pattern;
	return 0;
}

struct router *router_create(const struct route *const *routes, struct error **error)
{
	struct router *router = memory_alloc(sizeof(*router));
	for (; routes && *routes; routes++) {
		for (const struct route *route = *routes; route->method; route++) {
			if (router_add(router, route, error) < 0) {
				router_free(router);
				return NULL;
			}
		}
	}
	return router;
}

void router_free(struct router *router)
{
	if (!router)
		return;
	free(router->patterns);
	free(router);
}

static bool is_below(const char *pattern, const struct segment *path, size_t count)
{
	struct segment segments[ROUTE_MAX_SEGMENTS];
	size_t known;
	return split_path(pattern, segments, &known) == 0 && known <= count &&
	       segments_match(segments, path, known);
}

static void find_unsupported(const struct segment *path, size_t count, struct route_match *match)
{
	for (size_t i = 0; i < sizeof(unsupported) / sizeof(unsupported[0]); i++)
		if (is_below(unsupported[i], path, count))
			match->unsupported = true;
	for (size_t i = 0; i < sizeof(advised) / sizeof(advised[0]); i++)
		if (is_below(advised[i].path, path, count)) {
			match->unsupported = true;
			match->advice = advised[i].advice;
		}
}

/* The method that answers for a row's path; HEAD is a GET without a body. */
static bool method_fits(const struct route *route, const char *method)
{
	return strcmp(route->method, method) == 0 ||
	       (strcmp(method, "HEAD") == 0 && strcmp(route->method, "GET") == 0);
}

static void choose(const struct router *router, const struct segment *path, size_t count,
		   const char *method, struct route_match *match, const struct pattern **chosen)
{
	uint32_t best = 0;
	bool found = false;
	cleanup_strbuf struct strbuf allowed = {0};
	for (size_t i = 0; i < router->count; i++) {
		const struct pattern *pattern = &router->patterns[i];
		if (pattern->count != count || (found && pattern->rank < best) ||
		    !segments_match(pattern->segments, path, count))
			continue;
		if (!found || pattern->rank > best) {
			found = true;
			best = pattern->rank;
			*chosen = NULL;
			strbuf_clear(&allowed);
		}
		if (method_fits(pattern->route, method))
			*chosen = pattern;
		strbuf_printf(&allowed, "%s%s", allowed.length ? ", " : "", pattern->route->method);
	}
	if (*chosen)
		match->route = (*chosen)->route;
	else if (found)
		match->allowed = strbuf_steal(&allowed);
}

static int take_parameters(const struct pattern *pattern, const struct segment *path,
			   struct route_match *match, struct error **error)
{
	for (size_t i = 0; i < pattern->count; i++) {
		if (!pattern->segments[i].parameter)
			continue;
		char *value = percent_decode(path[i].text, path[i].length, false);
		if (!value)
			return error_set(error, ERROR_INVALID, "the path \"%.*s\" is badly escaped",
					 (int)path[i].length, path[i].text);
		match->names[match->count] = pattern->segments[i].text + 1;
		match->values[match->count++] = value;
	}
	return 0;
}

int router_find(const struct router *router, const char *method, const char *path,
		struct route_match *match, struct error **error)
{
	struct segment segments[ROUTE_MAX_SEGMENTS];
	size_t count;
	const struct pattern *pattern = NULL;
	*match = (struct route_match){0};
	if (path[0] != '/' || split_path(path, segments, &count) < 0)
		return 0;
	if (count >= 2 && segment_is(&segments[0], "1.0") &&
	    segment_is(&segments[1], "containers")) {
		segments[1].text = "instances";
		segments[1].length = strlen(segments[1].text);
		match->containers = true;
	}
	choose(router, segments, count, method, match, &pattern);
	if (!pattern) {
		if (!match->allowed)
			find_unsupported(segments, count, match);
		return 0;
	}
	if (take_parameters(pattern, segments, match, error) < 0) {
		route_match_clear(match);
		return -1;
	}
	return 0;
}

void route_match_clear(struct route_match *match)
{
	for (size_t i = 0; i < match->count; i++)
		free(match->values[i]);
	free(match->allowed);
	*match = (struct route_match){0};
}

const char *route_match_parameter(const struct route_match *match, const char *name)
{
	size_t length = strlen(name);
	for (size_t i = 0; i < match->count; i++)
		if (strncmp(match->names[i], name, length) == 0 && match->names[i][length] == '}')
			return match->values[i];
	return NULL;
}
