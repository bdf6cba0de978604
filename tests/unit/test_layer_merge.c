/* Merging layers: a case for each thing that layers can say, what is refused, and what is left alone. Needs root. */
#include "test_layer_merge_common.h"

#define REDIRECT "trusted.overlay.redirect"
#define OPAQUE	 "trusted.overlay.opaque"

static void run(const char *commands)
{
	cleanup_free char *line = memory_printf("set -e; %s", commands);
	if (system(line) != 0) /* NOLINT(cert-env33-c): the commands are below */
		fail_msg("failed: %s", commands);
}

static void run_inside(const char *commands)
{
	cleanup_free char *line = memory_printf("cd v; %s", commands);
	run(line);
}

static bool has(const char *path, const char *attribute)
{
	char value[4096];
	return lgetxattr(path, attribute, value, sizeof(value)) >= 0;
}

/* The image is layer0, the lower one layer1, the upper one layer2. */
static void make_layers(struct stack *stack, const char *image, const char *lower,
			const char *upper)
{
	cleanup_free char *line = memory_printf("cd layer0; %s", image);
	run(line);
	begin_layer(stack);
	run_inside(lower);
	unmount_stack();
	begin_layer(stack);
	run_inside(upper);
	unmount_stack();
}

/* @path has @attribute before they are merged: the case is what it is called. */
static const struct {
	const char *name, *image, *lower, *upper, *path, *attribute;
} cases[] = {
	{"whiteouts", "mkdir d; touch d/a d/b d/c", "rm d/a; touch d/new",
	 "rm d/b d/new; touch d/a", NULL, NULL},
	{"a directory that is gone", "mkdir -p d/e; touch d/e/f", "touch d/e/g", "rm -r d", NULL,
	 NULL},
	{"opaque over the image's", "mkdir d; touch d/a", "touch d/b",
	 "rm -r d; mkdir d; touch d/c", "layer2/d", OPAQUE},
	{"opaque in the lower", "mkdir d; touch d/a", "rm -r d; mkdir d; touch d/b", "touch d/c",
	 "layer1/d", OPAQUE},
	{"over a whiteout", "mkdir d; touch d/a", "rm -r d", "mkdir d; touch d/b", "layer2/d",
	 OPAQUE},
	{"new, and less in it", "touch a", "mkdir -p d/e/f; touch d/e/a d/e/b",
	 "rm d/e/a; rm -r d/e/f", "layer1/d", OPAQUE},
	{"a file in place of a directory", "mkdir d; touch d/a", "touch d/b", "rm -r d; echo x >d",
	 NULL, NULL},
	{"a directory in place of a file", "touch a", "echo x >a", "rm a; mkdir a; touch a/b",
	 "layer2/a", OPAQUE},
	{"a file and back", "mkdir d; touch d/a", "rm -r d; touch d", "rm d; mkdir d; touch d/b",
	 "layer2/d", OPAQUE},
	{"a link in place of a directory", "mkdir d e; touch d/a", "touch d/b",
	 "rm -r d; ln -s e d", NULL, NULL},
	{"relative redirect", "mkdir d; touch d/a d/b", "rm d/a; touch d/c", "mv d e; touch e/x",
	 "layer2/e", REDIRECT},
	{"absolute redirect", "mkdir -p d/in e; touch d/in/a", "touch d/in/b", "mv d/in e/out",
	 "layer2/e/out", REDIRECT},
	{"redirect in the lower", "mkdir d; touch d/a", "mv d e", "touch e/b; rm e/a", "layer1/e",
	 REDIRECT},
	{"moved twice", "mkdir -p d/in e f; touch d/in/a", "mv d/in e/in", "mv e/in f/last",
	 "layer2/f/last", REDIRECT},
	{"and back", "mkdir d; touch d/a", "mv d e", "mv e d; touch d/b", "layer2/d", REDIRECT},
	{"moved, and another in its place", "mkdir d; touch d/a", "touch d/b",
	 "mv d e; mkdir d; touch d/c", "layer2/e", REDIRECT},
	{"changed places", "mkdir a b; touch a/1 b/2", "mv a c; mv b a; mv c b",
	 "mv a c; mv b a; mv c b; touch a/3", "layer2/a", REDIRECT},
	{"below one that was moved", "mkdir -p d/in/deep e; touch d/in/deep/a", "mv d/in e/in",
	 "mv e/in/deep deep; touch e/in/b", "layer2/deep", REDIRECT},
	{"into one that was made", "mkdir -p d/in; touch d/in/a", "mkdir new; touch new/x",
	 "mv d/in new/in", "layer2/new/in", REDIRECT},
	{"what the lower has made is moved", "touch a", "mkdir -p new/in; touch new/in/x",
	 "mv new/in in", "layer2/in", REDIRECT},
	{"through a moved parent", "mkdir -p d/in; touch d/in/a", "mv d e", "mv e/in f; rmdir e",
	 "layer2/f", REDIRECT},
	{"hard links", "touch a", "echo x >one; ln one two; ln one three", "rm two; echo y >>three",
	 NULL, NULL},
	{"attributes", "mkdir d; touch d/a", "chmod 1777 d; chown 1:2 d; touch -d 2001-02-03 d/a",
	 "chown 3:4 d; chmod 2750 d; touch -d 2002-03-04 d", NULL, NULL},
	{"special files", "touch a", "mkfifo f; mknod n c 1 3; ln -s x s",
	 "rm f; mkfifo g; mkdir f", NULL, NULL},
};

static void test_cases(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct stack *stack = new_stack();
		print_message("# %s\n", cases[i].name);
		make_layers(stack, cases[i].image, cases[i].lower, cases[i].upper);
		if (cases[i].path)
			assert_true(has(cases[i].path, cases[i].attribute));
		merge_and_check(stack, 1);
		assert_int_equal(free_stack(stack), 0);
	}
}

/* The second kind of whiteouts, in directories that say so ("Nesting overlayfs mounts" of overlayfs.rst). */
static void test_xattr_whiteouts(void **state)
{
	struct stack *stack = *state;
	struct error *error = NULL;
	make_layers(stack, "mkdir d; touch d/a d/b d/c", "touch d/x d/y", "touch d/z");
	static const char *const gone[] = {"layer1/d/a", "layer2/d/b", "layer2/d/x"};
	for (size_t i = 0; i < 3; i++) {
		put(gone[i], "");
		set_attribute(gone[i], "trusted.overlay.whiteout", "y", 1);
	}
	set_attribute("layer1/d", OPAQUE, "x", 1);
	set_attribute("layer2/d", OPAQUE, "x", 1);
	assert_int_equal(try_merge(stack, 1, &error), 0);
	struct stat status;
	assert_int_equal(lstat("layer3/d/b", &status), 0);
	assert_true(S_ISCHR(status.st_mode) && status.st_rdev == 0);
	assert_false(has("layer3/d", OPAQUE));
	mount_stack(stack, -1);
	run_inside("[ \"$(ls d | tr '\\n' ' ')\" = 'c y z ' ]");
	unmount_stack();
}

static ino_t inode_of(const char *path)
{
	struct stat status;
	assert_int_equal(lstat(path, &status), 0);
	return status.st_ino;
}

static void test_is_linked(void **state)
{
	struct stack *stack = *state;
	struct error *error = NULL;
	make_layers(stack, "mkdir d; touch d/a", "mkdir e; echo x >e/one; mkfifo e/two",
		    "chmod 700 e; ln -s x e/three; touch d/a");
	set_attribute("layer2/e", "trusted.overlay.overlay.opaque", "y", 1);
	cleanup_free char *lower = describe_tree("layer1", false);
	cleanup_free char *upper = describe_tree("layer2", false);
	assert_true(has("layer2/e", "trusted.overlay.origin"));
	assert_true(has("layer2/d", "trusted.overlay.impure"));
	assert_int_equal(try_merge(stack, 1, &error), 0);
	assert_int_equal(inode_of("layer3/e/one"), inode_of("layer1/e/one"));
	assert_int_equal(inode_of("layer3/e/two"), inode_of("layer1/e/two"));
	assert_int_equal(inode_of("layer3/e/three"), inode_of("layer2/e/three"));
	assert_false(has("layer3/e", "trusted.overlay.origin"));
	assert_false(has("layer3/d", "trusted.overlay.impure"));
	assert_true(has("layer3/e", "trusted.overlay.overlay.opaque")); /* a layer's own data */
	cleanup_free char *lower_after = describe_tree("layer1", false);
	cleanup_free char *upper_after = describe_tree("layer2", false);
	check_text(lower, lower_after);
	check_text(upper, upper_after);
}

static void test_too_many_links(void **state)
{
	struct stack *stack = *state;
	make_layers(stack, "touch a", "echo x >full", "touch b");
	make("elsewhere");
	for (int i = 0; i < 70000; i++) {
		cleanup_free char *name = memory_printf("elsewhere/%d", i);
		if (link("layer1/full", name) == 0)
			continue;
		assert_int_equal(errno, EMLINK);
		merge_and_check(stack, 1);
		return;
	}
	skip(); /* not of this file system */
}

static void expect_refusal(struct stack *stack, const char *text)
{
	struct error *error = NULL;
	assert_int_equal(try_merge(stack, 1, &error), -1);
	assert_int_equal(error->kind, ERROR_UNSUPPORTED);
	if (!strstr(error_message(error), text))
		fail_msg("%s", error_message(error));
	error_free(error);
}

static void test_metacopy(void **state)
{
	struct stack *stack = *state;
	make_layers(stack, "echo x >a", "touch b", "echo y >a");
	set_attribute("layer2/a", "trusted.overlay.metacopy", "", 0);
	expect_refusal(stack, "metacopy");
}

static void test_long_redirect(void **state)
{
	struct stack *stack = *state;
	static const char deep[] =
		"n=$(printf '%0200d' 0); d=$n; for i in 1 2 3 4 5 6 7 8 9 10 11; "
		"do d=$d/$n; done; ";
	cleanup_free char *image = memory_printf("%s mkdir -p $d/in new; touch $d/in/a", deep);
	make_layers(stack, image, "touch x", "touch y");
	cleanup_free char *path = memory_printf("/%0200d", 0);
	cleanup_strbuf struct strbuf redirect = {0};
	for (int i = 0; i < 12; i++)
		strbuf_printf(&redirect, "%s", path);
	make("layer2/new");
	make("layer2/new/in");
	set_attribute("layer2/new/in", REDIRECT, redirect.text, redirect.length);
	expect_refusal(stack, "too long");
}

static void test_deep(void **state)
{
	struct stack *stack = *state;
	make_layers(stack, "touch a", "for i in $(seq 600); do mkdir d; cd d; done; touch bottom",
		    "touch b");
	expect_refusal(stack, "not merged");
}

static void test_stop(void **state)
{
	struct stack *stack = *state;
	struct error *error = NULL;
	const atomic_bool stop = true;
	make_layers(stack, "touch a", "touch b", "touch c");
	make("layer3");
	cleanup_close int lower = open_layer(1), upper = open_layer(2), target = open_layer(3);
	assert_int_equal(layer_merge(lower, upper, target, &stop, &error), -1);
	assert_int_equal(error->kind, ERROR_CANCELLED);
	error_free(error);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, make_stack, remove_stack)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		TEST(test_xattr_whiteouts),
		TEST(test_is_linked),
		TEST(test_too_many_links),
		TEST(test_metacopy),
		TEST(test_long_redirect),
		TEST(test_deep),
		TEST(test_stop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
