/* Rows of images, aliases, profiles, pools and the server's configuration. */
#include "test_db_common.h"

static const char first[] = "aa11000000000000000000000000000000000000000000000000000000000001";
static const char second[] = "aa22000000000000000000000000000000000000000000000000000000000002";

static struct image_row create_image(struct db *db, const char *fingerprint)
{
	struct error *error = NULL;
	struct image_row row = {
		.fingerprint = memory_strdup(fingerprint),
		.architecture = memory_strdup("x86_64"),
		.size = 12345678901,
		.template = memory_strdup("debian"),
		.template_options = json_pack("{s:[i, b]}", "list", 1, 1),
		.properties = json_pack("{s:s}", "os", "Debian"),
	};
	good(db_image_create(db, &row, &error), &error);
	return row;
}

static struct alias_row alias_of(const char *name, const char *fingerprint)
{
	return (struct alias_row){.name = (char *)name, .fingerprint = (char *)fingerprint};
}

static void test_images(void **state)
{
	struct fixture *fixture = *state;
	struct error *error = NULL;
	struct db *db = fixture->db;
	cleanup_image_row struct image_row one = create_image(db, first);
	cleanup_image_row struct image_row two = create_image(db, second);
	cleanup_image_row struct image_row found = {0};
	expect_error(db_image_create(db, &one, &error), &error, ERROR_EXISTS, first);
	good(db_image_get(db, "AA1", &found, &error), &error);
	assert_string_equal(found.fingerprint, first);
	assert_string_equal(found.type, "container");
	assert_true(found.size == 12345678901 && found.uploaded_at > 0);
	assert_true(json_equal(found.template_options, one.template_options));
	assert_true(json_equal(found.properties, one.properties));
	image_row_clear(&found);
	expect_error(db_image_get(db, "aa", &found, &error), &error, ERROR_INVALID,
		     "more than one");
	expect_error(db_image_get(db, "ab", &found, &error), &error, ERROR_NOT_FOUND, "\"ab\"");
	expect_error(db_image_get(db, "a%", &found, &error), &error, ERROR_NOT_FOUND, "\"a%\"");
	expect_error(db_image_get(db, "", &found, &error), &error, ERROR_INVALID, "empty");

	one.public = true;
	json_object_set_new(one.properties, "os", json_string("other"));
	good(db_image_update(db, &one, &error), &error);
	good(db_image_touch(db, one.id, 5, &error), &error);
	good(db_image_get(db, first, &found, &error), &error);
	assert_true(found.public && found.last_used_at == 5);
	assert_true(json_equal(found.properties, one.properties));
	good(db_image_delete(db, one.id, &error), &error);
	expect_error(db_image_delete(db, one.id, &error), &error, ERROR_NOT_FOUND, "Image");
	cleanup_image_list struct image_list list = {0};
	good(db_image_list(db, &list, &error), &error);
	assert_int_equal(list.count, 1);
}

static void test_aliases(void **state)
{
	struct fixture *fixture = *state;
	struct error *error = NULL;
	struct db *db = fixture->db;
	cleanup_image_row struct image_row one = create_image(db, first);
	cleanup_image_row struct image_row two = create_image(db, second);
	struct alias_row alias = alias_of("debian", first), other = alias_of("debian/12", first);
	good(db_alias_create(db, &alias, &error), &error);
	good(db_alias_create(db, &other, &error), &error);
	expect_error(db_alias_create(db, &alias, &error), &error, ERROR_EXISTS, "\"debian\"");
	cleanup_image_row struct image_row found = {0};
	good(db_image_get_by_alias(db, "debian", &found, &error), &error);
	assert_string_equal(found.fingerprint, first);
	assert_int_equal(json_array_size(found.aliases), 2);
	image_row_clear(&found);

	int64_t id = alias.id;
	alias.fingerprint = (char *)second;
	good(db_alias_set(db, &alias, &error), &error);
	assert_int_equal(alias.id, id);
	cleanup_alias_row struct alias_row read = {0};
	good(db_alias_get(db, "debian", &read, &error), &error);
	assert_string_equal(read.fingerprint, second);
	good(db_alias_rename(db, "debian/12", "bookworm", &error), &error);
	expect_error(db_alias_rename(db, "bookworm", "debian", &error), &error, ERROR_EXISTS,
		     "debian");
	expect_error(db_alias_delete(db, "debian/12", &error), &error, ERROR_NOT_FOUND,
		     "debian/12");
	good(db_image_delete(db, one.id, &error), &error);
	cleanup_alias_list struct alias_list list = {0};
	good(db_alias_list(db, &list, &error), &error);
	assert_int_equal(list.count, 1);
	alias.fingerprint = (char *)first;
	expect_error(db_alias_update(db, &alias, &error), &error, ERROR_NOT_FOUND, "Image");
	good(db_alias_delete(db, "debian", &error), &error);
}

static void test_image_users(void **state)
{
	struct fixture *fixture = *state;
	struct error *error = NULL;
	cleanup_instance_row struct instance_row row = new_instance("box");
	row.image = memory_strdup(first);
	good(db_instance_create(fixture->db, &row, &ids, &error), &error);
	json_t *users = db_image_used_by(fixture->db, first, &error);
	assert_int_equal(json_array_size(users), 1);
	assert_string_equal(json_string_value(json_array_get(users, 0)), "box");
	json_decref(users);
}

static void test_profiles(void **state)
{
	struct fixture *fixture = *state;
	struct error *error = NULL;
	struct db *db = fixture->db;
	cleanup_profile_row struct profile_row row = {.name = memory_strdup("small")};
	row.config = json_pack("{s:s}", "limits.cpu", "1");
	good(db_profile_create(db, &row, &error), &error);
	expect_error(db_profile_create(db, &row, &error), &error, ERROR_EXISTS, "\"small\"");
	json_object_clear(row.config);
	row.description = memory_strdup("text");
	good(db_profile_update(db, &row, &error), &error);
	good(db_profile_rename(db, "small", "tiny", &error), &error);
	expect_error(db_profile_rename(db, "default", "x", &error), &error, ERROR_INVALID,
		     "default");
	expect_error(db_profile_delete(db, "default", &error), &error, ERROR_INVALID, "default");
	expect_error(db_profile_delete(db, "x", &error), &error, ERROR_NOT_FOUND, "\"x\"");
	cleanup_profile_list struct profile_list list = {0};
	good(db_profile_list(db, &list, &error), &error);
	assert_int_equal(list.count, 2);
	assert_null(profile_list_find(&list, "small"));
	const struct profile_row *tiny = profile_list_find(&list, "tiny");
	assert_string_equal(tiny->description, "text");
	assert_int_equal(json_object_size(tiny->config), 0);
	good(db_profile_delete(db, "tiny", &error), &error);
}

static void test_pools(void **state)
{
	struct fixture *fixture = *state;
	struct error *error = NULL;
	struct db *db = fixture->db;
	cleanup_object_row struct object_row pool = {.name = memory_strdup("fast"),
						     .kind = memory_strdup("overlay")};
	pool.config = json_pack("{s:s}", "source", "/srv");
	good(db_object_create(db, &db_pools, &pool, &error), &error);
	expect_error(db_object_create(db, &db_pools, &pool, &error), &error, ERROR_EXISTS,
		     "\"fast\"");
	cleanup_instance_row struct instance_row box = create_instance(db, "box");
	cleanup_object_list struct object_list list = {0};
	good(db_object_list(db, &db_pools, &list, &error), &error);
	assert_int_equal(list.count, 2);
	assert_int_equal(json_array_size(list.rows[0].used_by_instances), 1);
	assert_int_equal(json_array_size(list.rows[0].used_by_profiles), 1);
	assert_true(json_equal(list.rows[1].config, pool.config));
	expect_error(db_object_delete(db, &db_pools, "default", &error), &error, ERROR_BUSY,
		     "instance \"box\"");
	good(db_instance_delete(db, box.id, &error), &error);
	expect_error(db_object_delete(db, &db_pools, "default", &error), &error, ERROR_BUSY,
		     "profile \"default\"");
	good(db_object_delete(db, &db_pools, "fast", &error), &error);
	cleanup_object_row struct object_row found = {0};
	expect_error(db_object_get(db, &db_pools, "fast", &found, &error), &error, ERROR_NOT_FOUND,
		     "\"fast\"");
}

static void test_server_config(void **state)
{
	struct fixture *fixture = *state;
	struct error *error = NULL;
	struct db *db = fixture->db;
	good(db_server_config_set(db, "a", "1", &error), &error);
	good(db_server_config_set(db, "a", "2", &error), &error);
	cleanup_free char *value = db_server_config_get(db, "a", &error);
	assert_string_equal(value, "2");
	assert_null(db_server_config_get(db, "b", &error));
	assert_null(error);
	json_t *config = json_pack("{s:s, s:s}", "b", "1", "c", "");
	good(db_server_config_replace(db, config, &error), &error);
	good(db_server_config_set(db, "d", NULL, &error), &error);
	json_t *found = db_server_config_get_all(db, &error);
	assert_true(json_equal(found, config));
	json_decref(found);
	json_decref(config);
}

static void test_seed_once(void **state)
{
	struct fixture *fixture = *state;
	struct error *error = NULL;
	cleanup_profile_row struct profile_row row = {0};
	good(db_profile_get(fixture->db, "default", &row, &error), &error);
	json_object_clear(row.devices);
	good(db_profile_update(fixture->db, &row, &error), &error);
	good(db_object_delete(fixture->db, &db_pools, "default", &error), &error);
	good(db_seed(fixture->db, &error), &error);
	cleanup_object_list struct object_list list = {0};
	good(db_object_list(fixture->db, &db_pools, &list, &error), &error);
	assert_int_equal(list.count, 0);
}

#define DB_TEST(name) cmocka_unit_test_setup_teardown(name, make_database, remove_all)

int main(void)
{
	const struct CMUnitTest tests[] = {
		DB_TEST(test_images),	 DB_TEST(test_aliases), DB_TEST(test_image_users),
		DB_TEST(test_profiles),	 DB_TEST(test_pools),	DB_TEST(test_server_config),
		DB_TEST(test_seed_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
