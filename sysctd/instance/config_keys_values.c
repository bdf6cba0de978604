/* See config_keys_values.h. Every parser takes the whole text or refuses it. */
#include "instance/config_keys_values.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "memory.h"
#include "strbuf.h"

static const struct {
	const char *name;
	uint64_t factor;
} units[] = {
	{"", 1},
	{"B", 1},
	{"kB", 1000ULL},
	{"MB", 1000000ULL},
	{"GB", 1000000000ULL},
	{"TB", 1000000000000ULL},
	{"PB", 1000000000000000ULL},
	{"EB", 1000000000000000000ULL},
	{"KiB", 1ULL << 10},
	{"MiB", 1ULL << 20},
	{"GiB", 1ULL << 30},
	{"TiB", 1ULL << 40},
	{"PiB", 1ULL << 50},
	{"EiB", 1ULL << 60},
};

/* Digits at the start of a text; NULL when there are none or the number is too large. */
static const char *parse_digits(const char *text, uint64_t *value)
{
	const char *at = text;
	*value = 0;
	for (; isdigit((unsigned char)*at); at++)
		if (__builtin_mul_overflow(*value, 10, value) ||
		    __builtin_add_overflow(*value, (uint64_t)(*at - '0'), value))
			return NULL;
	return at == text ? NULL : at;
}

static int fail_size(const char *text, struct error **error)
{
	return error_set(error, ERROR_INVALID,
			 "\"%s\" is not a size: give a whole number and a unit (B, kB, MB, GB, TB, "
			 "PB, EB, KiB, MiB, GiB, TiB, PiB, EiB)",
			 text);
}

int size_parse(const char *text, uint64_t *bytes, struct error **error)
{
	uint64_t number;
	const char *end = parse_digits(text, &number);
	if (!end)
		return isdigit((unsigned char)*text)
			       ? error_set(error, ERROR_INVALID, "the size \"%s\" is too large",
					   text)
			       : fail_size(text, error);
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		uint64_t value;
		if (strcmp(end, units[i].name) != 0)
			continue;
		/* Sizes go through signed numbers in the database, JSON and the kernel. */
		if (__builtin_mul_overflow(number, units[i].factor, &value) || value > INT64_MAX)
			return error_set(error, ERROR_INVALID, "the size \"%s\" is too large",
					 text);
		*bytes = value;
		return 0;
	}
	return fail_size(text, error);
}

int size_or_percent_parse(const char *text, uint64_t total, uint64_t *bytes, struct error **error)
{
	uint64_t percent;
	const char *end = parse_digits(text, &percent);
	if (!end || strcmp(end, "%") != 0)
		return size_parse(text, bytes, error);
	if (percent > 100)
		return error_set(error, ERROR_INVALID, "\"%s\" is more than 100%%", text);
	*bytes = total / 100 * percent + total % 100 * percent / 100;
	return 0;
}

int bool_parse(const char *text, bool *value, struct error **error)
{
	static const char *const words[][4] = {{"false", "0", "no", "off"},
					       {"true", "1", "yes", "on"}};
	for (int which = 0; which < 2; which++)
		for (int i = 0; i < 4; i++)
			if (strcasecmp(text, words[which][i]) == 0 || (!*text && which == 0)) {
				*value = which;
				return 0;
			}
	return error_set(error, ERROR_INVALID, "\"%s\" is neither true nor false", text);
}

unsigned int cpuset_count(const struct cpuset *set)
{
	unsigned int count = 0;
	for (size_t i = 0; i < CPUSET_SIZE / 64; i++)
		count += (unsigned int)__builtin_popcountll(set->bits[i]);
	return count;
}

bool cpuset_has(const struct cpuset *set, unsigned int cpu)
{
	return cpu < CPUSET_SIZE && set->bits[cpu / 64] >> cpu % 64 & 1;
}

void cpuset_add(struct cpuset *set, unsigned int cpu)
{
	if (cpu < CPUSET_SIZE)
		set->bits[cpu / 64] |= 1ULL << cpu % 64;
}

/* "3" or "0-3" at the start of a text; what follows it, or NULL. */
static const char *parse_range(const char *text, struct cpuset *set)
{
	uint64_t first, last;
	const char *at = parse_digits(text, &first);
	if (!at)
		return NULL;
	last = first;
	if (*at == '-')
		at = parse_digits(at + 1, &last);
	if (!at || last < first || last >= CPUSET_SIZE)
		return NULL;
	for (uint64_t cpu = first; cpu <= last; cpu++)
		cpuset_add(set, (unsigned int)cpu);
	return at;
}

int cpuset_parse(const char *text, struct cpuset *set, struct error **error)
{
	memset(set, 0, sizeof(*set));
	const char *at = parse_range(text, set);
	while (at && *at == ',')
		at = parse_range(at + 1, set);
	if (at && !*at)
		return 0;
	return error_set(error, ERROR_INVALID,
			 "\"%s\" is not a set of CPUs: give numbers below %d and ranges, as in "
			 "\"0-3,5\"",
			 text, CPUSET_SIZE);
}

char *cpuset_format(const struct cpuset *set)
{
	struct strbuf text = {0};
	for (unsigned int cpu = 0; cpu < CPUSET_SIZE; cpu++) {
		unsigned int first = cpu;
		if (!cpuset_has(set, cpu))
			continue;
		while (cpuset_has(set, cpu + 1))
			cpu++;
		strbuf_printf(&text, "%s%u", text.length ? "," : "", first);
		if (cpu > first)
			strbuf_printf(&text, "-%u", cpu);
	}
	return strbuf_steal(&text);
}

int cpu_limit_parse(const char *text, struct cpu_limit *limit, struct error **error)
{
	uint64_t count;
	memset(limit, 0, sizeof(*limit));
	const char *end = parse_digits(text, &count);
	if (!end || *end)
		return cpuset_parse(text, &limit->set, error);
	if (count < 1 || count > CPUSET_SIZE)
		return error_set(
			error, ERROR_INVALID,
			"\"%s\" is not a number of CPUs: give 1 to %d, or a set as in \"0-3\"",
			text, CPUSET_SIZE);
	limit->count = (unsigned int)count;
	return 0;
}

/* A number of milliseconds before @unit; what follows that, or NULL. */
static const char *parse_milliseconds(const char *text, const char *unit, uint64_t most,
				      unsigned int *milliseconds)
{
	uint64_t number;
	const char *end = parse_digits(text, &number);
	if (!end || number < 1 || number > most || strncmp(end, unit, strlen(unit)) != 0)
		return NULL;
	*milliseconds = (unsigned int)number;
	return end + strlen(unit);
}

/* The bounds of a period are the kernel's (kernel/sched/core.c, max_cfs_quota_period). */
int cpu_allowance_parse(const char *text, struct cpu_allowance *allowance, struct error **error)
{
	enum { LONGEST_PERIOD = 1000 };
	uint64_t percent;
	memset(allowance, 0, sizeof(*allowance));
	const char *end = parse_digits(text, &percent);
	if (end && strcmp(end, "%") == 0 && percent >= 1 && percent <= 100) {
		allowance->percent = (unsigned int)percent;
		return 0;
	}
	end = parse_milliseconds(text, "ms/", LONGEST_PERIOD * CPUSET_SIZE, &allowance->quota);
	if (end)
		end = parse_milliseconds(end, "ms", LONGEST_PERIOD, &allowance->period);
	if (end && !*end)
		return 0;
	return error_set(error, ERROR_INVALID,
			 "\"%s\" is no allowance: give a time in each period of 1 to %d ms "
			 "(\"25ms/100ms\"), or 1%% to 100%%",
			 text, LONGEST_PERIOD);
}

unsigned int cpu_allowance_count(const struct cpu_allowance *allowance)
{
	if (!allowance->quota)
		return CPUSET_SIZE;
	unsigned int count = (allowance->quota + allowance->period - 1) / allowance->period;
	return count < CPUSET_SIZE ? count : CPUSET_SIZE;
}
