/* What the tests of memory share: see test_lxcfs_common.h. */
#ifndef SYSCT_TEST_LXCFS_MEMORY_H
#define SYSCT_TEST_LXCFS_MEMORY_H

#include "tests/unit/test_lxcfs_common.h"

#define V1_ABOVE "sys/fs/cgroup/memory/sysct"
#define V1_OWN	 "sys/fs/cgroup/memory/sysct/one"
#define V2_ABOVE "sys/fs/cgroup/sysct"
#define V2_OWN	 "sys/fs/cgroup/sysct/one"

static inline void put(struct recorded *recorded, const char *directory, const char *file,
		       const char *text)
{
	cleanup_free char *path = memory_printf("%s/%s", directory, file);
	recorded_write(recorded, path, text, strlen(text));
}

static inline void put_number(struct recorded *recorded, const char *directory, const char *file,
			      unsigned long long number)
{
	cleanup_free char *text = memory_printf("%llu\n", number);
	put(recorded, directory, file, text);
}

/* kB of meminfo, pages or counts of vmstat. */
static inline uint64_t field(const char *text, const char *name)
{
	uint64_t value = 0;
	if (!source_field(text, name, &value))
		fail_msg("no %s", name);
	return value;
}

#endif
