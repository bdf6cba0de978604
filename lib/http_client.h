/*
 * A small blocking HTTP/1.1 client over a unix socket: one kept-alive
 * connection, bodies by length, in chunks or until the end, and Upgrade.
 */
#ifndef SYSCT_HTTP_CLIENT_H
#define SYSCT_HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "error.h"
#include "strbuf.h"

struct http_client;

struct http_request {
	const char *method;
	const char *path;    /* with the query, already percent-encoded */
	const char *headers; /* more header lines, each ended by "\r\n"; or NULL */
	const void *body;    /* NULL for none */
	size_t length;
	bool chunked; /* the body comes by http_client_send_chunk() */
};

struct http_response {
	int status;
	struct strbuf headers; /* "Name: value\n" lines */
	struct strbuf body;    /* filled by http_client_receive() alone */
};

#define cleanup_response    __attribute__((cleanup(http_response_clear)))
#define cleanup_http_client __attribute__((cleanup(http_client_cleanup)))

/**
 * http_client_new - a client of the server at @socket; connects at the first
 * request.
 * @timeout: milliseconds that one read or write may wait, 0 for ever.
 */
struct http_client *http_client_new(const char *socket, int timeout);
void http_client_free(struct http_client *client);
void http_client_cleanup(struct http_client **client);

/**
 * http_client_send - send one request, connecting first where needed.
 * A connection that the server closed while it was idle is opened anew. An
 * error of connect(2) has its errno in the error.
 */
int http_client_send(struct http_client *client, const struct http_request *request,
		     struct error **error);

/* Bytes of a body that is sent in pieces; none end it. */
int http_client_send_chunk(struct http_client *client, const void *bytes, size_t length,
			   struct error **error);

/* Reads status and headers of the answer; the body is read with the next function. */
int http_client_receive_head(struct http_client *client, struct http_response *response,
			     struct error **error);

/* Some bytes of the body: their number, 0 at its end, -1 on failure. */
ssize_t http_client_read_body(struct http_client *client, void *bytes, size_t size,
			      struct error **error);

/* Head and whole body. */
int http_client_receive(struct http_client *client, struct http_response *response,
			struct error **error);

/* Send and receive. */
int http_client_request(struct http_client *client, const struct http_request *request,
			struct http_response *response, struct error **error);

/* The connection, for poll(2) and, after status 101, for the new protocol; -1 when there is none.
 */
int http_client_fd(const struct http_client *client);

/* Bytes of the new protocol after status 101: their number, 0 at the end, -1 on failure. */
ssize_t http_client_read_raw(struct http_client *client, void *bytes, size_t size,
			     struct error **error);

/* True when read_raw() would not have to ask the kernel. */
bool http_client_has_buffered(const struct http_client *client);

/* A copy of a header's value, NULL when it is absent. The caller frees it. */
char *http_response_header(const struct http_response *response, const char *name);
void http_response_clear(struct http_response *response);

/* Appends @text with everything but unreserved characters percent-encoded. */
void http_append_escaped(struct strbuf *path, const char *text);

#endif
