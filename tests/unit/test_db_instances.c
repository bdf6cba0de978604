/* Rows of instances and their id ranges. */
#include <time.h>

#include "test_db_common.h"

static void check_json(const json_t *found, const char *expected)
{
	cleanup_free char *text = json_dumps(found, JSON_SORT_KEYS | JSON_COMPACT);
	assert_string_equal(text, expected);
}

static void test_round_trip(void **state)
{
	struct fixture *fixture = *state;
	struct error *error = NULL;
	cleanup_instance_row struct instance_row row = new_instance("mybox");
	row.description = memory_strdup("a \"box\"");
	row.image = memory_strdup("abcd");
	row.ephemeral = true;
	row.config = json_pack("{s:s, s:s}", "limits.cpu", "2", "user.x", "line\nline");
	row.devices = json_pack("{s:{s:s}, s:{}}", "root", "type", "disk", "empty");
	row.profiles = json_pack("[s]", "default");
	good(db_instance_create(fixture->db, &row, &ids, &error), &error);
	assert_true(row.id > 0 && row.created_at > 0 && row.pool_id > 0);
	assert_int_equal(row.id_base, 1000000);
	assert_int_equal(row.id_count, 65536);

	cleanup_instance_row struct instance_row found = {0};
	good(db_instance_get(fixture->db, "mybox", &found, &error), &error);
	assert_string_equal(found.uuid, "uuid-mybox");
	assert_string_equal(found.description, "a \"box\"");
	assert_string_equal(found.image, "abcd");
	assert_string_equal(found.pool, "default");
	assert_true(found.ephemeral);
	assert_true(found.created_at == row.created_at && found.last_used_at == 0);
	assert_int_equal(found.id_base, 1000000);
	assert_int_equal(found.last_power, INSTANCE_POWER_STOPPED);
	check_json(found.config, "{\"limits.cpu\":\"2\",\"user.x\":\"line\\nline\"}");
	check_json(found.devices, "{\"empty\":{},\"root\":{\"type\":\"disk\"}}");
	check_json(found.profiles, "[\"default\"]");
}

static void test_changes(void **state)
{
	struct fixture *fixture = *state;
	struct error *error = NULL;
	struct db *db = fixture->db;
	struct profile_row profile = {.name = (char *)"small"};
	good(db_profile_create(db, &profile, &error), &error);
	cleanup_instance_row struct instance_row row = create_instance(db, "one");
	row.description = memory_strdup("new");
	row.config = json_pack("{s:s}", "limits.memory", "1GiB");
	row.profiles = json_pack("[s, s]", "small", "default");
	good(db_instance_update(db, &row, &error), &error);
	good(db_instance_touch(db, row.id, 77, &error), &error);
	good(db_instance_set_power(db, row.id, INSTANCE_POWER_RUNNING, &error), &error);
	good(db_instance_set_key(db, row.id, "volatile.a", "1", DB_VOLATILE, &error), &error);
	good(db_instance_set_key(db, row.id, "volatile.a", "2", DB_DURABLE, &error), &error);
	good(db_instance_set_key(db, row.id, "limits.memory", NULL, DB_DURABLE, &error), &error);
	good(db_instance_rename(db, row.id, "two", &error), &error);

	cleanup_instance_row struct instance_row found = {0};
	good(db_instance_get_by_id(db, row.id, &found, &error), &error);
	assert_string_equal(found.name, "two");
	assert_string_equal(found.description, "new");
	assert_int_equal(found.last_used_at, 77);
	assert_int_equal(found.last_power, INSTANCE_POWER_RUNNING);
	check_json(found.config, "{\"volatile.a\":\"2\"}");
	check_json(found.profiles, "[\"small\",\"default\"]");
	expect_error(db_profile_delete(db, "small", &error), &error, ERROR_BUSY,
		     "profile \"small\" is in use by \"two\"");
	good(db_instance_delete(db, row.id, &error), &error);
	good(db_profile_delete(db, "small", &error), &error);
}

static void test_refusals(void **state)
{
	struct fixture *fixture = *state;
	struct error *error = NULL;
	struct db *db = fixture->db;
	cleanup_instance_row struct instance_row one = create_instance(db, "one");
	cleanup_instance_row struct instance_row two = create_instance(db, "two");
	cleanup_instance_row struct instance_row row = new_instance("one");
	expect_error(db_instance_create(db, &row, &ids, &error), &error, ERROR_EXISTS,
		     "instance \"one\" already exists");
	expect_error(db_instance_rename(db, two.id, "one", &error), &error, ERROR_EXISTS,
		     "instance \"one\" already exists");
	cleanup_instance_row struct instance_row none = {0};
	expect_error(db_instance_get(db, "none", &none, &error), &error, ERROR_NOT_FOUND,
		     "Instance not found: \"none\"");
	expect_error(db_instance_delete(db, 999, &error), &error, ERROR_NOT_FOUND, "Instance");
	expect_error(db_instance_touch(db, 999, 1, &error), &error, ERROR_NOT_FOUND, "Instance");
	expect_error(db_instance_set_key(db, 999, "k", "v", DB_DURABLE, &error), &error,
		     ERROR_NOT_FOUND, "Instance");
	two.profiles = json_pack("[s, s]", "default", "default");
	expect_error(db_instance_update(db, &two, &error), &error, ERROR_INVALID, "twice");
	json_array_clear(two.profiles);
	json_array_append_new(two.profiles, json_string("missing"));
	expect_error(db_instance_update(db, &two, &error), &error, ERROR_NOT_FOUND,
		     "Profile not found: \"missing\"");
	two.config = json_pack("{s:i}", "limits.cpu", 2);
	expect_error(db_instance_update(db, &two, &error), &error, ERROR_INVALID, "not a text");
	cleanup_instance_row struct instance_row three = new_instance("three");
	free(three.pool);
	three.pool = memory_strdup("nowhere");
	expect_error(db_instance_create(db, &three, &ids, &error), &error, ERROR_NOT_FOUND,
		     "Storage pool not found: \"nowhere\"");
}

static uint32_t base_of_new(struct db *db, const char *name, uint32_t count, int64_t *id)
{
	struct error *error = NULL;
	const struct id_pool small = {1000, 40};
	cleanup_instance_row struct instance_row row = new_instance(name);
	row.id_count = count;
	if (db_instance_create(db, &row, &small, &error) < 0) {
		expect_error(-1, &error, ERROR_NO_SPACE, "/etc/subuid");
		return 0;
	}
	*id = row.id;
	return row.id_base;
}

static void test_id_ranges(void **state)
{
	struct fixture *fixture = *state;
	struct error *error = NULL;
	struct db *db = fixture->db;
	int64_t a, b, c, d, other;
	assert_int_equal(base_of_new(db, "a", 10, &a), 1000);
	assert_int_equal(base_of_new(db, "b", 10, &b), 1010);
	assert_int_equal(base_of_new(db, "c", 10, &c), 1020);
	assert_int_equal(base_of_new(db, "d", 10, &d), 1030);
	assert_int_equal(base_of_new(db, "e", 1, &other), 0);
	good(db_instance_delete(db, b, &error), &error);
	good(db_instance_delete(db, d, &error), &error);
	assert_int_equal(base_of_new(db, "e", 11, &other), 0); /* 20 free, not in a row */
	good(db_instance_delete(db, c, &error), &error);
	assert_int_equal(base_of_new(db, "e", 25, &other), 1010);
	assert_int_equal(base_of_new(db, "f", 5, &other), 1035);
}

static void test_id_pool_edited(void **state)
{
	struct fixture *fixture = *state;
	struct error *error = NULL;
	struct db *db = fixture->db;
	int64_t a, b, c, d;
	base_of_new(db, "a", 10, &a);
	base_of_new(db, "b", 10, &b);
	base_of_new(db, "c", 10, &c);
	good(db_instance_delete(db, b, &error), &error);
	const struct id_pool moved = {1005, 20};
	cleanup_instance_row struct instance_row row = new_instance("d");
	row.id_count = 10;
	good(db_instance_create(db, &row, &moved, &error), &error);
	assert_int_equal(row.id_base, 1010);
	good(db_instance_delete(db, a, &error), &error); /* half of it is in the new pool */
	good(db_instance_delete(db, row.id, &error), &error);
	good(db_instance_delete(db, c, &error), &error);
	cleanup_instance_row struct instance_row all = new_instance("e");
	all.id_count = 20;
	good(db_instance_create(db, &all, &moved, &error), &error);
	assert_int_equal(all.id_base, 1005);
	assert_int_equal(base_of_new(db, "f", 10, &d), 1025);
}

static double milliseconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void fill(struct db *db, int count)
{
	struct error *error = NULL;
	good(db_begin(db, DB_DURABLE, &error), &error);
	for (int i = 0; i < count; i++) {
		char name[16];
		snprintf(name, sizeof(name), "box%05d", i);
		cleanup_instance_row struct instance_row row = new_instance(name);
		row.config = json_pack("{s:s, s:s, s:s}", "limits.cpu", "2", "volatile.base_image",
				       name, "image.os", "Debian");
		row.devices = json_pack("{s:{s:s, s:s}}", "root", "type", "disk", "path", "/");
		row.profiles = json_pack("[s]", "default");
		good(db_instance_create(db, &row, &ids, &error), &error);
	}
	good(db_commit(db, &error), &error);
}

static void test_list(void **state)
{
	enum { COUNT = 100 };
	struct fixture *fixture = *state;
	struct error *error = NULL;
	fill(fixture->db, COUNT);
	double best = 1e9;
	for (int i = 0; i < 5; i++) {
		cleanup_instance_list struct instance_list list = {0};
		double start = milliseconds();
		good(db_instance_list(fixture->db, &list, &error), &error);
		double taken = milliseconds() - start;
		best = taken < best ? taken : best;
		assert_int_equal(list.count, COUNT);
		for (int n = 0; n < COUNT; n++) {
			const struct instance_row *row = &list.rows[n];
			assert_string_equal(json_string_value(json_object_get(
						    row->config, "volatile.base_image")),
					    row->name);
			assert_int_equal(json_array_size(row->profiles), 1);
			check_json(row->devices, "{\"root\":{\"path\":\"/\",\"type\":\"disk\"}}");
			assert_int_equal(row->id_base, 1000000 + n * 65536);
		}
	}
	print_message("# list of %d instances: %.2f ms\n", COUNT, best);
}

static void test_transactions(void **state)
{
	struct fixture *fixture = *state;
	struct error *error = NULL;
	struct db *db = fixture->db;
	cleanup_instance_row struct instance_row found = {0};
	good(db_begin(db, DB_VOLATILE, &error), &error);
	cleanup_instance_row struct instance_row one = create_instance(db, "one");
	cleanup_instance_row struct instance_row again = new_instance("one");
	expect_error(db_instance_create(db, &again, &ids, &error), &error, ERROR_EXISTS, "one");
	good(db_instance_get(db, "one", &found, &error), &error); /* sees itself */
	db_rollback(db);
	instance_row_clear(&found);
	expect_error(db_instance_get(db, "one", &found, &error), &error, ERROR_NOT_FOUND, "one");
	expect_error(db_commit(db, &error), &error, ERROR_INTERNAL, "no transaction");
	db_rollback(db);

	good(db_begin(db, DB_VOLATILE, &error), &error);
	cleanup_instance_row struct instance_row two = create_instance(db, "two");
	good(db_begin(db, DB_DURABLE, &error), &error);
	cleanup_instance_row struct instance_row three = create_instance(db, "three");
	db_rollback(db);
	good(db_commit(db, &error), &error);
	good(db_instance_get(db, "two", &found, &error), &error);
	instance_row_clear(&found);
	expect_error(db_instance_get(db, "three", &found, &error), &error, ERROR_NOT_FOUND,
		     "three");
}

#define DB_TEST(name) cmocka_unit_test_setup_teardown(name, make_database, remove_all)

int main(void)
{
	const struct CMUnitTest tests[] = {
		DB_TEST(test_round_trip),   DB_TEST(test_changes),	  DB_TEST(test_refusals),
		DB_TEST(test_id_ranges),    DB_TEST(test_id_pool_edited), DB_TEST(test_list),
		DB_TEST(test_transactions),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
