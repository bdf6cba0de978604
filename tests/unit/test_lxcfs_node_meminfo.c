/* meminfo of nodes: its sums are proc/meminfo's numbers. */
#include "tests/unit/test_lxcfs_common.h"

#include <time.h>

#define NODES	"sys/devices/system/node/"
#define MEMINFO NODES "node*/meminfo"

static void write_text(struct recorded *recorded, const char *path, const char *text)
{
	recorded_write(recorded, path, text, strlen(text));
}

/* A node of the host, with some of its lines; only the first one's name is looked at elsewhere. */
static void write_node(struct recorded *recorded, unsigned node, unsigned long total)
{
	char path[64], text[1024];
	snprintf(path, sizeof(path), NODES "node%u/cpulist", node);
	write_text(recorded, path, node == 0 ? "0-1\n" : "\n");
	snprintf(path, sizeof(path), NODES "node%u/meminfo", node);
	snprintf(text, sizeof(text),
		 "Node %u MemTotal:       %8lu kB\n"
		 "Node %u MemFree:        %8lu kB\n"
		 "Node %u MemUsed:           96572 kB\n"
		 "Node %u Active(file):      16168 kB\n"
		 "Node %u FilePages:         34972 kB\n"
		 "Node %u AnonPages:          8248 kB\n"
		 "Node %u NFS_Unstable:          7 kB\n"
		 "Node %u Slab:              13312 kB\n"
		 "Node %u HugePages_Total:     5\n",
		 node, total, node, total - 96572, node, node, node, node, node, node, node);
	write_text(recorded, path, text);
}

/* The first node has three times the memory of the last, the second has none. */
static void open_nodes(struct recorded *recorded, const char *online)
{
	recorded_open(recorded, "memory-v2");
	write_text(recorded, NODES "online", online);
	write_text(recorded, NODES "has_memory", online);
	write_text(recorded, "sys/fs/cgroup/sysct/one/cpuset.mems.effective", online);
	write_node(recorded, 0, 3000000);
	write_node(recorded, 2, 1000000);
}

/* kB of a line of proc/meminfo, or of a node's. */
static uint64_t told(struct recorded *recorded, int node, const char *name)
{
	cleanup_free char *text = recorded_file(recorded, node < 0 ? "proc/meminfo" : MEMINFO,
						node < 0 ? 0 : (unsigned)node);
	cleanup_free char *start =
		node < 0 ? memory_printf("%s:", name) : memory_printf("Node %d %s:", node, name);
	assert_non_null(text);
	const char *line = strstr(text, start);
	assert_non_null(line);
	line += strlen(start);
	return source_number(line + strspn(line, " "), NULL);
}

/* All of it is node 0's, in the columns of the kernel. */
static void test_one_node(void **state)
{
	(void)state;
	struct recorded recorded;
	open_nodes(&recorded, "0\n");
	cleanup_free char *text = recorded_file(&recorded, MEMINFO, 0);
	unsigned long total = told(&recorded, -1, "MemTotal"),
		      free = told(&recorded, -1, "MemFree");
	cleanup_free char *expected =
		memory_printf("Node 0 MemTotal:       %8lu kB\n"
			      "Node 0 MemFree:        %8lu kB\n"
			      "Node 0 MemUsed:        %8lu kB\n"
			      "Node 0 Active(file):   %8lu kB\n"
			      "Node 0 FilePages:      %8lu kB\n"
			      "Node 0 AnonPages:      %8lu kB\n"
			      "Node 0 NFS_Unstable:          0 kB\n"
			      "Node 0 Slab:           %8lu kB\n"
			      "Node 0 HugePages_Total:     0\n",
			      total, free, total - free, told(&recorded, -1, "Active(file)"),
			      told(&recorded, -1, "Cached") + told(&recorded, -1, "SwapCached"),
			      told(&recorded, -1, "AnonPages"), told(&recorded, -1, "Slab"));
	assert_string_equal(text, expected);
	recorded_close(&recorded);
}

/* Three quarters and one. */
static void test_shares(void **state)
{
	(void)state;
	struct recorded recorded;
	open_nodes(&recorded, "0,2\n");
	uint64_t total = told(&recorded, -1, "MemTotal");
	assert_in_range(told(&recorded, 0, "MemTotal"), total * 3 / 4 - 1, total * 3 / 4 + 1);
	assert_in_range(told(&recorded, 2, "MemTotal"), total / 4 - 1, total / 4 + 1);
	/* A cpuset may leave it one of them, with all of its memory. */
	write_text(&recorded, "sys/fs/cgroup/sysct/one/cpuset.mems.effective", "2\n");
	assert_int_equal(told(&recorded, 2, "MemTotal"), total);
	assert_int_equal(told(&recorded, 0, "MemTotal"), 0);
	recorded_close(&recorded);
}

static void check_sums(struct recorded *recorded)
{
	static const char *const names[] = {"MemTotal", "MemFree", "Active(file)", "AnonPages",
					    "Slab"};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_int_equal(told(recorded, 0, names[i]) + told(recorded, 2, names[i]),
				 told(recorded, -1, names[i]));
	for (int node = 0; node <= 2; node += 2)
		assert_int_equal(told(recorded, node, "MemUsed"),
				 told(recorded, node, "MemTotal") -
					 told(recorded, node, "MemFree"));
}

static void test_sums(void **state)
{
	(void)state;
	struct recorded recorded;
	unsigned seed = (unsigned)time(NULL);
	printf("seed %u\n", seed);
	srand(seed);
	open_nodes(&recorded, "0,2\n");
	for (int round = 0; round < 200; round++) {
		char number[32];
		unsigned long limit = 1 + (unsigned long)rand() % (1UL << 31);
		write_node(&recorded, 0, 100000 + (unsigned long)rand() % 10000000);
		write_node(&recorded, 2, 100000 + (unsigned long)rand() % 10000000);
		snprintf(number, sizeof(number), "%lu\n", limit);
		write_text(&recorded, "sys/fs/cgroup/sysct/one/memory.max", number);
		snprintf(number, sizeof(number), "%lu\n", (unsigned long)rand() % limit);
		write_text(&recorded, "sys/fs/cgroup/sysct/one/memory.current", number);
		check_sums(&recorded);
	}
	recorded_close(&recorded);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_node),
		cmocka_unit_test(test_shares),
		cmocka_unit_test(test_sums),
	};
	return cmocka_run_group_tests_name("lxcfs_node_meminfo", tests, NULL, NULL);
}
