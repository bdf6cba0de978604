#include "lxcfs/values_ticks.h"

#include <string.h>

#include "lxcfs/values_cpus.h"
#include "lxcfs/values_times.h"

enum {
	NANOSECONDS_PER_TICK = 10000000,
	/* Of each processor: a period of a quota (100 ms) and what the kernel's figures lag. */
	MOST_PENDING = 20,
};

/* The control group's figures, in ticks. */
struct usage {
	uint64_t user, nice, system; /* nice is a part of user */
	bool each;		     /* there are figures of each processor */
	struct processor_times processors[STATE_MAX_CPUS];
};

/* While the state is brought up to date. */
struct update {
	struct instance_state *state;
	const struct ticks *ticks; /* which processors */
	uint64_t room[STATE_MAX_CPUS];
	uint64_t pool[TICKS_BUSY_KINDS]; /* of no processor yet */
};

static unsigned state_cpus(const struct instance *instance)
{
	unsigned cpus = instance->host->cpus;
	return cpus < STATE_MAX_CPUS ? cpus : STATE_MAX_CPUS;
}

static void read_usage(struct instance *instance, struct usage *usage)
{
	struct times times;
	unsigned count = state_cpus(instance);
	times_read(instance, &times);
	usage->user = times.user / NANOSECONDS_PER_TICK;
	usage->nice = times.nice / NANOSECONDS_PER_TICK;
	usage->system = times.system / NANOSECONDS_PER_TICK;
	usage->each = times_read_each(instance, usage->processors, count);
	for (unsigned i = 0; usage->each && i < count; i++) {
		usage->processors[i].user /= NANOSECONDS_PER_TICK;
		usage->processors[i].system /= NANOSECONDS_PER_TICK;
	}
}

/* What came since it was seen last. Another thread may have seen more than we: then nothing. */
static uint64_t take_new(uint64_t *seen, uint64_t now)
{
	uint64_t new = now > *seen ? now - *seen : 0;
	*seen += new;
	return new;
}

static uint64_t lower(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t told_total(const struct processor_state *processor)
{
	uint64_t total = 0;
	for (int kind = 0; kind < TICKS_KINDS; kind++)
		total += processor->told[kind];
	return total;
}

/* How much each processor has yet to tell, until it has told the uptime, less what it was away. */
static void find_room(struct update *update, unsigned cpus)
{
	struct instance_state *state = update->state;
	const struct ticks *ticks = update->ticks;
	for (unsigned number = 0, at = 0; number < cpus; number++) {
		struct processor_state *processor = &state->processors[number];
		if (at == ticks->count || ticks->numbers[at] != number) {
			processor->away = STATE_NOT_ITS_OWN;
			continue;
		}
		uint64_t total = told_total(processor);
		if (processor->away == STATE_NOT_ITS_OWN)
			processor->away = state->told_at - lower(total, state->told_at);
		total += processor->away;
		update->room[at++] = ticks->uptime - lower(total, ticks->uptime);
	}
}

static uint64_t tell(struct update *update, unsigned at, enum tick_kind kind, uint64_t amount)
{
	uint64_t told = lower(amount, update->room[at]);
	update->state->processors[update->ticks->numbers[at]].told[kind] += told;
	update->room[at] -= told;
	return told;
}

/*
 * Tells each processor its part of what is in the pool. Figures of processors are counted by the clock tick, and only
 * their proportions are used: cpu.stat is exact, and what proc/uptime and loads are made of.
 */
static void tell_each(struct update *update, const struct usage *usage, unsigned cpus)
{
	struct instance_state *state = update->state;
	const struct ticks *ticks = update->ticks;
	uint64_t new[STATE_MAX_CPUS][2], all[2] = {0};
	for (unsigned number = 0; number < cpus; number++) {
		uint64_t *seen = state->processors[number].seen;
		new[number][0] = take_new(&seen[0], usage->processors[number].user);
		new[number][1] = take_new(&seen[1], usage->processors[number].system);
		all[0] += new[number][0];
		all[1] += new[number][1];
	}
	for (int kind = 0; kind < TICKS_BUSY_KINDS; kind++) {
		int column = kind == TICKS_SYSTEM;
		uint64_t rest = update->pool[kind], of = all[column];
		for (unsigned number = 0, at = 0; number < cpus; number++) {
			uint64_t share = of ? rest * new[number][column] / of : 0;
			bool mine = at < ticks->count && ticks->numbers[at] == number;
			if (mine)
				update->pool[kind] -= tell(update, at++, kind, share);
			rest -= share;
			of -= new[number][column];
		}
	}
}

/* Shares one kind of the pool evenly among those that have room. */
static void spread(struct update *update, enum tick_kind kind)
{
	uint64_t *amount = &update->pool[kind];
	unsigned count = update->ticks->count, open;
	for (bool first = true; *amount; first = false) {
		open = first ? count : 0;
		for (unsigned i = 0; i < count && !first; i++)
			open += update->room[i] > 0;
		if (!open)
			break;
		uint64_t share = *amount / open ? *amount / open : 1;
		for (unsigned i = 0; i < count && *amount; i++, update->state->turn++)
			*amount -= tell(update, (unsigned)(update->state->turn % count), kind,
					lower(share, *amount));
	}
}

static void take_pool(struct update *update, const struct usage *usage)
{
	struct instance_state *state = update->state;
	uint64_t user = take_new(&state->seen[TICKS_USER], usage->user);
	uint64_t nice = usage->nice - lower(state->seen[TICKS_NICE], usage->nice);
	nice = lower(nice, user); /* they are not counted in the same way */
	state->seen[TICKS_NICE] += nice;
	memcpy(update->pool, state->pending, sizeof(update->pool));
	update->pool[TICKS_USER] += user - nice;
	update->pool[TICKS_NICE] += nice;
	update->pool[TICKS_SYSTEM] += take_new(&state->seen[TICKS_SYSTEM], usage->system);
}

/* Brings what was told up to ticks->uptime; the lock is held. */
static void tell_usage(struct instance *instance, const struct usage *usage,
		       const struct ticks *ticks)
{
	struct instance_state *state = instance->state;
	struct update update = {.state = state, .ticks = ticks};
	unsigned cpus = state_cpus(instance);
	find_room(&update, cpus);
	take_pool(&update, usage);
	if (usage->each)
		tell_each(&update, usage, cpus);
	uint64_t most = (uint64_t)ticks->count * MOST_PENDING;
	for (int kind = 0; kind < TICKS_BUSY_KINDS; kind++) {
		spread(&update, kind);
		state->pending[kind] = lower(update.pool[kind], most);
		most -= state->pending[kind];
	}
	for (unsigned i = 0; i < ticks->count; i++)
		tell(&update, i, TICKS_IDLE, update.room[i]);
	state->told_at = ticks->uptime;
}

static void choose_cpus(struct instance *instance, struct ticks *ticks)
{
	struct cpus cpus;
	unsigned most = state_cpus(instance);
	cpus_read(instance, &cpus);
	ticks->count = 0;
	for (unsigned number = cpus_next(&cpus, 0); number < cpus.end && number < most;
	     number = cpus_next(&cpus, number + 1))
		ticks->numbers[ticks->count++] = number;
	if (ticks->count == 0) /* beyond what is remembered */
		ticks->numbers[ticks->count++] = 0;
}

void ticks_read(struct instance *instance, const struct moment *now, struct ticks *ticks)
{
	struct instance_state *state = instance->state;
	struct usage usage;
	ticks->uptime = times_uptime(instance, now) / NANOSECONDS_PER_TICK;
	choose_cpus(instance, ticks);
	pthread_mutex_lock(&instance->lock);
	if (ticks->uptime > state->told_at) {
		pthread_mutex_unlock(&instance->lock);
		read_usage(instance, &usage);
		pthread_mutex_lock(&instance->lock);
		if (ticks->uptime > state->told_at)
			tell_usage(instance, &usage, ticks);
	}
	if (state->told_at > ticks->uptime) /* another thread was faster */
		ticks->uptime = state->told_at;
	memset(ticks->sum, 0, sizeof(ticks->sum));
	for (unsigned number = 0; number < state_cpus(instance); number++)
		for (int kind = 0; kind < TICKS_KINDS; kind++)
			ticks->sum[kind] += state->processors[number].told[kind];
	for (unsigned i = 0; i < ticks->count; i++)
		memcpy(ticks->processors[i], state->processors[ticks->numbers[i]].told,
		       sizeof(ticks->processors[i]));
	pthread_mutex_unlock(&instance->lock);
}
