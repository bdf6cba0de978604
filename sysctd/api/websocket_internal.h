/* What the files of the WebSocket share. */
#ifndef SYSCT_API_WEBSOCKET_INTERNAL_H
#define SYSCT_API_WEBSOCKET_INTERNAL_H

#include <pthread.h>
#include <stdint.h>
#include <wslay/wslay.h>

#include "api/websocket.h"

/*
 * The fields of sending are guarded by @lock; those of receiving belong to the
 * one thread that receives. A wslay context for each direction keeps the two
 * apart. The socket is never used in a way that blocks: whoever must wait polls
 * without the lock.
 */
struct websocket {
	int fd;
	void (*closed)(void *data);
	void *data;

	pthread_mutex_t lock;
	wslay_frame_context_ptr sender;
	uint8_t header[16]; /* of the frame that wslay is encoding */
	size_t header_length;
	struct strbuf held; /* what the socket did not take */
	size_t held_sent;
	bool close_sent;
	bool dead;

	wslay_frame_context_ptr receiver;
	uint8_t *input; /* WEBSOCKET_CHUNK bytes, as they came */
	size_t input_start, input_end;
	uint8_t *chunk; /* WEBSOCKET_CHUNK bytes, decoded */
	bool end_of_file;
	bool closed_by_peer;
	bool in_frame, in_message, message_begun;
	struct wslay_frame_iocb frame; /* under way */
	uint64_t frame_left;
	enum websocket_type type;
	uint8_t control[125];
	size_t control_length;
};

/* Encodes one frame and sends or holds it; under the lock. */
void websocket_put_frame(struct websocket *websocket, uint8_t opcode, const void *bytes,
			 size_t length);

/* Under the lock: whether something waits for the socket. */
bool websocket_holds(const struct websocket *websocket);

/* poll(2) on the socket; negative with errno, 0 after @timeout. */
int websocket_poll(const struct websocket *websocket, short events, int timeout);

int websocket_receiver_init(struct websocket *websocket);
void websocket_receiver_free(struct websocket *websocket);

#endif
