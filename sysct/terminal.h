/* The user's terminal. */
#ifndef SYSCT_TERMINAL_H
#define SYSCT_TERMINAL_H

#include <stdbool.h>
#include <termios.h>

struct terminal_size {
	int columns, rows; /* 0 when unknown */
};

struct terminal_size terminal_size(int fd);

/* Gives the pseudo-terminal @master the size of @fd; nothing happens when that is unknown. */
void terminal_copy_size(int fd, int master);

/* Raw mode with the way back. Zero-initialised is "not raw". */
struct terminal_mode {
	bool raw;
	int fd;
	struct termios saved;
};

#define cleanup_terminal __attribute__((cleanup(terminal_restore)))

/* Makes @fd raw if it is a terminal; may be called again after SIGCONT. */
void terminal_make_raw(struct terminal_mode *mode, int fd);
void terminal_restore(struct terminal_mode *mode);

#endif
