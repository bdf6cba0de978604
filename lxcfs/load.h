/*
 * The load average of an instance: its running and uninterruptible tasks, counted at the kernel's period, with the
 * kernel's decay (include/linux/sched/loadavg.h, kernel/sched/loadavg.c). Who counts is one thread for all
 * instances, and only those that somebody asked lately; the periods that were missed are filled in from the
 * processor time that was used meanwhile.
 */
#ifndef SYSCT_LXCFS_LOAD_H
#define SYSCT_LXCFS_LOAD_H

#include "lxcfs/instance.h"

/* The kernel's period for a HZ of 1,000 (include/linux/sched/loadavg.h: 5 s and a tick), ns. */
#define LOAD_PERIOD UINT64_C(5001000000)

enum { LOAD_BITS = 11 }; /* of the fraction of an average */

struct load {
	uint64_t averages[3];	   /* of 1, 5 and 15 minutes, fixed point */
	unsigned running, blocked; /* tasks; at least one runs: who reads */
	unsigned tasks;		   /* threads that there are */
	unsigned newest;	   /* the newest one, in the instance's numbering */
	uint64_t switches,
		forks; /* context switches, tasks made; what exits between two looks is not seen */
};

/**
 * load_sample - look at the tasks of an instance when it is time; to be called every few seconds.
 * @now: ns since the host's boot.
 * Does nothing when the last look is less than a period ago, or when nobody asked for some minutes.
 */
void load_sample(struct instance *instance, uint64_t now);

/* What is known; looks at the tasks itself when nobody did for more than two periods. */
void load_read(struct instance *instance, uint64_t now, struct load *load);

#endif
