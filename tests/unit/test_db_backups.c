/* Backups: names, order, expiry, and that they go with their instance. */
#include "db/backups.h"
#include "test_db_common.h"

static int64_t add(struct db *db, int64_t instance, const char *name, int64_t expires_at)
{
	struct error *error = NULL;
	cleanup_free char *file = memory_printf("file-%s", name);
	struct backup_row row = {
		.kind = BACKUP_OF_INSTANCE,
		.owner_id = instance,
		.name = (char *)name,
		.file = file,
		.created_at = 5,
		.expires_at = expires_at,
		.only = true,
	};
	good(db_backup_create(db, &row, &error), &error);
	return row.id;
}

static void test_rows(void **state)
{
	struct db *db = ((struct fixture *)*state)->db;
	struct error *error = NULL;
	cleanup_instance_row struct instance_row box = create_instance(db, "box");
	cleanup_instance_row struct instance_row other = create_instance(db, "other");
	cleanup_backup_row struct backup_row row = {0};
	cleanup_backup_list struct backup_list list = {0};
	add(db, box.id, "b", 0);
	add(db, box.id, "a", 0);
	add(db, other.id, "a", 0);
	good(db_backup_get(db, BACKUP_OF_INSTANCE, box.id, "a", &row, &error), &error);
	assert_string_equal(row.file, "file-a");
	assert_true(row.only);
	expect_error(db_backup_rename(db, &row, "b", &error), &error, ERROR_EXISTS,
		     "already exists");
	good(db_backup_rename(db, &row, "c", &error), &error);
	good(db_backup_list(db, BACKUP_OF_INSTANCE, box.id, &list, &error), &error);
	assert_int_equal(list.count, 2);
	assert_string_equal(list.rows[0].name, "b");
	assert_string_equal(list.rows[1].name, "c");
	good(db_backup_delete(db, &row, &error), &error);
	expect_error(db_backup_delete(db, &row, &error), &error, ERROR_NOT_FOUND, "meanwhile");
	backup_row_clear(&row);
	expect_error(db_backup_get(db, BACKUP_OF_INSTANCE, box.id, "c", &row, &error), &error,
		     ERROR_NOT_FOUND, "\"c\"");
}

static void test_instance_gone(void **state)
{
	struct db *db = ((struct fixture *)*state)->db;
	struct error *error = NULL;
	cleanup_instance_row struct instance_row box = create_instance(db, "box");
	cleanup_backup_list struct backup_list list = {0};
	struct backup_row late = {.owner_id = box.id, .name = (char *)"x", .file = (char *)"y"};
	add(db, box.id, "a", 0);
	good(db_instance_delete(db, box.id, &error), &error);
	good(db_backup_list(db, BACKUP_OF_INSTANCE, 0, &list, &error), &error);
	assert_int_equal(list.count, 0);
	expect_error(db_backup_create(db, &late, &error), &error, ERROR_NOT_FOUND, "was deleted");
}

static void test_expiry(void **state)
{
	struct db *db = ((struct fixture *)*state)->db;
	struct error *error = NULL;
	cleanup_instance_row struct instance_row box = create_instance(db, "box");
	int64_t time;
	add(db, box.id, "never", 0);
	good(db_backup_next_expiry(db, 0, &time, &error), &error);
	assert_int_equal(time, 0);
	add(db, box.id, "later", 200);
	add(db, box.id, "sooner", 100);
	good(db_backup_next_expiry(db, 0, &time, &error), &error);
	assert_int_equal(time, 100);
	good(db_backup_next_expiry(db, 100, &time, &error), &error);
	assert_int_equal(time, 200);
}

#define DB_TEST(name) cmocka_unit_test_setup_teardown(name, make_database, remove_all)

int main(void)
{
	const struct CMUnitTest tests[] = {
		DB_TEST(test_rows),
		DB_TEST(test_instance_gone),
		DB_TEST(test_expiry),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
