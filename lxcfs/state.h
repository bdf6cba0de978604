/*
 * What is remembered of an instance between two readings, so that its counters never go back and its load average
 * goes on. It lies in memory that the supervisor holds, not in that of the process that serves files.
 */
#ifndef SYSCT_LXCFS_STATE_H
#define SYSCT_LXCFS_STATE_H

#include <stdint.h>

enum { STATE_MAX_CPUS = 1024 };

/* See load.h. Zero: never sampled. */
struct load_state {
	uint64_t averages[3];		 /* fixed point, 11 bits, as the kernel's */
	uint64_t sampled_at;		 /* ns since the host's boot */
	uint64_t asked_at;		 /* somebody read it */
	uint64_t cpu_at;		 /* ns of CPU time used until sampled_at */
	uint32_t running, tasks, newest; /* as they were then */
	uint64_t switches;		 /* context switches */
	uint64_t forks;
};

struct instance_state {
	uint64_t process_ids, start; /* whose; 0: nobody's */
	uint64_t used_at;
	struct load_state load;
	/* The highest values ever told, in USER_HZ. */
	uint64_t user, system, idle;
	uint64_t cpu_idle[]; /* as many as the host has CPUs, STATE_MAX_CPUS at most */
};

#endif
