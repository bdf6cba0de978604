/* Texts of open files: whole in whatever pieces, bounded, fair, and still there for the next worker. */
#include "tests/unit/test_lxcfs_common.h"

#include <unistd.h>

#include "lxcfs/shared.h"
#include "lxcfs/snapshots.h"
#include "lxcfs/tree.h"

enum { LONG = 3 * SHARED_PAGE_BYTES + 100, READ_BYTES = 300 };

struct store {
	int fd;
	struct shared shared;
	struct snapshots *snapshots;
};

static void begin(struct store *store)
{
	store->fd = shared_create(4, NULL);
	assert_true(store->fd >= 0);
	assert_int_equal(shared_map(&store->shared, store->fd, NULL), 0);
	store->snapshots = snapshots_open(&store->shared);
}

static void end(struct store *store)
{
	snapshots_close(store->snapshots);
	shared_unmap(&store->shared);
	close(store->fd);
}

/* As another worker finds it. */
static void take_over(struct store *store)
{
	snapshots_close(store->snapshots);
	shared_unmap(&store->shared);
	assert_int_equal(shared_map(&store->shared, store->fd, NULL), 0);
	store->snapshots = snapshots_open(&store->shared);
}

static void make_text(char *text, size_t length, unsigned seed)
{
	for (size_t i = 0; i < length; i++)
		text[i] = (char)('a' + (seed + i * 7 + i / 26) % 26);
}

static void expect(struct store *store, uint64_t handle, const char *text, size_t length)
{
	char bytes[READ_BYTES];
	for (size_t at = 0; at <= length; at += READ_BYTES - 3) {
		size_t size = length - at < READ_BYTES ? length - at : READ_BYTES;
		assert_int_equal(snapshots_read(store->snapshots, handle, at, bytes, READ_BYTES),
				 size);
		assert_memory_equal(bytes, text + at, size);
	}
	assert_int_equal(snapshots_read(store->snapshots, handle, length + 5000, bytes, 1), 0);
}

static void test_pieces(void **state)
{
	(void)state;
	static const size_t lengths[] = {0, 1, SHARED_PAGE_BYTES, SHARED_PAGE_BYTES + 1, LONG};
	struct store store;
	char text[LONG], byte;
	begin(&store);
	for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		make_text(text, lengths[i], i);
		snapshots_store(store.snapshots, i + 1, 7, text, lengths[i]);
	}
	for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		make_text(text, lengths[i], i);
		expect(&store, i + 1, text, lengths[i]);
	}
	snapshots_drop(store.snapshots, 5);
	assert_int_equal(snapshots_read(store.snapshots, 5, 0, &byte, 1), -1);
	snapshots_drop(store.snapshots, 5);
	end(&store);
}

static void test_next_worker(void **state)
{
	(void)state;
	struct store store;
	char first[LONG], second[100];
	begin(&store);
	make_text(first, sizeof(first), 1);
	make_text(second, sizeof(second), 2);
	snapshots_store(store.snapshots, 1, 7, first, sizeof(first));
	snapshots_store(store.snapshots, 2, 7, first, sizeof(first));
	snapshots_store(store.snapshots, 2, 7, second, sizeof(second));
	take_over(&store);
	expect(&store, 1, first, sizeof(first));
	expect(&store, 2, second, sizeof(second));
	/* What the first worker had dropped is free: all of it can be used again. */
	for (uint64_t handle = 100; handle < 200; handle++)
		snapshots_store(store.snapshots, handle, handle, first, sizeof(first));
	expect(&store, 1, first, sizeof(first));
	expect(&store, 2, second, sizeof(second));
	end(&store);
}

/* Who keeps thousands open loses the oldest, and nobody else's. */
static void test_hostile(void **state)
{
	(void)state;
	struct store store;
	char text[LONG], byte;
	begin(&store);
	make_text(text, sizeof(text), 3);
	for (uint64_t handle = 1; handle <= 10; handle++)
		snapshots_store(store.snapshots, handle, 1, text, sizeof(text));
	for (uint64_t owner = 2; owner < 20; owner++)
		for (uint64_t handle = 1; handle <= 1000; handle++)
			snapshots_store(store.snapshots, owner * 10000 + handle, owner, text,
					sizeof(text) / (handle % 4 + 1));
	unsigned kept = 0;
	for (uint64_t handle = 1; handle <= 10; handle++)
		kept += snapshots_read(store.snapshots, handle, 0, &byte, 1) == 1;
	assert_int_equal(kept, 4); /* 16 pages, the fair part */
	assert_int_equal(snapshots_read(store.snapshots, 21000, 0, &byte, 1), 1);
	end(&store);
}

/* Too long for the shared memory: the two that came last are kept by the worker. */
static void test_huge(void **state)
{
	(void)state;
	enum { HUGE_BYTES = 1600 << 10 };
	struct store store;
	char byte, *text = memory_alloc(HUGE_BYTES);
	begin(&store);
	make_text(text, HUGE_BYTES, 5);
	for (uint64_t handle = 1; handle <= 3; handle++)
		snapshots_store(store.snapshots, handle, 7, text, HUGE_BYTES);
	assert_int_equal(snapshots_read(store.snapshots, 1, 0, &byte, 1), -1);
	expect(&store, 2, text, HUGE_BYTES);
	expect(&store, 3, text, HUGE_BYTES);
	snapshots_store(store.snapshots, 3, 7, text, 10);
	expect(&store, 3, text, 10);
	snapshots_drop(store.snapshots, 2);
	assert_int_equal(snapshots_read(store.snapshots, 2, 0, &byte, 1), -1);
	free(text);
	end(&store);
}

/* Memory of another layout is begun anew, but for what it is that all versions agree on. */
static void test_other_layout(void **state)
{
	(void)state;
	struct store store;
	char byte;
	begin(&store);
	snapshots_store(store.snapshots, 1, 7, "text", 4);
	struct instance_state *known = shared_state(&store.shared, 5, 6, 1);
	known->load.forks = 9;
	store.shared.head->init_length = 40;
	strcpy(store.shared.head->requests[3], "request");
	store.shared.head->layout = SHARED_LAYOUT + 1;
	take_over(&store);
	assert_int_equal(store.shared.head->init_length, 40);
	assert_string_equal(store.shared.head->requests[3], "request");
	assert_int_equal(snapshots_read(store.snapshots, 1, 0, &byte, 1), -1);
	assert_int_equal(shared_state(&store.shared, 5, 6, 1)->load.forks, 0);
	end(&store);
}

/* States are found again, and of too many the one that was used longest ago goes. */
static void test_states(void **state)
{
	(void)state;
	struct store store;
	begin(&store);
	for (uint64_t i = 1; i <= SHARED_STATES; i++)
		shared_state(&store.shared, i, 1, i)->load.forks = i;
	assert_int_equal(shared_state(&store.shared, 1, 1, SHARED_STATES + 1)->load.forks, 1);
	/* The same number, of a namespace that began later. */
	assert_int_equal(shared_state(&store.shared, 1, 2, SHARED_STATES + 2)->load.forks, 0);
	assert_int_equal(shared_state(&store.shared, 1, 1, SHARED_STATES + 3)->load.forks, 1);
	assert_int_equal(shared_state(&store.shared, 3, 1, SHARED_STATES + 4)->load.forks, 3);
	assert_int_equal(shared_state(&store.shared, 2, 1, SHARED_STATES + 5)->load.forks, 0);
	end(&store);
}

/* Node ids are made from paths: none may have that of another (tree_build() ends the program), and all lead back. */
static void test_tree(void **state)
{
	(void)state;
	tree_build();
	unsigned number;
	for (unsigned i = 0; i < files_count; i++) {
		const struct node *node = tree_node(TREE_ROOT, &number);
		cleanup_free char *path = memory_strdup(files[i].path);
		char *rest = path;
		for (char *name; (name = strsep(&rest, "/"));) {
			cleanup_free char *real = memory_strdup(name);
			char *star = strchr(real, '*');
			if (star)
				*star = '7';
			node = tree_child(node, real, &number);
			assert_non_null(node);
			unsigned again;
			assert_ptr_equal(tree_node(tree_id(node, number), &again), node);
			assert_int_equal(again, node->numbered ? 7 : 0);
		}
		assert_ptr_equal(node->file, &files[i]);
	}
}

static void test_names(void **state)
{
	(void)state;
	static const char *const wrong[] = {"cpu",   "cpu01", "cpux", "cpu1x", "cpu99999",
					    "cpu-1", "cp1",   "",     "cpu "};
	unsigned number;
	const struct node *node = tree_node(TREE_ROOT, &number);
	tree_build();
	node = tree_child(node, "sys", &number);
	for (const char *const *name = (const char *const[]){"devices", "system", "cpu", NULL};
	     *name; name++)
		node = tree_child(node, *name, &number);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_null(tree_child(node, wrong[i], &number));
	assert_non_null(tree_child(node, "cpu12", &number));
	assert_int_equal(number, 12);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pieces),	     cmocka_unit_test(test_next_worker),
		cmocka_unit_test(test_hostile),	     cmocka_unit_test(test_huge),
		cmocka_unit_test(test_other_layout), cmocka_unit_test(test_states),
		cmocka_unit_test(test_tree),	     cmocka_unit_test(test_names),
	};
	return cmocka_run_group_tests_name("lxcfs_snapshots", tests, NULL, NULL);
}
