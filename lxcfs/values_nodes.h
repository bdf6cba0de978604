/* Which NUMA nodes an instance has: numbers are the kernel's, as those of processors. */
#ifndef SYSCT_LXCFS_VALUES_NODES_H
#define SYSCT_LXCFS_VALUES_NODES_H

#include "lxcfs/instance.h"

struct nodes {
	uint64_t all[HOST_CPU_WORDS];	 /* one of the next two */
	uint64_t cpus[HOST_CPU_WORDS];	 /* with processors of the instance */
	uint64_t memory[HOST_CPU_WORDS]; /* whose memory it may use, by its cpuset */
};

/* On a host without NUMA there are none. */
void nodes_read(struct instance *instance, struct nodes *nodes);

/* The numbers of the directories node*; @instance NULL: of the host. */
void nodes_numbers(struct instance *instance, struct host *host, uint64_t bits[HOST_CPU_WORDS]);

#endif
