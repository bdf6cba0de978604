/* Layers and snapshots: who needs which, in which order they go. */
#include <stdio.h>
#include <time.h>

#include "db/layers.h"
#include "db/layers_merge.h"
#include "db/snapshots.h"
#include "test_db_common.h"

enum { STEPS = 300, MOST = 400 };

static int64_t add_layer(struct db *db, int64_t parent)
{
	static int number;
	struct error *error = NULL;
	cleanup_free char *directory = memory_printf("layers/%d", number++);
	cleanup_layer_list struct layer_list chain = {0};
	if (parent)
		good(db_layer_chain(db, parent, &chain, &error), &error);
	struct layer_row layer = {.parent_id = parent,
				  .pool = (char *)"default",
				  .directory = directory,
				  .id_base = parent ? chain.rows[0].id_base : 7};
	good(db_layer_create(db, &layer, &error), &error);
	return layer.id;
}

static int64_t add_snapshot(struct db *db, const struct instance_row *instance, const char *name,
			    int64_t layer)
{
	struct error *error = NULL;
	struct snapshot_row row = {.name = (char *)name, .created_at = 5, .layer_id = layer};
	good(db_snapshot_create(db, &row, instance, &error), &error);
	return row.id;
}

/* As of one that is stopped: the instance goes on in a new layer above. */
static int64_t snapshot_stopped(struct db *db, struct instance_row *instance, const char *name)
{
	struct error *error = NULL;
	good(db_begin(db, DB_DURABLE, &error), &error);
	int64_t top = add_layer(db, instance->layer_id);
	int64_t id = add_snapshot(db, instance, name, instance->layer_id);
	good(db_instance_set_layer(db, instance->id, top, &error), &error);
	good(db_commit(db, &error), &error);
	instance->layer_id = top;
	return id;
}

static int64_t parent_of(struct db *db, int64_t layer)
{
	struct error *error = NULL;
	cleanup_layer_list struct layer_list chain = {0};
	good(db_layer_chain(db, layer, &chain, &error), &error);
	return chain.rows[0].parent_id;
}

/* As of one that runs: its copy is beside the instance's. */
static int64_t snapshot_running(struct db *db, struct instance_row *instance, const char *name)
{
	struct error *error = NULL;
	good(db_begin(db, DB_DURABLE, &error), &error);
	int64_t beside = add_layer(db, parent_of(db, instance->layer_id));
	int64_t id = add_snapshot(db, instance, name, beside);
	good(db_commit(db, &error), &error);
	return id;
}

static void check_dead(struct db *db, size_t count, const int64_t *expected)
{
	struct error *error = NULL;
	cleanup_layer_list struct layer_list dead = {0};
	good(db_layers_dead(db, &dead, &error), &error);
	assert_int_equal(dead.count, count);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(dead.rows[i].id, expected[i]);
}

static void test_chain(void **state)
{
	struct db *db = ((struct fixture *)*state)->db;
	struct error *error = NULL;
	cleanup_instance_row struct instance_row box = create_instance(db, "box");
	int64_t first = box.layer_id;
	assert_true(first > 0);
	snapshot_stopped(db, &box, "one");
	int64_t second = box.layer_id;
	snapshot_stopped(db, &box, "two");
	cleanup_instance_row struct instance_row found = {0};
	good(db_instance_get(db, "box", &found, &error), &error);
	assert_int_equal(found.layer_id, box.layer_id);
	cleanup_layer_list struct layer_list chain = {0};
	good(db_layer_chain(db, box.layer_id, &chain, &error), &error);
	assert_int_equal(chain.count, 3);
	assert_int_equal(chain.rows[1].id, second);
	assert_int_equal(chain.rows[2].id, first);
	assert_int_equal(chain.rows[2].parent_id, 0);
	assert_int_equal(chain.rows[2].id_base, box.id_base);
	assert_string_equal(chain.rows[2].directory, "instances/uuid-box");
	assert_string_equal(chain.rows[2].pool, "default");
	bool known;
	good(db_layer_known(db, "default", "instances/uuid-box", &known, &error), &error);
	assert_true(known);
	good(db_layer_known(db, "default", "instances/uuid-no", &known, &error), &error);
	assert_false(known);
	cleanup_layer_list struct layer_list none = {0};
	expect_error(db_layer_chain(db, 4711, &none, &error), &error, ERROR_NOT_FOUND, "missing");
	struct layer_row lost = {.pool = (char *)"no", .directory = (char *)"layers/x"};
	expect_error(db_layer_create(db, &lost, &error), &error, ERROR_NOT_FOUND, "no");
}

static void test_burying(void **state)
{
	struct db *db = ((struct fixture *)*state)->db;
	struct error *error = NULL;
	cleanup_instance_row struct instance_row box = create_instance(db, "box");
	int64_t one = snapshot_stopped(db, &box, "one"), first = parent_of(db, box.layer_id);
	int64_t two = snapshot_stopped(db, &box, "two"), second = parent_of(db, box.layer_id);
	int64_t beside = snapshot_running(db, &box, "beside"), copy = box.layer_id + 1;
	good(db_snapshot_delete(db, one, &error), &error); /* in the middle: it is below others */
	check_dead(db, 0, NULL);
	good(db_snapshot_delete(db, beside, &error), &error);
	check_dead(db, 1, &copy);
	good(db_snapshot_delete(db, two, &error), &error); /* the instance is above */
	check_dead(db, 1, &copy);
	expect_error(db_snapshot_delete(db, two, &error), &error, ERROR_NOT_FOUND, "meanwhile");
	add_snapshot(db, &box, "three", box.layer_id);
	good(db_instance_delete(db, box.id, &error), &error);
	const int64_t all[] = {copy, box.layer_id, second, first};
	check_dead(db, 4, all);
	bool known;
	good(db_layer_known(db, "default", "instances/uuid-box", &known, &error), &error);
	assert_true(known);
	good(db_layer_delete(db, first, &error), &error); /* in any order */
	for (size_t i = 0; i < 3; i++)
		good(db_layer_delete(db, all[i], &error), &error);
	check_dead(db, 0, NULL);
	good(db_layer_known(db, "default", "instances/uuid-box", &known, &error), &error);
	assert_false(known);
}

static void test_living_stays(void **state)
{
	struct db *db = ((struct fixture *)*state)->db;
	struct error *error = NULL;
	cleanup_instance_row struct instance_row box = create_instance(db, "box");
	good(db_layer_delete(db, box.layer_id, &error), &error);
	assert_int_equal(parent_of(db, box.layer_id), 0);
	int64_t old = box.layer_id, new = add_layer(db, 0);
	good(db_instance_set_layer(db, box.id, new, &error), &error);
	check_dead(db, 1, &old);
	expect_error(db_instance_set_layer(db, 4711, new, &error), &error, ERROR_NOT_FOUND, "");
}

static void expect_mergeable(struct db *db, size_t count, const int64_t *expected)
{
	struct error *error = NULL;
	cleanup_layer_list struct layer_list uppers = {0};
	good(db_layers_mergeable(db, &uppers, &error), &error);
	assert_int_equal(uppers.count, count);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(uppers.rows[i].id, expected[i]);
}

/* The layer @upper and the one below it. */
static int64_t merge(struct db *db, int64_t upper, enum error_kind expected)
{
	static int number;
	struct error *error = NULL;
	cleanup_layer_list struct layer_list chain = {0};
	cleanup_free char *directory = memory_printf("layers/merged%d", number++);
	struct layer_row merged = {.directory = directory};
	good(db_layer_chain(db, upper, &chain, &error), &error);
	if (db_layers_merge(db, &chain.rows[1], &chain.rows[0], &merged, &error) == 0)
		return merged.id;
	assert_int_equal(error->kind, expected);
	error_free(error);
	return 0;
}

static void test_merging(void **state)
{
	struct db *db = ((struct fixture *)*state)->db;
	struct error *error = NULL;
	cleanup_instance_row struct instance_row box = new_instance("box");
	box.image = strdup("f00d");
	good(db_instance_create(db, &box, &ids, &error), &error);
	int64_t first = box.layer_id, one = snapshot_stopped(db, &box, "one");
	int64_t second = box.layer_id;
	snapshot_stopped(db, &box, "two");
	int64_t third = box.layer_id, three = snapshot_stopped(db, &box, "three");
	expect_mergeable(db, 0, NULL); /* each is named */
	assert_int_equal(merge(db, second, ERROR_BUSY), 0);
	good(db_snapshot_delete(db, three, &error), &error);
	expect_mergeable(db, 0, NULL); /* the instance writes into the one above */
	assert_int_equal(merge(db, box.layer_id, ERROR_BUSY), 0);
	good(db_snapshot_delete(db, one, &error), &error);
	expect_mergeable(db, 1, &second);
	int64_t beside = add_layer(db, first);
	add_snapshot(db, &box, "beside", beside);
	expect_mergeable(db, 0, NULL); /* the lower one has two above it */
	cleanup_snapshot_row struct snapshot_row row = {0};
	good(db_snapshot_get(db, box.id, "beside", &row, &error), &error);
	good(db_snapshot_delete(db, row.id, &error), &error);
	expect_mergeable(db, 1, &second); /* it is dead */
	/* A backup of what is above reads the whole chain. */
	good(db_layer_hold(db, third, &error), &error);
	expect_mergeable(db, 0, NULL);
	assert_int_equal(merge(db, second, ERROR_BUSY), 0);
	good(db_layer_release(db, third, &error), &error);
	good(db_layer_hold(db, second, &error), &error);
	expect_mergeable(db, 0, NULL);
	good(db_layer_release(db, second, &error), &error);
	expect_mergeable(db, 1, &second);
	int64_t merged = merge(db, second, ERROR_INTERNAL);
	cleanup_layer_list struct layer_list chain = {0};
	good(db_layer_chain(db, box.layer_id, &chain, &error), &error);
	assert_int_equal(chain.count, 3);
	assert_int_equal(chain.rows[1].id, third);
	assert_int_equal(chain.rows[2].id, merged);
	assert_int_equal(chain.rows[2].id_base, box.id_base);
	assert_string_equal(chain.rows[2].image, "f00d");
	cleanup_snapshot_row struct snapshot_row two = {0};
	good(db_snapshot_get(db, box.id, "two", &two, &error), &error);
	assert_int_equal(two.layer_id, merged);
	good(db_instance_delete(db, box.id, &error), &error);
	const int64_t all[] = {merged, beside, box.layer_id, third, second, first};
	check_dead(db, 6, all);
	for (size_t i = 0; i < 6; i++)
		good(db_layer_delete(db, all[i], &error), &error);
}

/* A copy's layer above one of its source, which is gone by now. */
static void test_other_ids(void **state)
{
	struct db *db = ((struct fixture *)*state)->db;
	struct error *error = NULL;
	cleanup_instance_row struct instance_row box = create_instance(db, "box");
	cleanup_instance_row struct instance_row copy = create_instance(db, "copy");
	struct layer_row layer = {.parent_id = box.layer_id,
				  .pool = (char *)"default",
				  .directory = (char *)"layers/copy",
				  .id_base = copy.id_base};
	snapshot_stopped(db, &box, "one");
	good(db_layer_create(db, &layer, &error), &error);
	good(db_instance_set_layer(db, copy.id, layer.id, &error), &error);
	copy.layer_id = layer.id;
	snapshot_stopped(db, &copy, "its");
	good(db_instance_delete(db, box.id, &error), &error);
	expect_mergeable(db, 0, NULL);
	assert_int_equal(merge(db, layer.id, ERROR_BUSY), 0);
}

static void test_owners(void **state)
{
	struct db *db = ((struct fixture *)*state)->db;
	struct error *error = NULL;
	cleanup_instance_row struct instance_row box = create_instance(db, "box");
	cleanup_instance_row struct instance_row copy = create_instance(db, "copy");
	cleanup_instance_row struct instance_row other = create_instance(db, "other");
	int64_t first = box.layer_id;
	snapshot_stopped(db, &box, "one");
	int64_t second = box.layer_id;
	snapshot_stopped(db, &box, "two");
	good(db_instance_set_layer(db, copy.id, add_layer(db, second), &error), &error);
	add_snapshot(db, &other, "its", second);
	cleanup_layer_owners struct layer_owners owners = {0}, top = {0};
	good(db_layer_owners(db, first, &owners, &error), &error);
	assert_int_equal(owners.count, 3);
	assert_int_equal(owners.ids[0], box.id);
	assert_int_equal(owners.ids[1], copy.id);
	assert_int_equal(owners.ids[2], other.id);
	good(db_layer_owners(db, box.layer_id, &top, &error), &error);
	assert_int_equal(top.count, 1);
	assert_int_equal(top.ids[0], box.id);
}

static void test_names(void **state)
{
	struct db *db = ((struct fixture *)*state)->db;
	struct error *error = NULL;
	cleanup_instance_row struct instance_row box = create_instance(db, "box");
	cleanup_instance_row struct instance_row other = create_instance(db, "other");
	add_snapshot(db, &box, "zz", box.layer_id);
	add_snapshot(db, &other, "zz", other.layer_id);
	add_snapshot(db, &box, "aa", box.layer_id);
	struct snapshot_row again = {.name = (char *)"zz", .layer_id = box.layer_id};
	expect_error(db_snapshot_create(db, &again, &box, &error), &error, ERROR_EXISTS, "zz");
	cleanup_snapshot_row struct snapshot_row row = {0};
	good(db_snapshot_get(db, box.id, "aa", &row, &error), &error);
	expect_error(db_snapshot_rename(db, &row, "zz", &error), &error, ERROR_EXISTS, "zz");
	good(db_snapshot_rename(db, &row, "mm", &error), &error);
	free(row.description);
	row.description = strdup("new");
	row.expires_at = 77;
	good(db_snapshot_update(db, &row, &error), &error);
	int64_t expiry;
	good(db_snapshot_next_expiry(db, 0, &expiry, &error), &error);
	assert_int_equal(expiry, 77);
	cleanup_snapshot_row struct snapshot_row none = {0};
	expect_error(db_snapshot_get(db, box.id, "aa", &none, &error), &error, ERROR_NOT_FOUND,
		     "aa");
	cleanup_snapshot_list struct snapshot_list list = {0}, all = {0};
	good(db_snapshot_list(db, box.id, &list, &error), &error);
	assert_int_equal(list.count, 2);
	assert_string_equal(list.rows[0].name, "zz");
	assert_string_equal(list.rows[1].name, "mm");
	assert_string_equal(list.rows[1].description, "new");
	good(db_snapshot_list(db, 0, &all, &error), &error);
	assert_int_equal(all.count, 3);
	assert_int_equal(all.rows[2].instance_id, other.id);
}

static void test_content(void **state)
{
	struct db *db = ((struct fixture *)*state)->db;
	struct error *error = NULL;
	cleanup_instance_row struct instance_row new = new_instance("box");
	new.ephemeral = true;
	new.config = json_pack("{s:s}", "user.x", "line\n\"\xc3\xa9\"");
	new.devices = json_pack("{s:{s:s}, s:{}}", "root", "type", "disk", "empty");
	new.profiles = json_pack("[s]", "default");
	good(db_instance_create(db, &new, &ids, &error), &error);
	cleanup_instance_row struct instance_row box = {0};
	good(db_instance_get(db, "box", &box, &error), &error);
	struct snapshot_row taken = {.name = (char *)"s",
				     .description = (char *)"it's",
				     .created_at = 1700000000000000001,
				     .layer_id = box.layer_id};
	good(db_snapshot_create(db, &taken, &box, &error), &error);
	cleanup_snapshot_row struct snapshot_row found = {0};
	good(db_snapshot_get(db, box.id, "s", &found, &error), &error);
	assert_true(found.id == taken.id && found.instance_id == box.id &&
		    found.layer_id == box.layer_id && found.created_at == taken.created_at);
	assert_string_equal(found.description, "it's");
	assert_string_equal(found.architecture, "x86_64");
	assert_true(found.ephemeral);
	assert_true(json_equal(found.config, new.config));
	assert_true(json_equal(found.devices, new.devices));
	assert_true(json_equal(found.profiles, new.profiles));
}

/* ---- random steps beside a model ---- */

struct model {
	struct db *db;
	struct instance_row boxes[3];
	struct {
		int64_t id, layer;
		size_t box;
	} snapshots[MOST];
	size_t count;
	int64_t parents[MOST * 4]; /* by id of the layer */
	int64_t layers;		   /* the highest id */
	unsigned merged;
	bool mounted[MOST * 4]; /* by an instance that runs: stays where it is */
};

static unsigned long long random_state;

static unsigned below(size_t limit)
{
	random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned)((random_state >> 33) % limit);
}

static void learn(struct model *model, int64_t layer)
{
	assert_true(layer < MOST * 4);
	model->parents[layer] = parent_of(model->db, layer);
	model->layers = layer > model->layers ? layer : model->layers;
}

static void make_box(struct model *model, size_t at)
{
	static int number;
	cleanup_free char *name = memory_printf("box%d", number++);
	model->boxes[at] = create_instance(model->db, name);
	learn(model, model->boxes[at].layer_id);
}

static void take_one(struct model *model, size_t at)
{
	static int number;
	struct error *error = NULL;
	struct instance_row *box = &model->boxes[at];
	cleanup_free char *name = memory_printf("snap%d", number++);
	cleanup_snapshot_row struct snapshot_row row = {0};
	int64_t id = below(2) ? snapshot_stopped(model->db, box, name)
			      : snapshot_running(model->db, box, name);
	good(db_snapshot_get(model->db, box->id, name, &row, &error), &error);
	learn(model, box->layer_id);
	learn(model, row.layer_id);
	model->snapshots[model->count].id = id;
	model->snapshots[model->count].layer = row.layer_id;
	model->snapshots[model->count++].box = at;
}

static void forget(struct model *model, size_t index)
{
	model->snapshots[index] = model->snapshots[--model->count];
}

static void replace_box(struct model *model, size_t at)
{
	struct error *error = NULL;
	good(db_instance_delete(model->db, model->boxes[at].id, &error), &error);
	instance_row_clear(&model->boxes[at]);
	for (size_t i = model->count; i-- > 0;)
		if (model->snapshots[i].box == at)
			forget(model, i);
	make_box(model, at);
}

/* A new layer above that of a snapshot: what the instance wrote since is not needed. */
static void restore(struct model *model, size_t index)
{
	struct error *error = NULL;
	struct instance_row *box = &model->boxes[model->snapshots[index].box];
	good(db_begin(model->db, DB_DURABLE, &error), &error);
	box->layer_id = add_layer(model->db, model->snapshots[index].layer);
	good(db_instance_set_layer(model->db, box->id, box->layer_id, &error), &error);
	good(db_commit(model->db, &error), &error);
	learn(model, box->layer_id);
}

/* Any pair that there is. */
static void merge_one(struct model *model)
{
	struct error *error = NULL;
	cleanup_layer_list struct layer_list uppers = {0};
	good(db_layers_mergeable(model->db, &uppers, &error), &error);
	if (uppers.count == 0)
		return;
	const struct layer_row *upper = &uppers.rows[below(uppers.count)];
	int64_t merged = merge(model->db, upper->id, ERROR_INTERNAL);
	learn(model, merged);
	assert_int_equal(model->parents[merged], model->parents[upper->parent_id]);
	for (size_t i = 0; i < model->count; i++)
		if (model->snapshots[i].layer == upper->id)
			model->snapshots[i].layer = merged;
	for (int64_t id = 1; id <= model->layers; id++)
		if (model->parents[id] == upper->id)
			model->parents[id] = merged;
	for (size_t i = 0; i < 3; i++)
		assert_true(model->boxes[i].layer_id != upper->id);
	model->merged++;
}

static void need(const struct model *model, int64_t layer, bool *needed)
{
	for (; layer && !needed[layer]; layer = model->parents[layer])
		needed[layer] = true;
}

/* Another instance starts; that before has ended. */
static void mount_one(struct model *model)
{
	memset(model->mounted, 0, sizeof(model->mounted));
	need(model, model->boxes[below(3)].layer_id, model->mounted);
}

static void step(struct model *model)
{
	struct error *error = NULL;
	unsigned kind = below(16);
	size_t index = model->count ? below(model->count) : 0;
	if (kind < 6 || model->count == 0) {
		take_one(model, below(3));
	} else if (kind < 9) {
		good(db_snapshot_delete(model->db, model->snapshots[index].id, &error), &error);
		forget(model, index);
	} else if (kind < 11) {
		restore(model, index);
	} else if (kind < 14) {
		merge_one(model);
	} else if (kind < 15) {
		mount_one(model);
	} else {
		replace_box(model, below(3));
	}
}

/* Dead is what is not needed, no less and no more; and it can be deleted in the order of the list. */
static void check_model(struct model *model, bool *gone)
{
	struct error *error = NULL;
	bool needed[MOST * 4] = {false};
	cleanup_layer_list struct layer_list dead = {0};
	for (size_t i = 0; i < 3; i++)
		need(model, model->boxes[i].layer_id, needed);
	for (size_t i = 0; i < model->count; i++)
		need(model, model->snapshots[i].layer, needed);
	good(db_layers_dead(model->db, &dead, &error), &error);
	size_t expected = 0;
	for (int64_t id = 1; id <= model->layers; id++)
		expected += model->parents[id] >= 0 && !needed[id] && !gone[id];
	assert_int_equal(dead.count, expected);
	bool sweep = below(3) == 0;
	for (size_t i = 0; i < dead.count; i++) {
		assert_false(needed[dead.rows[i].id]);
		if (!sweep || model->mounted[dead.rows[i].id])
			continue;
		good(db_layer_delete(model->db, dead.rows[i].id, &error), &error);
		gone[dead.rows[i].id] = true;
	}
}

static void test_random(void **state)
{
	static struct model model;
	static bool gone[MOST * 4];
	const char *seed = getenv("SYSCT_TEST_SEED");
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	random_state = seed ? strtoull(seed, NULL, 10) : (unsigned long long)now.tv_nsec;
	print_message("# SYSCT_TEST_SEED=%llu\n", random_state);
	model.db = ((struct fixture *)*state)->db;
	memset(model.parents, 0xff, sizeof(model.parents));
	for (size_t i = 0; i < 3; i++)
		make_box(&model, i);
	for (int i = 0; i < STEPS; i++) {
		step(&model);
		check_model(&model, gone);
	}
	assert_true(model.merged > 0);
	for (size_t i = 0; i < 3; i++)
		instance_row_clear(&model.boxes[i]);
}

/* A layer that nobody names lives while it is held, as often as it is, and not after the end of the process. */
static void test_held(void **state)
{
	struct fixture *fixture = *state;
	struct error *error = NULL;
	int64_t layer = add_layer(fixture->db, 0);
	int64_t other = add_layer(fixture->db, 0);
	good(db_layer_hold(fixture->db, layer, &error), &error);
	good(db_layer_hold(fixture->db, layer, &error), &error);
	good(db_layer_hold(fixture->db, other, &error), &error);
	good(db_layers_bury(fixture->db, &error), &error);
	check_dead(fixture->db, 0, NULL);
	good(db_layer_release(fixture->db, layer, &error), &error);
	check_dead(fixture->db, 0, NULL);
	good(db_layer_release(fixture->db, layer, &error), &error);
	check_dead(fixture->db, 1, &layer);
	good(db_layer_delete(fixture->db, layer, &error), &error);
	db_close(fixture->db);
	fixture->db = open_good(fixture->path);
	check_dead(fixture->db, 0, NULL);
	good(db_layers_bury(fixture->db, &error), &error);
	check_dead(fixture->db, 1, &other);
}

#define DB_TEST(name) cmocka_unit_test_setup_teardown(name, make_database, remove_all)

int main(void)
{
	const struct CMUnitTest tests[] = {
		DB_TEST(test_chain),   DB_TEST(test_burying),	DB_TEST(test_living_stays),
		DB_TEST(test_merging), DB_TEST(test_other_ids), DB_TEST(test_owners),
		DB_TEST(test_names),   DB_TEST(test_content),	DB_TEST(test_random),
		DB_TEST(test_held),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
