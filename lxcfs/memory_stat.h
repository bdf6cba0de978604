/* memory.stat of a control group of either version, by the names of the second. */
#ifndef SYSCT_LXCFS_MEMORY_STAT_H
#define SYSCT_LXCFS_MEMORY_STAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lxcfs/values_memory.h"

/* Bytes; then, from STAT_EVENTS on, what is counted. */
enum memory_stat {
	STAT_ANON,
	STAT_FILE, /* with shmem and the swap cache */
	STAT_KERNEL,
	STAT_KERNEL_STACK,
	STAT_PAGE_TABLES,
	STAT_OTHER_PAGE_TABLES,
	STAT_PER_CPU,
	STAT_SOCKETS,
	STAT_VMALLOC,
	STAT_SHMEM,
	STAT_ZSWAP,
	STAT_ZSWAPPED,
	STAT_FILE_MAPPED,
	STAT_FILE_DIRTY,
	STAT_FILE_WRITEBACK,
	STAT_SWAP, /* version 1 alone: swap space used */
	STAT_SWAP_CACHED,
	STAT_ANON_HUGE,
	STAT_FILE_HUGE,
	STAT_SHMEM_HUGE,
	STAT_INACTIVE_ANON,
	STAT_ACTIVE_ANON,
	STAT_INACTIVE_FILE,
	STAT_ACTIVE_FILE,
	STAT_UNEVICTABLE,
	STAT_SLAB_RECLAIMABLE,
	STAT_SLAB_UNRECLAIMABLE,
	STAT_SLAB,
	/* Version 1 alone: limits with those of all groups above. */
	STAT_LIMIT,
	STAT_LIMIT_WITH_SWAP, /* stays as it was where there is no accounting of swap space */
	STAT_EVENTS,
	STAT_COUNT = STAT_EVENTS + MEMORY_EVENTS
};

/**
 * memory_stat_parse - read @text in one pass. What it does not have stays as it was in @stat.
 * On version 1 it is the figures of the group with all below it ("total_...").
 */
void memory_stat_parse(const char *text, bool v2, uint64_t stat[STAT_COUNT]);

#endif
