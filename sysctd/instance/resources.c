/* limits.* as "linux.resources", and the signals of the inits. */
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>

#include "cleanup.h"
#include "file.h"
#include "instance/config_keys.h"
#include "instance/config_keys_values.h"
#include "instance/internal.h"
#include "memory.h"
#include "server.h"

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

/* How many instances are bound to each CPU of the host, by their control groups. */
struct load {
	const struct instance *except;
	unsigned host_cpus;
	unsigned bound[CPU_SETSIZE];
};

static void add_load(struct instance *instance, void *data)
{
	struct load *load = data;
	struct cpuset set = {0};
	pthread_mutex_lock(&instance->lock);
	const struct cgroup *cgroup = &instance->cgroup;
	int fd = cgroup->pure_v2 ? cgroup->unified : cgroup->v1[CGROUP_CPUSET];
	cleanup_free char *text =
		fd < 0 || instance == load->except ? NULL : file_try_read_at(fd, "cpuset.cpus");
	pthread_mutex_unlock(&instance->lock);
	if (!text)
		return;
	text[strcspn(text, "\n")] = '\0';
	if (!*text || cpuset_parse(text, &set, NULL) < 0 || cpuset_count(&set) >= load->host_cpus)
		return;
	for (unsigned i = 0; i < CPU_SETSIZE; i++)
		load->bound[i] += cpuset_has(&set, i);
}

/* A count is given the CPUs that the fewest instances are bound to. */
static char *spread(struct server *server, const struct instance *self, unsigned count)
{
	cpu_set_t host;
	struct cpuset chosen = {0};
	struct load load = {.except = self};
	if (sched_getaffinity(0, sizeof(host), &host) < 0 ||
	    count >= (load.host_cpus = (unsigned)CPU_COUNT(&host)))
		return memory_strdup("");
	if (server->instances)
		instance_registry_each(server, add_load, &load);
	for (unsigned taken = 0; taken < count; taken++) {
		unsigned best = CPU_SETSIZE;
		for (unsigned i = 0; i < CPU_SETSIZE; i++)
			if (CPU_ISSET(i, &host) && !cpuset_has(&chosen, i) &&
			    (best == CPU_SETSIZE || load.bound[i] < load.bound[best]))
				best = i;
		cpuset_add(&chosen, best);
	}
	return cpuset_format(&chosen);
}

static char *cpu_list(struct server *server, const struct instance *self, const json_t *config,
		      struct error **error)
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
	return spread(server, self, limit.count);
}

json_t *instance_make_resources(struct server *server, const struct instance *self,
				const json_t *config, struct error **error)
{
	json_int_t memory;
	const char *processes = config_get(config, "limits.processes");
	if (memory_limit(config, &memory, error) < 0)
		return NULL;
	cleanup_free char *cpus = cpu_list(server, self, config, error);
	if (!cpus)
		return NULL;
	json_int_t pids = processes && *processes ? strtoll(processes, NULL, 10) : -1;
	return json_pack("{s:{s:I}, s:{s:s}, s:{s:I}}", "memory", "limit", memory, "cpu", "cpus",
			 cpus, "pids", "limit", pids);
}

/* systemd(1), busybox' init/halt.c behaviour, sysvinit's init(8) ("powerfail"). */
int instance_stop_signal(const json_t *config)
{
	const char *init = json_string_value(json_object_get(config, "image.init"));
	if (!init || strcmp(init, "systemd") == 0)
		return SIGRTMIN + 3;
	return strcmp(init, "busybox") == 0 ? SIGUSR2 : SIGPWR;
}
