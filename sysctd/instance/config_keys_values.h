/* Parsers of configuration values: sizes, percentages, sets of CPUs. */
#ifndef SYSCT_INSTANCE_CONFIG_KEYS_VALUES_H
#define SYSCT_INSTANCE_CONFIG_KEYS_VALUES_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"

/**
 * size_parse - "1024", "512B", "1.5" is not: a whole number with a unit.
 * kB MB GB TB PB EB are powers of 1000, KiB MiB GiB TiB PiB EiB of 1024.
 */
int size_parse(const char *text, uint64_t *bytes, struct error **error);

/* Like size_parse, or "N%" (0 to 100) of @total. */
int size_or_percent_parse(const char *text, uint64_t total, uint64_t *bytes, struct error **error);

/* LXD's booleans: true 1 yes on, false 0 no off, in any case. "" is false. */
int bool_parse(const char *text, bool *value, struct error **error);

enum { CPUSET_SIZE = 4096 };

struct cpuset {
	uint64_t bits[CPUSET_SIZE / 64];
};

/* "0-3,5": numbers and ranges in any order, overlaps allowed; not empty. */
int cpuset_parse(const char *text, struct cpuset *set, struct error **error);
unsigned int cpuset_count(const struct cpuset *set);
bool cpuset_has(const struct cpuset *set, unsigned int cpu);
void cpuset_add(struct cpuset *set, unsigned int cpu);

/* The shortest text ("0-3,5"), as the kernel writes it; the caller frees it. */
char *cpuset_format(const struct cpuset *set);

/* limits.cpu: "2" is that many CPUs, "0-3", "1,3" or "2-2" are these. */
struct cpu_limit {
	unsigned int count; /* 0 when @set tells which */
	struct cpuset set;
};

int cpu_limit_parse(const char *text, struct cpu_limit *limit, struct error **error);

/* limits.cpu.allowance: "25ms/100ms" is a quota in each period, "50%" a weight among others. */
struct cpu_allowance {
	unsigned int quota, period; /* ms; 0 where it is a weight */
	unsigned int percent;	    /* 1 to 100; 0 where it is a quota */
};

int cpu_allowance_parse(const char *text, struct cpu_allowance *allowance, struct error **error);

/* How many CPUs a quota can use up at once; CPUSET_SIZE where there is none. */
unsigned int cpu_allowance_count(const struct cpu_allowance *allowance);

#endif
