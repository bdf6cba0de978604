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
	unsigned bound[CPUSET_SIZE];
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
	for (unsigned i = 0; i < CPUSET_SIZE; i++)
		load->bound[i] += cpuset_has(&set, i);
}

static bool host_cpus(struct cpuset *set)
{
	cpu_set_t host;
	if (sched_getaffinity(0, sizeof(host), &host) < 0)
		return false;
	for (unsigned i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &host))
			cpuset_add(set, i);
	return true;
}

/* So many of @among: those that the fewest instances are bound to. */
static char *spread(struct server *server, const struct instance *self, unsigned count,
		    const struct cpuset *among)
{
	struct cpuset host = {0}, chosen = {0};
	struct load load = {.except = self};
	bool known = host_cpus(&host);
	load.host_cpus = cpuset_count(&host);
	if (!known || (!among && count >= load.host_cpus))
		return memory_strdup("");
	if (server->instances)
		instance_registry_each(server, add_load, &load);
	for (unsigned taken = 0; taken < count; taken++) {
		unsigned best = CPUSET_SIZE;
		for (unsigned i = 0; i < CPUSET_SIZE; i++)
			if (cpuset_has(among ? among : &host, i) && !cpuset_has(&chosen, i) &&
			    (best == CPUSET_SIZE || load.bound[i] < load.bound[best]))
				best = i;
		cpuset_add(&chosen, best);
	}
	return cpuset_format(&chosen);
}

static int cpu_allowance(const json_t *config, struct cpu_allowance *allowance,
			 struct error **error)
{
	const char *text = config_get(config, "limits.cpu.allowance");
	*allowance = (struct cpu_allowance){0};
	if (!text || !*text || cpu_allowance_parse(text, allowance, error) == 0)
		return 0;
	return error_prefix(error, "limits.cpu.allowance");
}

/*
 * Never more than the allowance needs: sched_getaffinity(2) then tells the same number of CPUs as the virtualised
 * /proc/cpuinfo.
 */
static char *cpu_list(struct server *server, const struct instance *self, const json_t *config,
		      const struct cpu_allowance *allowance, struct error **error)
{
	struct cpu_limit limit = {.count = CPUSET_SIZE};
	unsigned most = cpu_allowance_count(allowance);
	const char *text = config_get(config, "limits.cpu");
	if (text && *text && cpu_limit_parse(text, &limit, error) < 0) {
		error_prefix(error, "limits.cpu");
		return NULL;
	}
	if (limit.count > 0)
		return spread(server, self, limit.count < most ? limit.count : most, NULL);
	if (cpuset_count(&limit.set) <= most)
		return cpuset_format(&limit.set);
	return spread(server, self, most, &limit.set);
}

/* What is unset has no member; the kernel's numbers are µs and, for a weight of 100%, 1024 shares. */
static json_t *make_cpu(const char *cpus, const struct cpu_allowance *allowance)
{
	json_t *cpu = json_pack("{s:s}", "cpus", cpus);
	if (allowance->quota) {
		json_object_set_new(cpu, "quota",
				    json_integer((json_int_t)allowance->quota * 1000));
		json_object_set_new(cpu, "period",
				    json_integer((json_int_t)allowance->period * 1000));
	}
	if (allowance->percent)
		json_object_set_new(cpu, "shares", json_integer(allowance->percent * 1024 / 100));
	return cpu;
}

json_t *instance_make_resources(struct server *server, const struct instance *self,
				const json_t *config, struct error **error)
{
	json_int_t memory;
	struct cpu_allowance allowance;
	const char *processes = config_get(config, "limits.processes");
	if (memory_limit(config, &memory, error) < 0 ||
	    cpu_allowance(config, &allowance, error) < 0)
		return NULL;
	cleanup_free char *cpus = cpu_list(server, self, config, &allowance, error);
	if (!cpus)
		return NULL;
	json_int_t pids = processes && *processes ? strtoll(processes, NULL, 10) : -1;
	return json_pack("{s:{s:I}, s:o, s:{s:I}}", "memory", "limit", memory, "cpu",
			 make_cpu(cpus, &allowance), "pids", "limit", pids);
}

/* systemd(1), busybox' init/halt.c behaviour, sysvinit's init(8) ("powerfail"). */
int instance_stop_signal(const json_t *config)
{
	const char *init = json_string_value(json_object_get(config, "image.init"));
	if (!init || strcmp(init, "systemd") == 0)
		return SIGRTMIN + 3;
	return strcmp(init, "busybox") == 0 ? SIGUSR2 : SIGPWR;
}
