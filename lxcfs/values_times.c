#include "lxcfs/values_times.h"

#include <string.h>

enum { NANOSECONDS_PER_SECOND = 1000000000, USAGE_BYTES = 65536 };

uint64_t times_uptime(const struct instance *instance, const struct moment *now)
{
	int64_t uptime = (int64_t)now->boottime - instance->clock_start;
	return uptime > 0 ? (uint64_t)uptime : 0;
}

uint64_t times_started(struct instance *instance, const struct moment *now)
{
	struct instance_state *state = instance->state;
	uint64_t boot = now->realtime - now->boottime;
	pthread_mutex_lock(&instance->lock);
	uint64_t apart = boot > state->boot ? boot - state->boot : state->boot - boot;
	if (apart > NANOSECONDS_PER_SECOND / 2)
		state->boot = boot;
	boot = state->boot;
	pthread_mutex_unlock(&instance->lock);
	return (boot + (uint64_t)instance->clock_start) / NANOSECONDS_PER_SECOND;
}

bool times_read_each(struct instance *instance, struct processor_times *processors, unsigned count)
{
	char text[USAGE_BYTES];
	const char *at = text;
	if (instance_read_level(instance, GROUP_CPU_USAGE, 0, text, sizeof(text)) <= 0)
		return false;
	memset(processors, 0, count * sizeof(*processors));
	while ((at = strchr(at, '\n')) && *++at) { /* the first line names the columns */
		uint64_t number = source_number(at, &at);
		uint64_t user = *at == ' ' ? source_number(at + 1, &at) : 0;
		uint64_t system = *at == ' ' ? source_number(at + 1, &at) : 0;
		if (number < count)
			processors[number] = (struct processor_times){user, system};
	}
	return true;
}

static void add_each(struct instance *instance, struct times *times)
{
	struct processor_times processors[STATE_MAX_CPUS];
	if (!times_read_each(instance, processors, STATE_MAX_CPUS))
		return;
	for (unsigned i = 0; i < STATE_MAX_CPUS; i++) {
		times->user += processors[i].user;
		times->system += processors[i].system;
	}
	times->used = times->user + times->system;
}

/* cpu.stat is in every directory of the cgroup2 hierarchy, with and without a controller, so on a hybrid host too. */
void times_read(struct instance *instance, struct times *times)
{
	char text[1024];
	*times = (struct times){0};
	if (instance_read_level(instance, GROUP_CPU_STAT, 0, text, sizeof(text)) <= 0) {
		add_each(instance, times);
		return;
	}
	source_field(text, "usage_usec", &times->used);
	source_field(text, "user_usec", &times->user);
	source_field(text, "system_usec", &times->system);
	source_field(text, "nice_usec", &times->nice);
	times->used *= 1000;
	times->user *= 1000;
	times->system *= 1000;
	times->nice *= 1000;
}
