/* Copying a tree, and copying again what changed in it. Needs root. */
#include "test_tree_copy_common.h"

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

static ino_t inode_of(const char *path)
{
	struct stat status;
	assert_int_equal(lstat(path, &status), 0);
	return status.st_ino;
}

static void set_time(const char *path, long long seconds, long nanoseconds)
{
	const struct timespec times[2] = {{seconds - 5, 7}, {seconds, nanoseconds}};
	assert_int_equal(utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW), 0);
}

/* ---- the first run ---- */

static void test_kinds(void **state)
{
	struct trees *trees = *state;
	assert_int_equal(mkdir("s/dir", 0751), 0);
	put("s/dir/file", "hello");
	put("s/empty", "");
	put("s/setuid", "#!");
	assert_int_equal(chown("s/setuid", 70000, 70001), 0);
	assert_int_equal(chmod("s/setuid", 06755), 0);
	assert_int_equal(mkdir("s/setgid", 0755), 0);
	assert_int_equal(chown("s/setgid", 3, 4), 0);
	assert_int_equal(chmod("s/setgid", 03777), 0);
	put("s/setgid/inside", "of another group");
	assert_int_equal(chown("s/setgid/inside", 0, 0), 0);
	assert_int_equal(symlink("../nowhere", "s/dir/link"), 0);
	assert_int_equal(lchown("s/dir/link", 11, 12), 0);
	assert_int_equal(mkfifo("s/fifo", 0640), 0);
	assert_int_equal(mknod("s/socket", S_IFSOCK | 0600, 0), 0);
	assert_int_equal(mknod("s/dir/whiteout", S_IFCHR, makedev(0, 0)), 0);
	assert_int_equal(mknod("s/null", S_IFCHR | 0666, makedev(1, 3)), 0);
	set_time("s/dir/file", 1000000000, 123456789);
	set_time("s/dir/link", 1000000001, 999999999);
	set_time("s/fifo", 1000000002, 1);
	set_time("s/dir", 1000000003, 42);
	assert_int_equal(chown("s", 65536, 65537), 0);
	assert_int_equal(chmod("s", 0700), 0);
	set_time("s", 1000000004, 43);
	run_and_check(trees);
	assert_int_equal(tree_copy_written(trees->copy), strlen("hello#!of another group"));
}

static void test_names(void **state)
{
	struct trees *trees = *state;
	char longest[256] = {0};
	memset(longest, 'n', 255);
	cleanup_free char *directory = memory_printf("s/%s", longest);
	cleanup_free char *file = memory_printf("s/%s/%s", longest, longest);
	assert_int_equal(mkdir(directory, 0755), 0);
	put(file, "long");
	put("s/\xff\xfe \t*?'\"\\", "odd");
	put("s/-rf", "dash");
	put("s/...", "dots");
	put("s/a\x01z", "control");
	set_attribute(file, "user.note", "x", 1);
	run_and_check(trees);
}

static void test_attributes(void **state)
{
	struct trees *trees = *state;
	static const unsigned char capability[20] = {1, 0, 0, 2, 0, 0x20};
	static char large[2000];
	memset(large, 'x', sizeof(large));
	assert_int_equal(mkdir("s/opaque", 0755), 0);
	put("s/file", "x");
	put("s/ping", "x");
	assert_int_equal(symlink("x", "s/link"), 0);
	set_attribute("s/opaque", "trusted.overlay.opaque", "y", 1);
	set_attribute("s/opaque", "trusted.overlay.origin", "\0\xfb\x1d", 3);
	set_attribute("s/opaque", "trusted.overlay.impure", "y", 1);
	set_attribute("s", "trusted.overlay.impure", "y", 1);
	set_attribute("s", "trusted.overlay.origin", "\0\xfb\x1d", 3);
	set_attribute("s/file", "trusted.overlay.origin", "\0\xfb\x1d", 3);
	set_attribute("s/file", "user.empty", "", 0);
	set_attribute("s/file", "user.large", large, sizeof(large));
	set_attribute("s/file", "trusted.some", "\0\1", 2);
	set_attribute("s/link", "trusted.of-link", "z", 1);
	assert_int_equal(chown("s/ping", 5, 5), 0);
	set_attribute("s/ping", "security.capability", capability, sizeof(capability));
	run_and_check(trees);
	char value[8];
	assert_int_equal(lgetxattr("t/opaque", "trusted.overlay.opaque", value, 8), 1);
	assert_int_equal(lgetxattr("t/opaque", "trusted.overlay.origin", value, 8), -1);
	assert_int_equal(lgetxattr("t", "trusted.overlay.origin", value, 8), -1);
	assert_int_equal(lgetxattr("t/file", "trusted.overlay.origin", value, 8), -1);
	assert_true(lgetxattr("t/ping", "security.capability", NULL, 0) > 0);
}

/* Below a directory with a default ACL are entries without one, made in the first and a later run. */
static void test_acls(void **state)
{
	struct trees *trees = *state;
	unsigned char acl[ACL_SIZE];
	make_acl(acl);
	assert_int_equal(mkdir("s/dir", 0755), 0);
	put("s/dir/plain", "x");
	assert_int_equal(mkdir("s/dir/bare", 0750), 0);
	put("s/dir/with", "x");
	set_attribute("s/dir/with", "system.posix_acl_access", acl, sizeof(acl));
	set_attribute("s/dir", "system.posix_acl_default", acl, sizeof(acl));
	run_and_check(trees);
	put("s/later", "x");
	assert_int_equal(chmod("s/later", 0604), 0);
	assert_int_equal(rename("s/later", "s/dir/later"), 0);
	assert_int_equal(mkdir("s/sub", 0705), 0);
	assert_int_equal(rename("s/sub", "s/dir/sub"), 0);
	put("s/dir/inherits", "x");
	assert_int_equal(mkfifo("s/fifo", 0600), 0);
	assert_int_equal(rename("s/fifo", "s/dir/fifo"), 0);
	run_and_check(trees);
	assert_int_equal(lgetxattr("t/dir/later", "system.posix_acl_access", NULL, 0), -1);
	assert_true(lgetxattr("t/dir/inherits", "system.posix_acl_access", NULL, 0) > 0);
	assert_int_equal(lremovexattr("s/dir", "system.posix_acl_default"), 0);
	run_and_check(trees);
}

static void test_links(void **state)
{
	struct trees *trees = *state;
	assert_int_equal(mkdir("s/a", 0755), 0);
	assert_int_equal(mkdir("s/b", 0755), 0);
	put("s/a/one", "linked");
	assert_int_equal(link("s/a/one", "s/a/two"), 0);
	assert_int_equal(link("s/a/one", "s/b/three"), 0);
	assert_int_equal(symlink("x", "s/a/link"), 0);
	assert_int_equal(linkat(AT_FDCWD, "s/a/link", AT_FDCWD, "s/b/link", 0), 0);
	assert_int_equal(mknod("s/a/whiteout", S_IFCHR, makedev(0, 0)), 0);
	assert_int_equal(link("s/a/whiteout", "s/b/whiteout"), 0);
	run_and_check(trees);
	assert_int_equal(inode_of("t/a/one"), inode_of("t/b/three"));
	assert_int_equal(tree_copy_written(trees->copy), 6);
}

static void test_holes(void **state)
{
	struct trees *trees = *state;
	cleanup_close int fd = open("s/sparse", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(pwrite(fd, "begin", 5, 1 << 20), 5);
	assert_int_equal(pwrite(fd, "end", 3, 64 << 20), 3);
	assert_int_equal(ftruncate(fd, 100 << 20), 0);
	assert_int_equal(fsync(fd), 0); /* blocks are there to count */
	cleanup_close int hole = open("s/hole", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(ftruncate(hole, 1 << 30), 0);
	run_copy(trees);
	struct error *error = NULL;
	assert_int_equal(tree_copy_sync(trees->copy, &error), 0);
	struct stat source, target;
	assert_int_equal(stat("s/sparse", &source), 0);
	assert_int_equal(stat("t/sparse", &target), 0);
	assert_int_equal(source.st_size, target.st_size);
	assert_int_equal(source.st_blocks, target.st_blocks);
	assert_int_equal(stat("t/hole", &target), 0);
	assert_int_equal(target.st_size, 1 << 30);
	assert_int_equal(target.st_blocks, 0);
	assert_int_equal(unlink("s/hole"), 0); /* it is long to read */
	run_and_check(trees);
}

/* ---- further runs ---- */

static void make_some(struct trees *trees)
{
	assert_int_equal(mkdir("s/dir", 0755), 0);
	assert_int_equal(mkdir("s/dir/sub", 0755), 0);
	put("s/file", "content");
	put("s/other", "other");
	put("s/dir/file", "below");
	put("s/dir/sub/deep", "deep");
	assert_int_equal(symlink("file", "s/link"), 0);
	put("s/one", "linked");
	assert_int_equal(link("s/one", "s/dir/two"), 0);
	settle();
	run_and_check(trees);
}

static void test_unchanged(void **state)
{
	struct trees *trees = *state;
	static const char *const names[] = {"t/file", "t/dir", "t/dir/sub/deep",
					    "t/link", "t/one", "t/dir/two"};
	ino_t inodes[6];
	make_some(trees);
	assert_true(tree_copy_written(trees->copy) > 0);
	for (size_t i = 0; i < 6; i++)
		inodes[i] = inode_of(names[i]);
	run_and_check(trees);
	assert_int_equal(tree_copy_written(trees->copy), 0);
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(inodes[i], inode_of(names[i]));
}

static void test_young(void **state)
{
	struct trees *trees = *state;
	put("s/file", "12345");
	run_copy(trees);
	put("s/file", "54321");
	run_and_check(trees);
}

static void test_contents(void **state)
{
	struct trees *trees = *state;
	make_some(trees);
	put("s/file", "CONTENT");
	put("s/other", "other and more");
	assert_int_equal(truncate("s/dir/file", 2), 0);
	run_and_check(trees);
	assert_int_equal(tree_copy_written(trees->copy), strlen("CONTENTother and morebe"));
	settle();
	run_copy(trees);
	struct stat status;
	assert_int_equal(stat("s/file", &status), 0);
	put("s/file", "changed"); /* and hides it */
	set_time("s/file", status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
	run_and_check(trees);
}

static void test_metadata(void **state)
{
	struct trees *trees = *state;
	make_some(trees);
	assert_int_equal(chmod("s/file", 04711), 0);
	assert_int_equal(chmod("s/dir", 0700), 0);
	assert_int_equal(lchown("s/link", 9, 9), 0);
	set_attribute("s/other", "user.note", "x", 1);
	set_attribute("s/dir/sub", "trusted.overlay.opaque", "y", 1);
	run_and_check(trees);
	settle();
	run_copy(trees);
	assert_int_equal(lremovexattr("s/other", "user.note"), 0);
	assert_int_equal(lremovexattr("s/dir/sub", "trusted.overlay.opaque"), 0);
	run_and_check(trees);
	settle();
	run_copy(trees);
	set_time("s/dir/file", 1234567890, 5);
	run_and_check(trees);
}

static void test_names_change(void **state)
{
	struct trees *trees = *state;
	make_some(trees);
	assert_int_equal(rename("s/file", "s/renamed"), 0);
	assert_int_equal(rename("s/dir", "s/moved"), 0);
	run_and_check(trees);
	settle();
	run_copy(trees);
	assert_int_equal(rename("s/renamed", "s/other"), 0);
	assert_int_equal(rename("s/moved/sub", "s/sub"), 0);
	assert_int_equal(file_remove_tree_at(AT_FDCWD, "s/moved", NULL), 0);
	run_and_check(trees);
}

static void test_kinds_change(void **state)
{
	struct trees *trees = *state;
	make_some(trees);
	assert_int_equal(unlink("s/file"), 0);
	assert_int_equal(mkdir("s/file", 0755), 0);
	put("s/file/inside", "x");
	assert_int_equal(file_remove_tree_at(AT_FDCWD, "s/dir", NULL), 0);
	put("s/dir", "a file now");
	assert_int_equal(unlink("s/link"), 0);
	assert_int_equal(symlink("fil2", "s/link"), 0);
	run_and_check(trees);
	settle();
	run_copy(trees);
	assert_int_equal(unlink("s/link"), 0);
	assert_int_equal(mknod("s/link", S_IFCHR, makedev(0, 0)), 0);
	assert_int_equal(unlink("s/dir"), 0);
	assert_int_equal(symlink("file", "s/dir"), 0);
	run_and_check(trees);
}

/* Neither its change time nor the inodes below say that a directory was away. */
static void test_away_and_back(void **state)
{
	struct trees *trees = *state;
	make_some(trees);
	assert_int_equal(rename("s/dir", "away"), 0);
	run_and_check(trees);
	assert_int_equal(rename("away", "s/dir"), 0);
	run_and_check(trees);
	settle();
	run_copy(trees);
	assert_int_equal(rename("s/dir", "away"), 0);
	put("s/dir", "a file meanwhile");
	run_and_check(trees);
	assert_int_equal(unlink("s/dir"), 0);
	assert_int_equal(rename("away", "s/dir"), 0);
	run_and_check(trees);
}

static void test_links_change(void **state)
{
	struct trees *trees = *state;
	make_some(trees);
	assert_int_equal(link("s/other", "s/dir/new"), 0);
	run_and_check(trees);
	settle();
	run_copy(trees);
	assert_int_equal(unlink("s/dir/two"), 0);
	run_and_check(trees);
	settle();
	run_copy(trees);
	assert_int_equal(unlink("s/other"), 0);
	put("s/other", "not linked any more");
	run_and_check(trees);
}

/* The file itself is unchanged, but one of its names is new, and may be met before the others. */
static void test_links_in_moved_directory(void **state)
{
	struct trees *trees = *state;
	put("s/one", "linked");
	for (int i = 0; i < 8; i++) {
		cleanup_free char *directory = memory_printf("s/a%d", i);
		cleanup_free char *name = memory_printf("s/a%d/name", i);
		assert_int_equal(mkdir(directory, 0755), 0);
		assert_int_equal(link("s/one", name), 0);
	}
	settle();
	run_and_check(trees);
	for (int i = 0; i < 8; i++) {
		cleanup_free char *from = memory_printf("s/a%d", i);
		cleanup_free char *to = memory_printf("s/b%d", i);
		assert_int_equal(rename(from, to), 0);
		run_and_check(trees);
	}
}

/* ---- what the kernel does not tell ---- */

static char *map_file(const char *path)
{
	cleanup_close int fd = open(path, O_RDWR | O_CLOEXEC);
	char *bytes = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(bytes != MAP_FAILED);
	return bytes;
}

static void check_distrust(struct trees *trees, const char *distrusted)
{
	char *bytes = map_file("s/one");
	bytes[0] = 'L';
	settle();
	run_and_check(trees);
	bytes[0] = 'X';
	tree_copy_distrust(trees->copy, distrusted);
	tree_copy_distrust(trees->copy, "is/not/there");
	run_and_check(trees);
	munmap(bytes, 4096);
}

static void test_distrust(void **state)
{
	struct trees *trees = *state;
	put("s/one", "linked");
	put("s/other", "other");
	check_distrust(trees, "one");
	assert_int_equal(tree_copy_written(trees->copy), 6);
}

/* A file is mapped by one name; the others are the same file. */
static void test_distrust_linked(void **state)
{
	struct trees *trees = *state;
	make_some(trees);
	check_distrust(trees, "one");
	check_distrust(trees, "dir/two");
	assert_int_equal(tree_copy_written(trees->copy), 6);
}

/* Afterwards the kernel tells, also of what was written between that and the run. */
static void test_protect(void **state)
{
	struct trees *trees = *state;
	put("s/one", "linked");
	put("s/other", "other");
	if (!tree_copy_can_protect(trees->copy))
		skip();
	char *bytes = map_file("s/one");
	bytes[0] = 'L';
	settle();
	assert_true(tree_copy_protect(trees->copy, "one"));
	assert_true(tree_copy_protect(trees->copy, "is/not/there"));
	run_and_check(trees);
	bytes[0] = 'X';
	run_and_check(trees);
	settle();
	assert_true(tree_copy_protect(trees->copy, "one"));
	bytes[0] = 'Y';
	settle();
	run_and_check(trees);
	bytes[0] = 'Z';
	run_and_check(trees);
	assert_int_equal(tree_copy_written(trees->copy), 6);
	munmap(bytes, 4096);
}

/* Nobody is led out of the source by a link. */
static void test_protect_by_link(void **state)
{
	struct trees *trees = *state;
	assert_int_equal(mkdir("outside", 0755), 0);
	put("outside/file", "x");
	assert_int_equal(symlink("../outside", "s/link"), 0);
	assert_true(tree_copy_protect(trees->copy, "link/file"));
	assert_true(tree_copy_protect(trees->copy, "../outside/file"));
	run_and_check(trees);
}

/* ---- what does not belong to the tree ---- */

static void test_not_led_out(void **state)
{
	struct trees *trees = *state;
	assert_int_equal(mkdir("outside", 0755), 0);
	put("outside/secret", "secret");
	make_some(trees);
	assert_int_equal(rename("s/dir", "away"), 0);
	assert_int_equal(symlink("../outside", "s/dir"), 0);
	assert_int_equal(unlink("s/file"), 0);
	assert_int_equal(symlink("../outside/secret", "s/file"), 0);
	run_and_check(trees);
	struct stat status;
	assert_int_equal(lstat("t/dir", &status), 0);
	assert_true(S_ISLNK(status.st_mode));
	assert_int_equal(unlink("s/dir"), 0);
	assert_int_equal(rename("away", "s/dir"), 0);
	run_and_check(trees);
	assert_int_equal(access("outside/secret", F_OK), 0);
	assert_int_equal(access("outside/file", F_OK), -1);
}

/* Until it is killed. */
static void swap_for_ever(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* when the test fails */
	for (unsigned i = 0;; i++) {
		cleanup_free char *other = memory_printf("other%u", i % 6);
		if (renameat2(AT_FDCWD, "s/swapped", AT_FDCWD, other, RENAME_EXCHANGE) < 0)
			_exit(1);
	}
}

static void make_swapped(void)
{
	unsigned char acl[ACL_SIZE];
	make_acl(acl);
	put("s/swapped", "x");
	assert_int_equal(mkdir("outside", 0755), 0);
	put("outside/secret", "secret");
	put("other0", "a file");
	set_attribute("other0", "user.note", "x", 1);
	assert_int_equal(symlink("../outside/secret", "other1"), 0);
	assert_int_equal(mkdir("other2", 0755), 0);
	put("other2/inside", "x");
	set_attribute("other2", "system.posix_acl_default", acl, sizeof(acl));
	assert_int_equal(symlink("../outside", "other3"), 0);
	assert_int_equal(mknod("other4", S_IFSOCK | 0600, 0), 0);
	assert_int_equal(mkfifo("other5", 0600), 0);
}

/* Entries become others while they are copied: no run fails, none leads out. */
static void test_swapped_meanwhile(void **state)
{
	struct trees *trees = *state;
	make_swapped();
	pid_t child = fork();
	if (child == 0)
		swap_for_ever();
	for (int i = 0; i < 1000; i++) {
		run_copy(trees);
		assert_int_equal(access("t/swapped/secret", F_OK) == 0 &&
					 readlink("t/swapped", (char[8]){0}, 8) < 0,
				 0);
	}
	assert_int_equal(kill(child, SIGKILL), 0);
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	run_and_check(trees);
}

/* For another range of ids: the owner's and those in the ACL are moved. */
static void test_root_shifted(void **state)
{
	unsigned char acl[ACL_SIZE], copied[ACL_SIZE];
	(void)state;
	make_acl(acl);
	set_attribute("s", "system.posix_acl_access", acl, sizeof(acl));
	set_attribute("s", "system.posix_acl_default", acl, sizeof(acl));
	assert_int_equal(chown("s", 7, 8), 0);
	cleanup_close int source = open("s", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_close int target = open("t", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(tree_copy_root(source, target, 65536, NULL), 0);
	struct stat status;
	assert_int_equal(stat("t", &status), 0);
	assert_int_equal(status.st_uid, 65543);
	assert_int_equal(status.st_gid, 65544);
	acl[4 + 8 + 4 + 2] = 1; /* 1234 + 65536 */
	assert_int_equal(getxattr("t", "system.posix_acl_access", copied, sizeof(copied)),
			 ACL_SIZE);
	assert_memory_equal(copied, acl, ACL_SIZE);
	assert_int_equal(getxattr("t", "system.posix_acl_default", copied, sizeof(copied)),
			 ACL_SIZE);
	assert_memory_equal(copied, acl, ACL_SIZE);
}

#define TREE_TEST(name) cmocka_unit_test_setup_teardown(name, make_trees, remove_trees)

enum { DEEP = 5000 };

static void make_deep(const char *top, int levels)
{
	int fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < levels; i++) {
		assert_int_equal(mkdirat(fd, "d", 0755), 0);
		int next = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		close(fd);
		fd = next;
		assert_true(fd >= 0);
	}
	close(fd);
}

static void *remove_source(void *data)
{
	(void)data;
	return file_remove_tree_at(AT_FDCWD, "s", NULL) == 0 ? NULL : "not removed";
}

/* Whoever writes into the source can make it as deep as he likes: no stack may end by it. */
static void test_deep(void **state)
{
	const struct trees *trees = *state;
	struct error *error = NULL;
	pthread_attr_t attributes;
	pthread_t thread;
	void *result;
	make_deep("s", 500);
	assert_int_equal(tree_copy_run(trees->copy, &error), 0);
	assert_int_equal(rename("s/d", "kept"), 0);
	make_deep("s", DEEP);
	assert_int_equal(tree_copy_run(trees->copy, &error), -1);
	assert_non_null(strstr(error_message(error), "below each other"));
	error_free(error);
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 256 << 10);
	assert_int_equal(pthread_create(&thread, &attributes, remove_source, NULL), 0);
	assert_int_equal(pthread_join(thread, &result), 0);
	pthread_attr_destroy(&attributes);
	assert_null(result);
	assert_int_equal(access("s", F_OK), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TREE_TEST(test_kinds),
		TREE_TEST(test_names),
		TREE_TEST(test_attributes),
		TREE_TEST(test_acls),
		TREE_TEST(test_links),
		TREE_TEST(test_holes),
		TREE_TEST(test_unchanged),
		TREE_TEST(test_young),
		TREE_TEST(test_contents),
		TREE_TEST(test_metadata),
		TREE_TEST(test_names_change),
		TREE_TEST(test_kinds_change),
		TREE_TEST(test_away_and_back),
		TREE_TEST(test_links_change),
		TREE_TEST(test_links_in_moved_directory),
		TREE_TEST(test_distrust),
		TREE_TEST(test_distrust_linked),
		TREE_TEST(test_protect),
		TREE_TEST(test_protect_by_link),
		TREE_TEST(test_not_led_out),
		TREE_TEST(test_swapped_meanwhile),
		TREE_TEST(test_root_shifted),
		TREE_TEST(test_deep),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
