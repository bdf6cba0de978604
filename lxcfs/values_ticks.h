/*
 * Processor time of an instance as proc/stat tells it: ticks (USER_HZ, hundredths of a second) of each of its
 * processors, which add up to its uptime. What was told is in its state and only grows, whoever serves the files.
 *
 * How much was used is the total of cpu.stat; where v1 has figures of each processor, each that is shown gets its part.
 * What is nobody's (all of it on v2; use of those that a quota hides) they share evenly as far as there is room. What
 * was used beyond the time that passed (a quota is used up in bursts, the kernel's figures lag) is told a little later.
 *
 * A processor that comes later counts from then on; one that goes stands still and stays in the sum. So the kernel
 * does it with processors that are switched off, and so tools show the right percentages when limits change.
 */
#ifndef SYSCT_LXCFS_VALUES_TICKS_H
#define SYSCT_LXCFS_VALUES_TICKS_H

#include "lxcfs/instance.h"

struct ticks {
	uint64_t uptime;
	uint64_t sum[TICKS_KINDS]; /* of all processors it ever had */
	unsigned count;
	unsigned numbers[STATE_MAX_CPUS]; /* the kernel's numbers */
	uint64_t processors[STATE_MAX_CPUS][TICKS_KINDS];
};

void ticks_read(struct instance *instance, const struct moment *now, struct ticks *ticks);

#endif
