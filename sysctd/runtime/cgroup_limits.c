/*
 * Limits and usage: the OCI runtime-spec's "linux.resources" written into
 * cgroup v2 or v1 files (cgroup-v2.rst; Documentation/admin-guide/cgroup-v1).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "cgroup.h"
#include "cleanup.h"
#include "file.h"
#include "memory.h"

static int poke_number(int directory, const char *file, long long value, const char *none,
		       struct error **error)
{
	char text[32];
	snprintf(text, sizeof(text), "%lld", value);
	return file_poke_at(directory, file, value < 0 ? none : text, error);
}

/* The directory that holds a controller's files, or an error that names it. */
static int controller_directory(const struct cgroup *cgroup, enum cgroup_controller controller,
				const char *what, struct error **error)
{
	int fd = cgroup->pure_v2 ? cgroup->unified : cgroup->v1[controller];
	if (fd < 0)
		error_set(error, ERROR_UNSUPPORTED,
			  "this host has no %s controller: %s cannot be set", what, what);
	return fd;
}

static int apply_memory(const struct cgroup *cgroup, const json_t *memory, struct error **error)
{
	const json_t *limit = json_object_get(memory, "limit");
	if (!limit)
		return 0;
	int fd = controller_directory(cgroup, CGROUP_MEMORY, "memory", error);
	if (fd < 0)
		return -1;
	long long bytes = json_integer_value(limit);
	return cgroup->pure_v2 ? poke_number(fd, "memory.max", bytes, "max", error)
			       : poke_number(fd, "memory.limit_in_bytes", bytes, "-1", error);
}

static int apply_cpuset(const struct cgroup *cgroup, const char *cpus, struct error **error)
{
	int fd = controller_directory(cgroup, CGROUP_CPUSET, "cpuset", error);
	if (fd < 0)
		return -1;
	if (*cpus)
		return file_poke_at(fd, "cpuset.cpus", cpus, error);
	/* Empty means all on v2, but a cpuset with processes cannot be emptied: ENOSPC. */
	if (cgroup->pure_v2 && file_poke_at(fd, "cpuset.cpus", "\n", NULL) == 0)
		return 0;
	const char *source =
		cgroup->pure_v2 ? "/sys/devices/system/cpu/possible" : "../cpuset.cpus";
	cleanup_free char *all = file_read_at(fd, source, NULL, error);
	return all ? file_poke_at(fd, "cpuset.cpus", all, error) : -1;
}

static int apply_quota(const struct cgroup *cgroup, const json_t *cpu, struct error **error)
{
	long long quota = json_integer_value(json_object_get(cpu, "quota"));
	const json_t *asked = json_object_get(cpu, "period");
	long long period = asked ? json_integer_value(asked) : 100000;
	int fd = controller_directory(cgroup, CGROUP_CPU, "cpu", error);
	if (fd < 0)
		return -1;
	if (!cgroup->pure_v2)
		return poke_number(fd, "cpu.cfs_period_us", period, "100000", error) < 0
			       ? -1
			       : poke_number(fd, "cpu.cfs_quota_us", quota, "-1", error);
	char text[64];
	if (quota < 0)
		snprintf(text, sizeof(text), "max %lld", period);
	else
		snprintf(text, sizeof(text), "%lld %lld", quota, period);
	return file_poke_at(fd, "cpu.max", text, error);
}

static int apply_shares(const struct cgroup *cgroup, long long shares, struct error **error)
{
	int fd = controller_directory(cgroup, CGROUP_CPU, "cpu", error);
	if (fd < 0)
		return -1;
	if (!cgroup->pure_v2)
		return poke_number(fd, "cpu.shares", shares, "1024", error);
	/* The usual 1024 are the usual 100, so that instances with and without a weight compare. */
	long long weight = shares * 100 / 1024;
	return poke_number(fd, "cpu.weight",
			   weight < 1	    ? 1
			   : weight > 10000 ? 10000
					    : weight,
			   "100", error);
}

static int apply_cpu(const struct cgroup *cgroup, const json_t *cpu, struct error **error)
{
	const char *cpus = json_string_value(json_object_get(cpu, "cpus"));
	const json_t *shares = json_object_get(cpu, "shares");
	if (cpus && apply_cpuset(cgroup, cpus, error) < 0)
		return -1;
	if (json_object_get(cpu, "quota") && apply_quota(cgroup, cpu, error) < 0)
		return -1;
	return shares ? apply_shares(cgroup, json_integer_value(shares), error) : 0;
}

static int apply_pids(const struct cgroup *cgroup, const json_t *pids, struct error **error)
{
	const json_t *limit = json_object_get(pids, "limit");
	if (!limit)
		return 0;
	int fd = controller_directory(cgroup, CGROUP_PIDS, "pids", error);
	return fd < 0 ? -1 : poke_number(fd, "pids.max", json_integer_value(limit), "max", error);
}

int cgroup_apply(const struct cgroup *cgroup, const json_t *resources, struct error **error)
{
	if (apply_memory(cgroup, json_object_get(resources, "memory"), error) < 0)
		return error_prefix(error, "setting the memory limit");
	if (apply_cpu(cgroup, json_object_get(resources, "cpu"), error) < 0)
		return error_prefix(error, "setting the CPU limit");
	if (apply_pids(cgroup, json_object_get(resources, "pids"), error) < 0)
		return error_prefix(error, "setting the process limit");
	return 0;
}

static long long read_count(int directory, const char *file)
{
	if (directory < 0)
		return -1;
	unsigned long long value = file_read_number_at(directory, file, ~0ULL);
	/* v1 says "no limit" as a number near the top of the range. */
	return value > (1ULL << 62) ? -1 : (long long)value;
}

static void read_v2(const struct cgroup *cgroup, struct cgroup_usage *usage)
{
	int fd = cgroup->unified;
	usage->memory_bytes = read_count(fd, "memory.current");
	usage->memory_peak_bytes = read_count(fd, "memory.peak");
	usage->memory_limit_bytes = read_count(fd, "memory.max");
	usage->swap_bytes = read_count(fd, "memory.swap.current");
	usage->swap_peak_bytes = read_count(fd, "memory.swap.peak");
	usage->processes = read_count(fd, "pids.current");
}

static void read_v1(const struct cgroup *cgroup, struct cgroup_usage *usage)
{
	int memory = cgroup->v1[CGROUP_MEMORY];
	usage->memory_bytes = read_count(memory, "memory.usage_in_bytes");
	usage->memory_peak_bytes = read_count(memory, "memory.max_usage_in_bytes");
	usage->memory_limit_bytes = read_count(memory, "memory.limit_in_bytes");
	usage->processes = read_count(cgroup->v1[CGROUP_PIDS], "pids.current");
	long long both = read_count(memory, "memory.memsw.usage_in_bytes");
	if (both >= 0 && usage->memory_bytes >= 0)
		usage->swap_bytes = both > usage->memory_bytes ? both - usage->memory_bytes : 0;
}

void cgroup_read_usage(const struct cgroup *cgroup, struct cgroup_usage *usage)
{
	*usage = (struct cgroup_usage){-1, -1, -1, -1, -1, -1, -1};
	if (cgroup->pure_v2)
		read_v2(cgroup, usage);
	else
		read_v1(cgroup, usage);
	/* cpu.stat is in every cgroup2 directory, with or without the controller. */
	cleanup_close int stat = openat(cgroup->unified, "cpu.stat", O_RDONLY | O_CLOEXEC);
	char text[64] = "";
	long long microseconds;
	if (stat >= 0 && read(stat, text, sizeof(text) - 1) > 0 &&
	    sscanf(text, "usage_usec %lld", &microseconds) == 1)
		usage->cpu_nanoseconds = microseconds * 1000;
}
