/*
 * Answers in LXD's shapes. A handler makes one and returns it; the server
 * sends and frees it. The functions that take a json_t * take the caller's
 * reference, so that `return response_sync(json_pack(...))` is right.
 */
#ifndef SYSCT_API_RESPONSE_H
#define SYSCT_API_RESPONSE_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "error.h"

struct operation;
struct request;
struct response;
struct websocket;

/* 200 {"type":"sync", ..., "metadata": @metadata}; NULL is null. */
struct response *response_sync(json_t *metadata);

/* response_sync() with an ETag header over @etag_content (borrowed). */
struct response *response_sync_etag(json_t *metadata, const json_t *etag_content);

/* 200 with "metadata": {}, LXD's answer where there is nothing to say. */
struct response *response_empty(void);

/* 201 with a Location header and "metadata": {}. */
struct response *response_created(const char *location);

/**
 * response_operation - 202 with the operation and its Location.
 * @operation: takes the caller's reference.
 */
struct response *response_operation(struct operation *operation);

/* {"type":"error"} with the status of the error's kind. Handlers return NULL and *error instead. */
struct response *response_error(const struct error *error);

/* As it is. @bytes from malloc, taken. @content_type NULL is application/octet-stream. */
struct response *response_bytes(void *bytes, size_t length, const char *content_type);

/* @length bytes of a file from @offset on; @fd is taken and closed. */
struct response *response_fd(int fd, uint64_t offset, uint64_t length, const char *content_type);

/**
 * response_stream - 200, with bytes as @read gives them: their number, 0 at the end, -1 for a
 * failure, which breaks the connection off. @read is called in the connection's thread and may
 * block. @destroy frees @data in every case.
 */
struct response *response_stream(ssize_t (*read)(void *data, void *bytes, size_t size), void *data,
				 void (*destroy)(void *data));

/* Adds a header, X-LXD-type for example. Control characters in the value become spaces. */
void response_header(struct response *response, const char *name, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Another status than the one that the function above chose. */
void response_set_status(struct response *response, unsigned status);

/**
 * response_upgrade_fd - 101, then @run with the connection's socket.
 * Only where request_upgrade() is REQUEST_UPGRADE_FD. @run is called in the
 * connection's thread and may block; @socket is blocking, and closed when @run
 * returns. The client must not send before it has seen the end of the 101's
 * headers: what comes earlier is dropped with its descriptors. @destroy (may
 * be NULL) frees @data in every case, also when @run was never called.
 * api_server_stop() shuts the socket down.
 */
struct response *response_upgrade_fd(void (*run)(int socket, void *data), void *data,
				     void (*destroy)(void *data));

/**
 * response_websocket - 101 with the answer of RFC 6455, then @run.
 * Only on ROUTE_WEBSOCKET. @run owns @websocket: it may serve it until the end
 * in this thread, or hand it on to another and return; the connection closes
 * by websocket_free(). @destroy as above, after @run.
 */
struct response *response_websocket(void (*run)(struct websocket *websocket, void *data),
				    void *data, void (*destroy)(void *data));

/**
 * response_etag - SHA-256 of the canonical JSON (sorted, compact), as hex.
 * The caller frees it. The header carries it in quotes.
 */
char *response_etag(const json_t *content);

/* The one place where kinds of errors become HTTP statuses. */
unsigned response_status(const struct error *error);

void response_free(struct response *response);

#endif
