/*
 * What a handler may ask of a request. Everything returned is borrowed and
 * lives until the handler's response has been sent, if not said otherwise.
 */
#ifndef SYSCT_API_REQUEST_H
#define SYSCT_API_REQUEST_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "error.h"

struct event_hub;
struct operation_manager;
struct request;
struct server;

const char *request_method(const struct request *request); /* "HEAD" is told as "GET" */
const char *request_path(const struct request *request);   /* as sent, without the query */

/* The decoded value of {name} in the route's path; never NULL for a name that is in it. */
const char *request_parameter(const struct request *request, const char *name);

/* The decoded value of ?name=...; "" for ?name or ?name=; NULL when absent. */
const char *request_query(const struct request *request, const char *name);

/**
 * request_query_int - a number in the query.
 * *value is @fallback when the parameter is absent or empty. ERROR_INVALID
 * when it is no number.
 */
int request_query_int(const struct request *request, const char *name, long fallback, long *value,
		      struct error **error);

/* ?name=1, true, yes, on (any case); everything else is false. */
bool request_query_bool(const struct request *request, const char *name);

/* ?recursion=N; 0 when absent or no number (as LXD does). */
int request_recursion(const struct request *request);

/* ?project=NAME; "default" when absent or empty. */
const char *request_project(const struct request *request);

/* A header by its name, in any case; NULL when absent. */
const char *request_header(const struct request *request, const char *name);

/* The parsed JSON body; NULL when the request had none. */
json_t *request_body(const struct request *request);

/* The body, which must be a JSON object; NULL and ERROR_INVALID otherwise. */
json_t *request_body_object(const struct request *request, struct error **error);

/* The bytes of the body as they came (all routes but those that directed it elsewhere). */
const void *request_bytes(const struct request *request, size_t *length);

/**
 * request_body_to_fd - write the body into a descriptor as it arrives.
 * Only from route.body_begin. @fd stays the caller's, and must stay open until
 * the handler runs.
 */
void request_body_to_fd(struct request *request, int fd);

/**
 * request_body_to_callback - hand the body on in pieces.
 * Only from route.body_begin. After -1 from @write the rest is dropped, the
 * handler is not called, and the error is the answer.
 */
void request_body_to_callback(struct request *request,
			      int (*write)(void *data, const void *bytes, size_t length,
					   struct error **error),
			      void *data);

/* How many bytes of body have come. */
unsigned long long request_body_length(const struct request *request);

/**
 * request_set_data - let body_begin leave something for the handler.
 * @destroy: called with @data when the request ends, also when the client
 * went away before the handler was called.
 */
void request_set_data(struct request *request, void *data, void (*destroy)(void *data));
void *request_data(const struct request *request);

/* SO_PEERCRED of the connection. */
int request_peer(const struct request *request, struct ucred *peer, struct error **error);

struct server *request_server(const struct request *request);
struct operation_manager *request_operations(const struct request *request);
struct event_hub *request_events(const struct request *request);

/* "/1.0/instances", or "/1.0/containers" when the client asked by that name. */
const char *request_instances_path(const struct request *request);

enum request_upgrade { REQUEST_UPGRADE_NONE, REQUEST_UPGRADE_FD, REQUEST_UPGRADE_WEBSOCKET };

/* What the client asked to change the connection to, if the route allows it. */
enum request_upgrade request_upgrade(const struct request *request);

/**
 * request_fd - the connection's socket, for poll(2) only.
 * A handler that waits polls it with .events = 0: POLLHUP says that the
 * client has gone. -1 in unit tests.
 */
int request_fd(const struct request *request);

/**
 * request_if_match_check - compare the If-Match header with the current ETag.
 * @etag: as made by response_etag(), without quotes.
 * No header and "*" match. ERROR_PRECONDITION (412) otherwise.
 */
int request_if_match_check(const struct request *request, const char *etag, struct error **error);

#endif
