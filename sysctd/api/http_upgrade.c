/*
 * Connections that leave HTTP: the handing over of descriptors ("sysct-fd")
 * and WebSockets. libmicrohttpd calls upgraded_run() in the connection's own
 * thread, which may block there, and that thread closes the socket.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/http_internal.h"
#include "api/websocket.h"
#include "memory.h"

/* Whether a comma separated list has a word, in any case. */
static bool list_has(const char *list, const char *word)
{
	size_t length = strlen(word);
	while (list && *list) {
		list += strspn(list, " \t,");
		size_t size = strcspn(list, " \t,");
		if (size == length && strncasecmp(list, word, length) == 0)
			return true;
		list += size;
	}
	return false;
}

static struct response *check_websocket(struct request *request, const char *upgrade)
{
	const char *version = request_header(request, "Sec-WebSocket-Version");
	const char *key = request_header(request, "Sec-WebSocket-Key");
	if (!list_has(upgrade, "websocket") ||
	    !list_has(request_header(request, "Connection"), "upgrade") || !key ||
	    strlen(key) != 24)
		return response_error_status(400, "a WebSocket handshake is required here");
	if (!version || strcmp(version, "13") != 0) {
		struct response *response =
			response_error_status(426, "only version 13 of WebSocket is spoken here");
		response_header(response, "Sec-WebSocket-Version", "13");
		return response;
	}
	request->upgrade = REQUEST_UPGRADE_WEBSOCKET;
	return NULL;
}

/* Sets request->upgrade, or returns what refuses the request. */
struct response *http_check_upgrade(struct request *request)
{
	unsigned flags = request->match.route->flags;
	const char *upgrade = request_header(request, "Upgrade");
	if (flags & ROUTE_WEBSOCKET)
		return check_websocket(request, upgrade);
	if (!list_has(upgrade, "sysct-fd"))
		return NULL;
	if (!(flags & ROUTE_UPGRADE_FD))
		return response_error_status(400, "there is no \"sysct-fd\" upgrade here");
	request->upgrade = REQUEST_UPGRADE_FD;
	return NULL;
}

static struct upgraded *upgraded_add(struct api_server *server, int fd,
				     struct MHD_UpgradeResponseHandle *handle)
{
	struct upgraded *upgraded = memory_alloc(sizeof(*upgraded));
	upgraded->server = server;
	upgraded->handle = handle;
	upgraded->fd = fd;
	pthread_cond_init(&upgraded->over, NULL);
	pthread_mutex_lock(&server->lock);
	upgraded->next = server->upgraded;
	if (upgraded->next)
		upgraded->next->previous = upgraded;
	server->upgraded = upgraded;
	if (server->stopping)
		shutdown(fd, SHUT_RDWR);
	pthread_mutex_unlock(&server->lock);
	return upgraded;
}

/*
 * The socket is closed before the lock is left: api_server_stop() must not
 * shut down a number that means another connection by then, nor stop
 * libmicrohttpd while this call is in it.
 */
static void upgraded_close(struct upgraded *upgraded)
{
	struct api_server *server = upgraded->server;
	pthread_mutex_lock(&server->lock);
	if (upgraded->previous)
		upgraded->previous->next = upgraded->next;
	else
		server->upgraded = upgraded->next;
	if (upgraded->next)
		upgraded->next->previous = upgraded->previous;
	MHD_upgrade_action(upgraded->handle, MHD_UPGRADE_ACTION_CLOSE);
	if (!server->upgraded)
		pthread_cond_broadcast(&server->idle);
	pthread_mutex_unlock(&server->lock);
	pthread_cond_destroy(&upgraded->over);
	free(upgraded);
}

/* libmicrohttpd frees the connection when it is closed, and its thread must be out of the handler by then. */
static void upgraded_done(void *data)
{
	struct upgraded *upgraded = data;
	struct api_server *server = upgraded->server;
	pthread_mutex_lock(&server->lock);
	upgraded->done = true;
	pthread_cond_signal(&upgraded->over);
	pthread_mutex_unlock(&server->lock);
}

static void upgraded_wait(struct upgraded *upgraded)
{
	struct api_server *server = upgraded->server;
	pthread_mutex_lock(&server->lock);
	while (!upgraded->done)
		pthread_cond_wait(&upgraded->over, &server->lock);
	pthread_mutex_unlock(&server->lock);
}

static void make_blocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);
	if (flags >= 0)
		fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
}

/* What follows the 101. The response is the request's, which outlives this call. */
static void upgraded_run(void *data, struct MHD_Connection *connection, void *context,
			 const char *early, size_t length, MHD_socket socket,
			 struct MHD_UpgradeResponseHandle *handle)
{
	struct request *request = data;
	struct response *response = request->response;
	(void)connection;
	(void)context;
	struct upgraded *upgraded = upgraded_add(request->api, socket, handle);
	make_blocking(socket);
	if (response->run_websocket) {
		response->run_websocket(
			websocket_create(socket, early, length, upgraded_done, upgraded),
			response->data);
		upgraded_wait(upgraded);
	} else {
		response->run_fd(socket, response->data);
	}
	upgraded_close(upgraded);
}

struct MHD_Response *http_upgrade_response(struct request *request)
{
	struct MHD_Response *reply = MHD_create_response_for_upgrade(upgraded_run, request);
	if (!reply)
		return NULL;
	if (request->response->run_websocket) {
		char accept[WEBSOCKET_KEY_SIZE];
		websocket_accept_key(request_header(request, "Sec-WebSocket-Key"), accept);
		MHD_add_response_header(reply, "Upgrade", "websocket");
		MHD_add_response_header(reply, "Sec-WebSocket-Accept", accept);
	} else {
		MHD_add_response_header(reply, "Upgrade", "sysct-fd");
	}
	return reply;
}
