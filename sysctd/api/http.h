/*
 * The HTTP server of the daemon on a listening unix socket (libmicrohttpd, a
 * thread per connection). Handlers run in the thread of their connection and
 * may block; they learn of a client that has gone by request_fd().
 */
#ifndef SYSCT_API_HTTP_H
#define SYSCT_API_HTTP_H

#include <stddef.h>

#include "error.h"
#include "router.h"

struct api_server;
struct event_hub;
struct operation_manager;
struct server;

/**
 * struct api_config - what the server is made of.
 * @listen_fd: bound and listening (own or from socket activation). Stays the
 * caller's, who closes it after api_server_stop().
 * @routes: NULL-terminated list of arrays, each ended by an empty row; the
 * routes of /1.0/events and /1.0/operations are always there.
 * @server: handed to handlers by request_server(); opaque here.
 * @operations, @events: handed on likewise; must outlive the server.
 * @body_limit: largest JSON body in bytes; 0 is 1 MiB. A route may have its own.
 * @connection_limit: 0 is 4096.
 */
struct api_config {
	int listen_fd;
	const struct route *const *routes;
	struct server *server;
	struct operation_manager *operations;
	struct event_hub *events;
	size_t body_limit;
	unsigned connection_limit;
};

/**
 * api_server_start - check the routes and begin to serve.
 * Sets SIGPIPE to ignored for the whole process. @config is copied, the
 * arrays it points to are not.
 */
struct api_server *api_server_start(const struct api_config *config, struct error **error);

/**
 * api_server_stop - accept nothing more, end idle connections, wait.
 * @timeout: milliseconds that handlers under way are given.
 * Returns 0 when everything ended and @server is freed. -1 when a handler
 * still runs: @server stays allocated and refuses every new request, and the
 * process is expected to exit without freeing what handlers use.
 */
int api_server_stop(struct api_server *server, int timeout);

#endif
