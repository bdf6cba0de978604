/* See http_client.h. One answer is under way at a time; its framing is kept in struct body. */
#include "http_client.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "cleanup.h"
#include "memory.h"

enum { HEAD_MAX = 64 << 10 };

enum body_kind { BODY_LENGTH, BODY_CHUNKED, BODY_UNTIL_END };

struct http_client {
	char *socket;
	int timeout;
	int fd;
	bool reused;	  /* an answer came over this connection already */
	bool keep_alive;  /* the server will take another request */
	bool head_method; /* the request was HEAD: the answer has no body */
	enum body_kind body;
	bool body_done;
	unsigned long long remaining; /* of the body or of the chunk */
	size_t start, end;	      /* what of buffer is not consumed */
	char buffer[16 << 10];
};

struct http_client *http_client_new(const char *socket, int timeout)
{
	struct http_client *client = memory_alloc(sizeof(*client));
	client->socket = memory_strdup(socket);
	client->timeout = timeout;
	client->fd = -1;
	client->body_done = true;
	return client;
}

static void disconnect(struct http_client *client)
{
	if (client->fd >= 0)
		close(client->fd);
	client->fd = -1;
	client->start = client->end = 0;
	client->reused = false;
	client->body_done = true;
}

void http_client_free(struct http_client *client)
{
	if (!client)
		return;
	disconnect(client);
	free(client->socket);
	free(client);
}

void http_client_cleanup(struct http_client **client)
{
	http_client_free(*client);
}

int http_client_fd(const struct http_client *client)
{
	return client->fd;
}

/* A path that sun_path cannot hold goes through a descriptor of its directory, as in sysctd/listener.c. */
static int socket_address(const char *path, struct sockaddr_un *address, int *directory,
			  struct error **error)
{
	const char *slash = strrchr(path, '/');
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	int length = snprintf(address->sun_path, sizeof(address->sun_path), "%s", path);
	if (length < (int)sizeof(address->sun_path) || !slash)
		return 0;
	cleanup_free char *parent = memory_printf("%.*s", (int)(slash - path), path);
	*directory = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (*directory < 0)
		return error_errno(error, errno, "connecting to %s", path);
	snprintf(address->sun_path, sizeof(address->sun_path), "/proc/self/fd/%d/%s", *directory,
		 slash + 1);
	return 0;
}

static int connect_socket(struct http_client *client, struct error **error)
{
	struct sockaddr_un address;
	cleanup_close int directory = -1;
	if (socket_address(client->socket, &address, &directory, error) < 0)
		return -1;
	cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return error_errno(error, errno, "creating a socket");
	if (client->timeout > 0) {
		struct timeval time = {client->timeout / 1000, (client->timeout % 1000) * 1000L};
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time));
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof(time));
	}
	while (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		if (errno != EINTR)
			return error_errno(error, errno, "connecting to %s", client->socket);
	}
	client->fd = steal_fd(&fd);
	return 0;
}

/* A server may close a connection while it is idle; a request sent into that
 * end would be lost, and must not be sent twice when it was not. */
static bool closed_while_idle(const struct http_client *client)
{
	char byte;
	return recv(client->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static int send_bytes(struct http_client *client, const char *bytes, size_t length,
		      struct error **error)
{
	while (length > 0) {
		ssize_t count = send(client->fd, bytes, length, MSG_NOSIGNAL);
		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			return error_errno(error, errno, "sending a request to %s", client->socket);
		bytes += count;
		length -= (size_t)count;
	}
	return 0;
}

int http_client_send(struct http_client *client, const struct http_request *request,
		     struct error **error)
{
	if (!client->body_done || (client->fd >= 0 && !client->keep_alive) ||
	    (client->reused && closed_while_idle(client)))
		disconnect(client);
	if (client->fd < 0 && connect_socket(client, error) < 0)
		return -1;
	cleanup_strbuf struct strbuf head = {0};
	strbuf_printf(&head, "%s %s HTTP/1.1\r\nHost: sysct\r\n", request->method, request->path);
	if (request->headers)
		strbuf_append(&head, request->headers);
	if (request->body)
		strbuf_printf(&head, "Content-Length: %zu\r\n", request->length);
	if (request->chunked)
		strbuf_append(&head, "Transfer-Encoding: chunked\r\n");
	strbuf_append(&head, "\r\n");
	/* A small body goes with the head in one packet. */
	bool together = request->body && request->length <= 64 << 10;
	if (together)
		strbuf_append_bytes(&head, request->body, request->length);
	client->head_method = strcmp(request->method, "HEAD") == 0;
	client->keep_alive = true;
	if (send_bytes(client, head.text, head.length, error) < 0 ||
	    (request->body && !together &&
	     send_bytes(client, request->body, request->length, error) < 0)) {
		disconnect(client);
		return -1;
	}
	return 0;
}

int http_client_send_chunk(struct http_client *client, const void *bytes, size_t length,
			   struct error **error)
{
	char head[32];
	int size = snprintf(head, sizeof(head), "%zx\r\n", length);
	if (send_bytes(client, head, (size_t)size, error) < 0 ||
	    (length && send_bytes(client, bytes, length, error) < 0))
		return -1;
	return send_bytes(client, "\r\n", 2, error);
}

bool http_client_has_buffered(const struct http_client *client)
{
	return client->start < client->end;
}

/* 1 when there are bytes in the buffer, 0 at the end, -1 on failure. */
static int fill(struct http_client *client, struct error **error)
{
	if (http_client_has_buffered(client))
		return 1;
	ssize_t count;
	do
		count = recv(client->fd, client->buffer, sizeof(client->buffer), 0);
	while (count < 0 && errno == EINTR);
	if (count < 0)
		return error_errno(error, errno, "reading an answer from %s", client->socket);
	client->start = 0;
	client->end = (size_t)count;
	return count > 0;
}

ssize_t http_client_read_raw(struct http_client *client, void *bytes, size_t size,
			     struct error **error)
{
	int ready = fill(client, error);
	if (ready <= 0)
		return ready;
	size_t have = client->end - client->start;
	size_t count = have < size ? have : size;
	memcpy(bytes, client->buffer + client->start, count);
	client->start += count;
	return (ssize_t)count;
}

static int ended_early(struct http_client *client, struct error **error)
{
	return error_set(error, ERROR_INTERNAL, "the server at %s closed the connection",
			 client->socket);
}

/* A line without its end; @line is cleared first. */
static int read_line(struct http_client *client, struct strbuf *line, struct error **error)
{
	strbuf_clear(line);
	for (;;) {
		int ready = fill(client, error);
		if (ready < 0)
			return -1;
		if (ready == 0)
			return ended_early(client, error);
		const char *at = client->buffer + client->start;
		size_t have = client->end - client->start;
		const char *newline = memchr(at, '\n', have);
		size_t count = newline ? (size_t)(newline - at) : have;
		if (line->length + count > HEAD_MAX)
			return error_set(error, ERROR_INTERNAL, "the answer's head is too long");
		strbuf_append_bytes(line, at, count);
		client->start += count + (newline != NULL);
		if (!newline)
			continue;
		if (line->length && line->text[line->length - 1] == '\r')
			line->text[--line->length] = '\0';
		return 0;
	}
}

static int read_head_lines(struct http_client *client, struct http_response *response,
			   struct error **error)
{
	cleanup_strbuf struct strbuf line = {0};
	int minor;
	if (read_line(client, &line, error) < 0)
		return -1;
	if (sscanf(line.text, "HTTP/1.%d %3d", &minor, &response->status) != 2)
		return error_set(error, ERROR_INTERNAL, "%s does not speak HTTP", client->socket);
	client->keep_alive = minor > 0;
	while (response->headers.length <= HEAD_MAX) {
		if (read_line(client, &line, error) < 0)
			return -1;
		if (line.length == 0)
			return 0;
		strbuf_append_bytes(&response->headers, line.text, line.length);
		strbuf_append_char(&response->headers, '\n');
	}
	return error_set(error, ERROR_INTERNAL, "the answer's head is too long");
}

/* How the body ends (RFC 9112, section 6.3). */
static int choose_framing(struct http_client *client, const struct http_response *response,
			  struct error **error)
{
	cleanup_free char *connection = http_response_header(response, "Connection");
	cleanup_free char *encoding = http_response_header(response, "Transfer-Encoding");
	cleanup_free char *length = http_response_header(response, "Content-Length");
	if (connection && strcasecmp(connection, "close") == 0)
		client->keep_alive = false;
	client->remaining = 0;
	client->body_done = client->head_method || response->status < 200 ||
			    response->status == 204 || response->status == 304;
	if (client->body_done)
		return 0;
	if (encoding && strcasecmp(encoding, "chunked") == 0) {
		client->body = BODY_CHUNKED;
	} else if (length) {
		char *end;
		errno = 0;
		client->body = BODY_LENGTH;
		client->remaining = strtoull(length, &end, 10);
		if (!isdigit((unsigned char)*length) || *end || errno)
			return error_set(error, ERROR_INTERNAL, "bad Content-Length \"%s\"",
					 length);
		client->body_done = client->remaining == 0;
	} else {
		client->body = BODY_UNTIL_END;
		client->keep_alive = false;
	}
	return 0;
}

int http_client_receive_head(struct http_client *client, struct http_response *response,
			     struct error **error)
{
	do {
		http_response_clear(response);
		if (read_head_lines(client, response, error) < 0 ||
		    choose_framing(client, response, error) < 0) {
			disconnect(client);
			return -1;
		}
	} while (response->status == 100);
	client->reused = true;
	return 0;
}

static int start_chunk(struct http_client *client, struct error **error)
{
	cleanup_strbuf struct strbuf line = {0};
	if (read_line(client, &line, error) < 0)
		return -1;
	char *end = NULL;
	errno = 0;
	client->remaining = line.text ? strtoull(line.text, &end, 16) : 0;
	if (!line.text || !isxdigit((unsigned char)line.text[0]) || (*end && *end != ';') || errno)
		return error_set(error, ERROR_INTERNAL, "bad chunk in the answer");
	if (client->remaining > 0)
		return 0;
	do {
		if (read_line(client, &line, error) < 0)
			return -1;
	} while (line.length > 0);
	client->body_done = true;
	return 0;
}

static int finish_chunk(struct http_client *client, struct error **error)
{
	cleanup_strbuf struct strbuf line = {0};
	if (read_line(client, &line, error) < 0)
		return -1;
	return line.length == 0 ? 0 : error_set(error, ERROR_INTERNAL, "bad chunk in the answer");
}

static ssize_t read_framed(struct http_client *client, void *bytes, size_t size,
			   struct error **error)
{
	if (client->body == BODY_CHUNKED && client->remaining == 0) {
		if (start_chunk(client, error) < 0)
			return -1;
		if (client->body_done)
			return 0;
	}
	if (client->body != BODY_UNTIL_END && size > client->remaining)
		size = client->remaining;
	ssize_t count = http_client_read_raw(client, bytes, size, error);
	if (count < 0)
		return -1;
	if (client->body == BODY_UNTIL_END) {
		client->body_done = count == 0;
		return count;
	}
	if (count == 0)
		return ended_early(client, error);
	client->remaining -= (size_t)count;
	if (client->remaining == 0 && client->body == BODY_LENGTH)
		client->body_done = true;
	if (client->remaining == 0 && client->body == BODY_CHUNKED &&
	    finish_chunk(client, error) < 0)
		return -1;
	return count;
}

ssize_t http_client_read_body(struct http_client *client, void *bytes, size_t size,
			      struct error **error)
{
	if (client->body_done || size == 0)
		return 0;
	ssize_t count = read_framed(client, bytes, size, error);
	if (count < 0)
		disconnect(client);
	return count;
}

int http_client_receive(struct http_client *client, struct http_response *response,
			struct error **error)
{
	if (http_client_receive_head(client, response, error) < 0)
		return -1;
	char chunk[16 << 10];
	for (;;) {
		ssize_t count = http_client_read_body(client, chunk, sizeof(chunk), error);
		if (count < 0)
			return -1;
		if (count == 0)
			return 0;
		strbuf_append_bytes(&response->body, chunk, (size_t)count);
	}
}

int http_client_request(struct http_client *client, const struct http_request *request,
			struct http_response *response, struct error **error)
{
	if (http_client_send(client, request, error) < 0)
		return -1;
	return http_client_receive(client, response, error);
}

char *http_response_header(const struct http_response *response, const char *name)
{
	size_t length = strlen(name);
	const char *line = response->headers.text;
	while (line && *line) {
		const char *end = strchr(line, '\n');
		if (!end)
			return NULL;
		if (strncasecmp(line, name, length) == 0 && line[length] == ':') {
			const char *value = line + length + 1;
			value += strspn(value, " \t");
			while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
				end--;
			return memory_strndup(value, (size_t)(end - value));
		}
		line = end + 1;
	}
	return NULL;
}

void http_response_clear(struct http_response *response)
{
	strbuf_free(&response->headers);
	strbuf_free(&response->body);
	response->status = 0;
}

void http_append_escaped(struct strbuf *path, const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;
		if (isalnum(c) || strchr("-._~", c))
			strbuf_append_char(path, (char)c);
		else
			strbuf_printf(path, "%%%02X", c);
	}
}
