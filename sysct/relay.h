/*
 * A terminal of ours that a command in an instance shall use without having
 * it: what it holds is a pipe. A process of strangers with the descriptor of
 * the host's terminal could change its modes or read what is typed later.
 */
#ifndef SYSCT_RELAY_H
#define SYSCT_RELAY_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/error.h"

struct relay {
	int from, to; /* -1 while it is not used */
	int theirs;   /* the other end of the pipe, for the command */
	bool owns_from;
	char pending[4096]; /* read and not taken yet */
	size_t length;
};

#define RELAY_INIT                                                                                 \
	{                                                                                          \
		.from = -1, .to = -1, .theirs = -1                                                 \
	}

/**
 * relay_open - put a pipe between @fd and the command when @fd is a terminal.
 * Returns the descriptor to hand over: @fd itself where it is no terminal.
 * @input: whether the command reads from it.
 */
int relay_open(struct relay *relay, int fd, bool input, struct error **error);

/* The command has its end: close ours, so that the end of the pipe is seen. */
void relay_started(struct relay *relay);

/* For poll(2): what to wait for, and what to do then. */
struct pollfd relay_poll(const struct relay *relay);
void relay_move(struct relay *relay);

/* Copies what is there and closes. */
void relay_close(struct relay *relay);

#endif
