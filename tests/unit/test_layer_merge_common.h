/*
 * What the tests of layer_merge share: a stack of layers that are really mounted, in a mount namespace of the
 * test. Layers are "0" (the image) up to "N", the view of some of them is "v". Needs root.
 */
#ifndef SYSCT_TESTS_TEST_LAYER_MERGE_COMMON_H
#define SYSCT_TESTS_TEST_LAYER_MERGE_COMMON_H

#include "test_tree_copy_common.h"

#include <sched.h>
#include <sys/mount.h>

#include "storage/layer_merge.h"

enum { MOST_LAYERS = 16 };

struct stack {
	char *directory;
	unsigned layers[MOST_LAYERS]; /* the lowest first */
	size_t count;
	unsigned made;
};

static inline void make(const char *path)
{
	if (mkdir(path, 0755) < 0)
		fail_msg("mkdir %s: %s", path, strerror(errno));
}

static inline void make_numbered(const char *prefix, unsigned number)
{
	cleanup_free char *path = memory_printf("%s%u", prefix, number);
	make(path);
}

static inline struct stack *new_stack(void)
{
	const char *parent = getenv("TMPDIR");
	struct stack *stack = memory_alloc(sizeof(*stack));
	stack->directory = memory_printf("%s/sysct-merge.XXXXXX", parent ? parent : "/tmp");
	umask(022);
	assert_int_equal(unshare(CLONE_NEWNS), 0);
	assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	assert_non_null(mkdtemp(stack->directory));
	assert_int_equal(chdir(stack->directory), 0);
	make("v");
	make("layer0");
	stack->count = 1;
	return stack;
}

static inline int free_stack(struct stack *stack)
{
	umount2("v", MNT_DETACH);
	int result = chdir("/");
	if (file_remove_tree_at(AT_FDCWD, stack->directory, NULL) < 0)
		result = -1;
	free(stack->directory);
	free(stack);
	return result;
}

static inline int make_stack(void **state)
{
	*state = new_stack();
	return 0;
}

static inline int remove_stack(void **state)
{
	return free_stack(*state);
}

/* @upper: mounted to write into; -1: all is lower. */
static inline void mount_stack(const struct stack *stack, int upper)
{
	cleanup_strbuf struct strbuf options = {0};
	strbuf_printf(&options, "redirect_dir=on,index=off,metacopy=off");
	for (size_t i = stack->count; i-- > 0;)
		strbuf_printf(&options, "%slayer%u", i + 1 == stack->count ? ",lowerdir=" : ":",
			      stack->layers[i]);
	if (upper < 0 && stack->count == 1)
		strbuf_printf(&options, ":empty");
	if (upper >= 0)
		strbuf_printf(&options, ",upperdir=layer%d,workdir=work%d", upper, upper);
	if (mount("overlay", "v", "overlay", 0, options.text) < 0)
		fail_msg("mounting %s: %s", options.text, strerror(errno));
}

static inline void unmount_stack(void)
{
	assert_int_equal(umount2("v", 0), 0);
}

static inline int open_layer(unsigned number)
{
	cleanup_free char *path = memory_printf("layer%u", number);
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

/* A new layer above the others, as instances get them, which is mounted at "v" until unmount_stack(). */
static inline void begin_layer(struct stack *stack)
{
	unsigned number = ++stack->made;
	assert_true(stack->count < MOST_LAYERS);
	make_numbered("layer", number);
	make_numbered("work", number);
	cleanup_close int like = open_layer(stack->layers[stack->count - 1]);
	cleanup_close int new = open_layer(number);
	assert_int_equal(tree_copy_root(like, new, 0, NULL), 0);
	mount_stack(stack, (int)number);
	stack->layers[stack->count++] = number;
}

/* @writable: below an empty layer, as below an instance; the caller frees it. */
static inline char *view(struct stack *stack, bool writable)
{
	if (writable)
		begin_layer(stack);
	else
		mount_stack(stack, -1);
	char *text = describe_tree("v", true);
	unmount_stack();
	stack->count -= writable;
	return text;
}

static inline void check_text(const char *wanted, const char *found)
{
	cleanup_free char *one = memory_strdup(wanted), *other = memory_strdup(found);
	char *left = one, *right = other;
	while (left && right) {
		const char *a = strsep(&left, "\n"), *b = strsep(&right, "\n");
		if (strcmp(a, b) != 0)
			fail_msg("layers: %s\nmerged: %s", a, b);
	}
	assert_ptr_equal(left, right);
}

/* The layers at @at and above it become one, or stay when it is refused. */
static inline int try_merge(struct stack *stack, size_t at, struct error **error)
{
	unsigned number = ++stack->made;
	make_numbered("layer", number);
	cleanup_close int lower = open_layer(stack->layers[at]);
	cleanup_close int upper = open_layer(stack->layers[at + 1]);
	cleanup_close int target = open_layer(number);
	if (layer_merge(lower, upper, target, NULL, error) < 0)
		return -1;
	stack->layers[at] = number;
	stack->count--;
	memmove(&stack->layers[at + 1], &stack->layers[at + 2],
		(stack->count - at - 1) * sizeof(stack->layers[0]));
	return 0;
}

/* And nothing is to be seen of it, neither in the layers nor in the old ones. */
static inline void merge_and_check(struct stack *stack, size_t at)
{
	struct error *error = NULL;
	struct stack before = *stack;
	cleanup_free char *wanted = view(stack, false), *below = view(stack, true);
	if (try_merge(stack, at, &error) < 0)
		fail_msg("%s", error_message(error));
	cleanup_free char *merged = view(stack, false), *merged_below = view(stack, true);
	check_text(wanted, merged);
	check_text(below, merged_below);
	before.made = stack->made;
	cleanup_free char *old = view(&before, false);
	check_text(wanted, old);
}

#endif
