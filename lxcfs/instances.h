/*
 * The instances that are known at the moment: by pid namespace, found when somebody in one reads, forgotten when it has
 * ended or when nobody has read for a minute (what must last is in shared memory). A thread of its own samples load
 * averages; it sleeps while no instance is known.
 */
#ifndef SYSCT_LXCFS_INSTANCES_H
#define SYSCT_LXCFS_INSTANCES_H

#include <stdbool.h>

#include "lxcfs/instance.h"
#include "lxcfs/shared.h"

struct instances;

/* @host and @shared must outlive it. */
struct instances *instances_open(struct host *host, struct shared *shared);

/**
 * instances_get - the instance that a process is in.
 * @process: one of its processes, which must be alive until this returns.
 * @process_ids: inode of the process's pid namespace, another one than ours.
 * Returns it with a reference (instance_unref()), or NULL when its first process cannot be found.
 */
struct instance *instances_get(struct instances *instances, pid_t process, uint64_t process_ids);

/* The first process of the pid namespace of @process, as we see it; 0 when it is not found. */
pid_t instances_find_init(const struct host *host, pid_t process, uint64_t process_ids);

#endif
