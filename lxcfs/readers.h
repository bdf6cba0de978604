/*
 * Whose values a process reads: found once by its pid namespace, then kept with a pidfd, which tells whether that
 * number still is that process.
 */
#ifndef SYSCT_LXCFS_READERS_H
#define SYSCT_LXCFS_READERS_H

#include "lxcfs/instances.h"

struct readers;

/* @instances must outlive it. */
struct readers *readers_open(struct host *host, struct instances *instances);

/**
 * readers_instance - the instance of a reader.
 * @reader: thread id as FUSE tells it (fuse_ctx.pid): 0 when it is not in our pid namespace or below.
 * Returns it with a reference, or NULL: it sees the host's values. That is so for processes of our own pid
 * namespace and for those of which nothing can be found.
 */
struct instance *readers_instance(struct readers *readers, pid_t reader);

#endif
