/* What the files of the HTTP server share. */
#ifndef SYSCT_API_HTTP_INTERNAL_H
#define SYSCT_API_HTTP_INTERNAL_H

#include <microhttpd.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "api/http.h"
#include "api/request_internal.h"
#include "api/response_internal.h"

/* A connection that no longer speaks HTTP; libmicrohttpd closes the socket when told. */
struct upgraded {
	struct api_server *server;
	struct MHD_UpgradeResponseHandle *handle;
	int fd;
	struct upgraded *previous, *next;
	bool done; /* by whoever has its WebSocket: the connection's own thread closes it */
	pthread_cond_t over; /* it is done */
};

/*
 * @lock guards the two lists and `stopping`; `idle` is signalled when a list
 * becomes empty. Nothing blocking happens under the lock.
 */
struct api_server {
	struct api_config config;
	struct router *router;
	struct MHD_Daemon *daemon;
	pthread_mutex_t lock;
	pthread_cond_t idle;
	bool stopping;
	struct request *active;
	struct upgraded *upgraded;
};

/* false when the server is stopping. */
bool http_enter(struct api_server *server, struct request *request);
void http_leave(struct api_server *server, struct request *request);

/* The callbacks of libmicrohttpd (http_request.c). */
void *http_begin_uri(void *server, const char *uri, struct MHD_Connection *connection);
enum MHD_Result http_handle(void *server, struct MHD_Connection *connection, const char *url,
			    const char *method, const char *version, const char *bytes,
			    size_t *length, void **request);
void http_completed(void *server, struct MHD_Connection *connection, void **request,
		    enum MHD_RequestTerminationCode reason);

/* 101 and what follows (http_upgrade.c). */
struct response *http_check_upgrade(struct request *request);
struct MHD_Response *http_upgrade_response(struct request *request);

#endif
