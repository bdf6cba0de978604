/*
 * Memory and swap space that an instance has and what it uses them for: all that meminfo, swaps, vmstat, zoneinfo and
 * sysinfo(2) tell, so that they agree.
 */
#ifndef SYSCT_LXCFS_VALUES_MEMORY_H
#define SYSCT_LXCFS_VALUES_MEMORY_H

#include "lxcfs/instance.h"

/* What memory.stat counts since the group was made, and vmstat by the same names: memory_event_index(). */
enum { MEMORY_EVENTS = 47 };

/*
 * Bytes. Counters of a group are not read at one instant, and a limit may be below the usage for a while; so what
 * is used are parts that are cut to fit: free + anon + cached + slab + ... <= total, cached >= shmem,
 * active + inactive + unevictable <= total, available >= free, and nothing is negative.
 */
struct memory {
	uint64_t total;	    /* the tightest limit, or what the host has */
	uint64_t free;	    /* never more than those above the instance have left for it */
	uint64_t available; /* with caches that can be given up */
	uint64_t cached;    /* files in memory, shmem too */
	uint64_t shmem, mapped;
	uint64_t dirty, writeback, write_pending; /* the third is the sum */
	uint64_t anon;
	uint64_t active, active_anon, active_file;
	uint64_t inactive, inactive_anon, inactive_file;
	uint64_t unevictable;
	uint64_t slab, slab_reclaimable,
		slab_unreclaimable; /* v1: all that the kernel has for it */
	uint64_t kernel_stack, page_tables, other_page_tables, per_cpu, vmalloc; /* v2 alone */
	uint64_t anon_huge, shmem_huge, file_huge;
	uint64_t swap_total, swap_free, swap_cached, zswap, zswapped; /* 0 without accounting */
	uint64_t
		file_pages; /* cached, and what is in the swap cache: vmstat counts them together */
	uint64_t committed; /* no control group knows it: what is really there of it */
	uint64_t commit_limit;
	uint64_t events[MEMORY_EVENTS];
};

/* Where in `events` what vmstat calls @name is, -1: control groups do not count it. */
int memory_event_index(const char *name);

/**
 * memory_read - all of @memory as it is now. Sources: memory.stat, memory.current, memory.max, memory.swap.*, on v1
 * memory.usage_in_bytes, memory.limit_in_bytes, memory.kmem.usage_in_bytes, and the host's /proc/swaps and, for an
 * instance without a limit, /proc/meminfo.
 * Without a memory controller the instance has the host's memory and is told to use none.
 * Returns false when the instance has gone.
 */
bool memory_read(struct instance *instance, struct memory *memory);

/* Swap space alone, in bytes, from fewer files: the same numbers. Returns false when the instance has gone. */
bool memory_read_swap(struct instance *instance, uint64_t *total, uint64_t *used);

#endif
