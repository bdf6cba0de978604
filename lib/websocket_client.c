/*
 * See websocket_client.h. The answer's Sec-WebSocket-Accept is not checked:
 * that guards against caches between browser and server, and the peer here is
 * a unix socket of our own daemon. Frames are masked as the protocol asks,
 * with a mask of zeros for the same reason.
 */
#include "websocket_client.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

enum { OP_CONTINUE = 0, OP_TEXT = 1, OP_BINARY = 2, OP_CLOSE = 8, OP_PING = 9, OP_PONG = 10 };
enum { CONTROL_MAX = 125, MESSAGE_MAX = 64 << 20 };

struct frame {
	bool last;
	int opcode;
	uint64_t length;
};

int websocket_open(struct http_client *client, const char *path, struct http_response *response,
		   struct error **error)
{
	struct http_request request = {
		.method = "GET",
		.path = path,
		.headers = "Connection: Upgrade\r\nUpgrade: websocket\r\n"
			   "Sec-WebSocket-Version: 13\r\n"
			   "Sec-WebSocket-Key: c3lzY3Qtd2Vic29ja2V0IQ==\r\n",
	};
	return http_client_request(client, &request, response, error);
}

static int read_exactly(struct http_client *client, void *bytes, size_t length,
			struct error **error)
{
	unsigned char *at = bytes;
	while (length > 0) {
		ssize_t count = http_client_read_raw(client, at, length, error);
		if (count < 0)
			return -1;
		if (count == 0)
			return error_set(error, ERROR_INTERNAL, "the server closed the connection");
		at += count;
		length -= (size_t)count;
	}
	return 0;
}

static int read_head(struct http_client *client, struct frame *frame, struct error **error)
{
	unsigned char head[2], more[8];
	if (read_exactly(client, head, sizeof(head), error) < 0)
		return -1;
	frame->last = head[0] & 0x80;
	frame->opcode = head[0] & 0x0f;
	frame->length = head[1] & 0x7f;
	if (head[0] & 0x70 || head[1] & 0x80)
		return error_set(error, ERROR_INTERNAL, "the server sent a broken frame");
	size_t extra = frame->length == 126 ? 2 : frame->length == 127 ? 8 : 0;
	if (extra && read_exactly(client, more, extra, error) < 0)
		return -1;
	if (extra)
		frame->length = 0;
	for (size_t i = 0; i < extra; i++)
		frame->length = frame->length << 8 | more[i];
	if (frame->opcode >= OP_CLOSE && (frame->length > CONTROL_MAX || !frame->last))
		return error_set(error, ERROR_INTERNAL, "the server sent a broken frame");
	return 0;
}

static int send_control(struct http_client *client, int opcode, const unsigned char *payload,
			size_t length, struct error **error)
{
	unsigned char frame[6 + CONTROL_MAX] = {(unsigned char)(0x80 | opcode),
						(unsigned char)(0x80 | length)};
	memcpy(frame + 6, payload, length);
	if (send(http_client_fd(client), frame, 6 + length, MSG_NOSIGNAL) < 0)
		return error_errno(error, errno, "answering the server");
	return 0;
}

/* 1 to go on, 0 when the server closed. */
static int handle_control(struct http_client *client, const struct frame *frame,
			  struct error **error)
{
	unsigned char payload[CONTROL_MAX];
	if (read_exactly(client, payload, frame->length, error) < 0)
		return -1;
	if (frame->opcode == OP_CLOSE) {
		send_control(client, OP_CLOSE, payload, frame->length, NULL);
		return 0;
	}
	if (frame->opcode == OP_PING &&
	    send_control(client, OP_PONG, payload, frame->length, error) < 0)
		return -1;
	return 1;
}

static int append_payload(struct http_client *client, const struct frame *frame,
			  struct strbuf *message, struct error **error)
{
	char chunk[8192];
	uint64_t left = frame->length;
	if (left > MESSAGE_MAX || message->length + left > MESSAGE_MAX)
		return error_set(error, ERROR_INTERNAL, "the server sent a message too large");
	while (left > 0) {
		size_t count = left < sizeof(chunk) ? (size_t)left : sizeof(chunk);
		if (read_exactly(client, chunk, count, error) < 0)
			return -1;
		strbuf_append_bytes(message, chunk, count);
		left -= count;
	}
	return 0;
}

int websocket_receive(struct http_client *client, struct strbuf *message, struct error **error)
{
	strbuf_clear(message);
	for (;;) {
		struct frame frame;
		if (read_head(client, &frame, error) < 0)
			return -1;
		if (frame.opcode >= OP_CLOSE) {
			int result = handle_control(client, &frame, error);
			if (result <= 0)
				return result;
			continue;
		}
		if (append_payload(client, &frame, message, error) < 0)
			return -1;
		if (frame.last)
			return 1;
	}
}
