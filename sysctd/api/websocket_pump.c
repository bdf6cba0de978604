/*
 * See websocket.h: bytes between a WebSocket and descriptors, as exec and
 * console have them. One loop serves both directions, and neither waits for
 * the other: no frame is read while bytes for `to_fd` are left over, and nothing
 * is read from `from_fd` while the socket holds a frame.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "api/websocket_internal.h"
#include "cleanup.h"
#include "memory.h"

/* What a blocking pipe surely takes when poll(2) says that it takes something (PIPE_BUF). */
enum { BLOCKING_PIECE = 4096 };

/* Chunks that one direction may move before the other has its turn. */
enum { TURN_MAX = 16 };

struct pumping {
	struct websocket *websocket;
	const struct websocket_pump *pump;
	char *buffer;
	bool from_open;
	bool client_open; /* the client may send more */
	bool to_broken;	  /* the reader of to_fd has gone */
	bool client_left;
	bool nonblocking;
	bool more;	  /* frames may be left that poll(2) does not tell of */
	const char *rest; /* for to_fd */
	size_t rest_length;
	struct error **error;
};

static void end_of_client(struct pumping *state)
{
	if (!state->client_open)
		return;
	state->client_open = false;
	if (state->pump->to_end)
		state->pump->to_end(state->pump->data);
}

static void write_rest(struct pumping *state)
{
	while (state->rest_length > 0) {
		size_t length = state->rest_length;
		if (!state->nonblocking && length > BLOCKING_PIECE)
			length = BLOCKING_PIECE;
		ssize_t count = write(state->pump->to_fd, state->rest, length);
		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0 && errno == EAGAIN)
			return;
		if (count < 0) {
			state->to_broken = true;
			state->rest_length = 0;
			return;
		}
		state->rest += count;
		state->rest_length -= (size_t)count;
		if (!state->nonblocking)
			return; /* ask poll(2) again */
	}
}

/* Takes what the client sent, up to the piece that to_fd does not take at once. */
static int take_frames(struct pumping *state)
{
	state->more = false;
	for (int i = 0; state->rest_length == 0; i++) {
		struct websocket_chunk chunk;
		if (i == TURN_MAX) {
			state->more = true;
			return 0;
		}
		switch (websocket_try_receive(state->websocket, &chunk, state->error)) {
		case WEBSOCKET_AGAIN:
			return 0;
		case WEBSOCKET_ERROR:
			return -1;
		case WEBSOCKET_CLOSED:
			end_of_client(state);
			state->client_left = true;
			return 0;
		case WEBSOCKET_DATA:
			break;
		}
		if (chunk.length == 0 && chunk.first && chunk.last &&
		    chunk.type == WEBSOCKET_TEXT) {
			end_of_client(state);
			if (!state->from_open)
				return 0;
		} else if (state->client_open && !state->to_broken && state->pump->to_fd >= 0) {
			state->rest = chunk.bytes;
			state->rest_length = chunk.length;
			write_rest(state);
		}
	}
	return 0;
}

/* One read of from_fd. 1 when there was something, 0 at its end or when it is empty, or -1. */
static int take_output(struct pumping *state)
{
	ssize_t count;
	do
		count = read(state->pump->from_fd, state->buffer, WEBSOCKET_CHUNK);
	while (count < 0 && errno == EINTR);
	if (count < 0 && errno == EAGAIN)
		return 0;
	if (count < 0 && errno != EIO)
		return error_errno(state->error, errno, "reading the output of the instance");
	if (count <= 0) {
		state->from_open = false;
		return 0;
	}
	int posted = websocket_post(state->websocket, WEBSOCKET_BINARY, state->buffer,
				    (size_t)count, state->error);
	if (posted == 0) /* a pong is held: rare, so it may wait */
		posted = websocket_send(state->websocket, WEBSOCKET_BINARY, state->buffer,
					(size_t)count, state->error);
	return posted < 0 ? -1 : 1;
}

/* Waits until the socket has taken all. */
static int flush_all(struct pumping *state)
{
	int flushed;
	while ((flushed = websocket_flush(state->websocket, state->error)) == 0)
		websocket_poll(state->websocket, POLLOUT, -1);
	return flushed < 0 ? -1 : 0;
}

/*
 * What from_fd has now is sent before the pump stops; a process in the
 * background that goes on writing must not keep it going, so there is a bound.
 */
static int drain_output(struct pumping *state)
{
	for (int i = 0; i < TURN_MAX && state->from_open; i++) {
		struct pollfd fd = {.fd = state->pump->from_fd, .events = POLLIN};
		if (poll(&fd, 1, 0) <= 0)
			return 0;
		int got = take_output(state);
		if (got < 0 || flush_all(state) < 0)
			return -1;
	}
	return 0;
}

static bool holds(struct websocket *websocket)
{
	pthread_mutex_lock(&websocket->lock);
	bool result = websocket_holds(websocket);
	pthread_mutex_unlock(&websocket->lock);
	return result;
}

enum { AT_SOCKET, AT_FROM, AT_TO, AT_STOP, AT_COUNT };

/* Waits for what can go on; false when poll(2) fails. */
static bool wait_for_any(struct pumping *state, struct pollfd fds[static AT_COUNT])
{
	bool held = holds(state->websocket);
	bool wants_frames = state->rest_length == 0;
	const struct websocket_pump *pump = state->pump;
	fds[AT_SOCKET] = (struct pollfd){
		.fd = state->websocket->fd,
		.events = (short)((wants_frames ? POLLIN : 0) | (held ? POLLOUT : 0)),
	};
	fds[AT_FROM] = (struct pollfd){state->from_open && !held ? pump->from_fd : -1, POLLIN, 0};
	fds[AT_TO] = (struct pollfd){wants_frames ? -1 : pump->to_fd, POLLOUT, 0};
	fds[AT_STOP] = (struct pollfd){pump->stop_fd, POLLIN, 0};
	while (poll(fds, AT_COUNT, state->more && wants_frames ? 0 : -1) < 0) {
		if (errno != EINTR) {
			error_errno(state->error, errno, "waiting for a client");
			return false;
		}
	}
	return true;
}

/* One turn of the loop; false when it is over, with *end set. */
static bool pump_once(struct pumping *state, enum websocket_pump_end *end)
{
	struct pollfd fds[AT_COUNT];
	*end = WEBSOCKET_PUMP_ERROR;
	if (!wait_for_any(state, fds))
		return false;
	if (fds[AT_SOCKET].revents & POLLOUT && websocket_flush(state->websocket, NULL) < 0)
		state->client_left = true;
	if (fds[AT_TO].revents)
		write_rest(state);
	bool gone = fds[AT_SOCKET].revents & (POLLHUP | POLLERR) && state->rest_length > 0;
	bool input = fds[AT_SOCKET].revents & (POLLIN | POLLHUP | POLLERR) || fds[AT_TO].revents ||
		     state->more;
	if (input && !gone && take_frames(state) < 0)
		return false;
	if (gone) {
		/* Everything that the client sent before it went is still to be written. */
		struct pollfd to = {.fd = state->pump->to_fd, .events = POLLOUT};
		poll(&to, 1, 0);
		if (!to.revents)
			state->client_left = true;
	}
	if (fds[AT_FROM].revents && take_output(state) < 0)
		state->client_left = true;
	*end = WEBSOCKET_PUMP_CLOSED;
	if (state->client_left)
		return false;
	*end = WEBSOCKET_PUMP_STOPPED;
	if (fds[AT_STOP].revents) {
		if (drain_output(state) < 0)
			*end = WEBSOCKET_PUMP_CLOSED;
		return false;
	}
	*end = WEBSOCKET_PUMP_DONE;
	return state->pump->from_fd >= 0 ? state->from_open : state->client_open;
}

enum websocket_pump_end websocket_pump(struct websocket *websocket,
				       const struct websocket_pump *pump, struct error **error)
{
	cleanup_free char *buffer =
		pump->from_fd >= 0 ? memory_realloc(NULL, WEBSOCKET_CHUNK) : NULL;
	int flags = pump->to_fd >= 0 ? fcntl(pump->to_fd, F_GETFL) : 0;
	struct pumping state = {
		.websocket = websocket,
		.pump = pump,
		.buffer = buffer,
		.from_open = pump->from_fd >= 0,
		.client_open = true,
		.nonblocking = flags >= 0 && flags & O_NONBLOCK,
		.error = error,
	};
	enum websocket_pump_end end = WEBSOCKET_PUMP_DONE;
	/* What came with the handshake is in no socket any more: poll(2) would not tell. */
	if (take_frames(&state) < 0)
		return WEBSOCKET_PUMP_ERROR;
	if (state.client_left)
		return WEBSOCKET_PUMP_CLOSED;
	if (pump->from_fd < 0 && !state.client_open)
		return WEBSOCKET_PUMP_DONE;
	while (pump_once(&state, &end))
		;
	if (pump->from_fd >= 0 && (end == WEBSOCKET_PUMP_DONE || end == WEBSOCKET_PUMP_STOPPED) &&
	    websocket_send(websocket, WEBSOCKET_TEXT, "", 0, NULL) < 0)
		end = WEBSOCKET_PUMP_CLOSED;
	return end;
}
