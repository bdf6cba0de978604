/* Time that an instance has lived and the processor time it used. */
#ifndef SYSCT_LXCFS_VALUES_TIMES_H
#define SYSCT_LXCFS_VALUES_TIMES_H

#include "lxcfs/instance.h"

/* Nanoseconds, from cpu.stat. On a pure v1 host, where there is none, from cpuacct.usage_all, and nice is 0. */
struct times {
	uint64_t used; /* of all processors */
	uint64_t user, system;
	uint64_t nice; /* a part of user; since Linux 6.13 */
};

void times_read(struct instance *instance, struct times *times);

/* Nanoseconds of one processor. */
struct processor_times {
	uint64_t user, system;
};

/**
 * times_read_each - the time used of each processor below @count, by the kernel's numbers.
 * Returns false where there are no such figures: on v2.
 */
bool times_read_each(struct instance *instance, struct processor_times *processors, unsigned count);

/* Since its clocks began: as its first process started, or in its time namespace. */
uint64_t times_uptime(const struct instance *instance, const struct moment *now);

/**
 * times_started - when its clocks began, in seconds since the epoch.
 * The two clocks are never read at the same moment; the difference is taken anew only when somebody set one of
 * them, so that this does not jump by a second now and then.
 */
uint64_t times_started(struct instance *instance, const struct moment *now);

#endif
