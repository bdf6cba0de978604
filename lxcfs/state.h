/*
 * What is remembered of an instance between two readings, so that its counters never go back and its load average
 * goes on. It lies in memory that the supervisor holds, not in that of the process that serves files.
 */
#ifndef SYSCT_LXCFS_STATE_H
#define SYSCT_LXCFS_STATE_H

#include <stddef.h>
#include <stdint.h>

enum { STATE_MAX_CPUS = 1024 };

/* See load.h. Zero: never asked for. */
struct load_state {
	uint64_t averages[3];  /* fixed point, 11 bits, as the kernel's */
	uint64_t averaged_at;  /* ns since the host's boot: they are those of that moment */
	uint64_t looked_at;    /* its tasks were looked at */
	uint64_t asked_at;     /* somebody read it */
	uint64_t used;	       /* ns of processor time until looked_at */
	uint64_t switches;     /* context switches, as told */
	uint64_t switches_now; /* those of the tasks there were at looked_at */
	uint64_t forks;	       /* as told */
	uint64_t
		newest_start; /* of the newest task that was ever seen, ticks since the host's boot */
	uint32_t newest;      /* its number in the instance */
	uint32_t running, blocked, tasks; /* at looked_at */
};

/* See values_ticks.h. What an instance was told of one processor, in ticks (USER_HZ). */
enum tick_kind {
	TICKS_USER,
	TICKS_NICE,
	TICKS_SYSTEM,
	TICKS_BUSY_KINDS,
	TICKS_IDLE = 3,
	TICKS_KINDS
};

struct processor_state {
	uint64_t told[TICKS_KINDS];
	uint64_t away;	  /* of its uptime, before the processor was its own; STATE_NOT_ITS_OWN */
	uint64_t seen[2]; /* of the control group's figures: user, system */
};

#define STATE_NOT_ITS_OWN UINT64_MAX

struct instance_state {
	uint64_t process_ids, start; /* whose; 0: nobody's */
	uint64_t used_at;
	struct load_state load;
	uint64_t boot;			 /* of the host, ns since the epoch, as it was told last */
	uint64_t told_at;		 /* uptime in ticks at which processors[] was told */
	uint64_t seen[TICKS_BUSY_KINDS]; /* totals; user with nice */
	uint64_t pending[TICKS_BUSY_KINDS]; /* seen, but there was no time left to tell it */
	uint64_t turn;			    /* which processor gets the odd tick next */
	/* As many as the host has, STATE_MAX_CPUS at most. */
	struct processor_state processors[];
};

/* Bytes of a state on a host of @cpus processors. */
static inline size_t state_size(unsigned cpus)
{
	return sizeof(struct instance_state) +
	       (cpus < STATE_MAX_CPUS ? cpus : STATE_MAX_CPUS) * sizeof(struct processor_state);
}

#endif
