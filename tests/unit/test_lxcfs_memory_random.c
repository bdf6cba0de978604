/*
 * What is told of memory fits together whatever the groups and the host say: sums, bounds, and that all files tell the
 * same. The seed is printed; SYSCT_TEST_SEED repeats it.
 */
#include "tests/unit/test_lxcfs_memory.h"

#include <time.h>
#include <unistd.h>

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
		cmocka_unit_test(test_random),
	};
	return cmocka_run_group_tests_name("lxcfs_memory_random", tests, NULL, NULL);
}
