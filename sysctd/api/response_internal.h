/* The inside of a response, for the server and its tests; handlers use response.h. */
#ifndef SYSCT_API_RESPONSE_INTERNAL_H
#define SYSCT_API_RESPONSE_INTERNAL_H

#include "api/response.h"
#include "strbuf.h"

struct response_header {
	char *name;
	char *value;
};

struct response {
	unsigned status;
	struct strbuf body;
	int fd; /* -1: the body is in memory */
	uint64_t offset;
	uint64_t length;
	struct response_header *headers;
	size_t header_count;
	ssize_t (*read)(void *data, void *bytes, size_t size);
	void (*run_fd)(int socket, void *data);
	void (*run_websocket)(struct websocket *websocket, void *data);
	void *data;
	void (*destroy)(void *data);
};

/* An error with a status that no kind of error has (405, 413, 426, 503). */
struct response *response_error_status(unsigned status, const char *message);

#endif
