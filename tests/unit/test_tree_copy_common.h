/* What the tests of tree_copy share: two trees in a directory of their own, and comparing them. */
#ifndef SYSCT_TESTS_TEST_TREE_COPY_COMMON_H
#define SYSCT_TESTS_TEST_TREE_COPY_COMMON_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "file.h"
#include "memory.h"
#include "storage/tree_copy.h"
#include "strbuf.h"

/* The test runs in @directory: "s" is copied to "t". */
struct trees {
	char *directory;
	struct tree_copy *copy;
};

static inline int make_trees(void **state)
{
	const char *parent = getenv("TMPDIR");
	struct trees *trees = memory_alloc(sizeof(*trees));
	trees->directory = memory_printf("%s/sysct-tree.XXXXXX", parent ? parent : "/tmp");
	umask(022);
	if (!mkdtemp(trees->directory) || chdir(trees->directory) < 0 || mkdir("s", 0755) < 0 ||
	    mkdir("t", 0755) < 0)
		return -1;
	static const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
	trees->copy = tree_copy_new(open("s", flags), open("t", flags));
	*state = trees;
	return 0;
}

static inline int remove_trees(void **state)
{
	struct trees *trees = *state;
	tree_copy_free(trees->copy);
	int result = chdir("/");
	if (file_remove_tree_at(AT_FDCWD, trees->directory, NULL) < 0)
		result = -1;
	free(trees->directory);
	free(trees);
	return result;
}

/* ---- a tree as text, a line for each entry ---- */

struct first_name {
	ino_t inode;
	char *path;
};

struct description {
	struct strbuf text;
	void *links; /* tsearch(3) */
	bool is_source;
};

static inline int compare_first(const void *left, const void *right)
{
	ino_t a = ((const struct first_name *)left)->inode;
	ino_t b = ((const struct first_name *)right)->inode;
	return a < b ? -1 : a > b;
}

static inline void free_first(void *data)
{
	struct first_name *first = data;
	free(first->path);
	free(first);
}

/* The first name of the file in this tree: the same in both says that links are. */
static inline const char *first_name(struct description *to, const char *path, ino_t inode)
{
	struct first_name key = {.inode = inode};
	struct first_name **found = tfind(&key, &to->links, compare_first);
	if (found)
		return (*found)->path;
	struct first_name *first = memory_alloc(sizeof(*first));
	*first = (struct first_name){inode, memory_strdup(path)};
	tsearch(first, &to->links, compare_first);
	return first->path;
}

static inline uint64_t hash_bytes(const void *bytes, size_t length)
{
	uint64_t hash = 14695981039346656037ULL; /* FNV-1a */
	for (size_t i = 0; i < length; i++)
		hash = (hash ^ ((const unsigned char *)bytes)[i]) * 1099511628211ULL;
	return hash;
}

static inline void describe_contents(struct strbuf *text, const char *full,
				     const struct stat *status)
{
	char target[4096];
	size_t length = 0;
	if (S_ISLNK(status->st_mode)) {
		ssize_t count = readlink(full, target, sizeof(target));
		strbuf_printf(text, " to %.*s", (int)count, target);
	} else if (S_ISREG(status->st_mode)) {
		cleanup_free char *bytes = file_read_at(AT_FDCWD, full, &length, NULL);
		assert_non_null(bytes);
		strbuf_printf(text, " %zu bytes %016llx", length,
			      (unsigned long long)hash_bytes(bytes, length));
	}
}

static inline bool is_left_out(const char *attribute)
{
	return strcmp(attribute, "trusted.overlay.origin") == 0 ||
	       strcmp(attribute, "trusted.overlay.impure") == 0;
}

static inline int by_text(const void *left, const void *right)
{
	return strcmp(*(char *const *)left, *(char *const *)right);
}

static inline void describe_xattrs(struct description *to, const char *full)
{
	static char names[65536], value[65536];
	const char *sorted[64] = {NULL};
	size_t count = 0;
	ssize_t length = llistxattr(full, names, sizeof(names));
	assert_true(length >= 0);
	for (const char *name = names; name < names + length; name += strlen(name) + 1)
		if (!to->is_source || !is_left_out(name))
			sorted[count++] = name;
	qsort(sorted, count, sizeof(sorted[0]), by_text);
	for (size_t i = 0; i < count; i++) {
		ssize_t size = lgetxattr(full, sorted[i], value, sizeof(value));
		assert_true(size >= 0);
		strbuf_printf(&to->text, " %s=%zd:%016llx", sorted[i], size,
			      (unsigned long long)hash_bytes(value, (size_t)size));
	}
}

static inline int names_in_order(const struct dirent **left, const struct dirent **right)
{
	return strcmp((*left)->d_name, (*right)->d_name);
}

static inline void describe(struct description *to, const char *root, const char *path);

static inline void describe_below(struct description *to, const char *root, const char *path)
{
	struct dirent **entries;
	cleanup_free char *full = memory_printf("%s/%s", root, path);
	int count = scandir(full, &entries, NULL, names_in_order);
	assert_true(count >= 0);
	for (int i = 0; i < count; i++) {
		const char *name = entries[i]->d_name;
		cleanup_free char *below = memory_printf("%s/%s", path, name);
		if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0)
			describe(to, root, below);
		free(entries[i]);
	}
	free(entries);
}

static inline void describe(struct description *to, const char *root, const char *path)
{
	struct stat status;
	cleanup_free char *full = memory_printf("%s/%s", root, path);
	assert_int_equal(lstat(full, &status), 0);
	strbuf_printf(&to->text, "%s: %o %u:%u device %llx time %lld.%09ld", path, status.st_mode,
		      status.st_uid, status.st_gid, (unsigned long long)status.st_rdev,
		      (long long)status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
	describe_contents(&to->text, full, &status);
	describe_xattrs(to, full);
	if (!S_ISDIR(status.st_mode))
		strbuf_printf(&to->text, " is %s", first_name(to, path, status.st_ino));
	strbuf_printf(&to->text, "\n");
	if (S_ISDIR(status.st_mode))
		describe_below(to, root, path);
}

static inline char *describe_tree(const char *root, bool is_source)
{
	struct description to = {.is_source = is_source};
	describe(&to, root, ".");
	tdestroy(to.links, free_first);
	return to.text.text;
}

/* Line by line, so that one reads what differs. */
static inline void check_same_trees(void)
{
	cleanup_free char *source = describe_tree("s", true);
	cleanup_free char *target = describe_tree("t", false);
	char *left = source, *right = target;
	while (left && right) {
		const char *a = strsep(&left, "\n"), *b = strsep(&right, "\n");
		if (strcmp(a, b) != 0)
			fail_msg("source: %s\ntarget: %s", a, b);
	}
	assert_ptr_equal(left, right);
}

/* ---- what tests do ---- */

static inline void run_copy(struct trees *trees)
{
	struct error *error = NULL;
	if (tree_copy_run(trees->copy, &error) < 0)
		fail_msg("%s", error_message(error));
}

static inline void run_and_check(struct trees *trees)
{
	run_copy(trees);
	check_same_trees();
}

/* What was changed before is old enough to be told from what is changed after (tree_copy.c, YOUNG). */
static inline void settle(void)
{
	struct timespec start, now;
	static const struct timespec moment = {0, 1000000};
	clock_gettime(CLOCK_REALTIME, &start);
	do {
		nanosleep(&moment, NULL);
		clock_gettime(CLOCK_REALTIME, &now);
	} while ((now.tv_sec - start.tv_sec) * 1000000000LL + now.tv_nsec - start.tv_nsec <
		 60000000LL);
}

static inline void put(const char *path, const char *text)
{
	cleanup_close int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

static inline void set_attribute(const char *path, const char *name, const void *value,
				 size_t length)
{
	assert_int_equal(lsetxattr(path, name, value, length, 0), 0);
}

enum { ACL_SIZE = 4 + 5 * 8 };

/* Owner rwx, user 1234 rwx, group r-x, mask rwx, others r-x; acl(5) as the kernel stores it. */
static inline void make_acl(unsigned char *acl)
{
	static const unsigned char entries[5][2] = {{1, 7}, {2, 7}, {4, 5}, {16, 7}, {32, 5}};
	memset(acl, 0xff, ACL_SIZE);
	memcpy(acl, "\2\0\0\0", 4);
	for (size_t i = 0; i < 5; i++)
		memcpy(acl + 4 + i * 8,
		       (const unsigned char[4]){entries[i][0], 0, entries[i][1], 0}, 4);
	memcpy(acl + 4 + 8 + 4, (const unsigned char[4]){0xd2, 4, 0, 0}, 4);
}

#endif
