/*
 * Random changes of a tree, and a run after each few: the target must be what the source is. The
 * seed is printed; SYSCT_TEST_SEED sets it. Needs root.
 */
#include "test_tree_copy_common.h"

#include <sys/sysmacros.h>

enum { OPERATIONS = 900, MOST_PATHS = 120 };

struct paths {
	char *paths[4096];
	size_t count;
};

static unsigned long long state_of_random;

static unsigned below(unsigned limit)
{
	state_of_random = state_of_random * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned)(state_of_random >> 33) % limit;
}

static void collect(struct paths *all, const char *path)
{
	struct dirent **entries;
	int count = scandir(path, &entries, NULL, names_in_order);
	for (int i = 0; i < count; i++) {
		const char *name = entries[i]->d_name;
		if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && all->count < 4000) {
			char *below_it = all->paths[all->count++] =
				memory_printf("%s/%s", path, name);
			if (entries[i]->d_type == DT_DIR)
				collect(all, below_it);
		}
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
}

static void clear(struct paths *all)
{
	for (size_t i = 0; i < all->count; i++)
		free(all->paths[i]);
	all->count = 0;
}

static const char *any(const struct paths *all)
{
	return all->count ? all->paths[below((unsigned)all->count)] : "s";
}

static bool is_directory(const char *path)
{
	struct stat status;
	return lstat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

/* A place that may be taken already, few enough names that they are used again. */
static char *any_place(const struct paths *all)
{
	const char *directory = any(all);
	return memory_printf("%s/n%u", below(3) && is_directory(directory) ? directory : "s",
			     below(12));
}

/* ---- operations: what the kernel refuses is none ---- */

static void write_some(const struct paths *all, const char *place)
{
	char bytes[3000];
	const char *path = below(2) ? place : any(all);
	static const int truncate_it[] = {0, O_TRUNC, O_APPEND};
	int fd = open(path,
		      O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC |
			      truncate_it[below(3)],
		      0644);
	struct stat status;
	if (fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode)) {
		memset(bytes, (int)below(256), sizeof(bytes));
		if (below(4) == 0)
			assert_true(lseek(fd, below(100000), SEEK_SET) >= 0);
		assert_true(write(fd, bytes, below(sizeof(bytes))) >= 0);
	}
	if (fd >= 0)
		close(fd);
}

static int make_special(const char *place)
{
	switch (below(4)) {
	case 0:
		return symlink(below(2) ? "../x" : "n1", place);
	case 1:
		return mkfifo(place, 0600);
	case 2:
		return mknod(place, S_IFSOCK | 0600, 0);
	default:
		return mknod(place, S_IFCHR, makedev(0, 0));
	}
}

static int change_attributes(const char *path)
{
	unsigned char acl[ACL_SIZE];
	const struct timespec times[2] = {{below(1000000), below(1000)}, {below(1000000), 5}};
	make_acl(acl);
	switch (below(8)) {
	case 0:
		return is_directory(path) ? chmod(path, 0700 | below(07777)) : 0;
	case 1:
		return fchmodat(AT_FDCWD, path, below(010000), AT_SYMLINK_NOFOLLOW);
	case 2:
		return lchown(path, below(70000), below(70000));
	case 3:
		return utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW);
	case 4:
		return lsetxattr(path, below(2) ? "user.a" : "trusted.overlay.opaque", "y",
				 below(2), 0);
	case 5:
		return lremovexattr(path, below(2) ? "user.a" : "trusted.overlay.opaque");
	case 6:
		return lsetxattr(path,
				 is_directory(path) ? "system.posix_acl_default"
						    : "system.posix_acl_access",
				 acl, sizeof(acl), 0);
	default:
		return lremovexattr(path, below(2) ? "system.posix_acl_default"
						   : "system.posix_acl_access");
	}
}

/* Out of the tree, and back later. */
static int move_away_or_back(const struct paths *all, const char *place)
{
	cleanup_free char *away = memory_printf("away%u", below(3));
	return below(2) ? rename(any(all), away) : rename(away, place);
}

static int change(const struct paths *all)
{
	cleanup_free char *place = any_place(all);
	unsigned kind = below(14);
	if (kind < 3)
		return write_some(all, place), 0;
	if (kind == 3)
		return mkdir(place, 0755);
	if (kind == 4)
		return make_special(place);
	if (kind < 7)
		return change_attributes(below(8) ? any(all) : "s");
	if (kind < 9)
		return rename(any(all), place);
	if (kind < 11)
		return linkat(AT_FDCWD, any(all), AT_FDCWD, place, 0);
	if (kind == 11)
		return move_away_or_back(all, place);
	if (kind == 12 || all->count > MOST_PATHS)
		return file_remove_tree_at(AT_FDCWD, any(all), NULL);
	return unlink(any(all));
}

static void seed_random(void)
{
	const char *seed = getenv("SYSCT_TEST_SEED");
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	state_of_random = seed ? strtoull(seed, NULL, 10) : (unsigned long long)now.tv_nsec;
	print_message("# SYSCT_TEST_SEED=%llu\n", state_of_random);
}

static void test_random(void **state)
{
	static struct paths all;
	struct trees *trees = *state;
	seed_random();
	for (int i = 0; i < OPERATIONS; i++) {
		collect(&all, "s");
		if (all.count == 0)
			all.paths[all.count++] = memory_strdup("s/n0");
		change(&all);
		clear(&all);
		if (below(4))
			continue;
		bool settled = below(3) == 0;
		if (settled)
			settle();
		run_and_check(trees);
		if (settled) {
			run_and_check(trees);
			assert_int_equal(tree_copy_written(trees->copy), 0);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_random, make_trees, remove_trees),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
