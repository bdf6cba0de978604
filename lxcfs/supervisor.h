/*
 * The process that holds the mount: it starts a worker, and the next one when that dies. It does nothing else, so that
 * there is nothing in it that could fail. When it dies itself, its worker takes its place.
 */
#ifndef SYSCT_LXCFS_SUPERVISOR_H
#define SYSCT_LXCFS_SUPERVISOR_H

#include "lxcfs/worker.h"

/* Serves until it is told to end (SIGTERM, SIGINT) or unmounted. The exit status of the program. */
int supervisor_run(const struct inheritance *inheritance);

/* Executes @program as the supervisor in this process, which keeps the descriptors. Returns when that failed. */
void supervisor_exec(const struct inheritance *inheritance, const char *program,
		     struct error **error);

#endif
