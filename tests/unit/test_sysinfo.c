/* The answer of sysinfo(2) from the texts of virtualised files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "file.h"
#include "memory.h"
#include "runtime/sysinfo_read.h"

static char directory[64];

static int set_up(void **state)
{
	(void)state;
	snprintf(directory, sizeof(directory), "/tmp/sysct-sysinfo-XXXXXX");
	if (!mkdtemp(directory))
		return -1;
	cleanup_free char *proc = memory_printf("%s/proc", directory);
	return file_make_directories(proc, 0755, NULL);
}

static int tear_down(void **state)
{
	(void)state;
	return file_remove_tree_at(AT_FDCWD, directory, NULL);
}

static void put(const char *name, const char *text)
{
	cleanup_free char *path = memory_printf("%s/proc/%s", directory, name);
	assert_int_equal(file_replace_at(AT_FDCWD, path, text, strlen(text), 0644, false, NULL), 0);
}

static void test_values(void **state)
{
	struct sysinfo info;
	(void)state;
	assert_false(sysinfo_read(directory, &info));
	put("meminfo", "MemTotal:          65536 kB\nMemFree:           40000 kB\n"
		       "MemAvailable:      50000 kB\nBuffers:               4 kB\n"
		       "SwapCached:            7 kB\nSwapTotal:         32768 kB\n"
		       "SwapFree:          32000 kB\nShmem:              1000 kB\n"
		       "ShmemHugePages:        9 kB\n");
	put("loadavg", "1.25 0.05 12.00 3/80 1234\n");
	assert_false(sysinfo_read(directory, &info)); /* all or nothing */
	put("uptime", "99.99 150.00\n");
	assert_true(sysinfo_read(directory, &info));
	assert_int_equal(info.mem_unit, 1);
	assert_int_equal(info.totalram, 65536 * 1024);
	assert_int_equal(info.freeram, 40000 * 1024);
	assert_int_equal(info.bufferram, 4 * 1024);
	assert_int_equal(info.sharedram, 1000 * 1024);
	assert_int_equal(info.totalswap, 32768 * 1024);
	assert_int_equal(info.freeswap, 32000 * 1024);
	assert_int_equal(info.totalhigh, 0);
	assert_int_equal(info.uptime, 99);
	assert_int_equal(info.procs, 80);
	assert_int_equal(info.loads[0], 81920);
	assert_int_equal(info.loads[1], 3276);
	assert_int_equal(info.loads[2], 786432);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
	};
	return cmocka_run_group_tests_name("sysinfo", tests, set_up, tear_down);
}
