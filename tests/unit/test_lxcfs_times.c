/* proc/uptime, and which processors there are. */
#include "tests/unit/test_lxcfs_common.h"

#include "lxcfs/formats.h"
#include "lxcfs/values_cpus.h"

static void test_uptime(void **state)
{
	(void)state;
	struct recorded recorded;
	recorded_open(&recorded, "v2");
	recorded_expect(&recorded, "proc/uptime");
	recorded_close(&recorded);
}

/* "UPTIME IDLE": the first. */
static void expect_uptime(struct instance *instance, const char *expected)
{
	char bytes[64];
	struct text text = {.bytes = bytes, .size = sizeof(bytes)};
	assert_true(format_uptime(instance, 0, &text));
	assert_memory_equal(bytes, expected, strlen(expected));
}

/* In a time namespace the clocks' beginning counts; one that the server is in, too, is none. */
static void test_time_namespace(void **state)
{
	static const char offsets[] = "monotonic     -650 0\nboottime      -651 500000000\n";
	static const char ahead[] = "monotonic 0 0\nboottime 100 0\n";
	(void)state;
	struct recorded recorded;
	recorded_open(&recorded, "v2");
	recorded_write(&recorded, "proc/100/timens_offsets", offsets, sizeof(offsets) - 1);
	struct instance *instance = instance_open(&recorded.host, 100, 1, recorded.state);
	expect_uptime(instance, "349.50 ");
	instance_unref(instance);
	recorded_write(&recorded, "proc/100/timens_offsets", ahead, sizeof(ahead) - 1);
	recorded_write(&recorded, "proc/self/timens_offsets", ahead, sizeof(ahead) - 1);
	instance = instance_open(&recorded.host, 100, 1, recorded.state);
	expect_uptime(instance, "400.00 ");
	instance_unref(instance);
	recorded_write(&recorded, "proc/self/timens_offsets", "", 0);
	instance = instance_open(&recorded.host, 100, 1, recorded.state);
	expect_uptime(instance, "1100.00 ");
	instance_unref(instance);
	recorded_close(&recorded);
}

/* A quota of one and a half processors of four is two of them, with the kernel's numbers. */
static void test_quota(void **state)
{
	(void)state;
	struct recorded recorded;
	struct cpus cpus;
	recorded_open(&recorded, "v2");
	cpus_read(recorded.instance, &cpus);
	assert_int_equal(cpus.count, 2);
	assert_int_equal(cpus.allowed, 4);
	assert_int_equal(cpus.bits[0], 0xc);
	assert_int_equal(cpus.end, 4);
	recorded_write(&recorded, "sys/fs/cgroup/sysct/cpu.max", "10000 100000\n", 13);
	cpus_read(recorded.instance, &cpus);
	assert_int_equal(cpus.count, 1);
	recorded_close(&recorded);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_uptime),
		cmocka_unit_test(test_quota),
		cmocka_unit_test(test_time_namespace),
	};
	return cmocka_run_group_tests_name("lxcfs_times", tests, NULL, NULL);
}
