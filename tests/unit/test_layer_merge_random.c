/*
 * Layers that random operations in mounted overlays have left: any two of them that lie above each other are
 * merged, until one is left above the image, and what is seen must stay the same. The seed is printed;
 * SYSCT_TEST_SEED sets it, SYSCT_TEST_ROUNDS how many stacks are tried. Needs root.
 */
#include "test_layer_merge_common.h"

#include <sys/sysmacros.h>

enum { ROUNDS = 25, LAYERS = 6, OPERATIONS = 30, MOST_PATHS = 150 };

static unsigned long long state_of_random;

static unsigned below(unsigned limit)
{
	state_of_random = state_of_random * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned)(state_of_random >> 33) % limit;
}

struct paths {
	char *paths[1024];
	size_t count;
};

static void collect(struct paths *all, const char *path)
{
	struct dirent **entries;
	int count = scandir(path, &entries, NULL, names_in_order);
	for (int i = 0; i < count; i++) {
		const char *name = entries[i]->d_name;
		if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && all->count < 1000) {
			char *inside = all->paths[all->count++] =
				memory_printf("%s/%s", path, name);
			if (entries[i]->d_type == DT_DIR)
				collect(all, inside);
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

static bool is_directory(const char *path)
{
	struct stat status;
	return lstat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static const char *any(const struct paths *all)
{
	return all->count ? all->paths[below((unsigned)all->count)] : "v";
}

static const char *any_directory(const struct paths *all)
{
	for (int i = 0; i < 10; i++) {
		const char *path = any(all);
		if (is_directory(path))
			return path;
	}
	return "v";
}

/* Few names, so that each is used again for something else. */
static char *any_place(const struct paths *all)
{
	return memory_printf("%s/n%u", below(4) ? any_directory(all) : "v", below(6));
}

/* ---- operations: what the kernel refuses is none ---- */

static void write_some(const char *path)
{
	char bytes[600];
	int fd = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_APPEND,
		      0644);
	memset(bytes, (int)below(256), sizeof(bytes));
	if (fd >= 0) {
		ssize_t unused = write(fd, bytes, below(sizeof(bytes)));
		(void)unused;
		close(fd);
	}
}

static int make_some(const char *place)
{
	cleanup_free char *inside = memory_printf("%s/n%u", place, below(6));
	switch (below(8)) {
	case 0:
		return symlink(below(2) ? "../n1" : "n2", place);
	case 1:
		return mkfifo(place, 0600);
	case 2:
		return mknod(place, S_IFCHR | 0600, makedev(1, 3));
	case 3:
	case 4:
		if (mkdir(place, 0700 | below(01000)) < 0)
			return -1;
		write_some(inside);
		return 0;
	case 5:
		return mkdir(place, 0755) < 0 ? -1 : mkdir(inside, 0755);
	default:
		write_some(place);
		return 0;
	}
}

static int change_attributes(const char *path)
{
	const struct timespec times[2] = {{below(1000000), below(1000)}, {below(1000000), 5}};
	switch (below(5)) {
	case 0:
		return fchmodat(AT_FDCWD, path, 0700 | below(010000), 0);
	case 1:
		return lchown(path, below(70000), below(70000));
	case 2:
		return utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW);
	case 3:
		return lsetxattr(path, below(2) ? "user.a" : "trusted.b", "yes", below(3), 0);
	default:
		return lremovexattr(path, "user.a");
	}
}

static int rename_some(const struct paths *all, const char *place)
{
	const char *from = below(2) ? any(all) : any_directory(all);
	if (below(4) == 0)
		return renameat2(AT_FDCWD, from, AT_FDCWD, any(all), RENAME_EXCHANGE);
	return rename(from, place);
}

static int remove_some(const struct paths *all)
{
	const char *path = any(all);
	if (strcmp(path, "v") == 0)
		return 0;
	return below(2) ? unlink(path) : file_remove_tree_at(AT_FDCWD, path, NULL);
}

/* A directory in place of what was there. */
static int replace(const char *path)
{
	if (strcmp(path, "v") == 0 || file_remove_tree_at(AT_FDCWD, path, NULL) < 0)
		return 0;
	return make_some(path);
}

static int change(const struct paths *all)
{
	cleanup_free char *place = any_place(all);
	unsigned kind = below(14);
	if (kind < 3 || all->count < 10)
		return make_some(place);
	if (kind < 7)
		return rename_some(all, place);
	if (kind == 7)
		return linkat(AT_FDCWD, any(all), AT_FDCWD, place, 0);
	if (kind < 10)
		return change_attributes(any(all));
	if (kind == 10)
		return replace(any(all));
	if (kind == 11)
		return write_some(any(all)), 0;
	return remove_some(all);
}

static void change_some(unsigned operations)
{
	static struct paths all;
	for (unsigned i = 0; i < operations; i++) {
		collect(&all, "v");
		if (all.count > MOST_PATHS)
			remove_some(&all);
		else
			change(&all);
		clear(&all);
	}
}

/* ---- rounds ---- */

static void make_image(void)
{
	assert_int_equal(mount("layer0", "v", NULL, MS_BIND, NULL), 0);
	change_some(80);
	unmount_stack();
}

static void run_round(unsigned long long seed)
{
	struct stack *stack = NULL;
	state_of_random = seed;
	print_message("# SYSCT_TEST_SEED=%llu\n", seed);
	assert_int_equal(make_stack((void **)&stack), 0);
	make_image();
	for (unsigned i = 0; i < LAYERS; i++) {
		begin_layer(stack);
		change_some(1 + below(OPERATIONS));
		unmount_stack();
	}
	/* The image stays the lowest. */
	while (stack->count > 2)
		merge_and_check(stack, 1 + below((unsigned)stack->count - 2));
	assert_int_equal(free_stack(stack), 0);
}

static void test_random(void **state)
{
	const char *seed = getenv("SYSCT_TEST_SEED"), *rounds = getenv("SYSCT_TEST_ROUNDS");
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	unsigned long long first =
		seed ? strtoull(seed, NULL, 10) : (unsigned long long)now.tv_nsec;
	(void)state;
	for (unsigned long i = 0, count = rounds ? strtoul(rounds, NULL, 10)
					  : seed ? 1
						 : ROUNDS;
	     i < count; i++)
		run_round(first + i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_random)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
