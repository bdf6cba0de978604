/* proc/uptime, and which processors there are. */
#include "tests/unit/test_lxcfs_common.h"

#include "lxcfs/values_cpus.h"

static void test_uptime(void **state)
{
	(void)state;
	struct recorded recorded;
	recorded_open(&recorded, "v2");
	recorded_expect(&recorded, "proc/uptime");
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
	};
	return cmocka_run_group_tests_name("lxcfs_times", tests, NULL, NULL);
}
