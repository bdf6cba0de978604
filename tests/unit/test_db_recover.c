/* Changes that are told after commits, and rows that are made again. */
#include "db/changes.h"
#include "db/layers.h"
#include "db/snapshots.h"
#include "db/volumes.h"
#include "test_db_common.h"

static void count_wakes(void *data)
{
	++*(unsigned *)data;
}

/* Whether exactly that was told: "instance 1"; or nothing, for NULL. */
static void expect_told(struct db *db, const char *want)
{
	static const char *const kinds[] = {"instance", "volume", "image", "pool", "layer"};
	cleanup_change_list struct change_list list = {0};
	db_changes_take(db, &list);
	if (!want) {
		assert_int_equal(list.count, 0);
		return;
	}
	assert_int_equal(list.count, 1);
	cleanup_free char *got =
		memory_printf("%s %lld", kinds[list.rows[0].kind], (long long)list.rows[0].id);
	assert_string_equal(got, want);
}

static void test_instances_told(void **state)
{
	struct db *db = ((struct fixture *)*state)->db;
	struct error *error = NULL;
	unsigned wakes = 0;
	good(db_changes_watch(db, count_wakes, &wakes, &error), &error);
	cleanup_instance_row struct instance_row row = new_instance("one");
	row.profiles = json_pack("[s]", "default");
	good(db_instance_create(db, &row, &ids, &error), &error);
	assert_int_equal(wakes, 1);
	expect_told(db, "instance 1");
	good(db_instance_set_key(db, 1, "user.x", "y", DB_DURABLE, &error), &error);
	expect_told(db, "instance 1");
	good(db_instance_touch(db, 1, 5, &error), &error);
	good(db_instance_set_power(db, 1, INSTANCE_POWER_RUNNING, &error), &error);
	expect_told(db, NULL);
	struct snapshot_row snapshot = {.name = (char *)"s", .layer_id = row.layer_id};
	good(db_snapshot_create(db, &snapshot, &row, &error), &error);
	expect_told(db, "instance 1");
	cleanup_profile_row struct profile_row profile = {0};
	good(db_profile_get(db, "default", &profile, &error), &error);
	json_object_set_new(profile.config, "limits.cpu", json_string("1"));
	good(db_profile_update(db, &profile, &error), &error);
	expect_told(db, "instance 1");
	good(db_instance_delete(db, 1, &error), &error);
	cleanup_change_list struct change_list list = {0};
	db_changes_take(db, &list);
	assert_true(list.count >= 1 && list.rows[0].kind == CHANGE_INSTANCE);
}

static void test_others_told(void **state)
{
	struct db *db = ((struct fixture *)*state)->db;
	struct error *error = NULL;
	unsigned wakes = 0;
	struct layer_row layer = {
		.pool = (char *)"default", .directory = (char *)"layers/1", .flat = true};
	good(db_changes_watch(db, count_wakes, &wakes, &error), &error);
	good(db_layer_create(db, &layer, &error), &error);
	assert_int_equal(wakes, 0);
	struct volume_row volume = {
		.pool = (char *)"default", .name = (char *)"v", .layer_id = layer.id};
	good(db_volume_create(db, &volume, &error), &error);
	expect_told(db, "volume 1");
	cleanup_object_row struct object_row pool = {0};
	good(db_object_get(db, &db_pools, "default", &pool, &error), &error);
	json_object_set_new(pool.config, "user.x", json_string("y"));
	good(db_object_update(db, &db_pools, &pool, &error), &error);
	expect_told(db, "pool 1");
	/* What is undone is not told, or at most too much later. */
	good(db_begin(db, DB_DURABLE, &error), &error);
	good(db_volume_delete(db, volume.id, &error), &error);
	db_rollback(db);
	expect_told(db, NULL);
	assert_int_equal(wakes, 2);
}

static void test_identity(void **state)
{
	struct fixture *fixture = *state;
	struct error *error = NULL;
	cleanup_free char *one = db_identity(fixture->db, &error);
	cleanup_free char *again = db_identity(fixture->db, &error);
	assert_string_equal(one, again);
	db_close(fixture->db);
	fixture->db = open_good(fixture->path);
	cleanup_free char *later = db_identity(fixture->db, &error);
	assert_string_equal(one, later);
	cleanup_free char *path = memory_printf("%s-other", fixture->path);
	struct db *other = open_good(path);
	cleanup_free char *theirs = db_identity(other, &error);
	assert_string_not_equal(one, theirs);
	db_close(other);
}

/* The row of one with that base, as it was found. */
static struct instance_row found(struct db *db, const char *name, uint32_t base)
{
	struct error *error = NULL;
	struct instance_row row = new_instance(name);
	cleanup_free char *directory = memory_printf("instances/%s", name);
	struct layer_row layer = {.pool = row.pool, .directory = directory, .id_base = base};
	good(db_layer_recover(db, &layer, true, &error), &error);
	row.layer_id = layer.id;
	row.id_base = base;
	row.id_count = 65536;
	return row;
}

static void recover(struct db *db, const char *name, uint32_t base, uint32_t want)
{
	struct error *error = NULL;
	bool moved;
	cleanup_instance_row struct instance_row row = found(db, name, base);
	good(db_instance_recover(db, &row, &ids, &moved, &error), &error);
	assert_int_equal(row.id_base, want);
	assert_int_equal(moved, base != want);
}

static void test_ids(void **state)
{
	struct db *db = ((struct fixture *)*state)->db;
	const uint32_t first = ids.base, size = 65536;
	recover(db, "middle", first + 2 * size, first + 2 * size);
	recover(db, "same", first + 2 * size, first);
	recover(db, "between", first + size, first + size);
	recover(db, "odd", first + 5 * size + 7, first + 5 * size + 7);
	recover(db, "overlaps", first + 6 * size, first + 3 * size);
	recover(db, "elsewhere", 5, first + 4 * size);
	recover(db, "last", first + ids.count - size, first + ids.count - size);
	recover(db, "beyond", first + ids.count - size / 2, first + 6 * size + 7);
	/* New ones go on in what is left. */
	cleanup_instance_row struct instance_row row = create_instance(db, "new");
	assert_int_equal(row.id_base, first + 7 * size + 7);
}

static void test_names(void **state)
{
	struct db *db = ((struct fixture *)*state)->db;
	struct error *error = NULL;
	bool moved;
	cleanup_instance_row struct instance_row row = create_instance(db, "one");
	cleanup_instance_row struct instance_row same = found(db, "other", 5);
	free(same.name);
	same.name = memory_strdup("one");
	expect_error(db_instance_recover(db, &same, &ids, &moved, &error), &error, ERROR_EXISTS,
		     "already exists");
	free(same.name);
	free(same.uuid);
	same.name = memory_strdup("two");
	same.uuid = memory_strdup(row.uuid);
	expect_error(db_instance_recover(db, &same, &ids, &moved, &error), &error, ERROR_EXISTS,
		     "by another name");
}

static void test_layers(void **state)
{
	struct db *db = ((struct fixture *)*state)->db;
	struct error *error = NULL;
	cleanup_instance_row struct instance_row row = create_instance(db, "one");
	struct layer_row own = {.pool = (char *)"default",
				.directory = (char *)"instances/uuid-one",
				.id_base = row.id_base};
	expect_error(db_layer_recover(db, &own, true, &error), &error, ERROR_EXISTS,
		     "belongs to another");
	expect_error(db_layer_recover(db, &own, false, &error), &error, ERROR_EXISTS,
		     "instance \"one\" writes into");
	struct layer_row base = {
		.pool = (char *)"default", .directory = (char *)"layers/base", .id_base = 7};
	good(db_layer_recover(db, &base, false, &error), &error);
	struct layer_row again = base;
	again.id = 0;
	good(db_layer_recover(db, &again, false, &error), &error);
	assert_int_equal(again.id, base.id);
	again.id_base = 8;
	expect_error(db_layer_recover(db, &again, false, &error), &error, ERROR_EXISTS,
		     "above something else");
	good(db_layers_bury(db, &error), &error);
	again.id_base = 7;
	expect_error(db_layer_recover(db, &again, false, &error), &error, ERROR_BUSY,
		     "being removed");
}

#define DB_TEST(function) cmocka_unit_test_setup_teardown(function, make_database, remove_all)

int main(void)
{
	const struct CMUnitTest tests[] = {
		DB_TEST(test_instances_told), DB_TEST(test_others_told),
		DB_TEST(test_identity),	      DB_TEST(test_ids),
		DB_TEST(test_names),	      DB_TEST(test_layers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
