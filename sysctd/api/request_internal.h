/* The inside of a request, for the server and its tests; handlers use request.h. */
#ifndef SYSCT_API_REQUEST_INTERNAL_H
#define SYSCT_API_REQUEST_INTERNAL_H

#include "api/request.h"
#include "api/router.h"
#include "strbuf.h"

/* Deeper JSON than this is refused: the parser recurses and stacks are small. */
enum { REQUEST_JSON_DEPTH = 128 };

struct query_pair {
	char *name;
	char *value;
};

struct request_sink {
	int fd; /* -1 for none */
	int (*write)(void *data, const void *bytes, size_t length, struct error **error);
	void *data;
};

struct request {
	char *path; /* owned, cut at the '?' */
	char *query_text;
	struct query_pair *query;
	size_t query_count;
	const char *method;
	struct route_match match;
	const char *(*header)(const void *connection, const char *name);
	void *connection;
	int fd;
	enum request_upgrade upgrade;
	struct strbuf bytes;
	unsigned long long body_length;
	size_t body_limit;
	json_t *body;
	struct request_sink sink;
	void *data;
	void (*destroy)(void *data);
	struct error *problem; /* found while the body came; the answer */
	bool too_large;
	bool begun;
	struct response *response;
	struct api_server *api;
	struct server *server;
	struct operation_manager *operations;
	struct event_hub *events;
	struct request *previous, *next; /* of the server's active ones */
};

/* @uri: as sent: path and query. */
struct request *request_create(const char *uri);
void request_free(struct request *request);

/* Decodes the query. ERROR_INVALID for broken escapes. */
int request_parse_query(struct request *request, struct error **error);

/* Takes a piece of the body to where it belongs; a failure is kept in request->problem. */
void request_take_body(struct request *request, const void *bytes, size_t length);

/* Parses what has come, if the route wants JSON. */
int request_parse_body(struct request *request, struct error **error);

#endif
