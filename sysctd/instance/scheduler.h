/*
 * Snapshots of instances and volumes that are taken and removed by the clock: snapshots.schedule and the
 * times at which snapshots, and backups, expire. A thread that sleeps until the next of these, and for ever when there is none.
 */
#ifndef SYSCT_INSTANCE_SCHEDULER_H
#define SYSCT_INSTANCE_SCHEDULER_H

#include "error.h"

struct instance;
struct scheduler;
struct server;

struct scheduler *scheduler_create(struct server *server, struct error **error);
/* Ends the thread; what it has begun goes on. */
void scheduler_stop(struct scheduler *scheduler);
/* When no operation is there any more. */
void scheduler_free(struct scheduler *scheduler);

/* Something was stored that it may have to know. NULL is fine. */
void scheduler_wake(struct scheduler *scheduler);

/* "@startup". */
void scheduler_started(struct instance *instance);

#endif
