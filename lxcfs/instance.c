#include "lxcfs/instance.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "file.h"
#include "memory.h"

/* Fields 22 and so on of proc_pid_stat(5), counted from the one after the name. */
enum { STAT_START_TIME = 20 };

static const struct {
	enum controller controller;
	const char *v1, *v2; /* NULL: not in this version */
} group_files[GROUP_FILE_COUNT] = {
	[GROUP_MEMORY_USAGE] = {CONTROLLER_MEMORY, "memory.usage_in_bytes", "memory.current"},
	[GROUP_MEMORY_STAT] = {CONTROLLER_MEMORY, "memory.stat", "memory.stat"},
	[GROUP_MEMORY_LIMIT] = {CONTROLLER_MEMORY, "memory.limit_in_bytes", "memory.max"},
	[GROUP_MEMORY_HIGH] = {CONTROLLER_MEMORY, NULL, "memory.high"},
	[GROUP_MEMORY_EVENTS] = {CONTROLLER_MEMORY, "memory.oom_control", "memory.events"},
	[GROUP_KERNEL_MEMORY] = {CONTROLLER_MEMORY, "memory.kmem.usage_in_bytes", NULL},
	[GROUP_SWAP_USAGE] = {CONTROLLER_MEMORY, "memory.memsw.usage_in_bytes",
			      "memory.swap.current"},
	[GROUP_SWAP_LIMIT] = {CONTROLLER_MEMORY, "memory.memsw.limit_in_bytes", "memory.swap.max"},
	[GROUP_CPUS] = {CONTROLLER_CPUSET, "cpuset.effective_cpus", "cpuset.cpus.effective"},
	[GROUP_MEMORY_NODES] = {CONTROLLER_CPUSET, "cpuset.effective_mems",
				"cpuset.mems.effective"},
	[GROUP_CPU_QUOTA] = {CONTROLLER_CPU, "cpu.cfs_quota_us", "cpu.max"},
	[GROUP_CPU_PERIOD] = {CONTROLLER_CPU, "cpu.cfs_period_us", NULL},
	[GROUP_CPU_STAT] = {CONTROLLER_UNIFIED, NULL, "cpu.stat"},
	[GROUP_CPU_USAGE] = {CONTROLLER_CPUACCT, "cpuacct.usage_all", NULL},
	[GROUP_PIDS] = {CONTROLLER_PIDS, "pids.current", "pids.current"},
	[GROUP_IO] = {CONTROLLER_BLKIO, "blkio.throttle.io_service_bytes_recursive", "io.stat"},
	[GROUP_IO_COUNTS] = {CONTROLLER_BLKIO, "blkio.throttle.io_serviced_recursive", NULL},
	[GROUP_IO_WAIT] = {CONTROLLER_BLKIO, "blkio.io_wait_time_recursive", NULL},
	[GROUP_IO_SERVICE] = {CONTROLLER_BLKIO, "blkio.io_service_time_recursive", NULL},
	[GROUP_CPU_PRESSURE] = {CONTROLLER_UNIFIED, NULL, "cpu.pressure"},
	[GROUP_IO_PRESSURE] = {CONTROLLER_UNIFIED, NULL, "io.pressure"},
	[GROUP_MEMORY_PRESSURE] = {CONTROLLER_UNIFIED, NULL, "memory.pressure"},
};

bool instance_is_v2(const struct instance *instance, enum group_file file)
{
	return instance->host->v2[group_files[file].controller];
}

static const char *file_name(const struct instance *instance, enum group_file file)
{
	return instance_is_v2(instance, file) ? group_files[file].v2 : group_files[file].v1;
}

static struct group *group_of(struct instance *instance, enum group_file file)
{
	enum controller controller = group_files[file].controller;
	return &instance->groups[instance->host->v2[controller] ? CONTROLLER_UNIFIED : controller];
}

ssize_t instance_read(struct instance *instance, enum group_file file, char *buffer, size_t size)
{
	const char *name = file_name(instance, file);
	const struct group *group = group_of(instance, file);
	struct source *source = &instance->files[file];
	if (!name || group->levels == 0) {
		errno = ENOENT;
		return -1;
	}
	/* Looked for upwards once; then the descriptor stands for all of it. */
	for (int level = 0; source->fd == SOURCE_UNOPENED; level++)
		if (level == group->levels) {
			source_open(source, group->directories[0], name);
		} else if (faccessat(group->directories[level], name, R_OK, 0) == 0) {
			source_open(source, group->directories[level], name);
			break;
		} else if (errno != ENOENT) {
			return -1;
		}
	return source_read(source, group->directories[0], name, buffer, size);
}

bool instance_read_number(struct instance *instance, enum group_file file, uint64_t *number)
{
	char buffer[64];
	if (instance_read(instance, file, buffer, sizeof(buffer)) <= 0)
		return false;
	*number = buffer[0] == '-' ? UINT64_MAX : source_number(buffer, NULL);
	return true;
}

ssize_t instance_read_level(struct instance *instance, enum group_file file, int level,
			    char *buffer, size_t size)
{
	const char *name = file_name(instance, file);
	const struct group *group = group_of(instance, file);
	if (!name || level >= group->levels)
		return -2;
	return source_read(&instance->limits[file][level], group->directories[level], name, buffer,
			   size);
}

uint64_t instance_read_tightest(struct instance *instance, enum group_file file)
{
	uint64_t tightest = UINT64_MAX;
	char buffer[64];
	ssize_t length;
	for (int level = 0;
	     (length = instance_read_level(instance, file, level, buffer, sizeof(buffer))) > -2;
	     level++) {
		uint64_t number =
			length > 0 && buffer[0] != '-' ? source_number(buffer, NULL) : UINT64_MAX;
		if (number < tightest)
			tightest = number;
	}
	return tightest;
}

/* ---- where it is ---- */

/* Init may sit in a group that it made itself: systemd's init.scope. */
static void drop_own_scope(char *path)
{
	static const char scope[] = "/init.scope";
	size_t length = strlen(path);
	if (length >= sizeof(scope) - 1 && strcmp(path + length - sizeof(scope) + 1, scope) == 0)
		path[length - sizeof(scope) + 1] = '\0';
}

/*
 * With a cgroup namespace of its own its cgroup2 mount begins where the manager put it, whatever init did below
 * (mountinfo's fourth field, as we see it): that directory is the instance.
 */
static void cut_at_namespace(char *path, char *mounts)
{
	char *rest = mounts;
	size_t best = 0;
	for (char *line; (line = strsep(&rest, "\n"));) {
		const char *type = strstr(line, " - cgroup2 ");
		char *at = line;
		for (int i = 0; i < 3; i++)
			strsep(&at, " ");
		const char *root = at ? strsep(&at, " ") : NULL;
		size_t length = root ? strlen(root) : 0;
		if (type && length > 1 && length > best && strncmp(path, root, length) == 0 &&
		    (path[length] == '/' || path[length] == '\0'))
			best = length;
	}
	if (best)
		path[best] = '\0';
}

/* Opens the group and those above it. A path that leaves our own view ("/..") has none. */
static void open_group(struct group *group, int root, char *path)
{
	if (root < 0 || strncmp(path, "/..", 3) == 0)
		return;
	for (size_t length = strlen(path); length > 1;
	     length = (size_t)(strrchr(path, '/') - path)) {
		path[length] = '\0';
		int directory = openat(root, path + 1, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (directory < 0 && group->levels == 0)
			return;
		if (directory < 0 || group->levels == INSTANCE_MAX_LEVELS) {
			cleanup_close_fd(&directory);
			continue;
		}
		group->directories[group->levels++] = directory;
		if (!strrchr(path, '/'))
			return;
	}
}

/* A line of /proc/PID/cgroup: "4:memory:/sysct/mybox", "1:cpu,cpuacct:/...", "0::/sysct/mybox/init.scope". */
static void take_group(struct instance *instance, char *line, char *mounts)
{
	struct host *host = instance->host;
	char *path = line;
	strsep(&path, ":");
	char *controllers = strsep(&path, ":");
	if (!path)
		return;
	drop_own_scope(path);
	if (*controllers == '\0') {
		cut_at_namespace(path, mounts);
		open_group(&instance->groups[CONTROLLER_UNIFIED],
			   host->hierarchies[CONTROLLER_UNIFIED], path);
		return;
	}
	for (char *word; (word = strsep(&controllers, ","));)
		for (int i = 0; i < CONTROLLER_UNIFIED; i++) {
			if (strcmp(word, host_controllers[i]) != 0 || host->v2[i])
				continue;
			cleanup_free char *copy = memory_strdup(path);
			open_group(&instance->groups[i], host->hierarchies[i], copy);
		}
}

static int find_groups(struct instance *instance)
{
	char path[64];
	snprintf(path, sizeof(path), "%d/cgroup", (int)instance->init);
	cleanup_free char *groups = file_try_read_at(instance->host->proc, path);
	snprintf(path, sizeof(path), "%d/mountinfo", (int)instance->init);
	cleanup_free char *mounts = file_try_read_at(instance->host->proc, path);
	if (!groups)
		return -1;
	char *rest = groups;
	for (char *line; (line = strsep(&rest, "\n"));) {
		cleanup_free char *copy = memory_strdup(mounts ? mounts : "");
		take_group(instance, line, copy);
	}
	return 0;
}

/* Clock ticks since boot, of the host's clock (time namespaces do not shift what we read). */
static int read_start(struct instance *instance)
{
	char path[64];
	snprintf(path, sizeof(path), "%d/stat", (int)instance->init);
	cleanup_free char *stat = file_try_read_at(instance->host->proc, path);
	char *at = stat ? strrchr(stat, ')') : NULL; /* a name may hold anything */
	if (!at)
		return -1;
	at++;
	for (int i = 0; i < STAT_START_TIME; i++)
		strsep(&at, " ");
	if (!at)
		return -1;
	uint64_t ticks = source_number(at, NULL);
	instance->start = ticks * (UINT64_C(1000000000) / (uint64_t)sysconf(_SC_CLK_TCK));
	return 0;
}

/* What is added to the clock that counts from the boot ("boottime SECONDS NANOSECONDS"), ns. */
static int64_t read_clock_offset(const struct host *host, const char *process)
{
	char path[64], name[16];
	long long seconds, nanoseconds;
	snprintf(path, sizeof(path), "%s/timens_offsets", process);
	cleanup_free char *text = file_try_read_at(host->proc, path);
	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (sscanf(line, "%15s %lld %lld", name, &seconds, &nanoseconds) == 3 &&
		    strcmp(name, "boottime") == 0)
			return seconds * 1000000000 + nanoseconds;
	}
	return 0;
}

/*
 * In a time namespace (time_namespaces(7)) start times of processes and sysinfo(2) count from its beginning, which ps(1)
 * compares with /proc/uptime. A container that has none of its own is as old as its first process.
 */
static void read_clock_start(struct instance *instance)
{
	char process[24];
	snprintf(process, sizeof(process), "%d", (int)instance->init);
	int64_t offset = read_clock_offset(instance->host, process) -
			 read_clock_offset(instance->host, "self");
	instance->clock_start = offset ? -offset : (int64_t)instance->start;
}

struct instance *instance_open(struct host *host, pid_t init, uint64_t process_ids,
			       struct instance_state *state)
{
	struct instance *instance = memory_alloc(sizeof(*instance));
	instance->host = host;
	instance->init = init;
	instance->init_pidfd = -1;
	instance->process_ids = process_ids;
	instance->state = state;
	instance->references = 1;
	pthread_mutex_init(&instance->lock, NULL);
	for (int file = 0; file < GROUP_FILE_COUNT; file++) {
		instance->files[file].fd = SOURCE_UNOPENED;
		for (int level = 0; level < INSTANCE_MAX_LEVELS; level++)
			instance->limits[file][level].fd = SOURCE_UNOPENED;
	}
	if (read_start(instance) < 0 || find_groups(instance) < 0) {
		instance_unref(instance);
		return NULL;
	}
	read_clock_start(instance);
	return instance;
}

static void close_instance(struct instance *instance)
{
	for (int file = 0; file < GROUP_FILE_COUNT; file++) {
		source_close(&instance->files[file]);
		for (int level = 0; level < INSTANCE_MAX_LEVELS; level++)
			source_close(&instance->limits[file][level]);
	}
	for (int i = 0; i < CONTROLLER_COUNT; i++)
		for (int level = 0; level < instance->groups[i].levels; level++)
			close(instance->groups[i].directories[level]);
	if (instance->init_pidfd >= 0)
		close(instance->init_pidfd);
	pthread_mutex_destroy(&instance->lock);
	free(instance);
}

void instance_ref(struct instance *instance)
{
	atomic_fetch_add_explicit(&instance->references, 1, memory_order_relaxed);
}

void instance_unref(struct instance *instance)
{
	if (atomic_fetch_sub_explicit(&instance->references, 1, memory_order_acq_rel) == 1)
		close_instance(instance);
}
