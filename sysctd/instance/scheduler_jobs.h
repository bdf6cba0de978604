/*
 * What the scheduler has done: snapshots that are taken and removed, as operations. Of each there is one at a time. One that
 * could not be removed, as of an instance that is busy, is tried again after some seconds, and each time after
 * twice as long.
 */
#ifndef SYSCT_INSTANCE_SCHEDULER_JOBS_H
#define SYSCT_INSTANCE_SCHEDULER_JOBS_H

#include <stdint.h>

#include "db/snapshots.h"
#include "db/volumes.h"

struct instance;
struct scheduler;
struct server;

/* @scheduler: is woken when there is something to wait for. */
struct scheduler_jobs *scheduler_jobs_create(struct server *server, struct scheduler *scheduler);
/* When no operation runs any more. */
void scheduler_jobs_free(struct scheduler_jobs *jobs);

/* @snapshot: to be removed; NULL: one is taken. Nothing, when that is under way or to wait. */
void scheduler_jobs_instance(struct scheduler_jobs *jobs, struct instance *instance,
			     const struct snapshot_row *snapshot);
void scheduler_jobs_volume(struct scheduler_jobs *jobs, const struct volume_row *volume,
			   const struct volume_snapshot_row *snapshot);

/* After all that is due was looked for: what should have been tried again and was not is forgotten. */
void scheduler_jobs_forget(struct scheduler_jobs *jobs, int64_t now);

/* The earliest time at which something is tried again; 0: nothing is. */
int64_t scheduler_jobs_next(struct scheduler_jobs *jobs);

#endif
