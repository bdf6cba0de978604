/* The command line by which supervisor and workers execute this program again. */
#ifndef SYSCT_LXCFS_ARGUMENTS_H
#define SYSCT_LXCFS_ARGUMENTS_H

#include <stdbool.h>
#include <sys/types.h>

#include "lxcfs/worker.h"

struct arguments {
	char descriptors[64];
	char *list[6];
};

/**
 * arguments_make - sysct-lxcfs MODE FUSE,MEMORY,SOCKET,SUPERVISOR PROGRAM MOUNTPOINT.
 * @inheritance: must outlive it.
 * @supervisor: pid of the worker's parent, else 0.
 */
void arguments_make(struct arguments *arguments, const char *mode,
		    const struct inheritance *inheritance, pid_t supervisor);

/* The other way round; false when it is not such a command line. */
bool arguments_parse(int count, char **list, struct inheritance *inheritance, pid_t *supervisor);

#endif
