/*
 * The table of routes. Each file of handlers exports an array of rows ended
 * by an empty one; the router joins them. Two rows never share method and
 * path (checked at start). A literal segment wins over a parameter:
 * /1.0/images/aliases before /1.0/images/{fingerprint}.
 */
#ifndef SYSCT_API_ROUTER_H
#define SYSCT_API_ROUTER_H

#include <stdbool.h>
#include <stddef.h>

#include "error.h"
#include "request.h"
#include "response.h"

/**
 * route_handler - answer one request.
 * Returns a response (response.h), or NULL with *error filled: the error's
 * kind becomes the status, its sentence the "error" of the JSON.
 */
typedef struct response *(*route_handler)(struct request *request, struct error **error);

enum route_flags {
	ROUTE_RAW_BODY = 1 << 0,   /* body is not parsed: request_bytes() */
	ROUTE_UPGRADE_FD = 1 << 1, /* "Upgrade: sysct-fd" is allowed: response_upgrade_fd() */
	ROUTE_WEBSOCKET = 1 << 2,  /* a WebSocket handshake is required: response_websocket() */
};

/**
 * struct route - one row.
 * @method: "GET" (serves HEAD too), "POST", "PUT", "PATCH", "DELETE".
 * @path: "/1.0/instances/{name}/exec"; {name} is request_parameter(request, "name").
 * The same row also serves /1.0/containers (request_instances_path()).
 * @body_limit: in bytes, 0 for the server's.
 * @body_begin: NULL, or called when the headers are there and the body is not.
 * It may direct the body elsewhere (request_body_to_fd(),
 * request_body_to_callback()), which lifts the limit; if it does not, the body
 * is taken as the flags say. -1 refuses the request before the body.
 */
struct route {
	const char *method;
	const char *path;
	route_handler handler;
	unsigned flags;
	size_t body_limit;
	int (*body_begin)(struct request *request, struct error **error);
};

enum { ROUTE_MAX_PARAMETERS = 8, ROUTE_MAX_SEGMENTS = 16 };

/**
 * struct route_match - what router_find() found.
 * @route: NULL when there is none.
 * @allowed: for a path that is known with other methods: "GET, POST" (to be
 * freed); NULL for an unknown path.
 * @unsupported: the path belongs to a part of LXD's API that sysct has not.
 * @advice: why, and what to do instead; NULL where there is nothing to say.
 * @names, @values: path parameters; values are percent-decoded and owned.
 * @containers: asked by its old name /1.0/containers.
 */
struct route_match {
	const struct route *route;
	char *allowed;
	bool unsupported;
	const char *advice;
	const char *names[ROUTE_MAX_PARAMETERS]; /* not terminated: up to '}' */
	char *values[ROUTE_MAX_PARAMETERS];
	size_t count;
	bool containers;
};

struct router;

/* @routes: as in struct api_config. NULL when two rows collide or one is malformed. */
struct router *router_create(const struct route *const *routes, struct error **error);
void router_free(struct router *router);

/**
 * router_find - the row for a request.
 * @path: as sent, percent-encoded, without the query.
 * -1 when @path is broken (bad escape, NUL): ERROR_INVALID.
 */
int router_find(const struct router *router, const char *method, const char *path,
		struct route_match *match, struct error **error);
void route_match_clear(struct route_match *match);

/* The value of a path parameter; NULL when the route has none of that name. */
const char *route_match_parameter(const struct route_match *match, const char *name);

#endif
