#include "lxcfs/values_cpus.h"

#include <string.h>

/* CPUs that a level's quota pays for, UINT64_MAX without one; -1 above the highest level. */
static int level_quota(struct instance *instance, int level, uint64_t *cpus)
{
	char text[64];
	const char *rest;
	uint64_t quota = UINT64_MAX, period = 0;
	ssize_t length = instance_read_level(instance, GROUP_CPU_QUOTA, level, text, sizeof(text));
	if (length == -2)
		return -1;
	if (length > 0 && text[0] != '-') {
		quota = source_number(text, &rest);
		if (instance_is_v2(instance, GROUP_CPU_QUOTA))
			period = *rest == ' ' ? source_number(rest + 1, NULL) : 0;
		else if (instance_read_level(instance, GROUP_CPU_PERIOD, level, text,
					     sizeof(text)) > 0)
			period = source_number(text, NULL);
	}
	*cpus = quota == UINT64_MAX || period == 0 ? UINT64_MAX : (quota + period - 1) / period;
	return 0;
}

static void keep_first(struct cpus *cpus, unsigned count)
{
	unsigned kept = 0;
	for (unsigned number = cpus_next(cpus, 0); number < cpus->end;
	     number = cpus_next(cpus, number + 1))
		if (++kept > count)
			cpus->bits[number / 64] &= ~(UINT64_C(1) << number % 64);
	cpus->count = count;
}

static void set_end(struct cpus *cpus)
{
	cpus->end = 0;
	for (unsigned word = HOST_CPU_WORDS; word-- > 0 && !cpus->end;)
		if (cpus->bits[word])
			cpus->end = word * 64 + 64 - (unsigned)__builtin_clzll(cpus->bits[word]);
}

void cpus_read(struct instance *instance, struct cpus *cpus)
{
	char text[HOST_LIST_BYTES];
	if (instance_read(instance, GROUP_CPUS, text, sizeof(text)) > 1)
		cpus->count = host_parse_list(text, cpus->bits);
	else
		cpus->count = host_online(instance->host, cpus->bits);
	if (cpus->count == 0) {
		cpus->bits[0] = 1;
		cpus->count = 1;
	}
	set_end(cpus);
	cpus->allowed = cpus->count;
	uint64_t tightest = UINT64_MAX, paid;
	for (int level = 0; level_quota(instance, level, &paid) == 0; level++)
		if (paid < tightest)
			tightest = paid;
	if (tightest < cpus->count) {
		keep_first(cpus, tightest ? (unsigned)tightest : 1);
		set_end(cpus);
	}
}

void cpus_numbers(struct instance *instance, struct host *host, uint64_t bits[HOST_CPU_WORDS])
{
	struct cpus cpus;
	if (instance) {
		cpus_read(instance, &cpus);
		memcpy(bits, cpus.bits, sizeof(cpus.bits));
	} else {
		host_read_list(host, "sys/devices/system/cpu/present", bits);
	}
}

unsigned cpus_next(const struct cpus *cpus, unsigned number)
{
	for (unsigned word = number / 64; word < HOST_CPU_WORDS && number < cpus->end; word++) {
		uint64_t rest = cpus->bits[word] & ~UINT64_C(0) << number % 64;
		if (rest)
			return word * 64 + (unsigned)__builtin_ctzll(rest);
		number = (word + 1) * 64;
	}
	return cpus->end;
}
