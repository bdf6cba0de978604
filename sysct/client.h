/* The REST API as JSON: requests, errors and hints (DESIGN section 4). */
#ifndef SYSCT_CLIENT_H
#define SYSCT_CLIENT_H

#include <jansson.h>

#include "lib/http_client.h"

struct client;

/* The reply's envelope, taken apart. */
struct reply {
	int status;	  /* of HTTP */
	json_t *metadata; /* an own reference */
	char *operation;  /* the id, when the daemon works in the background */
	char *etag;
};

#define cleanup_reply __attribute__((cleanup(reply_clear)))
#define cleanup_json  __attribute__((cleanup(json_cleanup)))

void json_cleanup(json_t **json);

/* steal_pointer() with its type: gcc's analyzer does not follow that one here. */
static inline json_t *json_steal(json_t **json)
{
	json_t *value = *json;
	*json = NULL;
	return value;
}

void reply_clear(struct reply *reply);

struct client *client_new(const char *socket, int timeout);
void client_free(struct client *client);
struct http_client *client_http(struct client *client);

/* True after a failure to reach the daemon at all. */
bool client_unreachable(const struct client *client);

/**
 * client_send - send a request; its reply is for client_receive().
 * @body: NULL for none. @etag: for If-Match, or NULL.
 */
int client_send(struct client *client, const char *method, const char *path, const json_t *body,
		const char *etag, struct error **error);
int client_receive(struct client *client, struct reply *reply, struct error **error);

/* Both. */
int client_request(struct client *client, const char *method, const char *path, const json_t *body,
		   struct reply *reply, struct error **error);

/* GET: the metadata, which the caller owns. */
json_t *client_get(struct client *client, const char *path, struct error **error);

/* The error in a response whose status is 400 or more; always returns -1. */
int client_response_error(const struct http_response *response, struct error **error);

enum error_kind client_error_kind(int status);

/* A path with %s replaced by percent-encoded words, as client_path("/1.0/instances/%s", name,
 * NULL). The list of words ends with NULL. The caller frees it. */
char *client_path(const char *format, ...) __attribute__((sentinel));

/* The string at @key, "" when there is none. */
const char *json_text(const json_t *object, const char *key);

#endif
