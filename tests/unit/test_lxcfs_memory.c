/*
 * proc/meminfo, proc/swaps, proc/vmstat, proc/zoneinfo, proc/slabinfo of recorded groups.
 *
 * memory-hybrid.tree and memory-v2.tree were recorded on Linux 6.18 and on Debian's 6.1; lists of the host that are long
 * are shortened, and swap space is added to the first.
 */
#include "tests/unit/test_lxcfs_memory.h"

#include <unistd.h>

static void drop(struct recorded *recorded, const char *directory, const char *file)
{
	cleanup_free char *path = memory_printf("%s/%s/%s", recorded->directory, directory, file);
	assert_int_equal(unlink(path), 0);
}

static uint64_t told(struct recorded *recorded, const char *path, const char *name)
{
	cleanup_free char *text = recorded_file(recorded, path, 0);
	assert_non_null(text);
	return field(text, name);
}

static uint64_t told_memory(struct recorded *recorded, const char *name)
{
	return told(recorded, "proc/meminfo", name);
}

static void expect_all(const char *tree)
{
	struct recorded recorded;
	recorded_open(&recorded, tree);
	recorded_expect(&recorded, "proc/meminfo");
	recorded_expect(&recorded, "proc/swaps");
	recorded_expect(&recorded, "proc/vmstat");
	recorded_expect(&recorded, "proc/zoneinfo");
	recorded_expect(&recorded, "proc/meminfo"); /* from what was kept now */
	recorded_close(&recorded);
}

static void test_hybrid(void **state)
{
	(void)state;
	expect_all("memory-hybrid");
}

static void test_v2(void **state)
{
	(void)state;
	expect_all("memory-v2");
}

static void test_slabinfo(void **state)
{
	(void)state;
	struct recorded recorded;
	recorded_open(&recorded, "memory-v2");
	cleanup_free char *text = recorded_file(&recorded, "proc/slabinfo", 0);
	assert_string_equal(text,
			    "slabinfo - version: 2.1\n"
			    "# name            <active_objs> <num_objs> <objsize> <objperslab> "
			    "<pagesperslab> : tunables <limit> <batchcount> <sharedfactor> : "
			    "slabdata <active_slabs> <num_slabs> <sharedavail>\n");
	recorded_close(&recorded);
}

/* Without accounting of swap space memory.stat has no such lines, and nothing is known. */
static void test_v1_without_swap_accounting(void **state)
{
	(void)state;
	struct recorded recorded;
	recorded_open(&recorded, "memory-hybrid");
	put(&recorded, V1_OWN, "memory.stat",
	    "cache 1\nhierarchical_memory_limit 268435456\ntotal_cache 8192\n");
	assert_int_equal(told_memory(&recorded, "Cached"), 8);
	assert_int_equal(told_memory(&recorded, "MemTotal"), 262144);
	assert_int_equal(told_memory(&recorded, "SwapTotal"), 0);
	assert_int_equal(told_memory(&recorded, "SwapFree"), 0);
	recorded_close(&recorded);
}

/* The limit with swap space is no limit: all of the host's. The same as the one of memory: none. */
static void test_v1_swap_limits(void **state)
{
	(void)state;
	struct recorded recorded;
	recorded_open(&recorded, "memory-hybrid");
	put(&recorded, V1_OWN, "memory.stat",
	    "hierarchical_memory_limit 268435456\nhierarchical_memsw_limit 9223372036854771712\n"
	    "total_swap 8192\n");
	assert_int_equal(told_memory(&recorded, "SwapTotal"), 12098304);
	assert_int_equal(told_memory(&recorded, "SwapFree"), 12098296);
	put(&recorded, V1_OWN, "memory.stat",
	    "hierarchical_memory_limit 268435456\nhierarchical_memsw_limit 268435456\n"
	    "total_swap 8192\n");
	assert_int_equal(told_memory(&recorded, "SwapTotal"), 0);
	assert_int_equal(told_memory(&recorded, "SwapFree"), 0);
	cleanup_free char *none = recorded_file(&recorded, "proc/swaps", 0);
	assert_string_equal(none, "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n");
	/* No limit of memory, but of both. */
	put(&recorded, V1_OWN, "memory.stat",
	    "hierarchical_memory_limit 9223372036854771712\nhierarchical_memsw_limit 1048576\n");
	assert_int_equal(told_memory(&recorded, "SwapTotal"), 1024);
	/* A size of eight digits has one tab less. */
	put(&recorded, V1_OWN, "memory.stat",
	    "hierarchical_memory_limit 268435456\nhierarchical_memsw_limit 9223372036854771712\n"
	    "total_swap 0\n");
	cleanup_free char *large = recorded_file(&recorded, "proc/swaps", 0);
	assert_non_null(strstr(large, "partition\t12098304\t0\t\t-2\n"));
	recorded_close(&recorded);
}

/* The group above has less left than the own limit would give. 512 MiB there, 8 MiB of it free, 24 MiB in caches. */
static void test_above_is_full(void **state)
{
	(void)state;
	struct recorded recorded;
	recorded_open(&recorded, "memory-hybrid");
	put_number(&recorded, V1_ABOVE, "memory.usage_in_bytes", 504ULL << 20);
	put(&recorded, V1_ABOVE, "memory.stat",
	    "hierarchical_memory_limit 536870912\ntotal_inactive_file 50331648\n"
	    "total_active_file 0\n");
	assert_int_equal(told_memory(&recorded, "MemTotal"), 262144);
	/* 56 MiB can be had there, of which the instance has 42827776 bytes of cache itself. */
	assert_int_equal(told_memory(&recorded, "MemAvailable"), 56 * 1024);
	assert_int_equal(told_memory(&recorded, "MemFree"), (58720256 - 42827776) / 1024);
	recorded_close(&recorded);
}

/* The tightest limit of all levels holds, memory.high where there is no other. */
static void test_v2_levels(void **state)
{
	(void)state;
	struct recorded recorded;
	recorded_open(&recorded, "memory-v2");
	put(&recorded, V2_OWN, "memory.max", "max\n");
	assert_int_equal(told_memory(&recorded, "MemTotal"), 204800);
	put(&recorded, V2_OWN, "memory.high", "104857600\n");
	assert_int_equal(told_memory(&recorded, "MemTotal"), 204800);
	put(&recorded, V2_ABOVE, "memory.max", "max\n");
	assert_int_equal(told_memory(&recorded, "MemTotal"), 102400);
	put(&recorded, V2_ABOVE, "memory.high", "52428800\n");
	assert_int_equal(told_memory(&recorded, "MemTotal"), 51200);
	/* Above the host's size it is no limit. */
	put(&recorded, V2_ABOVE, "memory.high", "max\n");
	put(&recorded, V2_OWN, "memory.high", "1099511627776\n");
	assert_int_equal(told_memory(&recorded, "MemTotal"), recorded.host.memory / 1024);
	put(&recorded, V2_OWN, "memory.max", "0\n");
	assert_int_equal(told_memory(&recorded, "MemTotal"), sysconf(_SC_PAGESIZE) / 1024);
	assert_int_equal(told_memory(&recorded, "MemFree"), 0);
	recorded_close(&recorded);
}

/* The host's size and, of that, what it could still give. */
static void test_no_limit(void **state)
{
	(void)state;
	struct recorded recorded;
	recorded_open(&recorded, "memory-v2");
	free(recorded_file(&recorded, "proc/meminfo", 0)); /* its lines are known now */
	put(&recorded, V2_OWN, "memory.max", "max\n");
	put(&recorded, V2_ABOVE, "memory.max", "max\n");
	put(&recorded, "proc", "meminfo", "MemTotal: 2989000 kB\nMemAvailable: 2900000 kB\n");
	assert_int_equal(told_memory(&recorded, "MemTotal"), 2989000);
	/* Without the 125497344 bytes that it uses. */
	assert_int_equal(told_memory(&recorded, "MemFree"), 2989000 - 125497344 / 1024);
	assert_int_equal(told_memory(&recorded, "Cached"), 37700);
	put(&recorded, "proc", "meminfo", "MemTotal: 2988796 kB\nMemAvailable: 100000 kB\n");
	assert_int_equal(told_memory(&recorded, "MemFree"),
			 (100000 * 1024 - 17633280 - 12757168) / 4096 * 4);
	/* Less than it has in its own caches. */
	put(&recorded, "proc", "meminfo", "MemTotal: 2988796 kB\nMemAvailable: 10 kB\n");
	assert_int_equal(told_memory(&recorded, "MemFree"), 0);
	recorded_close(&recorded);
}

static void test_v2_swap(void **state)
{
	(void)state;
	struct recorded recorded;
	recorded_open(&recorded, "memory-v2");
	put(&recorded, V2_OWN, "memory.swap.max", "0\n");
	assert_int_equal(told_memory(&recorded, "SwapTotal"), 0);
	assert_int_equal(told_memory(&recorded, "SwapFree"), 0);
	put(&recorded, V2_OWN, "memory.swap.max", "max\n");
	assert_int_equal(told_memory(&recorded, "SwapTotal"), 307196);
	assert_int_equal(told_memory(&recorded, "SwapFree"), 307196 - 5120);
	put(&recorded, V2_ABOVE, "memory.swap.max", "10485760\n");
	assert_int_equal(told_memory(&recorded, "SwapTotal"), 10240);
	/* Lowered below what is used. */
	put(&recorded, V2_ABOVE, "memory.swap.max", "1048576\n");
	assert_int_equal(told_memory(&recorded, "SwapTotal"), 1024);
	assert_int_equal(told_memory(&recorded, "SwapFree"), 0);
	put(&recorded, "proc", "swaps", "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n");
	assert_int_equal(told_memory(&recorded, "SwapTotal"), 0);
	recorded_close(&recorded);
}

static void test_v2_without_swap_accounting(void **state)
{
	(void)state;
	struct recorded recorded;
	recorded_open(&recorded, "memory-v2");
	drop(&recorded, V2_OWN, "memory.swap.max");
	drop(&recorded, V2_OWN, "memory.swap.current");
	drop(&recorded, V2_ABOVE, "memory.swap.max");
	drop(&recorded, V2_ABOVE, "memory.swap.current");
	assert_int_equal(told_memory(&recorded, "SwapTotal"), 0);
	recorded_close(&recorded);
}

/* What cannot be given up is told first: 60 MiB of limit, 72068 kB of memory that is not files. */
static void test_limit_below_usage(void **state)
{
	(void)state;
	struct recorded recorded;
	recorded_open(&recorded, "memory-v2");
	put(&recorded, V2_OWN, "memory.max", "62914560\n");
	assert_int_equal(told_memory(&recorded, "MemTotal"), 61440);
	assert_int_equal(told_memory(&recorded, "MemFree"), 0);
	assert_int_equal(told_memory(&recorded, "MemAvailable"), 0);
	assert_int_equal(told_memory(&recorded, "AnonPages"), 61440);
	assert_int_equal(told_memory(&recorded, "Cached"), 0);
	assert_int_equal(told_memory(&recorded, "Shmem"), 0);
	recorded_close(&recorded);
}

/* On version 1 memory.stat knows of limits that are above what can be seen, too. */
static void test_limit_out_of_sight(void **state)
{
	(void)state;
	struct recorded recorded;
	recorded_open(&recorded, "memory-hybrid");
	put(&recorded, V1_OWN, "memory.stat",
	    "hierarchical_memory_limit 134217728\nhierarchical_memsw_limit 134217728\n");
	assert_int_equal(told_memory(&recorded, "MemTotal"), 131072);
	recorded_close(&recorded);
}

/* Lists of pages that say more than there is. */
static void test_lists_above_usage(void **state)
{
	(void)state;
	struct recorded recorded;
	recorded_open(&recorded, "memory-v2");
	put(&recorded, V2_OWN, "memory.max", "62914560\n");
	put(&recorded, V2_OWN, "memory.stat",
	    "file 62914560\ninactive_anon 41943040\nactive_file 41943040\ninactive_file "
	    "41943040\n");
	assert_int_equal(told_memory(&recorded, "Inactive(anon)"), 40960);
	assert_int_equal(told_memory(&recorded, "Active(file)"), 20480);
	assert_int_equal(told_memory(&recorded, "Inactive(file)"), 0);
	assert_int_equal(told_memory(&recorded, "MemAvailable"), 20480);
	recorded_close(&recorded);
}

/* A line that a newer kernel has is there, and says nothing. Names may come in any order and be unknown. */
static void test_other_kernels(void **state)
{
	(void)state;
	struct recorded recorded;
	recorded_open(&recorded, "memory-v2");
	put(&recorded, "proc", "meminfo",
	    "Cached:             1 kB\nHardwareCorrupted:     7 kB\nNewThing:      123456789 kB\n"
	    "VmallocTotal:   34359738367 kB\nNewCount:      12\nMemTotal:       2988796 kB\n");
	put(&recorded, V2_OWN, "memory.stat",
	    "file_news 5\npgfault 7\nfile 8192\nslab_unreclaimable 4096\nfile_dirty 4096\nanon "
	    "4096\n");
	cleanup_free char *text = recorded_file(&recorded, "proc/meminfo", 0);
	assert_string_equal(text, "Cached:                8 kB\nHardwareCorrupted:     0 kB\n"
				  "NewThing:              0 kB\nVmallocTotal:   34359738367 kB\n"
				  "NewCount:              0\nMemTotal:         122880 kB\n");
	assert_int_equal(told(&recorded, "proc/vmstat", "pgfault"), 7);
	assert_int_equal(told(&recorded, "proc/vmstat", "nr_anon_pages"), 1);
	recorded_close(&recorded);
}

/* No memory controller at all: the host's size, nothing used. */
static void test_no_controller(void **state)
{
	(void)state;
	struct recorded recorded;
	recorded_open(&recorded, "v2");
	assert_int_equal(told_memory(&recorded, "MemTotal"), 16384000);
	assert_int_equal(told_memory(&recorded, "MemFree"), 16384000);
	assert_int_equal(told_memory(&recorded, "SwapTotal"), 0);
	recorded_close(&recorded);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hybrid),
		cmocka_unit_test(test_v2),
		cmocka_unit_test(test_slabinfo),
		cmocka_unit_test(test_v1_without_swap_accounting),
		cmocka_unit_test(test_v1_swap_limits),
		cmocka_unit_test(test_above_is_full),
		cmocka_unit_test(test_v2_levels),
		cmocka_unit_test(test_no_limit),
		cmocka_unit_test(test_v2_swap),
		cmocka_unit_test(test_v2_without_swap_accounting),
		cmocka_unit_test(test_limit_below_usage),
		cmocka_unit_test(test_limit_out_of_sight),
		cmocka_unit_test(test_lists_above_usage),
		cmocka_unit_test(test_other_kernels),
		cmocka_unit_test(test_no_controller),
	};
	return cmocka_run_group_tests_name("lxcfs_memory", tests, NULL, NULL);
}
