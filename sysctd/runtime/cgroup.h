/*
 * Control groups of an instance, on pure cgroup v2 and on the v1 hybrid layout.
 *
 * An instance has one directory in the cgroup2 hierarchy, which it owns
 * (delegated: cgroup.procs, cgroup.threads, cgroup.subtree_control), and on a
 * hybrid host one directory in each v1 controller that we limit or count with,
 * which stays root's. Limits are always set from outside. Killing, freezing
 * and device rules use the cgroup2 directory on both layouts.
 */
#ifndef SYSCT_CGROUP_H
#define SYSCT_CGROUP_H

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#include "error.h"

enum cgroup_controller {
	CGROUP_CPU,
	CGROUP_CPUACCT,
	CGROUP_CPUSET,
	CGROUP_MEMORY,
	CGROUP_PIDS,
	CGROUP_BLKIO,
	CGROUP_CONTROLLER_COUNT
};

struct cgroup {
	char *path;			 /* relative to the root of each hierarchy: "sysct/mybox" */
	bool pure_v2;			 /* controllers live in the cgroup2 hierarchy */
	int unified;			 /* directory descriptor in the cgroup2 hierarchy */
	int v1[CGROUP_CONTROLLER_COUNT]; /* directory descriptors, -1 where there is none */
};

#define CGROUP_INIT                                                                                \
	{                                                                                          \
		.unified = -1, .v1 = { -1, -1, -1, -1, -1, -1 }                                    \
	}

/* The mount point of the cgroup2 hierarchy, or NULL where there is none. */
const char *cgroup_unified_root(void);

/**
 * cgroup_prepare - make the daemon's own directory ("sysct") in every
 * hierarchy, with the controllers enabled below it. Safe to repeat.
 */
int cgroup_prepare(const char *base, struct error **error);

/**
 * cgroup_hold_back - give all instances of a daemon the least weight, or the usual one.
 * Twenty booting systemds move processes between control groups, which holds the
 * kernel's lock on all thread groups for RCU grace periods, and each clone waits
 * for it: a start that is under way goes first. On an idle processor it costs nothing.
 */
void cgroup_hold_back(const char *base, bool hold);

/* Removes what cgroup_prepare() made, if it is empty. */
void cgroup_unprepare(const char *base);

/**
 * cgroup_create - make the directories of an instance and open them.
 * @path: "BASE/NAME"; an old directory there is emptied first.
 * @uid, @gid: the ids that own the cgroup2 directory: the instance's root.
 */
int cgroup_create(struct cgroup *cgroup, const char *path, uid_t uid, gid_t gid,
		  struct error **error);

/* Opens the directories of an instance that runs. ERROR_NOT_FOUND when they are gone. */
int cgroup_open(struct cgroup *cgroup, const char *path, struct error **error);

void cgroup_close(struct cgroup *cgroup);

/**
 * cgroup_enter_v1 - move the calling process, which has one thread, into the v1
 * controllers' directories. The cgroup2 directory is entered at birth
 * (CLONE_INTO_CGROUP). Both ways spare the kernel's lock on all thread groups,
 * which costs an RCU grace period, 5 to 30 ms: kernel/cgroup/cgroup.c,
 * cgroup_procs_write_start(), takes none for "0" written to `tasks`.
 */
int cgroup_enter_v1(const struct cgroup *cgroup, struct error **error);

/**
 * cgroup_leaf - descriptor of the directory in which attached processes live,
 * made when it is missing. On v2 no process may sit beside enabled controllers,
 * so the instance's top directory cannot take them.
 */
int cgroup_leaf(const struct cgroup *cgroup, uid_t uid, gid_t gid, struct error **error);

/**
 * cgroup_apply - set limits, at start and live.
 * @resources: "linux.resources" of the OCI runtime-spec: memory.limit (bytes,
 * -1 for none), cpu.cpus (list, "" for all), cpu.quota and cpu.period (µs),
 * cpu.shares, pids.limit (-1 for none). What is absent is left alone.
 */
int cgroup_apply(const struct cgroup *cgroup, const json_t *resources, struct error **error);

/* Freezes or thaws all below, and waits until it is so (milliseconds). */
int cgroup_freeze(const struct cgroup *cgroup, bool freeze, int timeout, struct error **error);

/* Thaws without waiting: each process goes on as soon as it gets a processor. */
int cgroup_thaw(const struct cgroup *cgroup, struct error **error);
bool cgroup_is_frozen(const struct cgroup *cgroup);

/* SIGKILL to every process below (cgroup.kill, Linux 5.14). */
int cgroup_kill(const struct cgroup *cgroup, struct error **error);

/* Waits until no process is left below; ERROR_TIMEOUT after @timeout ms. */
int cgroup_wait_empty(const struct cgroup *cgroup, int timeout, struct error **error);

/* Kills what is left and removes the directories in every hierarchy; missing ones are fine. */
int cgroup_destroy(const char *path, struct error **error);

/* Descriptor of BASE/.monitors, where monitors live, outside the daemon's service. */
int cgroup_open_monitors(const char *base, struct error **error);

/* What an instance uses now; -1 where the kernel does not tell. */
struct cgroup_usage {
	long long memory_bytes, memory_peak_bytes, memory_limit_bytes;
	long long swap_bytes, swap_peak_bytes;
	long long cpu_nanoseconds;
	long long processes;
};

void cgroup_read_usage(const struct cgroup *cgroup, struct cgroup_usage *usage);

#endif
