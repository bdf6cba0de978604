/* See websocket.h: the handshake's key, life and death, and sending. */
#include "api/websocket.h"

#include <errno.h>
#include <nettle/base64.h>
#include <nettle/sha1.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "api/websocket_internal.h"
#include "memory.h"

/* How long a close frame may wait for a client that takes nothing, in milliseconds. */
enum { CLOSE_WAIT = 1000 };

void websocket_accept_key(const char *key, char accept[static WEBSOCKET_KEY_SIZE])
{
	static const char magic[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; /* RFC 6455, 1.3 */
	struct sha1_ctx context;
	uint8_t digest[SHA1_DIGEST_SIZE];
	sha1_init(&context);
	sha1_update(&context, strlen(key), (const uint8_t *)key);
	sha1_update(&context, strlen(magic), (const uint8_t *)magic);
	sha1_digest(&context, sizeof(digest), digest);
	base64_encode_raw(accept, sizeof(digest), digest);
	accept[WEBSOCKET_KEY_SIZE - 1] = '\0';
}

bool websocket_holds(const struct websocket *websocket)
{
	return websocket->held.length > websocket->held_sent;
}

static void hold(struct websocket *websocket, const uint8_t *bytes, size_t length)
{
	strbuf_append_bytes(&websocket->held, bytes, length);
}

/* Sends header and payload in one call; what the socket does not take is held. */
static void deliver(struct websocket *websocket, const uint8_t *bytes, size_t length)
{
	struct iovec vectors[2] = {
		{websocket->header, websocket->header_length},
		{(void *)(uintptr_t)bytes, length},
	};
	struct msghdr message = {.msg_iov = vectors, .msg_iovlen = 2};
	ssize_t sent = 0;
	if (!websocket_holds(websocket) && !websocket->dead) {
		do
			sent = sendmsg(websocket->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
		while (sent < 0 && errno == EINTR);
		if (sent < 0 && errno != EAGAIN)
			websocket->dead = true;
	}
	size_t done = sent > 0 ? (size_t)sent : 0;
	size_t header = done < websocket->header_length ? done : websocket->header_length;
	if (!websocket->dead) {
		hold(websocket, websocket->header + header, websocket->header_length - header);
		hold(websocket, bytes + (done - header), length - (done - header));
	}
	websocket->header_length = 0;
}

/* wslay gives the header first, marked that more comes, then the payload. */
static ssize_t send_callback(const uint8_t *bytes, size_t length, int flags, void *data)
{
	struct websocket *websocket = data;
	if (flags & WSLAY_MSG_MORE && length <= sizeof(websocket->header)) {
		memcpy(websocket->header, bytes, length);
		websocket->header_length = length;
	} else {
		deliver(websocket, bytes, length);
	}
	return (ssize_t)length;
}

void websocket_put_frame(struct websocket *websocket, uint8_t opcode, const void *bytes,
			 size_t length)
{
	struct wslay_frame_iocb frame = {
		.fin = 1,
		.opcode = opcode,
		.payload_length = length,
		.data = bytes,
		.data_length = length,
	};
	if (wslay_frame_send(websocket->sender, &frame) != (ssize_t)length)
		websocket->dead = true;
}

struct websocket *websocket_create(int fd, const void *early, size_t length,
				   void (*closed)(void *data), void *data)
{
	static const struct wslay_frame_callbacks callbacks = {.send_callback = send_callback};
	struct websocket *websocket = memory_alloc(sizeof(*websocket));
	websocket->fd = fd;
	websocket->closed = closed;
	websocket->data = data;
	pthread_mutex_init(&websocket->lock, NULL);
	if (wslay_frame_context_init(&websocket->sender, &callbacks, websocket) < 0 ||
	    websocket_receiver_init(websocket) < 0)
		abort(); /* out of memory, as everywhere (memory.h) */
	size_t size = length > WEBSOCKET_CHUNK ? length : WEBSOCKET_CHUNK;
	websocket->input = memory_realloc(NULL, size);
	if (length)
		memcpy(websocket->input, early, length);
	websocket->input_end = length;
	return websocket;
}

void websocket_free(struct websocket *websocket)
{
	if (!websocket)
		return;
	if (websocket->closed)
		websocket->closed(websocket->data);
	else
		close(websocket->fd);
	wslay_frame_context_free(websocket->sender);
	websocket_receiver_free(websocket);
	strbuf_free(&websocket->held);
	pthread_mutex_destroy(&websocket->lock);
	free(websocket);
}

int websocket_poll(const struct websocket *websocket, short events, int timeout)
{
	struct pollfd fd = {.fd = websocket->fd, .events = events};
	int ready;
	do
		ready = poll(&fd, 1, timeout);
	while (ready < 0 && errno == EINTR);
	return ready;
}

/* Under the lock. */
static void flush_held(struct websocket *websocket)
{
	while (websocket_holds(websocket) && !websocket->dead) {
		ssize_t sent = send(websocket->fd, websocket->held.text + websocket->held_sent,
				    websocket->held.length - websocket->held_sent,
				    MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent > 0)
			websocket->held_sent += (size_t)sent;
		else if (errno == EAGAIN)
			return;
		else if (errno != EINTR)
			websocket->dead = true;
	}
	strbuf_clear(&websocket->held);
	websocket->held_sent = 0;
}

/* Under the lock. */
static int check_alive(const struct websocket *websocket, struct error **error)
{
	if (websocket->dead || websocket->close_sent)
		return error_set(error, ERROR_CANCELLED, "the client's connection is closed");
	return 0;
}

int websocket_flush(struct websocket *websocket, struct error **error)
{
	pthread_mutex_lock(&websocket->lock);
	flush_held(websocket);
	int result = websocket_holds(websocket) ? 0 : 1;
	if (websocket->dead)
		result = check_alive(websocket, error);
	pthread_mutex_unlock(&websocket->lock);
	return result;
}

int websocket_post(struct websocket *websocket, enum websocket_type type, const void *bytes,
		   size_t length, struct error **error)
{
	pthread_mutex_lock(&websocket->lock);
	int result = check_alive(websocket, error);
	if (result == 0) {
		flush_held(websocket);
		if (!websocket_holds(websocket)) {
			websocket_put_frame(websocket, (uint8_t)type, bytes, length);
			result = 1;
		}
		if (websocket->dead)
			result = check_alive(websocket, error);
	}
	pthread_mutex_unlock(&websocket->lock);
	return result;
}

int websocket_send(struct websocket *websocket, enum websocket_type type, const void *bytes,
		   size_t length, struct error **error)
{
	int taken;
	while ((taken = websocket_post(websocket, type, bytes, length, error)) == 0)
		websocket_poll(websocket, POLLOUT, -1);
	if (taken < 0)
		return -1;
	while ((taken = websocket_flush(websocket, error)) == 0)
		websocket_poll(websocket, POLLOUT, -1);
	return taken < 0 ? -1 : 0;
}

void websocket_close(struct websocket *websocket, enum websocket_code code, const char *reason)
{
	uint8_t payload[125] = {(uint8_t)(code >> 8), (uint8_t)code};
	size_t length = reason ? strlen(reason) : 0;
	if (length > sizeof(payload) - 2)
		length = sizeof(payload) - 2;
	if (length)
		memcpy(payload + 2, reason, length);
	pthread_mutex_lock(&websocket->lock);
	bool send_it = !websocket->close_sent && !websocket->dead;
	if (send_it)
		websocket_put_frame(websocket, WSLAY_CONNECTION_CLOSE, payload, length + 2);
	websocket->close_sent = true;
	pthread_mutex_unlock(&websocket->lock);
	/* In all at most CLOSE_WAIT, or until the client stops taking anything for that long. */
	while (send_it && websocket_flush(websocket, NULL) == 0)
		if (websocket_poll(websocket, POLLOUT, CLOSE_WAIT) <= 0)
			break;
}

void websocket_shutdown(struct websocket *websocket)
{
	shutdown(websocket->fd, SHUT_RDWR);
}

int websocket_fd(const struct websocket *websocket)
{
	return websocket->fd;
}
