/* The tasks (threads) of an instance, found by its control groups: how many there are and what they do. */
#ifndef SYSCT_LXCFS_TASKS_H
#define SYSCT_LXCFS_TASKS_H

#include "lxcfs/instance.h"

struct tasks {
	unsigned count;		   /* all */
	unsigned running, blocked; /* on a processor or waiting for one; uninterruptible */
	uint64_t switches;	   /* context switches of those that there are */
	uint64_t newest_start;	   /* ticks since the host's boot */
	unsigned newest;	   /* its number in the instance's pid namespace; 0: unknown */
};

/**
 * tasks_read - look at all tasks of an instance, or, where there are thousands, at one of two, three, ... of them.
 * @expected: how many there were last time, 0 when that is unknown.
 * It costs a few µs a task.
 */
void tasks_read(struct instance *instance, unsigned expected, struct tasks *tasks);

#endif
