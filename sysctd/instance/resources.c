/* limits.* as "linux.resources", and the signals of the inits. */
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>

#include "cleanup.h"
#include "instance/config_keys.h"
#include "instance/config_keys_values.h"
#include "instance/internal.h"
#include "memory.h"

static uint64_t host_memory(void)
{
	struct sysinfo info;
	return sysinfo(&info) == 0 ? (uint64_t)info.totalram * info.mem_unit : 0;
}

static int memory_limit(const json_t *config, json_int_t *limit, struct error **error)
{
	const char *text = config_get(config, "limits.memory");
	uint64_t bytes;
	*limit = -1;
	if (!text || !*text)
		return 0;
	if (size_or_percent_parse(text, host_memory(), &bytes, error) < 0)
		return error_prefix(error, "limits.memory");
	*limit = (json_int_t)bytes;
	return 0;
}

/* A count is spread over the host: each instance begins at another CPU, always the same. */
static char *spread(unsigned count, unsigned seed)
{
	cpu_set_t host;
	struct cpuset chosen = {0};
	unsigned usable[CPU_SETSIZE], total = 0;
	if (sched_getaffinity(0, sizeof(host), &host) < 0)
		return memory_strdup("");
	for (unsigned i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &host))
			usable[total++] = i;
	if (count >= total)
		return memory_strdup("");
	for (unsigned i = 0; i < count; i++)
		cpuset_add(&chosen, usable[(seed + i) % total]);
	return cpuset_format(&chosen);
}

static char *cpu_list(const json_t *config, int64_t id, struct error **error)
{
	struct cpu_limit limit;
	const char *text = config_get(config, "limits.cpu");
	if (!text || !*text)
		return memory_strdup("");
	if (cpu_limit_parse(text, &limit, error) < 0) {
		error_prefix(error, "limits.cpu");
		return NULL;
	}
	if (limit.count == 0)
		return cpuset_format(&limit.set);
	return spread(limit.count, (unsigned)id * limit.count);
}

json_t *instance_make_resources(int64_t id, const json_t *config, struct error **error)
{
	json_int_t memory;
	const char *processes = config_get(config, "limits.processes");
	if (memory_limit(config, &memory, error) < 0)
		return NULL;
	cleanup_free char *cpus = cpu_list(config, id, error);
	if (!cpus)
		return NULL;
	json_int_t pids = processes && *processes ? strtoll(processes, NULL, 10) : -1;
	return json_pack("{s:{s:I}, s:{s:s}, s:{s:I}}", "memory", "limit", memory, "cpu", "cpus", cpus,
			 "pids", "limit", pids);
}

/* systemd(1), busybox' init/halt.c behaviour, sysvinit's init(8) ("powerfail"). */
int instance_stop_signal(const json_t *config)
{
	const char *init = json_string_value(json_object_get(config, "image.init"));
	if (!init || strcmp(init, "systemd") == 0)
		return SIGRTMIN + 3;
	return strcmp(init, "busybox") == 0 ? SIGUSR2 : SIGPWR;
}
