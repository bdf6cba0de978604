/* Which processors an instance has. */
#ifndef SYSCT_LXCFS_VALUES_CPUS_H
#define SYSCT_LXCFS_VALUES_CPUS_H

#include "lxcfs/instance.h"

/*
 * Numbers are the kernel's, so that they mean the same to sched_setaffinity(2), getcpu(2), cpuinfo and sysfs. A quota
 * gives as many as it takes to use it up, rounded up: the first ones of its cpuset.
 */
struct cpus {
	uint64_t bits[HOST_CPU_WORDS];
	unsigned count;	  /* at least 1 */
	unsigned allowed; /* by the cpuset alone */
	unsigned end;	  /* highest one + 1 */
};

void cpus_read(struct instance *instance, struct cpus *cpus);

/* The numbers of the directories cpu*; @instance NULL: of the host. */
void cpus_numbers(struct instance *instance, struct host *host, uint64_t bits[HOST_CPU_WORDS]);

/* The next one from @number on, or cpus->end. */
unsigned cpus_next(const struct cpus *cpus, unsigned number);

#endif
