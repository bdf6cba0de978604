/*
 * See response.h. The envelope is written as text around the metadata, which
 * is dumped once, straight into the buffer that is sent.
 */
#include "api/response.h"

#include <errno.h>
#include <nettle/sha2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/response_internal.h"
#include "cleanup.h"
#include "memory.h"
#include "operation.h"

static struct response *response_new(unsigned status)
{
	struct response *response = memory_alloc(sizeof(*response));
	response->status = status;
	response->fd = -1;
	return response;
}

static int append_dump(const char *bytes, size_t length, void *buffer)
{
	strbuf_append_bytes(buffer, bytes, length);
	return 0;
}

static void append_json(struct strbuf *buffer, const json_t *value)
{
	size_t before = buffer->length;
	if (value &&
	    json_dump_callback(value, append_dump, buffer, JSON_COMPACT | JSON_ENCODE_ANY) == 0)
		return;
	if (buffer->length > before)
		buffer->length = before;
	strbuf_append(buffer, "null");
}

/* A JSON string; bytes that are not UTF-8 must not cost the client the whole sentence. */
static void append_string(struct strbuf *buffer, const char *text)
{
	json_t *value = json_string(text);
	if (!value) {
		cleanup_free char *ascii = memory_strdup(text);
		for (char *at = ascii; *at; at++)
			if ((unsigned char)*at >= 0x80)
				*at = '?';
		value = json_string(ascii);
	}
	append_json(buffer, value);
	json_decref(value);
}

static void append_envelope(struct response *response, const char *type, const char *status,
			    int code, const char *operation, json_t *metadata)
{
	strbuf_printf(&response->body,
		      "{\"type\":\"%s\",\"status\":\"%s\",\"status_code\":%d,"
		      "\"operation\":\"%s\",\"error_code\":0,\"error\":\"\",\"metadata\":",
		      type, status, code, operation);
	append_json(&response->body, metadata);
	strbuf_append(&response->body, "}\n");
	json_decref(metadata);
	response_header(response, "Content-Type", "application/json");
}

struct response *response_sync(json_t *metadata)
{
	struct response *response = response_new(200);
	append_envelope(response, "sync", "Success", 200, "", metadata);
	return response;
}

struct response *response_sync_etag(json_t *metadata, const json_t *etag_content)
{
	cleanup_free char *etag = response_etag(etag_content);
	struct response *response = response_sync(metadata);
	response_header(response, "ETag", "\"%s\"", etag);
	return response;
}

struct response *response_empty(void)
{
	return response_sync(json_object());
}

struct response *response_created(const char *location)
{
	struct response *response = response_empty();
	response->status = 201;
	response_header(response, "Location", "%s", location);
	return response;
}

struct response *response_operation(struct operation *operation)
{
	struct response *response = response_new(202);
	append_envelope(response, "async", "Operation created", 100, operation_url(operation),
			operation_to_json(operation));
	response_header(response, "Location", "%s", operation_url(operation));
	operation_unref(operation);
	return response;
}

struct response *response_error_status(unsigned status, const char *message)
{
	struct response *response = response_new(status);
	strbuf_append(&response->body, "{\"type\":\"error\",\"status\":\"\",\"status_code\":0,"
				       "\"operation\":\"\",");
	strbuf_printf(&response->body, "\"error_code\":%u,\"error\":", status);
	append_string(&response->body, message);
	strbuf_append(&response->body, ",\"metadata\":null}\n");
	response_header(response, "Content-Type", "application/json");
	return response;
}

struct response *response_error(const struct error *error)
{
	return response_error_status(response_status(error), error_message(error));
}

/*
 * BUSY is 400 and not 409: LXD says 400 for a wrong state ("The instance is
 * already running"), and 409 only for names that collide. NO_SPACE is 507: LXD
 * says 500 there, but the client can do something about a full disk, and all
 * clients show the sentence of any status from 400 on. UNSUPPORTED is 400, as
 * LXD answers keys and values that it does not take; an endpoint that sysct
 * has not is 501 (router.c). CANCELLED says that the client itself asked.
 */
unsigned response_status(const struct error *error)
{
	static const unsigned statuses[ERROR_KIND_COUNT] = {
		[ERROR_INTERNAL] = 500, [ERROR_INVALID] = 400,	   [ERROR_NOT_FOUND] = 404,
		[ERROR_EXISTS] = 409,	[ERROR_BUSY] = 400,	   [ERROR_PERMISSION] = 403,
		[ERROR_NO_SPACE] = 507, [ERROR_UNSUPPORTED] = 400, [ERROR_PRECONDITION] = 412,
		[ERROR_TIMEOUT] = 504,	[ERROR_CANCELLED] = 400,
	};
	return error && error->kind < ERROR_KIND_COUNT ? statuses[error->kind] : 500;
}

struct response *response_bytes(void *bytes, size_t length, const char *content_type)
{
	struct response *response = response_new(200);
	response->body = (struct strbuf){bytes, length, length};
	response_header(response, "Content-Type", "%s",
			content_type ? content_type : "application/octet-stream");
	return response;
}

struct response *response_fd(int fd, uint64_t offset, uint64_t length, const char *content_type)
{
	struct response *response = response_new(200);
	response->fd = fd;
	response->offset = offset;
	response->length = length;
	response_header(response, "Content-Type", "%s",
			content_type ? content_type : "application/octet-stream");
	return response;
}

struct response *response_stream(ssize_t (*read)(void *data, void *bytes, size_t size), void *data,
				 void (*destroy)(void *data))
{
	struct response *response = response_new(200);
	response->read = read;
	response->data = data;
	response->destroy = destroy;
	response_header(response, "Content-Type", "application/octet-stream");
	return response;
}

void response_header(struct response *response, const char *name, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	char *value = NULL;
	if (vasprintf(&value, format, args) < 0)
		value = memory_strdup("");
	va_end(args);
	for (char *at = value; *at; at++)
		if ((unsigned char)*at < ' ' || *at == 127)
			*at = ' ';
	response->headers = memory_realloc(response->headers, (response->header_count + 1) *
								      sizeof(*response->headers));
	response->headers[response->header_count++] =
		(struct response_header){memory_strdup(name), value};
}

void response_set_status(struct response *response, unsigned status)
{
	response->status = status;
}

struct response *response_upgrade_fd(void (*run)(int socket, void *data), void *data,
				     void (*destroy)(void *data))
{
	struct response *response = response_new(101);
	response->run_fd = run;
	response->data = data;
	response->destroy = destroy;
	return response;
}

struct response *response_websocket(void (*run)(struct websocket *websocket, void *data),
				    void *data, void (*destroy)(void *data))
{
	struct response *response = response_new(101);
	response->run_websocket = run;
	response->data = data;
	response->destroy = destroy;
	return response;
}

char *response_etag(const json_t *content)
{
	cleanup_free char *text =
		json_dumps(content, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
	struct sha256_ctx context;
	uint8_t digest[SHA256_DIGEST_SIZE];
	sha256_init(&context);
	sha256_update(&context, text ? strlen(text) : 0, (const uint8_t *)(text ? text : ""));
	sha256_digest(&context, sizeof(digest), digest);
	char *hex = memory_alloc(2 * sizeof(digest) + 1);
	for (size_t i = 0; i < sizeof(digest); i++)
		snprintf(hex + 2 * i, 3, "%02x", digest[i]);
	return hex;
}

void response_free(struct response *response)
{
	if (!response)
		return;
	if (response->destroy)
		response->destroy(response->data);
	for (size_t i = 0; i < response->header_count; i++) {
		free(response->headers[i].name);
		free(response->headers[i].value);
	}
	free(response->headers);
	strbuf_free(&response->body);
	if (response->fd >= 0)
		close(response->fd);
	free(response);
}
