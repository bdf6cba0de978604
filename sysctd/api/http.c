/*
 * See http.h. Start, stop, and the books of what is under way. libmicrohttpd
 * waits in poll(2) without a timeout, in the listening thread and in that of
 * each connection, so an idle server makes no system call.
 */
#include "api/http.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include "api/event_stream.h"
#include "api/http_internal.h"
#include "api/operations.h"
#include "cleanup.h"
#include "log.h"
#include "memory.h"

enum { BODY_LIMIT = 1 << 20, CONNECTION_LIMIT = 4096, STACK_SIZE = 256 << 10 };

bool http_enter(struct api_server *server, struct request *request)
{
	pthread_mutex_lock(&server->lock);
	bool allowed = !server->stopping;
	request->next = server->active;
	if (request->next)
		request->next->previous = request;
	server->active = request;
	pthread_mutex_unlock(&server->lock);
	return allowed;
}

void http_leave(struct api_server *server, struct request *request)
{
	pthread_mutex_lock(&server->lock);
	if (request->previous)
		request->previous->next = request->next;
	else
		server->active = request->next;
	if (request->next)
		request->next->previous = request->previous;
	if (!server->active)
		pthread_cond_broadcast(&server->idle);
	pthread_mutex_unlock(&server->lock);
}

static struct router *create_router(const struct api_config *config, struct error **error)
{
	size_t count = 0;
	while (config->routes && config->routes[count])
		count++;
	cleanup_free const struct route **all = memory_alloc((count + 3) * sizeof(*all));
	all[0] = api_event_routes;
	all[1] = api_operation_routes;
	for (size_t i = 0; i < count; i++)
		all[i + 2] = config->routes[i];
	return router_create(all, error);
}

static void log_daemon(void *data, const char *format, va_list args)
{
	(void)data;
	cleanup_free char *text = NULL;
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	if (text)
		log_event(LOG_LEVEL_DEBUG, NULL, "http: %s", text);
}

/*
 * Paths and queries are decoded by us, from the address as it was sent: a %2F
 * in a name is no slash. libmicrohttpd's own decoding is switched off.
 */
static size_t keep_escapes(void *data, struct MHD_Connection *connection, char *text)
{
	(void)data;
	(void)connection;
	size_t length = 0;
	while (text[length])
		length++;
	return length;
}

static struct MHD_Daemon *start_daemon(struct api_server *server)
{
	unsigned limit = server->config.connection_limit;
	return MHD_start_daemon(
		MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL |
			MHD_ALLOW_UPGRADE | MHD_USE_ERROR_LOG,
		0, NULL, NULL, http_handle, server, MHD_OPTION_EXTERNAL_LOGGER, log_daemon, NULL,
		MHD_OPTION_LISTEN_SOCKET, server->config.listen_fd, MHD_OPTION_CONNECTION_TIMEOUT,
		0u, MHD_OPTION_THREAD_STACK_SIZE, (size_t)STACK_SIZE, MHD_OPTION_CONNECTION_LIMIT,
		limit, MHD_OPTION_URI_LOG_CALLBACK, http_begin_uri, server,
		MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL, MHD_OPTION_NOTIFY_COMPLETED,
		http_completed, server, MHD_OPTION_END);
}

static void free_server(struct api_server *server)
{
	router_free(server->router);
	pthread_cond_destroy(&server->idle);
	pthread_mutex_destroy(&server->lock);
	free(server);
}

static int prepare_socket(int fd, struct error **error)
{
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return error_errno(error, errno, "preparing the API's socket");
	return 0;
}

struct api_server *api_server_start(const struct api_config *config, struct error **error)
{
	if (prepare_socket(config->listen_fd, error) < 0)
		return NULL;
	struct router *router = create_router(config, error);
	if (!router)
		return NULL;
	struct api_server *server = memory_alloc(sizeof(*server));
	pthread_condattr_t clock;
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&server->idle, &clock);
	pthread_condattr_destroy(&clock);
	pthread_mutex_init(&server->lock, NULL);
	server->router = router;
	server->config = *config;
	if (!server->config.body_limit)
		server->config.body_limit = BODY_LIMIT;
	if (!server->config.connection_limit)
		server->config.connection_limit = CONNECTION_LIMIT;
	signal(SIGPIPE, SIG_IGN);
	server->daemon = start_daemon(server);
	if (!server->daemon) {
		free_server(server);
		error_set(error, ERROR_INTERNAL, "the HTTP server cannot be started");
		return NULL;
	}
	return server;
}

/* Waits until both lists are empty. */
static bool wait_idle(struct api_server *server, int timeout)
{
	struct timespec end;
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += timeout / 1000;
	end.tv_nsec += timeout % 1000 * 1000000L;
	if (end.tv_nsec >= 1000000000L) {
		end.tv_sec++;
		end.tv_nsec -= 1000000000L;
	}
	int result = 0;
	while (result == 0 && (server->active || server->upgraded))
		result = pthread_cond_timedwait(&server->idle, &server->lock, &end);
	return !server->active && !server->upgraded;
}

/*
 * First what lives on for ever by itself (event streams, exec) is cut; handlers
 * get half of the time to answer, then their clients are cut too, which wakes
 * those that wait.
 */
int api_server_stop(struct api_server *server, int timeout)
{
	MHD_quiesce_daemon(server->daemon);
	pthread_mutex_lock(&server->lock);
	server->stopping = true;
	for (struct upgraded *one = server->upgraded; one; one = one->next)
		shutdown(one->fd, SHUT_RDWR);
	bool idle = wait_idle(server, timeout / 2);
	for (struct request *one = server->active; one; one = one->next)
		shutdown(one->fd, SHUT_RDWR);
	if (!idle)
		idle = wait_idle(server, timeout - timeout / 2);
	pthread_mutex_unlock(&server->lock);
	if (!idle) {
		log_event(LOG_LEVEL_WARNING, NULL, "requests are still under way at the end");
		return -1;
	}
	MHD_stop_daemon(server->daemon);
	free_server(server);
	return 0;
}
