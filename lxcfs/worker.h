/* The process that serves requests: it may be killed at any time, the next one goes on with what it leaves. */
#ifndef SYSCT_LXCFS_WORKER_H
#define SYSCT_LXCFS_WORKER_H

#include "error.h"

/* What the supervisor hands on to its workers and to its successor. Descriptors, not closed by exec; -1: none. */
struct inheritance {
	int fuse;   /* /dev/fuse, mounted */
	int memory; /* shared.h */
	int socket; /* listens */
	const char *mountpoint, *program;
};

enum worker_end {
	WORKER_UNMOUNTED = 0,
	WORKER_FAILED = 1,
};

/**
 * worker_run - serve until the file system is unmounted.
 * @supervisor: its pidfd; when it ends, the worker takes its place (supervisor_exec()).
 * Returns an enum worker_end, with *error for WORKER_FAILED.
 */
int worker_run(const struct inheritance *inheritance, int supervisor, struct error **error);

#endif
