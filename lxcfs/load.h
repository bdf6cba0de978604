/* The load average of an instance: see proc_loadavg(5). */
#ifndef SYSCT_LXCFS_LOAD_H
#define SYSCT_LXCFS_LOAD_H

#include "lxcfs/instance.h"

/* The kernel's period for a HZ of 1,000 (include/linux/sched/loadavg.h: 5 s and a tick), ns. */
#define LOAD_PERIOD UINT64_C(5001000000)

/* Counts what runs and lets the averages go on; nothing when nobody asked for them for a while. @now: ns since boot. */
void load_sample(struct instance *instance, uint64_t now);

#endif
