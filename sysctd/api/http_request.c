/*
 * One request from its first line to its answer. libmicrohttpd calls
 * http_begin_uri() with the address, http_handle() once with the headers, then
 * for each piece of the body, then once at its end, and http_completed() in
 * every case. A route, a refusal or a failure that is known before the body is
 * answered after it where the body is small, because answering earlier costs
 * the connection.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "api/http_internal.h"
#include "cleanup.h"
#include "log.h"
#include "memory.h"

/* A body that nobody wants is read and dropped up to here; then the connection ends. */
enum { DROP_LIMIT = 64 << 20 };

void *http_begin_uri(void *data, const char *uri, struct MHD_Connection *connection)
{
	(void)connection;
	(void)data;
	return request_create(uri);
}

static const char *find_header(const void *connection, const char *name)
{
	return MHD_lookup_connection_value((struct MHD_Connection *)(uintptr_t)connection,
					   MHD_HEADER_KIND, name);
}

static void add_headers(struct MHD_Response *reply, const struct response *response)
{
	for (size_t i = 0; i < response->header_count; i++)
		MHD_add_response_header(reply, response->headers[i].name,
					response->headers[i].value);
}

enum { STREAM_BLOCK = 256 << 10 };

static ssize_t read_stream(void *data, uint64_t position, char *bytes, size_t size)
{
	const struct response *response = data;
	(void)position;
	ssize_t count = response->read(response->data, bytes, size);
	if (count > 0)
		return count;
	return count == 0 ? MHD_CONTENT_READER_END_OF_STREAM : MHD_CONTENT_READER_END_WITH_ERROR;
}

static struct MHD_Response *make_reply(struct request *request)
{
	struct response *response = request->response;
	if (response->run_fd || response->run_websocket)
		return http_upgrade_response(request);
	if (response->read)
		return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK,
							 read_stream, response, NULL);
	if (response->fd >= 0) {
		/* libmicrohttpd closes the descriptor with its response. */
		struct MHD_Response *reply = MHD_create_response_from_fd_at_offset64(
			response->length, response->fd, response->offset);
		if (reply)
			response->fd = -1;
		return reply;
	}
	size_t length = response->body.length;
	char *bytes = strbuf_steal(&response->body);
	struct MHD_Response *reply =
		MHD_create_response_from_buffer(length, bytes, MHD_RESPMEM_MUST_FREE);
	if (!reply)
		free(bytes);
	return reply;
}

/* Sends request->response; MHD_NO ends the connection. */
static enum MHD_Result send_response(struct request *request)
{
	struct MHD_Response *reply = make_reply(request);
	if (!reply)
		return MHD_NO;
	add_headers(reply, request->response);
	enum MHD_Result result =
		MHD_queue_response(request->connection, request->response->status, reply);
	MHD_destroy_response(reply);
	return result;
}

static void answer(struct request *request, struct response *response)
{
	response_free(request->response);
	request->response = response;
}

static void answer_error(struct request *request, const struct error *error)
{
	struct response *response = response_error(error);
	if (response->status >= 500)
		log_event(LOG_LEVEL_ERROR, NULL, "%s %s: %s", request->method, request->path,
			  error_message(error));
	answer(request, response);
}

/* A path without a route: unknown, known with other methods, or LXD's but not ours. */
static void answer_no_route(struct request *request)
{
	if (request->match.allowed) {
		cleanup_free char *text =
			memory_printf("%s does not take %s, only %s", request->path,
				      request->method, request->match.allowed);
		answer(request, response_error_status(405, text));
		response_header(request->response, "Allow", "%s", request->match.allowed);
	} else if (request->match.unsupported) {
		const char *advice = request->match.advice;
		cleanup_free char *text =
			memory_printf("%s is not supported by sysct%s%s", request->path,
				      advice ? ": " : "", advice ? advice : "");
		answer(request, response_error_status(501, text));
	} else {
		answer(request, response_error_status(404, "not found"));
	}
}

static void answer_too_large(struct request *request)
{
	cleanup_free char *text =
		memory_printf("the request's body is larger than %zu bytes", request->body_limit);
	answer(request, response_error_status(413, text));
}

/* The announced length of the body, 0 where none is announced. */
static unsigned long long announced_length(const struct request *request)
{
	const char *text = request_header(request, "Content-Length");
	return text ? strtoull(text, NULL, 10) : 0;
}

static void prepare_route(struct request *request)
{
	const struct route *route = request->match.route;
	request->body_limit =
		route->body_limit ? route->body_limit : request->api->config.body_limit;
	struct response *refusal = http_check_upgrade(request);
	if (refusal) {
		answer(request, refusal);
		return;
	}
	cleanup_error struct error *error = NULL;
	if (route->body_begin && route->body_begin(request, &error) < 0) {
		answer_error(request, error);
		return;
	}
	bool directed = request->sink.write || request->sink.fd >= 0;
	if (!directed && announced_length(request) > request->body_limit)
		answer_too_large(request);
}

/* The headers are there: find the route, and what can be refused already. */
static enum MHD_Result begin(struct api_server *server, struct request *request,
			     struct MHD_Connection *connection, const char *method)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	request->begun = true;
	request->method = method;
	request->connection = connection;
	request->header = find_header;
	request->fd = info ? info->connect_fd : -1;
	request->api = server;
	request->server = server->config.server;
	request->operations = server->config.operations;
	request->events = server->config.events;
	cleanup_error struct error *error = NULL;
	if (!http_enter(server, request)) {
		answer(request, response_error_status(503, "the daemon is shutting down"));
		response_header(request->response, "Connection", "close");
	} else if (router_find(server->router, method, request->path, &request->match, &error) <
			   0 ||
		   request_parse_query(request, &error) < 0) {
		answer_error(request, error);
	} else if (!request->match.route) {
		answer_no_route(request);
	} else {
		prepare_route(request);
	}
	/* Too much to read only to drop it: answer now, which ends the connection. */
	if (request->response && announced_length(request) > server->config.body_limit)
		return send_response(request);
	return MHD_YES;
}

/*
 * The answer to a body that goes on for too long after it was refused. libmicrohttpd answers only when it has all of
 * a body, so this goes past it; the connection ends then. A client reads it when it can send no more.
 */
static void answer_early(const struct request *request)
{
	cleanup_strbuf struct strbuf text = {0};
	const struct error *problem = request->problem;
	struct response *response = request->response ? request->response : response_error(problem);
	strbuf_printf(&text,
		      "HTTP/1.1 %u Refused\r\nContent-Type: application/json\r\n"
		      "Content-Length: %zu\r\nConnection: close\r\n\r\n",
		      response->status, response->body.length);
	strbuf_append_bytes(&text, response->body.text, response->body.length);
	/* It may have gone. */
	(void)!send(request->fd, text.text, text.length, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (response != request->response)
		response_free(response);
}

static enum MHD_Result take_body(struct request *request, const char *bytes, size_t *length)
{
	if (request->response || request->problem) {
		request->body_length += *length;
		if (request->body_length > DROP_LIMIT) {
			answer_early(request);
			return MHD_NO;
		}
	} else {
		request_take_body(request, bytes, *length);
	}
	*length = 0;
	return MHD_YES;
}

static void run_handler(struct request *request)
{
	cleanup_error struct error *error = NULL;
	if (request_parse_body(request, &error) < 0) {
		answer_error(request, error);
		return;
	}
	struct response *response = request->match.route->handler(request, &error);
	if (response)
		answer(request, response);
	else
		answer_error(request, error);
}

static enum MHD_Result finish(struct request *request)
{
	if (!request->response) {
		if (request->too_large)
			answer_too_large(request);
		else if (request->problem)
			answer_error(request, request->problem);
		else
			run_handler(request);
	}
	return send_response(request);
}

enum MHD_Result http_handle(void *data, struct MHD_Connection *connection, const char *url,
			    const char *method, const char *version, const char *bytes,
			    size_t *length, void **context)
{
	struct request *request = *context;
	(void)url;
	(void)version;
	if (!request->begun)
		return begin(data, request, connection, method);
	if (*length > 0)
		return take_body(request, bytes, length);
	return finish(request);
}

void http_completed(void *data, struct MHD_Connection *connection, void **context,
		    enum MHD_RequestTerminationCode reason)
{
	struct api_server *server = data;
	struct request *request = *context;
	(void)connection;
	(void)reason;
	if (!request)
		return;
	*context = NULL;
	if (request->begun)
		http_leave(server, request);
	request_free(request);
}
