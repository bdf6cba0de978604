/* See host.h. */
#include "host.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "cleanup.h"
#include "file.h"
#include "log.h"
#include "memory.h"

enum { RANGE = 65536 };

/* The largest range of root in the file; false when it has none. */
static bool read_range(const char *path, struct id_pool *pool)
{
	cleanup_file FILE *file = fopen(path, "re");
	char line[256];
	bool found = false;
	while (file && fgets(line, sizeof(line), file)) {
		unsigned long base, count;
		if (sscanf(line, "root:%lu:%lu", &base, &count) != 2 &&
		    sscanf(line, "0:%lu:%lu", &base, &count) != 2)
			continue;
		if (base == 0 || count > 0xffffffffUL - base || (found && count <= pool->count))
			continue;
		*pool = (struct id_pool){(uint32_t)base, (uint32_t)count};
		found = true;
	}
	return found;
}

int host_read_id_pool(struct id_pool *pool, struct error **error)
{
	struct id_pool groups;
	bool users_found = read_range("/etc/subuid", pool);
	bool groups_found = read_range("/etc/subgid", &groups);
	if (!users_found && !groups_found) {
		*pool = (struct id_pool){1000000, 1000000000};
		log_event(LOG_LEVEL_INFO, NULL,
			  "no range for root in /etc/subuid and /etc/subgid: using %u:%u",
			  pool->base, pool->count);
		return 0;
	}
	if (!users_found || !groups_found || groups.base != pool->base)
		return error_set(error, ERROR_PRECONDITION,
				 "root's ranges in /etc/subuid and /etc/subgid differ: give both "
				 "the line \"root:1000000:1000000000\"");
	if (groups.count < pool->count)
		pool->count = groups.count;
	if (pool->count < RANGE)
		return error_set(error, ERROR_NO_SPACE,
				 "root's range in /etc/subuid has %u ids: an instance needs %d",
				 pool->count, RANGE);
	return 0;
}

static const struct {
	const char *path;
	unsigned long long minimum;
} limits[] = {
	/* systemd holds seven or eight inotify instances, counted for each host user. */
	{"/proc/sys/fs/inotify/max_user_instances", 65536},
	{"/proc/sys/fs/inotify/max_user_watches", 1048576},
	{"/proc/sys/fs/inotify/max_queued_events", 1048576},
	{"/proc/sys/kernel/keys/maxkeys", 20000},
	{"/proc/sys/kernel/keys/maxbytes", 2000000},
	{"/proc/sys/kernel/pty/max", 65536},
	{"/proc/sys/vm/max_map_count", 262144},
	{"/proc/sys/fs/aio-max-nr", 524288},
	{"/proc/sys/kernel/pid_max", 4194304},
	{"/proc/sys/user/max_user_namespaces", 65536},
	{"/proc/sys/user/max_pid_namespaces", 65536},
	{"/proc/sys/user/max_mnt_namespaces", 65536},
	{"/proc/sys/user/max_net_namespaces", 65536},
	{"/proc/sys/user/max_uts_namespaces", 65536},
	{"/proc/sys/user/max_ipc_namespaces", 65536},
	{"/proc/sys/user/max_time_namespaces", 65536},
	{"/proc/sys/user/max_cgroup_namespaces", 65536},
	{"/proc/sys/user/max_inotify_instances", 65536},
	{"/proc/sys/user/max_inotify_watches", 1048576},
};

static void raise_limit(const char *path, unsigned long long minimum)
{
	cleanup_error struct error *error = NULL;
	unsigned long long now = file_read_number_at(AT_FDCWD, path, minimum);
	char text[32];
	if (now >= minimum)
		return;
	snprintf(text, sizeof(text), "%llu", minimum);
	if (file_poke_at(AT_FDCWD, path, text, &error) < 0)
		log_event(LOG_LEVEL_WARNING, NULL, "%s is %llu, too low for many instances: %s",
			  path, now, error_message(error));
	else
		log_event(LOG_LEVEL_INFO, NULL, "raised %s from %llu to %llu", path, now, minimum);
}

void host_raise_limits(void)
{
	struct rlimit files;
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		raise_limit(limits[i].path, limits[i].minimum);
	raise_limit("/proc/sys/fs/nr_open", HOST_OPEN_FILES);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_max < HOST_OPEN_FILES)
		files.rlim_max = HOST_OPEN_FILES;
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files) < 0)
		log_event(LOG_LEVEL_WARNING, NULL, "the limit on open files cannot be raised");
}

char *host_program_directory(const char *variable, const char *fallback)
{
	const char *value = getenv(variable);
	return memory_strdup(value && *value ? value : fallback);
}
