#include "lxcfs/load.h"

#include <string.h>

#include "lxcfs/tasks.h"
#include "lxcfs/values_times.h"

#define SECOND UINT64_C(1000000000)

static const uint64_t one = UINT64_C(1) << LOAD_BITS;
static const uint64_t kept_for = 300 * SECOND;
/* What is left of an average after a period: 1/exp(5 s/1 min), 1/exp(5 s/5 min), 1/exp(5 s/15 min). */
static const uint64_t decays[3] = {1884, 2014, 2037};

/* @base to the power of @exponent, both fixed point, rounded at each step. */
static uint64_t power(uint64_t base, uint64_t exponent)
{
	uint64_t result = one;
	for (; exponent; exponent >>= 1) {
		if (exponent & 1)
			result = (result * base + one / 2) >> LOAD_BITS;
		base = (base * base + one / 2) >> LOAD_BITS;
	}
	return result;
}

/* @periods during which @active tasks (fixed point) were active. */
static void decay(uint64_t averages[3], uint64_t active, uint64_t periods)
{
	for (int i = 0; i < 3; i++) {
		uint64_t left = power(decays[i], periods);
		uint64_t sum = averages[i] * left + active * (one - left);
		/* Upwards while it rises, else it would never get there. */
		if (active >= averages[i])
			sum += one - 1;
		averages[i] = sum >> LOAD_BITS;
	}
}

/* Tasks that were active on average, if all that was active was running. */
static uint64_t average_use(const struct instance *instance, uint64_t used, uint64_t now)
{
	const struct load_state *load = &instance->state->load;
	uint64_t since = load->looked_at ? load->looked_at : instance->start;
	uint64_t most = instance->host->cpus * one;
	if (now <= since || used <= load->used)
		return 0;
	uint64_t microseconds = (now - since) / 1000 + 1;
	uint64_t average = (used - load->used) / 1000 * one / microseconds;
	return average < most ? average : most;
}

static void count_averages(struct instance *instance, const struct tasks *tasks, uint64_t used,
			   uint64_t now)
{
	struct load_state *load = &instance->state->load;
	if (!load->averaged_at)
		load->averaged_at = instance->start;
	uint64_t periods = now > load->averaged_at ? (now - load->averaged_at) / LOAD_PERIOD : 0;
	if (periods > 1)
		decay(load->averages, average_use(instance, used, now), periods - 1);
	if (periods > 0)
		decay(load->averages, (tasks->running + tasks->blocked) * one, 1);
	load->averaged_at += periods * LOAD_PERIOD;
}

static void count_tasks(struct load_state *load, const struct tasks *tasks)
{
	/* Those of tasks that exited are known only as far as they were seen. */
	if (tasks->switches > load->switches_now)
		load->switches += tasks->switches - load->switches_now;
	load->switches_now = tasks->switches;
	load->running = tasks->running;
	load->blocked = tasks->blocked;
	load->tasks = tasks->count;
	if (tasks->newest == 0 || tasks->newest_start < load->newest_start ||
	    (tasks->newest_start == load->newest_start && tasks->newest <= load->newest))
		return;
	/* Numbers are given in order; the highest one is followed by low ones. */
	load->forks += tasks->newest > load->newest ? tasks->newest - load->newest : tasks->newest;
	load->newest = tasks->newest;
	load->newest_start = tasks->newest_start;
}

static void look(struct instance *instance, unsigned expected, uint64_t now)
{
	struct load_state *load = &instance->state->load;
	struct tasks tasks;
	struct times times;
	tasks_read(instance, expected, &tasks);
	times_read(instance, &times);
	pthread_mutex_lock(&instance->lock);
	if (now > load->looked_at) { /* else another thread was faster */
		count_averages(instance, &tasks, times.used, now);
		count_tasks(load, &tasks);
		load->used = times.used;
		load->looked_at = now;
	}
	pthread_mutex_unlock(&instance->lock);
}

void load_sample(struct instance *instance, uint64_t now)
{
	const struct load_state *load = &instance->state->load;
	pthread_mutex_lock(&instance->lock);
	bool due = load->asked_at && now < load->asked_at + kept_for &&
		   now >= load->averaged_at + LOAD_PERIOD;
	unsigned expected = load->tasks;
	pthread_mutex_unlock(&instance->lock);
	if (due)
		look(instance, expected, now);
}

void load_read(struct instance *instance, uint64_t now, struct load *load)
{
	struct load_state *state = &instance->state->load;
	pthread_mutex_lock(&instance->lock);
	state->asked_at = now;
	bool stale = !state->looked_at || now > state->looked_at + 2 * LOAD_PERIOD;
	unsigned expected = state->tasks;
	pthread_mutex_unlock(&instance->lock);
	if (stale)
		look(instance, expected, now);
	pthread_mutex_lock(&instance->lock);
	memcpy(load->averages, state->averages, sizeof(load->averages));
	load->running = state->running ? state->running : 1;
	load->blocked = state->blocked;
	load->tasks = state->tasks ? state->tasks : 1;
	load->newest = state->newest;
	load->switches = state->switches;
	load->forks = state->forks;
	pthread_mutex_unlock(&instance->lock);
}
