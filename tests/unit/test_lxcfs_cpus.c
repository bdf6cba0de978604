/* Processors and nodes as files: cpuinfo, and the trees cpu/ and node/ of sysfs. */
#include "tests/unit/test_lxcfs_common.h"

#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "lxcfs/values_cpus.h"
#include "lxcfs/values_nodes.h"

#define CPUS  "sys/devices/system/cpu/"
#define NODES "sys/devices/system/node/"

static void expect(struct recorded *recorded, const char *path, unsigned number, const char *text)
{
	cleanup_free char *got = recorded_file(recorded, path, number);
	assert_non_null(got);
	assert_string_equal(got, text);
}

static void write_text(struct recorded *recorded, const char *path, const char *text)
{
	recorded_write(recorded, path, text, strlen(text));
}

static bool exists(struct recorded *recorded, const char *path, unsigned number)
{
	for (unsigned i = 0; i < files_count; i++)
		if (strcmp(files[i].path, path) == 0)
			return file_exists(&files[i], &recorded->host, number);
	fail_msg("no file %s", path);
	return false;
}

/* Recorded on Linux 6.18 with two processors, of which the group has the second. */
static void test_hybrid(void **state)
{
	(void)state;
	struct recorded recorded;
	recorded_open(&recorded, "cpus_hybrid");
	recorded_expect(&recorded, "proc/cpuinfo");
	recorded_expect(&recorded, "proc/partitions");
	static const char *const lists[] = {CPUS "online", CPUS "possible", CPUS "present"};
	for (size_t i = 0; i < 3; i++)
		expect(&recorded, lists[i], 0, "1\n");
	expect(&recorded, CPUS "offline", 0, "\n");
	expect(&recorded, CPUS "isolated", 0, "\n");
	expect(&recorded, CPUS "kernel_max", 0, "255\n");
	expect(&recorded, CPUS "cpu*/online", 1, "1\n");
	expect(&recorded, CPUS "cpu*/topology/core_id", 1, "1\n");
	expect(&recorded, CPUS "cpu*/topology/core_siblings", 1, "2\n");
	expect(&recorded, CPUS "cpu*/topology/core_siblings_list", 1, "1\n");
	expect(&recorded, CPUS "cpu*/cache/index3/shared_cpu_map", 1, "2\n");
	expect(&recorded, CPUS "cpu*/cache/index3/shared_cpu_list", 1, "1\n");
	expect(&recorded, CPUS "cpu*/cache/index3/size", 1, "307200K\n");
	expect(&recorded, NODES "online", 0, "0\n");
	expect(&recorded, NODES "has_cpu", 0, "0\n");
	expect(&recorded, NODES "has_normal_memory", 0, "0\n");
	expect(&recorded, NODES "node*/cpulist", 0, "1\n");
	expect(&recorded, NODES "node*/cpumap", 0, "2\n");
	expect(&recorded, NODES "node*/distance", 0, "10\n");
	recorded_close(&recorded);
}

/* Recorded on Debian 12 with two sockets of four processors, each a node; the group has four of them. */
static void test_v2(void **state)
{
	(void)state;
	struct recorded recorded;
	recorded_open(&recorded, "cpus_v2");
	recorded_expect(&recorded, "proc/cpuinfo");
	expect(&recorded, CPUS "online", 0, "1-2,5,7\n");
	expect(&recorded, CPUS "kernel_max", 0, "8191\n");
	expect(&recorded, CPUS "cpu*/topology/package_cpus", 5, "a0\n");
	expect(&recorded, CPUS "cpu*/topology/package_cpus_list", 5, "5,7\n");
	expect(&recorded, CPUS "cpu*/topology/cluster_id", 5, "65535\n");
	expect(&recorded, CPUS "cpu*/cache/index3/shared_cpu_map", 5, "a0\n");
	expect(&recorded, CPUS "cpu*/cache/index3/shared_cpu_list", 5, "5,7\n");
	expect(&recorded, NODES "node*/cpulist", 0, "1-2\n");
	expect(&recorded, NODES "node*/cpumap", 0, "06\n");
	expect(&recorded, NODES "node*/cpumap", 1, "a0\n");
	expect(&recorded, NODES "node*/distance", 1, "20 10\n");
	/* Two of them are paid, both of node 0; it may use the memory of both nodes. */
	write_text(&recorded, "sys/fs/cgroup/sysct/cpu.max", "150000 100000\n");
	expect(&recorded, CPUS "online", 0, "1-2\n");
	expect(&recorded, NODES "has_cpu", 0, "0\n");
	expect(&recorded, NODES "online", 0, "0-1\n");
	/* Directories: of the instance, and of the host. */
	uint64_t bits[HOST_CPU_WORDS];
	cpus_numbers(recorded.instance, &recorded.host, bits);
	assert_int_equal(bits[0], 0x6);
	cpus_numbers(NULL, &recorded.host, bits);
	assert_int_equal(bits[0], 0xff);
	nodes_numbers(recorded.instance, &recorded.host, bits);
	assert_int_equal(bits[0], 0x3);
	nodes_numbers(NULL, &recorded.host, bits);
	assert_int_equal(bits[0], 0x3);
	recorded_close(&recorded);
}

/* What the host lacks has no file; what has gone since is told. */
static void test_exists(void **state)
{
	(void)state;
	struct recorded recorded;
	recorded_open(&recorded, "cpus_hybrid");
	assert_true(exists(&recorded, "proc/cpuinfo", 0));
	assert_false(exists(&recorded, "proc/partitions", 0));
	assert_true(exists(&recorded, CPUS "cpu*/online", 1));
	assert_false(exists(&recorded, CPUS "cpu*/online", 0));
	assert_true(exists(&recorded, CPUS "cpu*/cache/index3/size", 1));
	assert_false(exists(&recorded, CPUS "cpu*/cache/index4/size", 1));
	assert_true(exists(&recorded, NODES "node*/distance", 0));
	assert_false(exists(&recorded, NODES "node*/distance", 1));
	assert_null(recorded_file(&recorded, CPUS "cpu*/cache/index4/size", 1));
	assert_null(recorded_file(&recorded, CPUS "cpu*/cache/index4/shared_cpu_map", 1));
	assert_null(recorded_file(&recorded, CPUS "cpu*/cache/index4/shared_cpu_list", 1));
	recorded_close(&recorded);
}

static void test_cmdline(void **state)
{
	(void)state;
	struct recorded recorded;
	recorded_open(&recorded, "cpus_hybrid");
	write_text(&recorded, "proc/cmdline", "root=/dev/vda console=ttyS0\n");
	assert_null(recorded_file(&recorded, "proc/cmdline", 0));
	recorded_write(&recorded, "proc/100/cmdline", "/sbin/init\0splash\0console=tty9\0\0", 33);
	recorded_expect(&recorded, "proc/cmdline");
	recorded_write(&recorded, "proc/100/cmdline", "init\0a\nb\0", 9);
	expect(&recorded, "proc/cmdline", 0, "init a b\n");
	recorded_write(&recorded, "proc/100/cmdline", "", 0);
	expect(&recorded, "proc/cmdline", 0, "\n");
	recorded_close(&recorded);
}

/* Two kinds of processor, a cpuset with a gap of which a quota pays three, text after the last block. */
static void test_arm64(void **state)
{
	(void)state;
	struct recorded recorded;
	recorded_open(&recorded, "cpus_arm64");
	recorded_expect(&recorded, "proc/cpuinfo");
	expect(&recorded, CPUS "online", 0, "0,3-4\n");
	expect(&recorded, CPUS "cpu*/regs/identification/midr_el1", 4, "0x00000000410fd082\n");
	expect(&recorded, CPUS "cpu*/topology/core_siblings", 4, "10\n");
	expect(&recorded, CPUS "cpu*/topology/core_siblings_list", 4, "4\n");
	expect(&recorded, CPUS "cpu*/topology/package_cpus", 3, "19\n");
	assert_false(exists(&recorded, NODES "online", 0)); /* a kernel without NUMA */
	expect(&recorded, NODES "online", 0, "\n");
	recorded_close(&recorded);
}

/* "cpu MHz" alone changes: it is read again when it is a second old. */
static void test_refresh(void **state)
{
	(void)state;
	struct recorded recorded;
	recorded_open(&recorded, "cpus_hybrid");
	recorded_expect(&recorded, "proc/cpuinfo");
	write_text(&recorded, "proc/cpuinfo",
		   "processor\t: 0\n\nprocessor\t: 1\ncpu MHz\t\t: 7\n\n");
	recorded.host.fixed.boottime += 900000000;
	recorded_expect(&recorded, "proc/cpuinfo");
	recorded.host.fixed.boottime += 100000000;
	expect(&recorded, "proc/cpuinfo", 0, "processor\t: 1\ncpu MHz\t\t: 7\n\n");
	recorded_close(&recorded);
}

/* ---- machines that are made up ---- */

enum { FLAGS = 1300, BLOCK = 2048 };

/* A number of processors in four nodes, each with two threads: N and N + half of them. */
static int block_print(char *out, unsigned number, unsigned count, unsigned long mhz)
{
	char flags[FLAGS + 1];
	for (int i = 0; i < FLAGS; i++)
		flags[i] = i % 6 ? 'f' : ' ';
	flags[FLAGS] = '\0';
	return snprintf(out, BLOCK,
			"processor\t: %u\nvendor_id\t: GenuineIntel\nmodel name\t: Huge\n"
			"cpu MHz\t\t: %lu.000\ncache size\t: 307200 KB\nphysical id\t: %u\n"
			"siblings\t: %u\ncore id\t\t: %u\ncpu cores\t: %u\napicid\t\t: %u\n"
			"initial apicid\t: %u\nflags\t\t:%s\nbogomips\t: 4200.00\n"
			"power management:\n\n",
			number, mhz, number % (count / 2) * 8 / count, count / 4,
			number % (count / 8), count / 8, number * 2, number * 2, flags);
}

static void mask_print(char *out, const uint64_t *bits, unsigned count)
{
	for (unsigned digit = (count + 3) / 4; digit-- > 0;)
		out += sprintf(out, "%x%s", (unsigned)(bits[digit / 16] >> digit % 16 * 4 & 0xf),
			       digit && digit % 8 == 0 ? "," : "");
	strcpy(out, "\n");
}

static void write_node(struct recorded *recorded, unsigned node, unsigned count)
{
	char path[128], text[512];
	uint64_t bits[HOST_CPU_WORDS];
	unsigned share = count / 8, first = node * share, second = count / 2 + first;
	snprintf(path, sizeof(path), NODES "node%u/cpulist", node);
	snprintf(text, sizeof(text), "%u-%u,%u-%u\n", first, first + share - 1, second,
		 second + share - 1);
	write_text(recorded, path, text);
	host_parse_list(text, bits);
	snprintf(path, sizeof(path), NODES "node%u/cpumap", node);
	mask_print(text, bits, count);
	write_text(recorded, path, text);
	snprintf(path, sizeof(path), NODES "node%u/distance", node);
	snprintf(text, sizeof(text), "%d %d %d %d\n", node == 0 ? 10 : 20, node == 1 ? 10 : 21,
		 node == 2 ? 10 : 22, node == 3 ? 10 : 23);
	write_text(recorded, path, text);
}

static void write_processor(struct recorded *recorded, unsigned number, unsigned count)
{
	char path[128], text[512];
	uint64_t bits[HOST_CPU_WORDS];
	unsigned first = number % (count / 2);
	snprintf(text, sizeof(text), "%u,%u\n", first, first + count / 2);
	snprintf(path, sizeof(path), CPUS "cpu%u/topology/thread_siblings_list", number);
	write_text(recorded, path, text);
	host_parse_list(text, bits);
	mask_print(text, bits, count);
	snprintf(path, sizeof(path), CPUS "cpu%u/topology/thread_siblings", number);
	write_text(recorded, path, text);
}

static void open_machine(struct recorded *recorded, unsigned count)
{
	char text[64];
	recorded_open(recorded, "v2");
	snprintf(text, sizeof(text), "0-%u\n", count - 1);
	write_text(recorded, CPUS "possible", text);
	write_text(recorded, CPUS "present", text);
	write_text(recorded, CPUS "online", text);
	write_text(recorded, NODES "online", "0-3\n");
	write_text(recorded, NODES "possible", "0-3\n");
	write_text(recorded, NODES "has_cpu", "0-3\n");
	write_text(recorded, NODES "has_memory", "0-2\n");
	for (unsigned node = 0; node < 4; node++)
		write_node(recorded, node, count);
	for (unsigned number = 0; number < count; number++)
		write_processor(recorded, number, count);
	cleanup_free char *cpuinfo = memory_alloc((size_t)count * BLOCK);
	size_t length = 0;
	for (unsigned number = 0; number < count; number++)
		length += (size_t)block_print(cpuinfo + length, number, count, 2000 + number);
	recorded_write(recorded, "proc/cpuinfo", cpuinfo, length);
	write_text(recorded, "sys/fs/cgroup/sysct/one/cpu.max", "max 100000\n");
}

static void set_cpus(struct recorded *recorded, const char *list)
{
	write_text(recorded, "sys/fs/cgroup/sysct/one/cpuset.cpus.effective", list);
}

static void expect_blocks(struct recorded *recorded, unsigned first, unsigned last, unsigned count)
{
	cleanup_free char *expected = memory_alloc((size_t)count * BLOCK);
	size_t length = 0;
	for (unsigned number = first; number <= last; number++)
		length += (size_t)block_print(expected + length, number, count, 2000 + number);
	expect(recorded, "proc/cpuinfo", 0, expected);
}

/* Whole files of a host with 1,024 processors, and how much of its 1.6 MB of cpuinfo is kept. */
static void test_huge(void **state)
{
	(void)state;
	struct recorded recorded;
	open_machine(&recorded, 1024);
	set_cpus(&recorded, "0-1023\n");
	size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
	expect_blocks(&recorded, 0, 1023, 1024);
	size_t kept = mallinfo2().uordblks + mallinfo2().hblkhd - before;
	printf("kept of 1,024 processors: %zu bytes\n", kept);
	assert_true(kept < 256 << 10); /* 0 with sanitizers */
	expect(&recorded, CPUS "online", 0, "0-1023\n");
	set_cpus(&recorded, "510-515\n");
	expect_blocks(&recorded, 510, 515, 1024);
	expect(&recorded, CPUS "cpu*/topology/thread_siblings_list", 512, "512\n");
	set_cpus(&recorded, "0,512,1023\n");
	expect(&recorded, CPUS "cpu*/topology/thread_siblings_list", 512, "0,512\n");
	cleanup_free char *mask =
		recorded_file(&recorded, CPUS "cpu*/topology/thread_siblings", 512);
	assert_int_equal(strlen(mask), 1024 / 4 + 1024 / 32);
	assert_memory_equal(mask, "00000000,", 9);
	assert_string_equal(mask + 135, "00000001,00000000,00000000,00000000,00000000,00000000,"
					"00000000,00000000,00000000,00000000,00000000,00000000,"
					"00000000,00000000,00000000,00000000,00000001\n");
	recorded_close(&recorded);
}

/* Nodes with its processors, and those whose memory it may use; node 3 has none. */
static void test_nodes(void **state)
{
	(void)state;
	struct recorded recorded;
	open_machine(&recorded, 16);
	set_cpus(&recorded, "2,9,14-15\n");
	write_text(&recorded, "sys/fs/cgroup/sysct/one/cpuset.mems.effective", "0-1\n");
	expect(&recorded, NODES "has_cpu", 0, "0-1,3\n");
	expect(&recorded, NODES "has_memory", 0, "0-1\n");
	expect(&recorded, NODES "online", 0, "0-1,3\n");
	expect(&recorded, NODES "possible", 0, "0-1,3\n");
	expect(&recorded, NODES "node*/distance", 1, "20 10 23\n");
	expect(&recorded, NODES "node*/cpulist", 1, "2\n");
	expect(&recorded, NODES "node*/cpulist", 3, "14-15\n");
	expect(&recorded, NODES "node*/cpumap", 3, "c000\n");
	cleanup_free char *statistics = recorded_file(&recorded, NODES "node*/numastat", 3);
	assert_memory_equal(statistics, "numa_hit 0\n", 11);
	/* The line of a host whose node 1 is off has three numbers. */
	set_cpus(&recorded, "4,14\n");
	write_text(&recorded, NODES "online", "0,2-3\n");
	write_text(&recorded, NODES "has_memory", "0,2\n");
	write_text(&recorded, NODES "node2/distance", "20 10 23\n");
	expect(&recorded, NODES "node*/distance", 2, "20 10 23\n");
	set_cpus(&recorded, "14\n");
	expect(&recorded, NODES "node*/distance", 2, "20 23\n");
	write_text(&recorded, NODES "online", "0-3\n");
	write_text(&recorded, NODES "has_memory", "0-2\n");
	write_text(&recorded, "sys/fs/cgroup/sysct/one/cpuset.mems.effective", "0-1\n");
	set_cpus(&recorded, "4\n");
	expect(&recorded, NODES "online", 0, "0-2\n");
	expect(&recorded, NODES "has_cpu", 0, "2\n");
	recorded_close(&recorded);
}

/* ---- properties ---- */

static unsigned count_words(const char *text, const char *word)
{
	unsigned count = 0;
	for (; (text = strstr(text, word)); text++)
		count++;
	return count;
}

/* The list file of @path as bits. */
static unsigned list_of(struct recorded *recorded, const char *path, unsigned number,
			uint64_t bits[HOST_CPU_WORDS])
{
	cleanup_free char *text = recorded_file(recorded, path, number);
	assert_non_null(text);
	return host_parse_list(text, bits);
}

/* Every source tells the same processors, and each of them is in one node. */
static void check_sources(struct recorded *recorded, unsigned expected)
{
	uint64_t online[HOST_CPU_WORDS], bits[HOST_CPU_WORDS];
	unsigned in_nodes = 0;
	assert_int_equal(list_of(recorded, CPUS "online", 0, online), expected);
	list_of(recorded, CPUS "possible", 0, bits);
	assert_memory_equal(bits, online, sizeof(bits));
	list_of(recorded, CPUS "present", 0, bits);
	assert_memory_equal(bits, online, sizeof(bits));
	for (unsigned i = 0; i < files_count; i++)
		if (files[i].numbers && strstr(files[i].path, "cpu*/topology/core_id")) {
			files[i].numbers(recorded->instance, &recorded->host, bits);
			assert_memory_equal(bits, online, sizeof(bits));
		}
	cleanup_free char *cpuinfo = recorded_file(recorded, "proc/cpuinfo", 0);
	assert_int_equal(count_words(cpuinfo, "processor\t: "), expected);
	list_of(recorded, NODES "has_cpu", 0, bits);
	for (unsigned node = 0; node < 4; node++) {
		uint64_t cpus[HOST_CPU_WORDS];
		unsigned count = list_of(recorded, NODES "node*/cpulist", node, cpus);
		assert_int_equal(count > 0, bits[0] >> node & 1);
		in_nodes += count;
		for (unsigned word = 0; word < HOST_CPU_WORDS; word++)
			assert_int_equal(cpus[word] & ~online[word], 0);
	}
	assert_int_equal(in_nodes, expected);
}

/* Masks tell what lists do. */
static void check_mask(struct recorded *recorded, unsigned number, unsigned count)
{
	uint64_t bits[HOST_CPU_WORDS];
	char expected[512];
	list_of(recorded, CPUS "cpu*/topology/thread_siblings_list", number, bits);
	assert_true(bits[number / 64] >> number % 64 & 1);
	mask_print(expected, bits, count);
	expect(recorded, CPUS "cpu*/topology/thread_siblings", number, expected);
}

static void test_properties(void **state)
{
	(void)state;
	enum { COUNT = 72, ROUNDS = 300 };
	struct recorded recorded;
	unsigned seed = (unsigned)time(NULL);
	printf("seed %u\n", seed);
	srand(seed);
	open_machine(&recorded, COUNT);
	for (int round = 0; round < ROUNDS; round++) {
		char list[512] = "", quota[64];
		unsigned allowed = 0, chosen = 0;
		for (unsigned number = 0; number < COUNT; number++)
			if (rand() % 4 == 0 || (number == COUNT - 1 && allowed == 0)) {
				sprintf(list + strlen(list), "%s%u", allowed++ ? "," : "", number);
				chosen = allowed == 1 ? number : chosen;
			}
		set_cpus(&recorded, strcat(list, "\n"));
		unsigned percent = 1 + (unsigned)rand() % 3000, paid = (percent + 99) / 100;
		snprintf(quota, sizeof(quota), "%u00 10000\n", percent);
		write_text(&recorded, "sys/fs/cgroup/sysct/cpu.max", quota);
		check_sources(&recorded, paid < allowed ? paid : allowed);
		check_mask(&recorded, chosen, COUNT);
	}
	recorded_close(&recorded);
}

/* ---- several readers ---- */

struct readers_test {
	struct recorded recorded;
	const char *expected;
	_Atomic unsigned failures, reads;
	atomic_bool end;
};

static void *read_often(void *argument)
{
	struct readers_test *test = argument;
	while (!test->end) {
		cleanup_free char *got = recorded_file(&test->recorded, "proc/cpuinfo", 0);
		test->failures += !got || strcmp(got, test->expected) != 0;
		test->reads++;
	}
	return NULL;
}

/* Readers while it is read again all the time. */
static void test_threads(void **state)
{
	(void)state;
	enum { THREADS = 4, READS = 400 };
	struct readers_test test = {0};
	pthread_t threads[THREADS];
	recorded_open(&test.recorded, "cpus_hybrid");
	test.recorded.host.fixed = (struct moment){0};
	cleanup_free char *expected = recorded_file(&test.recorded, "proc/cpuinfo", 0);
	test.expected = expected;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_often, &test), 0);
	while (test.reads < READS) {
		pthread_mutex_lock(&test.recorded.host.cpuinfo.lock);
		test.recorded.host.cpuinfo.fresh_until = 0;
		pthread_mutex_unlock(&test.recorded.host.cpuinfo.lock);
	}
	test.end = true;
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(test.failures, 0);
	recorded_close(&test.recorded);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hybrid),	   cmocka_unit_test(test_v2),
		cmocka_unit_test(test_exists),	   cmocka_unit_test(test_cmdline),
		cmocka_unit_test(test_arm64),	   cmocka_unit_test(test_refresh),
		cmocka_unit_test(test_huge),	   cmocka_unit_test(test_nodes),
		cmocka_unit_test(test_properties), cmocka_unit_test(test_threads),
	};
	return cmocka_run_group_tests_name("lxcfs_cpus", tests, NULL, NULL);
}
