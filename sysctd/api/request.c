/* See request.h. Nothing here knows of libmicrohttpd, so that tests make requests by hand. */
#include "api/request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/percent.h"
#include "api/request_internal.h"
#include "cleanup.h"
#include "file.h"
#include "memory.h"

struct request *request_create(const char *uri)
{
	struct request *request = memory_alloc(sizeof(*request));
	request->path = memory_strdup(uri);
	request->fd = -1;
	request->sink.fd = -1;
	char *mark = strchr(request->path, '?');
	if (mark) {
		*mark = '\0';
		request->query_text = mark + 1;
	}
	return request;
}

void request_free(struct request *request)
{
	if (!request)
		return;
	response_free(request->response);
	if (request->destroy)
		request->destroy(request->data);
	for (size_t i = 0; i < request->query_count; i++) {
		free(request->query[i].name);
		free(request->query[i].value);
	}
	free(request->query);
	free(request->path);
	strbuf_free(&request->bytes);
	json_decref(request->body);
	error_free(request->problem);
	route_match_clear(&request->match);
	free(request);
}

static int add_pair(struct request *request, const char *text, size_t length)
{
	const char *equals = memchr(text, '=', length);
	size_t name_length = equals ? (size_t)(equals - text) : length;
	struct query_pair pair = {.name = percent_decode(text, name_length, true)};
	if (!pair.name)
		return -1;
	pair.value = equals ? percent_decode(equals + 1, length - name_length - 1, true)
			    : memory_strdup("");
	if (!pair.value) {
		free(pair.name);
		return -1;
	}
	request->query = memory_realloc(request->query, (request->query_count + 1) * sizeof(pair));
	request->query[request->query_count++] = pair;
	return 0;
}

int request_parse_query(struct request *request, struct error **error)
{
	const char *text = request->query_text;
	while (text && *text) {
		size_t length = strcspn(text, "&");
		if (length > 0 && add_pair(request, text, length) < 0)
			return error_set(error, ERROR_INVALID,
					 "the query \"%.*s\" is badly escaped", (int)length, text);
		text += length;
		text += *text == '&';
	}
	return 0;
}

static int take_bytes(struct request *request, const void *bytes, size_t length,
		      struct error **error)
{
	if (request->sink.write)
		return request->sink.write(request->sink.data, bytes, length, error);
	if (request->sink.fd >= 0) {
		if (file_write_all(request->sink.fd, bytes, length) < 0)
			return error_errno(error, errno, "storing the request's body");
		return 0;
	}
	if (request->body_length > request->body_limit) {
		request->too_large = true;
		strbuf_free(&request->bytes);
		return error_set(error, ERROR_INVALID, "the body is larger than %zu bytes",
				 request->body_limit);
	}
	strbuf_append_bytes(&request->bytes, bytes, length);
	return 0;
}

void request_take_body(struct request *request, const void *bytes, size_t length)
{
	request->body_length += length;
	if (!request->problem && take_bytes(request, bytes, length, &request->problem) < 0 &&
	    !request->problem)
		error_set(&request->problem, ERROR_INTERNAL, "the body cannot be stored");
}

/* The deepest nesting of a JSON text, without understanding it. */
static size_t json_depth(const char *text, size_t length)
{
	size_t depth = 0, deepest = 0;
	bool quoted = false;
	for (size_t i = 0; i < length; i++) {
		char c = text[i];
		if (quoted) {
			if (c == '\\')
				i++;
			else if (c == '"')
				quoted = false;
		} else if (c == '"') {
			quoted = true;
		} else if (c == '{' || c == '[') {
			deepest = ++depth > deepest ? depth : deepest;
		} else if ((c == '}' || c == ']') && depth > 0) {
			depth--;
		}
	}
	return deepest;
}

int request_parse_body(struct request *request, struct error **error)
{
	const struct route *route = request->match.route;
	bool directed = request->sink.write || request->sink.fd >= 0;
	if (directed || !request->bytes.length || (route && route->flags & ROUTE_RAW_BODY))
		return 0;
	if (json_depth(request->bytes.text, request->bytes.length) > REQUEST_JSON_DEPTH)
		return error_set(error, ERROR_INVALID,
				 "the request's JSON is nested more than %d levels deep",
				 REQUEST_JSON_DEPTH);
	json_error_t problem;
	request->body =
		json_loadb(request->bytes.text, request->bytes.length, JSON_DECODE_ANY, &problem);
	if (!request->body)
		return error_set(error, ERROR_INVALID,
				 "the request's JSON is broken at line %d, column %d: %s",
				 problem.line, problem.column, problem.text);
	return 0;
}

const char *request_method(const struct request *request)
{
	return strcmp(request->method, "HEAD") == 0 ? "GET" : request->method;
}

const char *request_path(const struct request *request)
{
	return request->path;
}

const char *request_parameter(const struct request *request, const char *name)
{
	return route_match_parameter(&request->match, name);
}

const char *request_query(const struct request *request, const char *name)
{
	for (size_t i = 0; i < request->query_count; i++)
		if (strcmp(request->query[i].name, name) == 0)
			return request->query[i].value;
	return NULL;
}

int request_query_int(const struct request *request, const char *name, long fallback, long *value,
		      struct error **error)
{
	const char *text = request_query(request, name);
	*value = fallback;
	if (!text || !*text)
		return 0;
	char *end;
	errno = 0;
	long number = strtol(text, &end, 10);
	if (errno || *end)
		return error_set(error, ERROR_INVALID, "\"%s\" in the query is no number: \"%s\"",
				 name, text);
	*value = number;
	return 0;
}

bool request_query_bool(const struct request *request, const char *name)
{
	static const char *const words[] = {"1", "true", "yes", "on"};
	const char *text = request_query(request, name);
	for (size_t i = 0; text && i < sizeof(words) / sizeof(words[0]); i++)
		if (strcasecmp(text, words[i]) == 0)
			return true;
	return false;
}

int request_recursion(const struct request *request)
{
	long value;
	if (request_query_int(request, "recursion", 0, &value, NULL) < 0 || value < 0)
		return 0;
	return value > 2 ? 2 : (int)value;
}

const char *request_project(const struct request *request)
{
	const char *project = request_query(request, "project");
	return project && *project ? project : "default";
}

const char *request_header(const struct request *request, const char *name)
{
	return request->header ? request->header(request->connection, name) : NULL;
}

json_t *request_body(const struct request *request)
{
	return request->body;
}

json_t *request_body_object(const struct request *request, struct error **error)
{
	if (json_is_object(request->body))
		return request->body;
	error_set(error, ERROR_INVALID, "the request needs a JSON object as its body");
	return NULL;
}

const void *request_bytes(const struct request *request, size_t *length)
{
	*length = request->bytes.length;
	return request->bytes.text ? request->bytes.text : "";
}

void request_body_to_fd(struct request *request, int fd)
{
	request->sink.fd = fd;
}

void request_body_to_callback(struct request *request,
			      int (*write)(void *data, const void *bytes, size_t length,
					   struct error **error),
			      void *data)
{
	request->sink.write = write;
	request->sink.data = data;
}

unsigned long long request_body_length(const struct request *request)
{
	return request->body_length;
}

void request_set_data(struct request *request, void *data, void (*destroy)(void *data))
{
	request->data = data;
	request->destroy = destroy;
}

void *request_data(const struct request *request)
{
	return request->data;
}

int request_peer(const struct request *request, struct ucred *peer, struct error **error)
{
	socklen_t length = sizeof(*peer);
	if (getsockopt(request->fd, SOL_SOCKET, SO_PEERCRED, peer, &length) < 0)
		return error_errno(error, errno, "asking who the client is");
	return 0;
}

struct server *request_server(const struct request *request)
{
	return request->server;
}

struct operation_manager *request_operations(const struct request *request)
{
	return request->operations;
}

struct event_hub *request_events(const struct request *request)
{
	return request->events;
}

const char *request_instances_path(const struct request *request)
{
	return request->match.containers ? "/1.0/containers" : "/1.0/instances";
}

enum request_upgrade request_upgrade(const struct request *request)
{
	return request->upgrade;
}

int request_fd(const struct request *request)
{
	return request->fd;
}

/* Whether a list of entity tags (RFC 9110, 13.1.1) has @etag; a tag without quotes is taken too. */
static bool tag_listed(const char *list, const char *etag)
{
	size_t length = strlen(etag);
	while (*list) {
		list += strspn(list, " \t,");
		if (strncmp(list, "W/", 2) == 0)
			list += 2;
		size_t quote = *list == '"';
		size_t size = strcspn(list + quote, quote ? "\"" : ", \t");
		if (size == length && memcmp(list + quote, etag, length) == 0)
			return true;
		list += quote + size;
		list += *list == '"';
	}
	return false;
}

int request_if_match_check(const struct request *request, const char *etag, struct error **error)
{
	const char *wanted = request_header(request, "If-Match");
	if (!wanted || !*wanted || strcmp(wanted, "*") == 0 || tag_listed(wanted, etag))
		return 0;
	return error_set(error, ERROR_PRECONDITION, "ETag doesn't match: %s vs \"%s\"", wanted,
			 etag);
}
