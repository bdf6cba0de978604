/* proc/loadavg, and what else comes from looking at tasks; proc/diskstats and proc/pressure. */
#include "tests/unit/test_lxcfs_common.h"

#include <math.h>
#include <time.h>
#include <unistd.h>

#include "lxcfs/load.h"
#include "lxcfs/tasks.h"

#define SECOND UINT64_C(1000000000)

static const char cpu_stat[] = "sys/fs/cgroup/sysct/one/cpu.stat";

static void write_text(struct recorded *recorded, const char *path, const char *text)
{
	recorded_write(recorded, path, text, strlen(text));
}

static void set_state(struct recorded *recorded, int task, char letter)
{
	char path[64], text[256];
	snprintf(path, sizeof(path), "proc/%d/stat", task);
	snprintf(text, sizeof(text),
		 "%d (x) %c 1 100 100 34816 100 4194560 1 1 1 1 1 1 1 1 20 0 1 0 %d 22712320 1\n",
		 task, letter, 60000 + task);
	write_text(recorded, path, text);
}

static void use(struct recorded *recorded, uint64_t microseconds)
{
	char text[128];
	snprintf(text, sizeof(text), "usage_usec %lu\n", microseconds);
	write_text(recorded, cpu_stat, text);
}

static void test_whole_files(void **state)
{
	(void)state;
	static const char *const trees[] = {"stat_v2", "stat_hybrid", "stat_v1"};
	for (size_t i = 0; i < sizeof(trees) / sizeof(trees[0]); i++) {
		struct recorded recorded;
		recorded_open(&recorded, trees[i]);
		recorded_expect(&recorded, "proc/loadavg");
		recorded_expect(&recorded, "proc/loadavg");
		recorded_expect(&recorded, "proc/diskstats");
		recorded_expect(&recorded, "proc/diskstats");
		recorded_close(&recorded);
	}
}

/* The group's own pressure or none: one above it has others in it. */
static void test_pressure(void **state)
{
	(void)state;
	struct recorded recorded;
	recorded_open(&recorded, "stat_v2");
	recorded_expect(&recorded, "proc/pressure/cpu");
	recorded_expect(&recorded, "proc/pressure/io");
	recorded_expect(&recorded, "proc/pressure/memory");
	recorded_close(&recorded);
	recorded_open(&recorded, "stat_hybrid");
	recorded_expect(&recorded, "proc/pressure/cpu");
	write_text(&recorded, "sys/fs/cgroup/unified/sysct/io.pressure", "some avg10=1.00\n");
	assert_null(recorded_file(&recorded, "proc/pressure/io", 0));
	recorded_close(&recorded);
}

/* Without the controller there is nothing to tell; that of the group above is not ours. */
static void test_no_controllers(void **state)
{
	(void)state;
	struct recorded recorded;
	recorded_open(&recorded, "stat_v2");
	cleanup_free char *path =
		memory_printf("%s/sys/fs/cgroup/sysct/one/io.stat", recorded.directory);
	assert_int_equal(unlink(path), 0);
	write_text(&recorded, "sys/dev/block/8:0/uevent", "DEVNAME=sda\n");
	cleanup_free char *disks = recorded_file(&recorded, "proc/diskstats", 0);
	assert_string_equal(disks, "");
	recorded_close(&recorded);
}

/* A name is asked for again after a while, and a device that has gone has no line. */
static void test_renamed_device(void **state)
{
	(void)state;
	struct recorded recorded;
	recorded_open(&recorded, "stat_v2");
	cleanup_free char *first = recorded_file(&recorded, "proc/diskstats", 0);
	assert_non_null(strstr(first, " vda "));
	write_text(&recorded, "sys/dev/block/254:0/uevent", "DEVNAME=vdz\n");
	cleanup_free char *same = recorded_file(&recorded, "proc/diskstats", 0);
	assert_string_equal(same, first);
	recorded.host.fixed.boottime += 11 * SECOND;
	cleanup_free char *later = recorded_file(&recorded, "proc/diskstats", 0);
	assert_non_null(strstr(later, " vdz "));
	write_text(&recorded, "sys/dev/block/254:64/uevent", "DEVNAME=vde\n");
	write_text(&recorded, "sys/fs/cgroup/sysct/one/io.stat",
		   "254:0 rbytes=512 rios=1\n254:64 rbytes=512 rios=1\n");
	cleanup_free char *both = recorded_file(&recorded, "proc/diskstats", 0);
	assert_non_null(strstr(both, "   0 vdz "));
	assert_non_null(strstr(both, "  64 vde "));
	write_text(&recorded, "sys/dev/block/254:64/uevent", "");
	write_text(&recorded, "sys/dev/block/254:0/uevent", "");
	recorded.host.fixed.boottime += 11 * SECOND;
	cleanup_free char *gone = recorded_file(&recorded, "proc/diskstats", 0);
	assert_string_equal(gone, "");
	recorded_close(&recorded);
}

/* ---- the averages ---- */

static void read_load(struct recorded *recorded, double averages[3])
{
	cleanup_free char *text = recorded_file(recorded, "proc/loadavg", 0);
	assert_int_equal(sscanf(text, "%lf %lf %lf", &averages[0], &averages[1], &averages[2]), 3);
}

static void pass(struct recorded *recorded, uint64_t nanoseconds)
{
	recorded->host.fixed.boottime += nanoseconds;
	load_sample(recorded->instance, recorded->host.fixed.boottime);
}

static void open_just_started(struct recorded *recorded)
{
	recorded_open(recorded, "stat_v2");
	recorded->host.fixed.boottime = recorded->instance->start + SECOND;
	use(recorded, 0);
	set_state(recorded, 101, 'S');
	set_state(recorded, 102, 'S');
}

static double continuous(double from, double active, double seconds, double window)
{
	return active + (from - active) * exp(-seconds / window);
}

/* Sampled at each period: against the exponential function, which the kernel's fixed point is near to. */
static void test_decay(void **state)
{
	(void)state;
	static const double windows[3] = {60, 300, 900};
	struct recorded recorded;
	double got[3], expected[3] = {0};
	open_just_started(&recorded);
	read_load(&recorded, got);
	assert_true(got[0] == 0 && got[1] == 0 && got[2] == 0);
	for (int step = 0; step < 600; step++) {
		int active = step < 200 ? 2 : step < 300 ? 1 : 0;
		set_state(&recorded, 101, active > 0 ? 'R' : 'S');
		set_state(&recorded, 102, active > 1 ? 'D' : 'S');
		pass(&recorded, LOAD_PERIOD);
		read_load(&recorded, got);
		for (int i = 0; i < 3; i++) {
			expected[i] = continuous(expected[i], active, 5, windows[i]);
			assert_true(fabs(got[i] - expected[i]) < 0.04);
		}
	}
	assert_true(got[0] == 0);
	recorded_close(&recorded);
}

/* Exactly the kernel's numbers: calc_load() of two active tasks, worked out by hand. */
static void test_kernel_numbers(void **state)
{
	(void)state;
	static const char *const expected[] = {"0.16 0.03 0.01 1/3 57\n", "0.31 0.07 0.02 1/3 57\n",
					       "0.44 0.10 0.03 1/3 57\n"};
	struct recorded recorded;
	open_just_started(&recorded);
	double ignored[3];
	read_load(&recorded, ignored);
	set_state(&recorded, 101, 'R');
	set_state(&recorded, 102, 'D');
	for (int i = 0; i < 3; i++) {
		pass(&recorded, LOAD_PERIOD);
		cleanup_free char *text = recorded_file(&recorded, "proc/loadavg", 0);
		assert_string_equal(text, expected[i]);
	}
	recorded_close(&recorded);
}

/* Nobody asked for ten minutes, in which one and a half processors were used: then that is the load. */
static void test_gap(void **state)
{
	(void)state;
	struct recorded recorded;
	double got[3];
	open_just_started(&recorded);
	read_load(&recorded, got);
	use(&recorded, 900 * 1000000);
	recorded.host.fixed.boottime += 600 * SECOND;
	set_state(&recorded, 101, 'R');
	read_load(&recorded, got);
	assert_true(fabs(got[0] - 1.46) < 0.02);
	assert_true(fabs(got[1] - continuous(0, 1.5, 600, 300)) < 0.05);
	assert_true(fabs(got[2] - continuous(0, 1.5, 600, 900)) < 0.05);
	/* And once asked it goes on for some minutes, then it costs nothing. */
	struct load_state *load = &recorded.state->load;
	assert_int_equal((load->averaged_at - recorded.instance->start) % LOAD_PERIOD, 0);
	uint64_t before = load->looked_at;
	pass(&recorded, 10 * SECOND);
	assert_true(load->looked_at > before);
	before = load->looked_at;
	pass(&recorded, SECOND);
	assert_true(load->looked_at == before);
	pass(&recorded, 400 * SECOND);
	assert_true(load->looked_at == before);
	recorded_close(&recorded);
}

/* The control group is older than the instance: more was used than there was time for. */
static void test_used_before(void **state)
{
	(void)state;
	struct recorded recorded;
	double got[3];
	open_just_started(&recorded);
	use(&recorded, UINT64_C(1000000000000));
	recorded.host.fixed.boottime += 100 * SECOND;
	read_load(&recorded, got);
	assert_true(got[0] <= 8);
	recorded_close(&recorded);
}

/* Any sequence of looking and not looking, with the file server begun anew: within what was active. */
static void test_random(void **state)
{
	(void)state;
	const char *given = getenv("SEED");
	unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
	print_message("SEED=%u\n", seed);
	srand(seed);
	struct recorded recorded;
	uint64_t used = 0;
	double got[3];
	open_just_started(&recorded);
	for (int i = 0; i < 500; i++) {
		uint64_t seconds = 1 + (uint64_t)rand() % (rand() % 10 ? 10 : 1000);
		used += seconds * (uint64_t)(rand() % 2000001);
		use(&recorded, used);
		set_state(&recorded, 101, "RSDI"[rand() % 4]);
		set_state(&recorded, 102, "RSDT"[rand() % 4]);
		pass(&recorded, seconds * SECOND);
		if (rand() % 4 == 0) {
			instance_unref(recorded.instance);
			recorded.instance =
				instance_open(&recorded.host, 100, 4711, recorded.state);
		}
		if (rand() % 3 == 0)
			continue;
		read_load(&recorded, got);
		for (int k = 0; k < 3; k++)
			assert_true(got[k] >= 0 && got[k] <= 2.01);
	}
	recorded_close(&recorded);
}

/* ---- tasks ---- */

static void expect_numbers(struct recorded *recorded, const char *task, unsigned newest,
			   uint64_t forks)
{
	char path[64], text[64];
	struct load load;
	snprintf(path, sizeof(path), "proc/102/status");
	snprintf(text, sizeof(text), "Name:\tx\nNSpid:\t102%s%s\n", *task ? "\t" : "", task);
	write_text(recorded, path, text);
	recorded->host.fixed.boottime += 60 * SECOND;
	load_read(recorded->instance, recorded->host.fixed.boottime, &load);
	assert_int_equal(load.newest, newest);
	assert_int_equal(load.forks, forks);
}

/* Numbers grow, and begin again after the highest one. An older task is not the newest. */
static void test_numbers(void **state)
{
	(void)state;
	struct recorded recorded;
	open_just_started(&recorded);
	set_state(&recorded, 102, 'S');
	expect_numbers(&recorded, "32000", 32000, 32000);
	set_state(&recorded, 102, 'S');
	expect_numbers(&recorded, "40", 32000, 32000);
	write_text(&recorded, "proc/102/stat",
		   "102 (x) S 1 1 1 1 1 1 1 1 1 1 1 1 1 1 20 0 1 0 99999 1 1\n");
	expect_numbers(&recorded, "300", 300, 32300);
	write_text(&recorded, "proc/102/stat",
		   "102 (x) S 1 1 1 1 1 1 1 1 1 1 1 1 1 1 20 0 1 0 100001 1 1\n");
	expect_numbers(&recorded, "310", 310, 32310);
	/* It exited; one that was there before is the newest of those that are left. */
	write_text(&recorded, "proc/102/stat",
		   "102 (x) S 1 1 1 1 1 1 1 1 1 1 1 1 1 1 20 0 1 0 99999 1 1\n");
	expect_numbers(&recorded, "305", 310, 32310);
	/* The newest one is the manager's, which is in the control group, but not in the pid namespace. */
	write_text(&recorded, "proc/102/stat",
		   "102 (x) S 1 1 1 1 1 1 1 1 1 1 1 1 1 1 20 0 1 0 100002 1 1\n");
	expect_numbers(&recorded, "", 310, 32310);
	recorded_close(&recorded);
}

/* What was switched is not forgotten when a task exits. */
static void test_switches(void **state)
{
	(void)state;
	struct recorded recorded;
	struct load load;
	open_just_started(&recorded);
	load_read(recorded.instance, recorded.host.fixed.boottime, &load);
	assert_int_equal(load.switches, 77);
	write_text(&recorded, "sys/fs/cgroup/sysct/one/system.slice/x.service/cgroup.threads",
		   "102\n");
	pass(&recorded, LOAD_PERIOD);
	load_read(recorded.instance, recorded.host.fixed.boottime, &load);
	assert_int_equal(load.switches, 77);
	assert_int_equal(load.tasks, 2);
	write_text(&recorded, "proc/102/schedstat", "1 1 107\n");
	pass(&recorded, LOAD_PERIOD);
	load_read(recorded.instance, recorded.host.fixed.boottime, &load);
	assert_int_equal(load.switches, 177);
	recorded_close(&recorded);
}

/* Ten thousand tasks, of which a part is looked at: a third of the second half runs, whatever part it is. */
static void test_many(void **state)
{
	(void)state;
	enum { MANY = 10000 };
	struct recorded recorded;
	struct tasks tasks;
	open_just_started(&recorded);
	cleanup_free char *list = memory_alloc((size_t)MANY * 8);
	size_t length = 0;
	for (int i = 0; i < MANY; i++) {
		length += (size_t)sprintf(list + length, "%d\n", 1000 + i);
		set_state(&recorded, 1000 + i, i < MANY / 2 || i % 3 ? 'S' : 'R');
	}
	recorded_write(&recorded, "sys/fs/cgroup/sysct/one/system.slice/cgroup.threads", list,
		       length);
	write_text(&recorded, "sys/fs/cgroup/sysct/one/pids.current", "10003\n");
	tasks_read(recorded.instance, 0, &tasks);
	assert_int_equal(tasks.count, MANY + 3);
	assert_in_range(tasks.running, MANY / 6 - 300, MANY / 6 + 300);
	recorded_close(&recorded);
}

/* Who makes groups without end does not keep the file server busy without end. */
static void test_many_groups(void **state)
{
	(void)state;
	struct recorded recorded;
	struct tasks tasks;
	char path[96];
	open_just_started(&recorded);
	for (int i = 0; i < 2500; i++) {
		snprintf(path, sizeof(path), "sys/fs/cgroup/sysct/one/a/%d/cgroup.threads", i);
		write_text(&recorded, path, "102\n");
	}
	tasks_read(recorded.instance, 0, &tasks);
	assert_in_range(tasks.count, 1900, 2003);
	recorded_close(&recorded);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole_files),
		cmocka_unit_test(test_pressure),
		cmocka_unit_test(test_no_controllers),
		cmocka_unit_test(test_renamed_device),
		cmocka_unit_test(test_decay),
		cmocka_unit_test(test_kernel_numbers),
		cmocka_unit_test(test_gap),
		cmocka_unit_test(test_used_before),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_switches),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_many_groups),
	};
	return cmocka_run_group_tests_name("lxcfs_load", tests, NULL, NULL);
}
