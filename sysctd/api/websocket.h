/*
 * The server's end of a WebSocket (RFC 6455) after the handshake; frames are
 * coded by wslay. Sending is thread-safe; receiving belongs to one thread at a
 * time, which may be another than the sender. Pings are answered while
 * somebody receives or pumps; none are sent, so an idle socket is silent.
 *
 * Memory is bounded: 128 KiB of input, and of output at most one frame that
 * the socket did not take yet plus control frames.
 */
#ifndef SYSCT_API_WEBSOCKET_H
#define SYSCT_API_WEBSOCKET_H

#include <stdbool.h>
#include <stddef.h>

#include "error.h"
#include "strbuf.h"

enum { WEBSOCKET_CHUNK = 64 << 10, WEBSOCKET_KEY_SIZE = 29 };

enum websocket_type { WEBSOCKET_TEXT = 1, WEBSOCKET_BINARY = 2 };

/* Close codes of RFC 6455, section 7.4.1. */
enum websocket_code {
	WEBSOCKET_NORMAL = 1000,
	WEBSOCKET_GOING_AWAY = 1001,
	WEBSOCKET_PROTOCOL_ERROR = 1002,
	WEBSOCKET_POLICY = 1008,
	WEBSOCKET_TOO_BIG = 1009,
	WEBSOCKET_INTERNAL = 1011,
};

struct websocket;

/* The Sec-WebSocket-Accept of a Sec-WebSocket-Key. */
void websocket_accept_key(const char *key, char accept[static WEBSOCKET_KEY_SIZE]);

/**
 * websocket_create - take over a connected socket.
 * @early: bytes of the client that were read already (copied).
 * @closed: called with @data by websocket_free() instead of close(2); NULL closes @fd.
 */
struct websocket *websocket_create(int fd, const void *early, size_t length,
				   void (*closed)(void *data), void *data);

/* Closes the connection without ceremony (see websocket_close()). No other thread may use it. */
void websocket_free(struct websocket *websocket);

/**
 * websocket_send - one message of one frame.
 * Waits while the socket is full. -1 when the connection is gone or closed.
 */
int websocket_send(struct websocket *websocket, enum websocket_type type, const void *bytes,
		   size_t length, struct error **error);

/**
 * websocket_post - like websocket_send, but does not wait.
 * Returns 1 when the frame was taken (sent or held to be sent), 0 when an
 * earlier one is still held (poll for POLLOUT, then websocket_flush()), or -1.
 */
int websocket_post(struct websocket *websocket, enum websocket_type type, const void *bytes,
		   size_t length, struct error **error);

/* Sends what is held as far as the socket takes it: 1 when nothing is held, 0, or -1. */
int websocket_flush(struct websocket *websocket, struct error **error);

/**
 * struct websocket_chunk - a piece of a message.
 * @bytes: valid until the next receive. A message may come in many pieces of
 * up to WEBSOCKET_CHUNK bytes; the last may be empty.
 * @first, @last: of its message.
 */
struct websocket_chunk {
	enum websocket_type type;
	const void *bytes;
	size_t length;
	bool first;
	bool last;
};

enum websocket_result {
	WEBSOCKET_ERROR = -1,
	WEBSOCKET_AGAIN = 0, /* nothing complete yet; only from websocket_try_receive */
	WEBSOCKET_DATA = 1,
	WEBSOCKET_CLOSED = 2, /* close frame or end of file; further receives say the same */
};

/* Waits for the next piece. */
enum websocket_result websocket_receive(struct websocket *websocket, struct websocket_chunk *chunk,
					struct error **error);

/* Does not wait: call when poll(2) says POLLIN, until it says WEBSOCKET_AGAIN. */
enum websocket_result websocket_try_receive(struct websocket *websocket,
					    struct websocket_chunk *chunk, struct error **error);

/**
 * websocket_receive_message - wait for one whole message.
 * @message: cleared first. More than @limit bytes close the connection (1009).
 */
enum websocket_result websocket_receive_message(struct websocket *websocket, struct strbuf *message,
						size_t limit, enum websocket_type *type,
						struct error **error);

/* Sends a close frame, once; nothing can be sent afterwards. Waits at most a second. */
void websocket_close(struct websocket *websocket, enum websocket_code code, const char *reason);

/* Ends the connection from any thread: whoever waits in it returns. */
void websocket_shutdown(struct websocket *websocket);

/* For poll(2). */
int websocket_fd(const struct websocket *websocket);

/* Input that was read already and that poll(2) on the socket does not tell of. */
bool websocket_has_input(const struct websocket *websocket);

enum websocket_pump_end {
	WEBSOCKET_PUMP_ERROR = -1,
	WEBSOCKET_PUMP_DONE,   /* every direction that was asked for came to its end */
	WEBSOCKET_PUMP_CLOSED, /* the client closed the connection or has gone */
	WEBSOCKET_PUMP_STOPPED /* stop_fd became readable */
};

/**
 * struct websocket_pump - how bytes travel as in LXD's exec and console.
 * @from_fd: read until its end (EOF, or EIO of a pty) and sent as binary
 * frames, then an empty text frame; -1 for none.
 * @to_fd: gets what the client sends; the client's empty text frame is its
 * end. -1: what the client sends is dropped, its end too.
 * @stop_fd: ends the pump when readable (an eventfd); -1 for none. Bytes of
 * @from_fd that are there already are sent first.
 * @to_end: called once when the client has sent its last byte and all of it is
 * in @to_fd: close that, or send ^D to a pty. May be NULL. A @to_fd whose reader
 * has gone (EPIPE) is no error: the rest is dropped.
 *
 * The descriptors stay the caller's. They are used without blocking whatever
 * their flags are, but a pipe or pty that is not O_NONBLOCK is written in
 * pieces that fit (4 KiB); O_NONBLOCK is faster.
 */
struct websocket_pump {
	int from_fd;
	int to_fd;
	int stop_fd;
	void (*to_end)(void *data);
	void *data;
};

/**
 * websocket_pump - copy in both directions in the calling thread.
 * Ends with WEBSOCKET_PUMP_DONE when @from_fd has ended, or, without one, when
 * the client's stream has. Waits by poll(2) without a timeout.
 */
enum websocket_pump_end websocket_pump(struct websocket *websocket,
				       const struct websocket_pump *pump, struct error **error);

#endif
