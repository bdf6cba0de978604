/*
 * The host whose files are virtualised: where its proc, sysfs and control groups are, and what never changes while
 * it runs. All is below one directory, "/", or a recorded tree in the unit tests.
 */
#ifndef SYSCT_LXCFS_HOST_H
#define SYSCT_LXCFS_HOST_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "error.h"
#include "lxcfs/cpuinfo.h"
#include "lxcfs/form.h"
#include "lxcfs/source.h"

/* What is asked of control groups. On v2, and in part of a hybrid host, several are one hierarchy. */
enum controller {
	CONTROLLER_CPU,
	CONTROLLER_CPUACCT,
	CONTROLLER_CPUSET,
	CONTROLLER_MEMORY,
	CONTROLLER_PIDS,
	CONTROLLER_BLKIO,   /* "io" on v2 */
	CONTROLLER_UNIFIED, /* the cgroup2 hierarchy itself: pressure, cpu.stat, cgroup.threads */
	CONTROLLER_COUNT
};

/* Their names on v1; NULL for CONTROLLER_UNIFIED. */
extern const char *const host_controllers[CONTROLLER_COUNT];

/* A list of them is longest when it names every other one. */
enum {
	HOST_MAX_CPUS = 8192,
	HOST_CPU_WORDS = HOST_MAX_CPUS / 64,
	HOST_LIST_BYTES = HOST_MAX_CPUS / 2 * (int)sizeof("8191,") + 1
};
/* Files of which an instance has the same lines (form.h). */
enum host_form { HOST_MEMINFO, HOST_NODE_MEMINFO, HOST_VMSTAT, HOST_ZONEINFO, HOST_FORM_COUNT };

/* Nanoseconds. In unit tests it stands still. */
struct moment {
	uint64_t boottime; /* since the host's boot, with suspended time (CLOCK_BOOTTIME) */
	uint64_t realtime; /* since the epoch */
};

enum { HOST_DEVICES = 64, HOST_DEVICE_NAME = 32 };

struct device_name {
	unsigned major, minor;
	uint64_t read_at; /* 0: nothing here */
	char name[HOST_DEVICE_NAME];
};

struct host {
	int proc, sys; /* directories */
	int hierarchies
		[CONTROLLER_COUNT]; /* their roots; -1: none. The same number: the same hierarchy */
	bool v2[CONTROLLER_COUNT];  /* whether that hierarchy is cgroup2 */
	uint64_t process_ids;	    /* our own pid namespace: readers in it see the host's files */
	unsigned cpus;		    /* highest possible one + 1 */
	uint64_t memory;	    /* bytes */
	struct source online;	    /* sys/devices/system/cpu/online */
	struct cpuinfo cpuinfo;
	struct source meminfo, swaps; /* below proc */
	struct form_slot forms[HOST_FORM_COUNT];
	struct moment fixed; /* boottime 0: the clock of the machine is read */
	pthread_mutex_t devices_lock;
	struct device_name devices[HOST_DEVICES]; /* of block devices, those asked for lately */
};

/**
 * host_open - look where everything is.
 * @root: "/" or a recorded tree: ROOT/proc, ROOT/sys, ROOT/proc/self/mountinfo with mount points below ROOT.
 * The caller closes it by host_close() also when this failed.
 */
int host_open(struct host *host, const char *root, struct error **error);
void host_close(struct host *host);

void host_now(const struct host *host, struct moment *moment);

/**
 * host_memory - what the host has and could still give, in bytes.
 * @available: MemAvailable, which counts caches that can be given up.
 */
void host_memory(struct host *host, uint64_t *total, uint64_t *available);

/* Swap space of all devices and files, in bytes. */
uint64_t host_swap(struct host *host);

/* The processors that are online, as bits. Returns how many. */
unsigned host_online(struct host *host, uint64_t bits[HOST_CPU_WORDS]);

/* The directory, proc or sys, of a path like "proc/stat", and *path in it. */
int host_directory(const struct host *host, const char **path);

/**
 * host_read - the text of a file that is not read often, terminated: opened, read and closed.
 * @path: below the root, "proc/..." or "sys/...".
 * Returns the length, or -1 (errno). What does not fit is left out.
 */
ssize_t host_read(const struct host *host, const char *path, char *buffer, size_t size);

/* The same, of a list, as bits; none where there is no such file. Returns how many. */
unsigned host_read_list(const struct host *host, const char *path, uint64_t bits[HOST_CPU_WORDS]);
/*
 * The name of a block device ("sda"), remembered for some seconds: numbers are given again, names seldom change.
 * Returns false when there is none.
 */
bool host_device_name(struct host *host, unsigned major, unsigned minor,
		      char name[HOST_DEVICE_NAME]);

/* Bits of a list of the kernel's kind ("0-3,8"); what is beyond HOST_MAX_CPUS is left out. Returns how many. */
unsigned host_parse_list(const char *text, uint64_t bits[HOST_CPU_WORDS]);

#endif
