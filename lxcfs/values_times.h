/* Time that an instance has lived and the processor time it used. */
#ifndef SYSCT_LXCFS_VALUES_TIMES_H
#define SYSCT_LXCFS_VALUES_TIMES_H

#include "lxcfs/instance.h"

/* Nanoseconds. */
struct times {
	uint64_t uptime; /* since its first process started */
	uint64_t used;	 /* of all processors */
	uint64_t user, system;
};

void times_read(struct instance *instance, struct times *times);

#endif
