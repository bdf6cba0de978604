/* proc/stat and proc/uptime read back, and that what they tell adds up and never goes back. */
#ifndef SYSCT_TEST_LXCFS_TOLD_H
#define SYSCT_TEST_LXCFS_TOLD_H

#include "tests/unit/test_lxcfs_common.h"

enum { CPUS = 8, KINDS = 4, TICK = 10000000 /* ns */ };

/* One proc/stat, read back. */
struct told {
	uint64_t sum[KINDS], cpus[CPUS][KINDS], ctxt, btime, processes;
	bool shown[CPUS];
	uint64_t uptime, idle; /* of proc/uptime */
};

static inline uint64_t read_ticks(const char *line, uint64_t ticks[KINDS])
{
	uint64_t total = 0;
	unsigned long rest[6];
	assert_int_equal(sscanf(line, "%*s %lu %lu %lu %lu %lu %lu %lu %lu %lu %lu", &ticks[0],
				&ticks[1], &ticks[2], &ticks[3], &rest[0], &rest[1], &rest[2],
				&rest[3], &rest[4], &rest[5]),
			 10);
	for (int i = 0; i < KINDS; i++)
		total += ticks[i];
	return total;
}

static inline void read_told(struct recorded *recorded, struct told *told)
{
	cleanup_free char *uptime = recorded_file(recorded, "proc/uptime", 0);
	cleanup_free char *stat = recorded_file(recorded, "proc/stat", 0);
	unsigned long parts[4];
	*told = (struct told){0};
	assert_int_equal(
		sscanf(uptime, "%lu.%lu %lu.%lu", &parts[0], &parts[1], &parts[2], &parts[3]), 4);
	told->uptime = parts[0] * 100 + parts[1];
	told->idle = parts[2] * 100 + parts[3];
	char *rest = stat;
	for (char *line; (line = strsep(&rest, "\n"));) {
		if (strncmp(line, "cpu ", 4) == 0) {
			read_ticks(line, told->sum);
		} else if (strncmp(line, "cpu", 3) == 0) {
			unsigned number = (unsigned)strtoul(line + 3, NULL, 10);
			assert_true(number < CPUS);
			told->shown[number] = true;
			read_ticks(line, told->cpus[number]);
		}
		sscanf(line, "ctxt %lu", &told->ctxt);
		sscanf(line, "btime %lu", &told->btime);
		sscanf(line, "processes %lu", &told->processes);
	}
}

/* @last also keeps what processors told that have gone meanwhile. */
static inline void check_after(const struct told *last, struct told *told)
{
	for (int kind = 0; kind < KINDS; kind++) {
		uint64_t sum = 0;
		for (int cpu = 0; cpu < CPUS; cpu++) {
			if (!told->shown[cpu])
				told->cpus[cpu][kind] = last->cpus[cpu][kind];
			assert_true(told->cpus[cpu][kind] >= last->cpus[cpu][kind]);
			sum += told->cpus[cpu][kind];
		}
		assert_int_equal(told->sum[kind], sum);
		assert_true(told->sum[kind] >= last->sum[kind]);
	}
	assert_true(told->uptime >= last->uptime);
	assert_true(told->ctxt >= last->ctxt && told->processes >= last->processes);
}

#endif
