/* Custom volumes and their snapshots in the database; which layers they need. */
#include "db/layers.h"
#include "db/volumes.h"
#include "test_db_common.h"

static int64_t add_layer(struct db *db)
{
	static int number;
	struct error *error = NULL;
	cleanup_free char *directory = memory_printf("layers/%d", number++);
	struct layer_row layer = {.pool = (char *)"default", .directory = directory, .flat = true};
	good(db_layer_create(db, &layer, &error), &error);
	return layer.id;
}

static int create(struct db *db, const char *pool, const char *name, int64_t *id,
		  struct error **error)
{
	json_t *config = json_pack("{s:s}", "user.note", name);
	struct volume_row row = {.pool = (char *)pool,
				 .name = (char *)name,
				 .created_at = 7,
				 .layer_id = add_layer(db),
				 .config = config};
	int result = db_volume_create(db, &row, error);
	*id = row.id;
	json_decref(config);
	return result;
}

static struct volume_row get(struct db *db, const char *name)
{
	struct error *error = NULL;
	struct volume_row row;
	good(db_volume_get(db, "default", name, &row, &error), &error);
	return row;
}

static void snapshot(struct db *db, int64_t volume_id, const char *name, int64_t layer_id)
{
	struct error *error = NULL;
	json_t *config = json_object();
	struct volume_snapshot_row row = {.volume_id = volume_id,
					  .name = (char *)name,
					  .layer_id = layer_id,
					  .config = config};
	good(db_volume_snapshot_create(db, &row, &error), &error);
	json_decref(config);
}

static size_t count_dead(struct db *db)
{
	struct error *error = NULL;
	cleanup_layer_list struct layer_list dead = {0};
	good(db_layers_dead(db, &dead, &error), &error);
	return dead.count;
}

static void test_rows(void **state)
{
	struct db *db = ((struct fixture *)*state)->db;
	struct error *error = NULL;
	int64_t id, other;
	good(create(db, "default", "b", &id, &error), &error);
	good(create(db, "default", "a", &other, &error), &error);
	expect_error(create(db, "default", "a", &other, &error), &error, ERROR_EXISTS,
		     "already exists in pool default");
	expect_error(create(db, "nowhere", "a", &other, &error), &error, ERROR_NOT_FOUND,
		     "Storage pool not found");
	cleanup_volume_list struct volume_list list = {0};
	good(db_volume_list(db, NULL, &list, &error), &error);
	assert_int_equal(list.count, 2);
	assert_string_equal(list.rows[0].name, "a");
	assert_string_equal(list.rows[1].name, "b");
	assert_string_equal(list.rows[1].pool, "default");
	assert_string_equal(list.rows[1].description, "");
	assert_int_equal(list.rows[1].created_at, 7);
	assert_string_equal(json_string_value(json_object_get(list.rows[1].config, "user.note")),
			    "b");
	cleanup_volume_list struct volume_list none = {0};
	good(db_volume_list(db, "nowhere", &none, &error), &error);
	assert_int_equal(none.count, 0);
	struct volume_row missing;
	expect_error(db_volume_get(db, "default", "c", &missing, &error), &error, ERROR_NOT_FOUND,
		     "\"c\" in pool default");
}

static void test_changes(void **state)
{
	struct db *db = ((struct fixture *)*state)->db;
	struct error *error = NULL;
	int64_t id, other;
	good(create(db, "default", "a", &id, &error), &error);
	good(create(db, "default", "b", &other, &error), &error);
	cleanup_volume_row struct volume_row row = get(db, "a");
	free(row.description);
	row.description = memory_strdup("text");
	json_object_clear(row.config);
	row.layer_id = add_layer(db);
	good(db_volume_update(db, &row, &error), &error);
	assert_int_equal(count_dead(db), 1); /* what it had before */
	cleanup_volume_row struct volume_row now = get(db, "a");
	assert_string_equal(now.description, "text");
	assert_int_equal(json_object_size(now.config), 0);
	assert_int_equal(now.layer_id, row.layer_id);
	expect_error(db_volume_move(db, &row, "default", "b", row.layer_id, &error), &error,
		     ERROR_EXISTS, "\"b\"");
	good(db_volume_move(db, &row, "default", "c", row.layer_id, &error), &error);
	cleanup_volume_row struct volume_row moved = get(db, "c");
	assert_int_equal(moved.id, id);
	good(db_volume_delete(db, id, &error), &error);
	assert_int_equal(count_dead(db), 2);
	expect_error(db_volume_delete(db, id, &error), &error, ERROR_NOT_FOUND, "meanwhile");
	expect_error(db_volume_update(db, &row, &error), &error, ERROR_NOT_FOUND, "meanwhile");
}

static void test_snapshots(void **state)
{
	struct db *db = ((struct fixture *)*state)->db;
	struct error *error = NULL;
	int64_t id, copy, kept = add_layer(db);
	good(create(db, "default", "a", &id, &error), &error);
	good(create(db, "default", "copy", &copy, &error), &error);
	snapshot(db, id, "one", kept);
	snapshot(db, id, "two", add_layer(db));
	snapshot(db, copy, "one", kept); /* shared */
	struct volume_snapshot_row again = {.volume_id = id, .name = (char *)"one"};
	expect_error(db_volume_snapshot_create(db, &again, &error), &error, ERROR_EXISTS,
		     "\"one\"");
	cleanup_volume_snapshot_list struct volume_snapshot_list list = {0};
	good(db_volume_snapshot_list(db, id, &list, &error), &error);
	assert_int_equal(list.count, 2);
	assert_string_equal(list.rows[1].name, "two");
	struct volume_snapshot_row *row = &list.rows[1];
	free(row->name);
	row->name = memory_strdup("one");
	expect_error(db_volume_snapshot_update(db, row, &error), &error, ERROR_EXISTS, "\"one\"");
	free(row->name);
	row->name = memory_strdup("three");
	row->expires_at = 5;
	good(db_volume_snapshot_update(db, row, &error), &error);
	cleanup_volume_snapshot_row struct volume_snapshot_row found = {0};
	good(db_volume_snapshot_get(db, id, "three", &found, &error), &error);
	assert_int_equal(found.expires_at, 5);
	expect_error(db_volume_snapshot_get(db, id, "two", &again, &error), &error, ERROR_NOT_FOUND,
		     "\"two\"");
	good(db_volume_snapshot_delete(db, found.id, &error), &error);
	assert_int_equal(count_dead(db), 1);
	good(db_volume_delete(db, id, &error), &error); /* with its snapshot */
	assert_int_equal(count_dead(db), 2);		/* but the copy has that, too */
	good(db_volume_delete(db, copy, &error), &error);
	assert_int_equal(count_dead(db), 4);
}

#define DB_TEST(name) cmocka_unit_test_setup_teardown(name, make_database, remove_all)

int main(void)
{
	const struct CMUnitTest tests[] = {
		DB_TEST(test_rows),
		DB_TEST(test_changes),
		DB_TEST(test_snapshots),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
