/*
 * The host's /proc/cpuinfo, kept for all instances as blocks, one for each processor, so that a reading is a few
 * copies of memory. Only "cpu MHz" changes in it while the machine runs; what is kept is read again when it is a
 * second old, and so seldom that this takes a hundredth of one processor at most: making the text takes the kernel
 * milliseconds on a host with a thousand of them.
 */
#ifndef SYSCT_LXCFS_CPUINFO_H
#define SYSCT_LXCFS_CPUINFO_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "lxcfs/source.h"
#include "lxcfs/text.h"

struct host;
struct cpuinfo_blocks;

/* A part of struct host. */
struct cpuinfo {
	struct source source;
	pthread_mutex_t lock;
	struct cpuinfo_blocks *blocks; /* NULL: not read yet */
	uint64_t fresh_until;	       /* ns since the host's boot */
	bool reading;
};

void cpuinfo_open(struct cpuinfo *cpuinfo);
void cpuinfo_close(struct cpuinfo *cpuinfo);

/**
 * cpuinfo_write - the blocks of some processors, with the host's numbers and contents.
 * @cpus: bits, one for each processor, as many as @end.
 * Returns false when the host's file cannot be read.
 */
bool cpuinfo_write(struct host *host, const uint64_t *cpus, unsigned end, struct text *text);

#endif
