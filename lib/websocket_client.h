/* The client's side of a WebSocket (RFC 6455) that only listens: whole text messages come out. */
#ifndef SYSCT_WEBSOCKET_CLIENT_H
#define SYSCT_WEBSOCKET_CLIENT_H

#include "http_client.h"

/**
 * websocket_open - upgrade the connection by a GET of @path.
 * @response: when the server answers with something else than 101, that answer.
 * Returns 0 also then: look at response->status.
 */
int websocket_open(struct http_client *client, const char *path, struct http_response *response,
		   struct error **error);

/**
 * websocket_receive - wait for the next message; pings are answered meanwhile.
 * Returns 1 with *message filled, 0 when the server closed, -1 on failure.
 */
int websocket_receive(struct http_client *client, struct strbuf *message, struct error **error);

#endif
