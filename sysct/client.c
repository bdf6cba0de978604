/* See client.h. */
#include "client.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/memory.h"

struct client {
	struct http_client *http;
	bool unreachable;
};

void json_cleanup(json_t **json)
{
	json_decref(*json);
}

void reply_clear(struct reply *reply)
{
	json_decref(reply->metadata);
	free(reply->operation);
	free(reply->etag);
	*reply = (struct reply){0};
}

struct client *client_new(const char *socket, int timeout)
{
	struct client *client = memory_alloc(sizeof(*client));
	client->http = http_client_new(socket, timeout);
	return client;
}

void client_free(struct client *client)
{
	if (!client)
		return;
	http_client_free(client->http);
	free(client);
}

struct http_client *client_http(struct client *client)
{
	return client->http;
}

bool client_unreachable(const struct client *client)
{
	return client->unreachable;
}

const char *json_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text ? text : "";
}

char *client_path(const char *format, ...)
{
	cleanup_strbuf struct strbuf path = {0};
	va_list words;
	va_start(words, format);
	for (const char *at = format; *at; at++) {
		const char *word = strncmp(at, "%s", 2) == 0 ? va_arg(words, const char *) : NULL;
		if (word) {
			http_append_escaped(&path, word);
			at++;
		} else {
			strbuf_append_char(&path, *at);
		}
	}
	va_end(words);
	return strbuf_steal(&path);
}

int client_send(struct client *client, const char *method, const char *path, const json_t *body,
		const char *etag, struct error **error)
{
	cleanup_free char *text = body ? json_dumps(body, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
	cleanup_strbuf struct strbuf headers = {0};
	if (text)
		strbuf_append(&headers, "Content-Type: application/json\r\n");
	if (etag)
		strbuf_printf(&headers, "If-Match: %s\r\n", etag);
	struct http_request request = {
		.method = method,
		.path = path,
		.headers = headers.text,
		.body = text,
		.length = text ? strlen(text) : 0,
	};
	struct error *problem = NULL;
	if (http_client_send(client->http, &request, &problem) == 0)
		return 0;
	client->unreachable = http_client_fd(client->http) < 0;
	error_move(error, problem);
	return -1;
}

enum error_kind client_error_kind(int status)
{
	static const struct {
		int status;
		enum error_kind kind;
	} kinds[] = {
		{400, ERROR_INVALID},	   {401, ERROR_PERMISSION}, {403, ERROR_PERMISSION},
		{404, ERROR_NOT_FOUND},	   {408, ERROR_TIMEOUT},    {409, ERROR_EXISTS},
		{412, ERROR_PRECONDITION}, {413, ERROR_INVALID},    {423, ERROR_BUSY},
		{501, ERROR_UNSUPPORTED},  {503, ERROR_BUSY},	    {504, ERROR_TIMEOUT},
		{507, ERROR_NO_SPACE},
	};
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i].status == status)
			return kinds[i].kind;
	return ERROR_INTERNAL;
}

static json_t *parse_body(const struct http_response *response, struct error **error)
{
	json_error_t problem;
	json_t *body = json_loadb(response->body.text ? response->body.text : "",
				  response->body.length, 0, &problem);
	if (!json_is_object(body)) {
		json_decref(body);
		error_set(error, client_error_kind(response->status),
			  "the daemon's answer (status %d) is not a JSON object", response->status);
		return NULL;
	}
	return body;
}

static int error_of_body(int status, const json_t *body, struct error **error)
{
	const char *message = json_text(body, "error");
	json_int_t code = json_integer_value(json_object_get(body, "error_code"));
	return error_set(error, client_error_kind(code ? (int)code : status), "%s",
			 *message ? message : "the daemon refused without a reason");
}

int client_response_error(const struct http_response *response, struct error **error)
{
	cleanup_json json_t *body = parse_body(response, error);
	return body ? error_of_body(response->status, body, error) : -1;
}

/* "/1.0/operations/ID" and whatever follows it. */
static char *operation_id(const json_t *body)
{
	const char *id = json_text(json_object_get(body, "metadata"), "id");
	if (*id)
		return memory_strdup(id);
	const char *path = json_text(body, "operation");
	const char *slash = strrchr(path, '/');
	return memory_strdup(slash ? slash + 1 : path);
}

int client_receive(struct client *client, struct reply *reply, struct error **error)
{
	cleanup_response struct http_response response = {0};
	*reply = (struct reply){0};
	if (http_client_receive(client->http, &response, error) < 0)
		return -1;
	cleanup_json json_t *body = parse_body(&response, error);
	if (!body)
		return -1;
	if (response.status >= 400 || strcmp(json_text(body, "type"), "error") == 0)
		return error_of_body(response.status, body, error);
	reply->status = response.status;
	reply->metadata = json_incref(json_object_get(body, "metadata"));
	reply->etag = http_response_header(&response, "ETag");
	if (response.status == 202)
		reply->operation = operation_id(body);
	return 0;
}

int client_request(struct client *client, const char *method, const char *path, const json_t *body,
		   struct reply *reply, struct error **error)
{
	*reply = (struct reply){0};
	if (client_send(client, method, path, body, NULL, error) < 0)
		return -1;
	return client_receive(client, reply, error);
}

json_t *client_get(struct client *client, const char *path, struct error **error)
{
	cleanup_reply struct reply reply = {0};
	if (client_request(client, "GET", path, NULL, &reply, error) < 0)
		return NULL;
	if (!reply.metadata)
		error_set(error, ERROR_INTERNAL, "the daemon's answer has no metadata");
	return json_steal(&reply.metadata);
}
