/*
 * Recorded trees of proc, sysfs and control groups, as the file server finds them, and what it shall make of them.
 *
 * tests/unit/data/lxcfs/NAME.tree has all files of one host, each after a line "== PATH"; those below expected/ are
 * what the instance whose first process is 100 shall see. Its pid namespace is any; the clock stands still 1,000 s
 * after the host's boot, at 1,700,000,000 s of the epoch.
 */
#ifndef SYSCT_TEST_LXCFS_COMMON_H
#define SYSCT_TEST_LXCFS_COMMON_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "file.h"
#include "lxcfs/files.h"
#include "lxcfs/host.h"
#include "lxcfs/instance.h"
#include "memory.h"

struct recorded {
	struct host host;
	struct instance_state *state;
	struct instance *instance;
	char directory[64];
};

/* One file of the tree, in place of what is there; tests change limits and usage by it. */
static inline void recorded_write(struct recorded *recorded, const char *path, const char *bytes,
				  size_t length)
{
	cleanup_free char *whole = memory_printf("%s/%s", recorded->directory, path);
	char *slash = strrchr(whole, '/');
	*slash = '\0';
	assert_int_equal(file_make_directories(whole, 0755, NULL), 0);
	*slash = '/';
	/* Not replaced: descriptors of it stay open, as with the kernel's. Cut off last: ext4 writes a
	 * file to disk that was emptied first. */
	cleanup_close int fd = open(whole, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(file_write_all(fd, bytes, length), 0);
	assert_int_equal(ftruncate(fd, (off_t)length), 0);
}

static inline void recorded_unpack(struct recorded *recorded, const char *name)
{
	const char *source = getenv("srcdir");
	cleanup_free char *path =
		memory_printf("%s/tests/unit/data/lxcfs/%s.tree", source ? source : ".", name);
	cleanup_free char *all = file_read_at(AT_FDCWD, path, NULL, NULL);
	assert_non_null(all);
	snprintf(recorded->directory, sizeof(recorded->directory), "/tmp/sysct-lxcfs-XXXXXX");
	assert_non_null(mkdtemp(recorded->directory));
	assert_memory_equal(all, "== ", 3);
	for (char *at = all; at;) {
		char *file = at + 3, *bytes = strchr(file, '\n') + 1;
		char *end = strstr(bytes - 1, "\n== ");
		bytes[-1] = '\0';
		recorded_write(recorded, file, bytes,
			       end ? (size_t)(end + 1 - bytes) : strlen(bytes));
		at = end ? end + 1 : NULL;
	}
}

/* The tree's host and the instance whose first process is @init. */
static inline void recorded_open_pid(struct recorded *recorded, const char *name, pid_t init)
{
	recorded_unpack(recorded, name);
	assert_int_equal(host_open(&recorded->host, recorded->directory, NULL), 0);
	recorded->host.fixed =
		(struct moment){UINT64_C(1000000000000), UINT64_C(1700000000000000000)};
	recorded->state = memory_alloc(state_size(recorded->host.cpus));
	recorded->instance = instance_open(&recorded->host, init, 4711, recorded->state);
	assert_non_null(recorded->instance);
}

static inline void recorded_open(struct recorded *recorded, const char *name)
{
	recorded_open_pid(recorded, name, 100);
}

static inline void recorded_close(struct recorded *recorded)
{
	instance_unref(recorded->instance);
	host_close(&recorded->host);
	free(recorded->state);
	assert_int_equal(file_remove_tree_at(AT_FDCWD, recorded->directory, NULL), 0);
}

/* The whole file @path ("proc/uptime"), terminated; the caller frees it. NULL: it says that it is not there. */
static inline char *recorded_file(struct recorded *recorded, const char *path, unsigned number)
{
	enum { ROOM = 8 << 20 };
	for (unsigned i = 0; i < files_count; i++) {
		if (strcmp(files[i].path, path) != 0)
			continue;
		struct text text = {.bytes = memory_alloc(ROOM), .size = ROOM - 1};
		if (file_write(&files[i], recorded->instance, number, &text))
			return text.bytes;
		free(text.bytes);
		return NULL;
	}
	fail_msg("no file %s", path);
	return NULL;
}

/* Compares a file with expected/PATH of the tree. */
static inline void recorded_expect(struct recorded *recorded, const char *path)
{
	cleanup_free char *expected_path =
		memory_printf("%s/expected/%s", recorded->directory, path);
	cleanup_free char *expected = file_read_at(AT_FDCWD, expected_path, NULL, NULL);
	cleanup_free char *got = recorded_file(recorded, path, 0);
	assert_non_null(expected);
	assert_non_null(got);
	assert_string_equal(got, expected);
}

#endif
