/*
 * proc/meminfo, proc/swaps, proc/vmstat, proc/zoneinfo, proc/slabinfo of recorded groups, and that what they tell
 * fits together whatever the groups say.
 *
 * memory-hybrid.tree and memory-v2.tree were recorded on Linux 6.18 and on Debian's 6.1; lists of the host that are long
 * are shortened, and swap space is added to the first.
 */
#include "tests/unit/test_lxcfs_common.h"

#include <time.h>
#include <unistd.h>

#include "lxcfs/values_memory.h"

#define V1_ABOVE "sys/fs/cgroup/memory/sysct"
#define V1_OWN	 "sys/fs/cgroup/memory/sysct/one"
#define V2_ABOVE "sys/fs/cgroup/sysct"
#define V2_OWN	 "sys/fs/cgroup/sysct/one"

static void put(struct recorded *recorded, const char *directory, const char *file,
		const char *text)
{
	cleanup_free char *path = memory_printf("%s/%s", directory, file);
	recorded_write(recorded, path, text, strlen(text));
}

static void put_number(struct recorded *recorded, const char *directory, const char *file,
		       unsigned long long number)
{
	cleanup_free char *text = memory_printf("%llu\n", number);
	put(recorded, directory, file, text);
}

static void drop(struct recorded *recorded, const char *directory, const char *file)
{
	cleanup_free char *path = memory_printf("%s/%s/%s", recorded->directory, directory, file);
	assert_int_equal(unlink(path), 0);
}

/* kB of meminfo, pages or counts of vmstat. */
static uint64_t field(const char *text, const char *name)
{
	uint64_t value = 0;
	if (!source_field(text, name, &value))
		fail_msg("no %s", name);
	return value;
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
	put(&recorded, "proc", "meminfo", "MemTotal: 2988796 kB\nMemAvailable: 2900000 kB\n");
	assert_int_equal(told_memory(&recorded, "MemTotal"), 2988796);
	/* Without the 125497344 bytes that it uses. */
	assert_int_equal(told_memory(&recorded, "MemFree"), 2988796 - 125497344 / 1024);
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

/* ---- whatever the groups say ---- */

static unsigned long long random_state;

static unsigned long long random_below(unsigned long long end)
{
	random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (random_state >> 20) % end;
}

/* Of any size, more often small. */
static unsigned long long random_bytes(void)
{
	return random_below(1ULL << random_below(34));
}

static void put_random(struct recorded *recorded, const char *directory, const char *file)
{
	if (random_below(4) == 0)
		put(recorded, directory, file,
		    strchr(file, '_') ? "9223372036854771712\n" : "max\n");
	else
		put_number(recorded, directory, file, random_bytes());
}

static void put_random_stat(struct recorded *recorded, const char *directory, bool v2)
{
	static const char *const names[] = {"anon",
					    "file",
					    "kernel_stack",
					    "pagetables",
					    "sec_pagetables",
					    "percpu",
					    "vmalloc",
					    "shmem",
					    "zswap",
					    "zswapped",
					    "file_mapped",
					    "file_dirty",
					    "file_writeback",
					    "swapcached",
					    "anon_thp",
					    "file_thp",
					    "shmem_thp",
					    "inactive_anon",
					    "active_anon",
					    "inactive_file",
					    "active_file",
					    "unevictable",
					    "slab_reclaimable",
					    "slab_unreclaimable",
					    "cache",
					    "rss",
					    "rss_huge",
					    "mapped_file",
					    "dirty",
					    "writeback",
					    "swap"};
	cleanup_free char *text = memory_strdup("");
	if (!v2) {
		free(text);
		text = memory_printf("cache %llu\nhierarchical_memory_limit "
				     "%llu\nhierarchical_memsw_limit %llu\n",
				     random_bytes(), random_bytes(), random_bytes());
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (random_below(8) == 0)
			continue;
		char *longer = memory_printf("%s%s%s %llu\n", text, v2 ? "" : "total_", names[i],
					     random_bytes());
		free(text);
		text = longer;
	}
	put(recorded, directory, "memory.stat", text);
}

static void put_random_host(struct recorded *recorded)
{
	unsigned long long total = random_bytes() / 1024 + 4, available = random_below(total + 1);
	cleanup_free char *text = memory_printf("MemTotal: %llu kB\nMemAvailable: %llu kB\n",
						total / 4 * 4, available);
	put(recorded, "proc", "meminfo", text);
	cleanup_free char *swaps = memory_printf("Filename\nname file %llu 0 -2\n",
						 random_below(3) ? random_bytes() / 1024 : 0ULL);
	put(recorded, "proc", "swaps", swaps);
}

static void put_random_groups(struct recorded *recorded, bool v2)
{
	const char *own = v2 ? V2_OWN : V1_OWN, *above = v2 ? V2_ABOVE : V1_ABOVE;
	for (int level = 0; level < 2; level++) {
		const char *directory = level ? above : own;
		put_random(recorded, directory, v2 ? "memory.max" : "memory.limit_in_bytes");
		put_number(recorded, directory, v2 ? "memory.current" : "memory.usage_in_bytes",
			   random_bytes());
		put_random_stat(recorded, directory, v2);
		if (v2) {
			put_random(recorded, directory, "memory.high");
			put_random(recorded, directory, "memory.swap.max");
			put_number(recorded, directory, "memory.swap.current", random_bytes());
		} else {
			put_number(recorded, directory, "memory.kmem.usage_in_bytes",
				   random_bytes());
		}
	}
	put_random_host(recorded);
}

static void check_memory(const char *text)
{
	uint64_t total = field(text, "MemTotal"), free = field(text, "MemFree");
	uint64_t cached = field(text, "Cached");
	assert_in_range(total, sysconf(_SC_PAGESIZE) / 1024, UINT64_C(1) << 40);
	assert_true(field(text, "MemAvailable") <= total);
	assert_true(field(text, "MemAvailable") >= free);
	assert_true(free + cached + field(text, "Buffers") + field(text, "SReclaimable") <= total);
	assert_true(free + cached + field(text, "AnonPages") + field(text, "Slab") +
			    field(text, "KernelStack") + field(text, "PageTables") +
			    field(text, "Percpu") <=
		    total);
	assert_true(field(text, "Shmem") <= cached);
	assert_true(field(text, "Mapped") <= cached);
	assert_true(field(text, "Dirty") + field(text, "Writeback") <= cached);
	assert_true(field(text, "Active(file)") + field(text, "Inactive(file)") +
			    field(text, "Shmem") <=
		    cached);
	assert_true(field(text, "Active") + field(text, "Inactive") + field(text, "Unevictable") <=
		    total);
	assert_in_range(field(text, "Active") -
				(field(text, "Active(anon)") + field(text, "Active(file)")),
			0, 1);
	assert_in_range(field(text, "Slab") -
				(field(text, "SReclaimable") + field(text, "SUnreclaim")),
			0, 1);
	assert_true(field(text, "AnonHugePages") <= field(text, "AnonPages"));
	assert_true(field(text, "SwapFree") <= field(text, "SwapTotal"));
	assert_true(field(text, "SwapCached") <= field(text, "SwapTotal"));
}

/* The other files say the same. */
static void check_others(struct recorded *recorded, const char *text)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE) / 1024;
	cleanup_free char *vmstat = recorded_file(recorded, "proc/vmstat", 0);
	assert_int_equal(field(vmstat, "nr_free_pages") * page, field(text, "MemFree"));
	assert_int_equal(field(vmstat, "nr_anon_pages"), field(text, "AnonPages") / page);
	assert_int_equal(field(vmstat, "nr_inactive_anon"), field(text, "Inactive(anon)") / page);
	cleanup_free char *zone = recorded_file(recorded, "proc/zoneinfo", 0);
	assert_int_equal(field(zone, "        managed ") * page, field(text, "MemTotal"));
	assert_int_equal(field(zone, "  pages free    ") * page, field(text, "MemFree"));
	cleanup_free char *swaps = recorded_file(recorded, "proc/swaps", 0);
	unsigned long long size = 0, used = 0;
	const char *line = strchr(swaps, '\n') + 1;
	if (*line)
		assert_int_equal(sscanf(line, "%*s partition %llu %llu -2\n", &size, &used), 2);
	assert_int_equal(size, field(text, "SwapTotal"));
	assert_int_equal(size - used, field(text, "SwapFree"));
}

static void run_random(const char *tree, bool v2)
{
	struct recorded recorded;
	recorded_open(&recorded, tree);
	/* The forms are made of the host's files as they were recorded. */
	free(recorded_file(&recorded, "proc/meminfo", 0));
	for (int round = 0; round < 150; round++) {
		put_random_groups(&recorded, v2);
		recorded.host.memory = random_bytes() + 4096;
		cleanup_free char *text = recorded_file(&recorded, "proc/meminfo", 0);
		check_memory(text);
		check_others(&recorded, text);
	}
	recorded_close(&recorded);
}

static void test_random(void **state)
{
	(void)state;
	const char *seed = getenv("SYSCT_TEST_SEED");
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	random_state = seed ? strtoull(seed, NULL, 10) : (unsigned long long)now.tv_nsec;
	print_message("SYSCT_TEST_SEED=%llu\n", random_state);
	run_random("memory-v2", true);
	run_random("memory-hybrid", false);
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
		cmocka_unit_test(test_other_kernels),
		cmocka_unit_test(test_no_controller),
		cmocka_unit_test(test_random),
	};
	return cmocka_run_group_tests_name("lxcfs_memory", tests, NULL, NULL);
}
