/*
 * The local fast path (DESIGN section 4): a POST whose connection is upgraded
 * to "sysct-fd" takes descriptors instead of bytes. The monitor of the
 * instance then speaks with us over the control socket, with messages of
 * lib/message.h.
 */
#ifndef SYSCT_FAST_PATH_H
#define SYSCT_FAST_PATH_H

#include "cli.h"

enum { FAST_PATH_MAX = 4 };

struct fast_path_fd {
	const char *name; /* as in the message: "stdin", "stream" */
	int fd;		  /* stays the caller's */
};

/**
 * fast_path_open - send @body to @path and hand over @count descriptors and
 * one end of a new control socket. The connection to the daemon is closed.
 * Returns our end of the control socket.
 */
int fast_path_open(struct cli *cli, const char *path, const json_t *body,
		   const struct fast_path_fd *fds, size_t count, struct error **error);

#endif
