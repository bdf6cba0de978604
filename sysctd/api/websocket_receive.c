/*
 * See websocket.h: receiving. The socket is read in pieces of 64 KiB; wslay
 * decodes them in pieces of its own, 4 KiB, which are gathered again, so that
 * who writes them elsewhere makes few system calls. Control frames are
 * answered here and not seen outside.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "api/websocket_internal.h"
#include "memory.h"

/* What may be held before pongs for a client that pings and does not read are dropped. */
enum { HELD_CONTROL_MAX = 64 << 10 };

/* Gives wslay what was read, and reads more when that is used up. */
static ssize_t recv_callback(uint8_t *bytes, size_t length, int flags, void *data)
{
	struct websocket *websocket = data;
	(void)flags;
	if (websocket->input_start == websocket->input_end && !websocket->end_of_file) {
		ssize_t count;
		do
			count = recv(websocket->fd, websocket->input, WEBSOCKET_CHUNK,
				     MSG_DONTWAIT);
		while (count < 0 && errno == EINTR);
		if (count < 0 && errno == EAGAIN)
			return -1;
		websocket->end_of_file = count <= 0;
		websocket->input_start = 0;
		websocket->input_end = count > 0 ? (size_t)count : 0;
	}
	size_t here = websocket->input_end - websocket->input_start;
	if (here == 0)
		return -1;
	if (length > here)
		length = here;
	memcpy(bytes, websocket->input + websocket->input_start, length);
	websocket->input_start += length;
	return (ssize_t)length;
}

int websocket_receiver_init(struct websocket *websocket)
{
	static const struct wslay_frame_callbacks callbacks = {.recv_callback = recv_callback};
	return wslay_frame_context_init(&websocket->receiver, &callbacks, websocket);
}

void websocket_receiver_free(struct websocket *websocket)
{
	wslay_frame_context_free(websocket->receiver);
	free(websocket->input);
	free(websocket->chunk);
}

bool websocket_has_input(const struct websocket *websocket)
{
	return websocket->input_end > websocket->input_start;
}

static enum websocket_result violated(struct websocket *websocket, enum websocket_code code,
				      const char *what, struct error **error)
{
	websocket_close(websocket, code, what);
	websocket->closed_by_peer = true;
	error_set(error, ERROR_INVALID, "the client broke the WebSocket protocol: %s", what);
	return WEBSOCKET_ERROR;
}

/* NULL when a frame may stand where it does. */
static const char *check_frame(const struct websocket *websocket,
			       const struct wslay_frame_iocb *frame)
{
	if (frame->rsv)
		return "reserved bits are set";
	if (!frame->mask)
		return "frame is not masked";
	switch (frame->opcode) {
	case WSLAY_CONTINUATION_FRAME:
		return websocket->in_message ? NULL : "nothing to continue";
	case WSLAY_TEXT_FRAME:
	case WSLAY_BINARY_FRAME:
		return websocket->in_message ? "message within a message" : NULL;
	case WSLAY_CONNECTION_CLOSE:
	case WSLAY_PING:
	case WSLAY_PONG:
		return NULL;
	default:
		return "unknown opcode";
	}
}

static void begin_frame(struct websocket *websocket)
{
	websocket->in_frame = true;
	websocket->frame_left = websocket->frame.payload_length;
	websocket->control_length = 0;
	if (websocket->frame.opcode == WSLAY_TEXT_FRAME ||
	    websocket->frame.opcode == WSLAY_BINARY_FRAME) {
		websocket->in_message = true;
		websocket->message_begun = false;
		websocket->type = (enum websocket_type)websocket->frame.opcode;
	}
}

/* A control frame is complete. */
static void answer_control(struct websocket *websocket)
{
	uint8_t opcode = websocket->frame.opcode;
	pthread_mutex_lock(&websocket->lock);
	if (opcode == WSLAY_PING && !websocket->close_sent && !websocket->dead &&
	    websocket->held.length < HELD_CONTROL_MAX + WEBSOCKET_CHUNK)
		websocket_put_frame(websocket, WSLAY_PONG, websocket->control,
				    websocket->control_length);
	pthread_mutex_unlock(&websocket->lock);
	if (opcode != WSLAY_CONNECTION_CLOSE)
		return;
	unsigned code = WEBSOCKET_NORMAL;
	if (websocket->control_length >= 2)
		code = (unsigned)websocket->control[0] << 8 | websocket->control[1];
	websocket_close(websocket, (enum websocket_code)code, NULL);
	websocket->closed_by_peer = true;
}

/* One piece from wslay. 1 with *length payload bytes (perhaps 0), 0 when more must come, or -1. */
static int next_piece(struct websocket *websocket, const char **problem)
{
	struct wslay_frame_iocb piece;
	memset(&piece, 0, sizeof(piece));
	ssize_t count = wslay_frame_recv(websocket->receiver, &piece);
	if (count == WSLAY_ERR_WANT_READ)
		return 0;
	if (count < 0) {
		*problem = "malformed frame";
		return -1;
	}
	websocket->frame = piece;
	if (!websocket->in_frame) {
		*problem = check_frame(websocket, &piece);
		if (*problem)
			return -1;
		begin_frame(websocket);
	}
	websocket->frame_left -= piece.data_length;
	if (websocket->frame_left == 0)
		websocket->in_frame = false;
	return 1;
}

static void take_control(struct websocket *websocket)
{
	const struct wslay_frame_iocb *piece = &websocket->frame;
	size_t room = sizeof(websocket->control) - websocket->control_length;
	size_t length = piece->data_length < room ? piece->data_length : room;
	if (length)
		memcpy(websocket->control + websocket->control_length, piece->data, length);
	websocket->control_length += length;
	if (!websocket->in_frame)
		answer_control(websocket);
}

static void fill_chunk(struct websocket *websocket, struct websocket_chunk *chunk, size_t length,
		       bool last)
{
	*chunk = (struct websocket_chunk){
		.type = websocket->type,
		.bytes = websocket->chunk,
		.length = length,
		.first = !websocket->message_begun,
		.last = last,
	};
	websocket->message_begun = true;
	if (last)
		websocket->in_message = false;
}

/* The largest piece that wslay gives at once. */
enum { PIECE_MAX = 4096 };

enum websocket_result websocket_try_receive(struct websocket *websocket,
					    struct websocket_chunk *chunk, struct error **error)
{
	const char *problem = NULL;
	size_t length = 0;
	if (!websocket->chunk)
		websocket->chunk = memory_realloc(NULL, WEBSOCKET_CHUNK);
	while (!websocket->closed_by_peer && length <= WEBSOCKET_CHUNK - PIECE_MAX) {
		int got = next_piece(websocket, &problem);
		if (got < 0)
			return violated(websocket, WEBSOCKET_PROTOCOL_ERROR, problem, error);
		if (got == 0)
			break;
		if (wslay_is_ctrl_frame(websocket->frame.opcode)) {
			take_control(websocket);
			continue;
		}
		size_t count = websocket->frame.data_length;
		if (count > WEBSOCKET_CHUNK - length)
			return violated(websocket, WEBSOCKET_INTERNAL, "piece too large", error);
		if (count)
			memcpy(websocket->chunk + length, websocket->frame.data, count);
		length += count;
		if (!websocket->in_frame && websocket->frame.fin) {
			fill_chunk(websocket, chunk, length, true);
			return WEBSOCKET_DATA;
		}
	}
	if (length > 0) {
		fill_chunk(websocket, chunk, length, false);
		return WEBSOCKET_DATA;
	}
	return websocket->closed_by_peer || websocket->end_of_file ? WEBSOCKET_CLOSED
								   : WEBSOCKET_AGAIN;
}

enum websocket_result websocket_receive(struct websocket *websocket, struct websocket_chunk *chunk,
					struct error **error)
{
	for (;;) {
		enum websocket_result result = websocket_try_receive(websocket, chunk, error);
		if (result != WEBSOCKET_AGAIN)
			return result;
		/* A pong that is held waits for the socket here, or for the next sender. */
		pthread_mutex_lock(&websocket->lock);
		bool holds = websocket_holds(websocket);
		pthread_mutex_unlock(&websocket->lock);
		websocket_poll(websocket, (short)(POLLIN | (holds ? POLLOUT : 0)), -1);
		if (holds)
			websocket_flush(websocket, NULL);
	}
}

enum websocket_result websocket_receive_message(struct websocket *websocket, struct strbuf *message,
						size_t limit, enum websocket_type *type,
						struct error **error)
{
	struct websocket_chunk chunk;
	strbuf_clear(message);
	for (;;) {
		enum websocket_result result = websocket_receive(websocket, &chunk, error);
		if (result != WEBSOCKET_DATA)
			return result;
		if (chunk.length > limit - message->length)
			return violated(websocket, WEBSOCKET_TOO_BIG, "message too large", error);
		strbuf_append_bytes(message, chunk.bytes, chunk.length);
		if (chunk.last) {
			*type = chunk.type;
			return WEBSOCKET_DATA;
		}
	}
}
