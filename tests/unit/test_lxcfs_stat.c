/* proc/stat and proc/uptime: whole files, sums, bounds and percentages over any use and any limits. */
#include "tests/unit/test_lxcfs_told.h"

#include <time.h>

static void test_whole_files(void **state)
{
	(void)state;
	static const char *const trees[] = {"stat_v2", "stat_hybrid", "stat_v1"};
	for (size_t i = 0; i < sizeof(trees) / sizeof(trees[0]); i++) {
		struct recorded recorded;
		recorded_open(&recorded, trees[i]);
		recorded_expect(&recorded, "proc/stat");
		recorded_expect(&recorded, "proc/stat");
		recorded_expect(&recorded, "proc/uptime");
		recorded_close(&recorded);
		recorded_open(&recorded, trees[i]);
		recorded_expect(&recorded, "proc/uptime");
		recorded_close(&recorded);
	}
}

static void write_text(struct recorded *recorded, const char *path, const char *text)
{
	recorded_write(recorded, path, text, strlen(text));
}

/* ---- what the machine does: time passes, processors are used, limits change ---- */

struct machine {
	struct recorded recorded;
	bool v2;
	unsigned first, allowed, quota;	     /* processors; quota 0: none */
	uint64_t used[CPUS][2], nice, total; /* ns: user and system of each, all */
};

static const char *group_path(const struct machine *machine, const char *controller,
			      const char *file)
{
	static char path[128];
	snprintf(path, sizeof(path), "sys/fs/cgroup/%s%ssysct/one/%s",
		 machine->v2 ? "" : controller, machine->v2 ? "" : "/", file);
	return path;
}

static void write_limits(struct machine *machine)
{
	char text[64];
	struct recorded *recorded = &machine->recorded;
	snprintf(text, sizeof(text), "%u-%u\n", machine->first,
		 machine->first + machine->allowed - 1);
	write_text(recorded,
		   group_path(machine, "cpuset",
			      machine->v2 ? "cpuset.cpus.effective" : "cpuset.effective_cpus"),
		   text);
	unsigned quota = machine->quota * 100000;
	if (machine->v2 && quota)
		snprintf(text, sizeof(text), "%u 100000\n", quota);
	else if (machine->v2)
		snprintf(text, sizeof(text), "max 100000\n");
	else
		snprintf(text, sizeof(text), "%d\n", quota ? (int)quota : -1);
	write_text(recorded,
		   group_path(machine, "cpu", machine->v2 ? "cpu.max" : "cpu.cfs_quota_us"), text);
}

static void write_usage(struct machine *machine)
{
	char text[1024];
	int length = snprintf(text, sizeof(text), "cpu user system\n");
	uint64_t user = 0, system = 0;
	for (int cpu = 0; cpu < CPUS; cpu++) {
		user += machine->used[cpu][0];
		system += machine->used[cpu][1];
		length += snprintf(text + length, sizeof(text) - (size_t)length, "%d %lu %lu\n",
				   cpu, machine->used[cpu][0], machine->used[cpu][1]);
	}
	machine->total = user + system;
	if (!machine->v2)
		write_text(&machine->recorded, group_path(machine, "cpuacct", "cpuacct.usage_all"),
			   text);
	snprintf(text, sizeof(text),
		 "usage_usec %lu\nuser_usec %lu\nsystem_usec %lu\nnice_usec %lu\n",
		 machine->total / 1000, user / 1000, system / 1000, machine->nice / 1000);
	write_text(&machine->recorded, group_path(machine, "unified", "cpu.stat"), text);
}

/* Processors that are shown: those of the cpuset, as many as the quota pays for. */
static unsigned shown(const struct machine *machine)
{
	return machine->quota && machine->quota < machine->allowed ? machine->quota
								   : machine->allowed;
}

/* @load of each processor that may be used, in percent. */
static void live(struct machine *machine, uint64_t nanoseconds, unsigned load)
{
	machine->recorded.host.fixed.boottime += nanoseconds;
	machine->recorded.host.fixed.realtime += nanoseconds;
	uint64_t each = nanoseconds / 100 * load * shown(machine) / machine->allowed;
	for (unsigned i = 0; i < machine->allowed; i++) {
		uint64_t user = each / 4 * ((unsigned)rand() % 5);
		machine->used[machine->first + i][0] += user;
		machine->used[machine->first + i][1] += each - user;
		machine->nice += user / 3;
	}
	write_usage(machine);
}

static void machine_open(struct machine *machine, bool v2)
{
	*machine = (struct machine){.v2 = v2, .first = 0, .allowed = v2 ? 4 : 2};
	recorded_open(&machine->recorded, v2 ? "stat_v2" : "stat_hybrid");
	machine->recorded.host.cpus = CPUS;
	free(machine->recorded.state);
	machine->recorded.state = memory_alloc(state_size(CPUS));
	machine->recorded.instance->state = machine->recorded.state;
	/* Just started. */
	machine->recorded.host.fixed.boottime = machine->recorded.instance->start + TICK;
	write_limits(machine);
	write_usage(machine);
}

static void restart(struct machine *machine)
{
	struct recorded *recorded = &machine->recorded;
	instance_unref(recorded->instance);
	recorded->instance = instance_open(&recorded->host, 100, 4711, recorded->state);
	assert_non_null(recorded->instance);
}

static void change_limits(struct machine *machine)
{
	machine->first = (unsigned)rand() % 4;
	machine->allowed = 1 + (unsigned)rand() % 4;
	machine->quota = (unsigned)rand() % 4;
	write_limits(machine);
}

static uint64_t busy(const struct told *told)
{
	return told->sum[0] + told->sum[1] + told->sum[2];
}

static uint64_t total_of(const struct told *told, int cpu)
{
	uint64_t total = 0;
	for (int kind = 0; kind < KINDS; kind++)
		total += told->cpus[cpu][kind];
	return total;
}

/* What is told is what was used: all of it but for what is a little late. */
static void check_use(const struct machine *machine, const struct told *told, bool changed)
{
	assert_true(busy(told) <= machine->total / TICK);
	if (!changed)
		assert_true(busy(told) + 3 * CPUS + 20 >= machine->total / TICK);
	assert_true(told->sum[1] <= machine->nice / TICK);
	assert_int_equal(told->idle, told->sum[3]);
	for (int cpu = 0; cpu < CPUS; cpu++) {
		uint64_t total = total_of(told, cpu);
		assert_true(total <= told->uptime);
		if (!changed)
			assert_int_equal(total, told->shown[cpu] ? told->uptime : 0);
	}
}

static void run_random(bool v2, bool changing)
{
	struct machine machine;
	struct told last = {0}, told;
	machine_open(&machine, v2);
	for (int i = 0; i < 300; i++) {
		unsigned what = (unsigned)rand() % 8;
		if (what == 0 && changing)
			change_limits(&machine);
		else if (what == 1)
			restart(&machine);
		else
			live(&machine, (uint64_t)(rand() % (what == 2 ? 30000 : 700)) * 1000000,
			     (unsigned)rand() % 101);
		if (what == 3)
			continue;
		read_told(&machine.recorded, &told);
		check_after(&last, &told);
		check_use(&machine, &told, changing);
		if (i > 0 && last.btime)
			assert_int_equal(told.btime, last.btime);
		last = told;
	}
	recorded_close(&machine.recorded);
}

static void test_random(void **state)
{
	(void)state;
	const char *given = getenv("SEED");
	unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
	print_message("SEED=%u\n", seed);
	srand(seed);
	for (int round = 0; round < 8; round++)
		run_random(round & 1, round & 2);
}

/* ---- percentages, as top makes them ---- */

static unsigned percent(const struct told *last, const struct told *told)
{
	uint64_t used = busy(told) - busy(last), idle = told->sum[3] - last->sum[3];
	return used + idle ? (unsigned)((used * 100 + (used + idle) / 2) / (used + idle)) : 0;
}

static void expect_percent(struct machine *machine, struct told *last, unsigned load,
			   unsigned expected)
{
	struct told told;
	live(machine, UINT64_C(1003000000), load);
	read_told(&machine->recorded, &told);
	check_after(last, &told);
	unsigned got = percent(last, &told);
	if (got + 4 < expected || got > expected + 4)
		fail_msg("%u %% in place of %u %%", got, expected);
	*last = told;
}

static void test_percentages(void **state)
{
	(void)state;
	for (int v2 = 0; v2 < 2; v2++) {
		struct machine machine;
		struct told last;
		machine_open(&machine, v2);
		live(&machine, UINT64_C(50000000000), 7);
		read_told(&machine.recorded, &last);
		expect_percent(&machine, &last, 50, 50);
		expect_percent(&machine, &last, 100, 100);
		machine.allowed = 1;
		write_limits(&machine);
		expect_percent(&machine, &last, 100, 100);
		expect_percent(&machine, &last, 30, 30);
		machine.allowed = 4; /* those that come have no past that would count as idle now */
		write_limits(&machine);
		expect_percent(&machine, &last, 100, 100);
		machine.quota = 1;
		write_limits(&machine);
		expect_percent(&machine, &last, 100, 100);
		restart(&machine);
		expect_percent(&machine, &last, 20, 20);
		recorded_close(&machine.recorded);
	}
}

/* What all four used before the limit changed does not look like use of the one that is left. */
static void test_lowered(void **state)
{
	(void)state;
	struct machine machine;
	struct told last;
	machine_open(&machine, true);
	live(&machine, UINT64_C(10000000000), 100);
	read_told(&machine.recorded, &last);
	live(&machine, UINT64_C(100000000000), 100);
	machine.allowed = 1;
	write_limits(&machine);
	expect_percent(&machine, &last, 0, 100);
	expect_percent(&machine, &last, 0, 20); /* what is told late */
	expect_percent(&machine, &last, 0, 0);
	recorded_close(&machine.recorded);
}

/* v1: a loop on one processor is on that one; in a quota's period all is used up at once. */
static void test_each(void **state)
{
	(void)state;
	struct machine machine;
	struct told last, told;
	machine_open(&machine, false);
	read_told(&machine.recorded, &last);
	live(&machine, UINT64_C(2000000000), 0);
	machine.used[1][0] += UINT64_C(2000000000);
	write_usage(&machine);
	read_told(&machine.recorded, &told);
	assert_int_equal(told.cpus[1][0] - last.cpus[1][0], 200);
	assert_int_equal(told.cpus[0][3] - last.cpus[0][3], 200);
	last = told;
	machine.quota = 1;
	write_limits(&machine);
	live(&machine, UINT64_C(50000000), 0);
	machine.used[0][0] += UINT64_C(50000000);
	machine.used[1][0] += UINT64_C(50000000);
	write_usage(&machine);
	read_told(&machine.recorded, &told);
	assert_int_equal(busy(&told) - busy(&last), 5);
	live(&machine, UINT64_C(50000000), 0);
	read_told(&machine.recorded, &told);
	assert_int_equal(busy(&told) - busy(&last), 10);
	assert_false(told.shown[1]);
	recorded_close(&machine.recorded);
}

/* A thread that is late with older figures than another one has told changes nothing. */
static void test_late(void **state)
{
	(void)state;
	struct machine machine;
	struct told last, told;
	machine_open(&machine, true);
	live(&machine, UINT64_C(10000000000), 50);
	read_told(&machine.recorded, &last);
	machine.recorded.host.fixed.boottime -= 400000000;
	read_told(&machine.recorded, &told);
	assert_memory_equal(&told, &last, sizeof(told));
	machine.recorded.host.fixed.boottime += 1400000000;
	machine.used[0][0] -= 1000000000;
	write_usage(&machine);
	read_told(&machine.recorded, &told);
	check_after(&last, &told);
	assert_int_equal(busy(&told), busy(&last));
	recorded_close(&machine.recorded);
}

/* Killed before the last of what was told was noted: the next one tells the rest, and not that part again. */
static void test_half_told(void **state)
{
	(void)state;
	struct machine machine;
	struct told last, told;
	machine_open(&machine, true);
	live(&machine, UINT64_C(10000000000), 50);
	read_told(&machine.recorded, &last);
	uint64_t before = machine.recorded.state->told_at;
	live(&machine, UINT64_C(3000000000), 50);
	read_told(&machine.recorded, &last);
	machine.recorded.state->told_at = before;
	machine.recorded.state->processors[1].told[TICKS_IDLE] -= 100;
	live(&machine, UINT64_C(1000000000), 50);
	read_told(&machine.recorded, &told);
	for (int cpu = 0; cpu < 4; cpu++)
		assert_int_equal(total_of(&told, cpu), told.uptime);
	recorded_close(&machine.recorded);
}

/* A tick at a time is not always the same processor's. */
static void test_even(void **state)
{
	(void)state;
	struct machine machine;
	struct told told;
	machine_open(&machine, true);
	for (int i = 0; i < 400; i++) {
		machine.recorded.host.fixed.boottime += UINT64_C(50000000);
		machine.used[0][0] += 10000000;
		write_usage(&machine);
		read_told(&machine.recorded, &told);
	}
	for (int cpu = 0; cpu < 4; cpu++)
		assert_in_range(told.cpus[cpu][0], 95, 105);
	recorded_close(&machine.recorded);
}

/* When the clock is set the start moves; when it is slewed it does not jump by a second. */
static void test_start(void **state)
{
	(void)state;
	struct recorded recorded;
	struct told told;
	recorded_open(&recorded, "stat_v2");
	read_told(&recorded, &told);
	assert_int_equal(told.btime, 1699999600);
	recorded.host.fixed.realtime -= 1000;
	read_told(&recorded, &told);
	assert_int_equal(told.btime, 1699999600);
	recorded.host.fixed.realtime += UINT64_C(3600000000000);
	read_told(&recorded, &told);
	assert_int_equal(told.btime, 1700003199);
	recorded_close(&recorded);
}

/* 1,024 processors, of which each has a line. */
static void test_huge(void **state)
{
	(void)state;
	enum { MANY = 1024 };
	struct recorded recorded;
	recorded_open(&recorded, "stat_hybrid");
	cleanup_free char *usage = memory_alloc((size_t)MANY * 64);
	size_t length = (size_t)sprintf(usage, "cpu user system\n");
	for (int cpu = 0; cpu < MANY; cpu++)
		length += (size_t)sprintf(usage + length, "%d %d0000000 9999999\n", cpu, cpu);
	recorded_write(&recorded, "sys/fs/cgroup/cpuacct/sysct/one/cpuacct.usage_all", usage,
		       length);
	write_text(&recorded, "sys/fs/cgroup/cpuset/sysct/one/cpuset.effective_cpus", "0-1100\n");
	/* As many ticks as the processors have together. */
	write_text(&recorded, "sys/fs/cgroup/unified/sysct/one/cpu.stat",
		   "usage_usec 5237760000\nuser_usec 5237760000\nsystem_usec 0\n");
	write_text(&recorded, "sys/devices/system/cpu/possible", "0-8191\n");
	host_close(&recorded.host);
	instance_unref(recorded.instance);
	free(recorded.state);
	struct moment now = {UINT64_C(1000000000000), UINT64_C(1700000000000000000)};
	assert_int_equal(host_open(&recorded.host, recorded.directory, NULL), 0);
	recorded.host.fixed = now;
	recorded.state = memory_alloc(state_size(recorded.host.cpus));
	recorded.instance = instance_open(&recorded.host, 100, 4711, recorded.state);
	cleanup_free char *stat = recorded_file(&recorded, "proc/stat", 0);
	const char *at = strchr(stat, '\n') + 1;
	for (unsigned long cpu = 0; cpu < MANY; cpu++) {
		unsigned long number, user, nice, idle;
		assert_int_equal(sscanf(at, "cpu%lu %lu %lu 0 %lu ", &number, &user, &nice, &idle),
				 4);
		assert_int_equal(number, cpu);
		assert_int_equal(user + nice, cpu);
		assert_int_equal(idle, 40000 - cpu);
		at = strchr(at, '\n') + 1;
	}
	assert_memory_equal(at, "intr", 4);
	recorded_close(&recorded);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole_files), cmocka_unit_test(test_random),
		cmocka_unit_test(test_percentages), cmocka_unit_test(test_lowered),
		cmocka_unit_test(test_each),	    cmocka_unit_test(test_late),
		cmocka_unit_test(test_half_told),   cmocka_unit_test(test_even),
		cmocka_unit_test(test_start),	    cmocka_unit_test(test_huge),
	};
	return cmocka_run_group_tests_name("lxcfs_stat", tests, NULL, NULL);
}
