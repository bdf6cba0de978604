/*
 * An instance as the file server knows it: a pid namespace, its first process, and the control groups of that.
 * Containers of other managers are instances too. Values (values_*.h) are computed from what it gives.
 */
#ifndef SYSCT_LXCFS_INSTANCE_H
#define SYSCT_LXCFS_INSTANCE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "error.h"
#include "lxcfs/host.h"
#include "lxcfs/state.h"

enum { INSTANCE_MAX_LEVELS = 16 };

/* Files of control groups, with a name in each version (the table in instance.c). */
enum group_file {
	GROUP_MEMORY_USAGE,
	GROUP_MEMORY_STAT,
	GROUP_MEMORY_LIMIT,  /* on v1 memory.stat has the tightest ancestor's */
	GROUP_MEMORY_HIGH,   /* v2 alone */
	GROUP_MEMORY_EVENTS, /* oom_kill */
	GROUP_KERNEL_MEMORY, /* v1 alone, whose memory.stat does not have it */
	GROUP_SWAP_USAGE,    /* v1: memory and swap together */
	GROUP_SWAP_LIMIT,    /* v1: memory and swap together */
	GROUP_CPUS,	     /* those that it may use, a list */
	GROUP_MEMORY_NODES,  /* as well */
	GROUP_CPU_QUOTA,     /* v2: "QUOTA PERIOD" in µs, v1 the quota alone */
	GROUP_CPU_PERIOD,    /* v1 alone */
	GROUP_CPU_STAT, /* of the unified hierarchy, where there is one: usage_usec, user_usec, system_usec */
	GROUP_CPU_USAGE, /* v1 alone: cpuacct.usage_all, a line "CPU USER SYSTEM" in ns for each */
	GROUP_PIDS,	 /* tasks, a number */
	GROUP_IO,	 /* v2: io.stat; v1 (and the next three): bytes */
	GROUP_IO_COUNTS,
	GROUP_IO_WAIT,
	GROUP_IO_SERVICE,
	GROUP_CPU_PRESSURE,
	GROUP_IO_PRESSURE,
	GROUP_MEMORY_PRESSURE,
	GROUP_FILE_COUNT
};

/* Directories of a control group and what it is in, lowest first, without the root. */
struct group {
	int levels;
	int directories[INSTANCE_MAX_LEVELS];
};

struct instance {
	struct host *host;
	uint64_t process_ids; /* inode of its pid namespace */
	pid_t init;	      /* its first process, as we see it */
	int init_pidfd;	      /* -1 in unit tests */
	uint64_t start;	      /* of its first process, ns since the host's boot */
	int64_t clock_start; /* when its clocks began, the same: those of its time namespace, or @start */
	struct group groups[CONTROLLER_COUNT]; /* on v2 all use [CONTROLLER_UNIFIED] */
	struct source files[GROUP_FILE_COUNT];
	struct source limits[GROUP_FILE_COUNT][INSTANCE_MAX_LEVELS]; /* levels above the first */
	struct instance_state *state;				     /* outlives this process */
	pthread_mutex_t lock;					     /* of *state */
	atomic_uint references;
	_Atomic uint64_t last_read; /* ns since the host's boot */
	atomic_bool forgotten;	    /* not in the list of those that are known any more */
	struct instance *next;
};

/**
 * instance_open - the instance whose first process is @init (below /proc).
 * @state: zeroed, or of the same instance; stays the caller's and must outlive the instance.
 * Returns NULL when it has gone.
 */
struct instance *instance_open(struct host *host, pid_t init, uint64_t process_ids,
			       struct instance_state *state);

/* One reference is the opener's; who drops the last one closes it. */
void instance_ref(struct instance *instance);
void instance_unref(struct instance *instance);

bool instance_is_v2(const struct instance *instance, enum group_file file);

/**
 * instance_read - a file of its control group, terminated. Where it has none (on v2 a controller that was not
 * handed down), that of the nearest group above it.
 * Returns the length or -1.
 */
ssize_t instance_read(struct instance *instance, enum group_file file, char *buffer, size_t size);

/* The same as a number ("max" and "-1": UINT64_MAX). false: there is none. */
bool instance_read_number(struct instance *instance, enum group_file file, uint64_t *number);

/**
 * instance_read_level - the file of one level, 0 being its own; for limits, of which the tightest holds.
 * Returns the length, -1 where this level has none, -2 above the highest level.
 */
ssize_t instance_read_level(struct instance *instance, enum group_file file, int level,
			    char *buffer, size_t size);

/* The lowest number of all levels, UINT64_MAX where there is no limit. */
uint64_t instance_read_tightest(struct instance *instance, enum group_file file);

#endif
