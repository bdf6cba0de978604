/*
 * Messages between the programs: a 32-bit length (host order), a JSON object,
 * and descriptors (SCM_RIGHTS) attached to its first byte, over a unix stream
 * socket. doc/architecture.md lists the messages of the monitor.
 */
#ifndef SYSCT_MESSAGE_H
#define SYSCT_MESSAGE_H

#include <jansson.h>
#include <stddef.h>

#include "error.h"
#include "strbuf.h"

enum { MESSAGE_MAX_FDS = 8, MESSAGE_MAX_BYTES = 8 << 20 };

struct message {
	json_t *body; /* NULL after the peer's end of file */
	int fds[MESSAGE_MAX_FDS];
	size_t fd_count;
};

#define cleanup_message __attribute__((cleanup(message_clear)))

/* Frees the body and closes the descriptors that were not taken. */
void message_clear(struct message *message);

/* Takes descriptor @index out of the message; -1 when there is none. */
int message_take_fd(struct message *message, size_t index);

/**
 * message_send - send one message, waiting while the socket is full.
 * @fds: stay the caller's.
 */
int message_send(int socket, const json_t *body, const int *fds, size_t fd_count,
		 struct error **error);

/* A message as it arrives on a non-blocking socket. Zero-initialised is empty. */
struct message_reader {
	struct strbuf bytes;
	int fds[MESSAGE_MAX_FDS];
	size_t fd_count;
};

/**
 * message_reader_next - one message if it is complete.
 * Returns 1 with *message filled, 0 when more must arrive, -1 at the end of
 * file (no error set) or on a broken message (error set).
 */
int message_reader_next(struct message_reader *reader, int socket, struct message *message,
			struct error **error);
void message_reader_free(struct message_reader *reader);

/**
 * message_receive - wait for one message on a blocking or non-blocking socket.
 * @timeout: milliseconds, or -1.
 * The end of file is success with body NULL.
 */
int message_receive(int socket, struct message *message, int timeout, struct error **error);

/* {"error": {"kind": ..., "errno": ..., "message": ...}} and back. */
json_t *message_from_error(const struct error *error);

/* -1 with *error filled when @body carries an error, else 0. */
int message_check_error(const json_t *body, struct error **error);

#endif
