/* Files that may be opened, files that may not, and migration of a stored version 1. */
#include <signal.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "db/layers.h"
#include "db/objects.h"
#include "db/parts.h"
#include "strbuf.h"
#include "test_db_common.h"

static int by_name(const struct dirent **left, const struct dirent **right)
{
	return strcmp((*left)->d_name, (*right)->d_name);
}

/* Names, sizes and bytes of all files. */
static struct strbuf snapshot(const struct fixture *fixture)
{
	struct strbuf all = {0};
	struct dirent **entries;
	int count = scandir(fixture->directory, &entries, NULL, by_name);
	for (int i = 0; i < count; i++) {
		cleanup_free char *path =
			memory_printf("%s/%s", fixture->directory, entries[i]->d_name);
		size_t length = 0;
		cleanup_free char *bytes = file_read_at(AT_FDCWD, path, &length, NULL);
		strbuf_printf(&all, "%s %zu\n", entries[i]->d_name, length);
		strbuf_append_bytes(&all, bytes ? bytes : "", length);
		free(entries[i]);
	}
	free(entries);
	return all;
}

static void expect_refusal(const struct fixture *fixture, const char *text)
{
	struct error *error = NULL;
	cleanup_strbuf struct strbuf before = snapshot(fixture);
	struct db *db = db_open(fixture->path, &error);
	expect_error(db ? 0 : -1, &error, ERROR_PRECONDITION, text);
	cleanup_strbuf struct strbuf after = snapshot(fixture);
	assert_int_equal(before.length, after.length);
	assert_memory_equal(before.text, after.text, before.length);
}

static void run_sql(const char *path, const char *sql)
{
	sqlite3 *handle;
	char *message = NULL;
	assert_int_equal(sqlite3_open(path, &handle), SQLITE_OK);
	if (sqlite3_exec(handle, sql, NULL, NULL, &message) != SQLITE_OK)
		fail_msg("%s", message);
	assert_int_equal(sqlite3_close(handle), SQLITE_OK);
}

static void overwrite(const char *path, off_t offset, const void *bytes, size_t length)
{
	cleanup_close int fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, bytes, length, offset), (ssize_t)length);
}

static void make_clean(struct fixture *fixture)
{
	struct error *error = NULL;
	struct db *db = open_good(fixture->path);
	good(db_seed(db, &error), &error);
	db_close(db);
}

/* How a child of these tests ends when it did its work. */
static void end_at_once(bool success)
{
	if (success)
		kill(getpid(), SIGKILL);
	_exit(1);
}

static void wait_for(pid_t child)
{
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
}

/* A process that ends without closing the database leaves its log. */
static void make_unclean(struct fixture *fixture)
{
	make_clean(fixture);
	pid_t child = fork();
	if (child == 0) {
		struct error *error = NULL;
		struct db *db = open_good(fixture->path);
		end_at_once(db_server_config_set(db, "a", "kept", &error) == 0);
	}
	wait_for(child);
}

static void test_new(void **state)
{
	struct fixture *fixture = *state;
	make_clean(fixture);
	struct stat status;
	assert_int_equal(stat(fixture->path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	cleanup_strbuf struct strbuf files = snapshot(fixture);
	assert_null(strstr(files.text, "-wal"));
	cleanup_free char *log = memory_printf("%s-wal", fixture->path);
	assert_int_equal(access(log, F_OK), -1);
}

static void test_unclean_is_recovered(void **state)
{
	struct fixture *fixture = *state;
	struct error *error = NULL;
	make_unclean(fixture);
	struct db *db = open_good(fixture->path);
	cleanup_free char *value = db_server_config_get(db, "a", &error);
	db_close(db);
	assert_string_equal(value, "kept");
}

static void test_foreign(void **state)
{
	struct fixture *fixture = *state;
	cleanup_close int fd = open(fixture->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, "hello", 5), 5);
	expect_refusal(fixture, "is not a database of sysct");
	assert_int_equal(ftruncate(fd, 0), 0);
	run_sql(fixture->path,
		"PRAGMA journal_mode=WAL; CREATE TABLE t (a); PRAGMA user_version=1");
	expect_refusal(fixture, "is not a database of sysct");
	assert_int_equal(unlink(fixture->path), 0);
	assert_int_equal(mkdir(fixture->path, 0700), 0);
	expect_refusal(fixture, "is not a database of sysct");
}

static void test_newer(void **state)
{
	struct fixture *fixture = *state;
	static const unsigned char version[4] = {0, 0, 0, 99};
	make_unclean(fixture);
	overwrite(fixture->path, 60, version, sizeof(version));
	expect_refusal(fixture, "schema version 99");
}

static void test_damaged(void **state)
{
	struct fixture *fixture = *state;
	static const unsigned char noise[8192] = {0xa5, 0x5a, 0xff, 1, 2, 3};
	make_clean(fixture);
	overwrite(fixture->path, 4096 * 8, noise, sizeof(noise));
	expect_refusal(fixture, "is damaged");
	assert_int_equal(truncate(fixture->path, 4096 * 5), 0);
	expect_refusal(fixture, "is damaged");
}

static void test_damaged_and_unclean(void **state)
{
	struct fixture *fixture = *state;
	static const unsigned char noise[8192] = {0xa5, 0x5a, 0xff, 1, 2, 3};
	make_unclean(fixture);
	overwrite(fixture->path, 4096 * 8, noise, sizeof(noise));
	expect_refusal(fixture, "is damaged");
}

static void test_log_without_database(void **state)
{
	struct fixture *fixture = *state;
	make_unclean(fixture);
	assert_int_equal(unlink(fixture->path), 0);
	expect_refusal(fixture, "is missing");
}

static void test_half_made(void **state)
{
	struct fixture *fixture = *state;
	cleanup_free char *new = memory_printf("%s.new", fixture->path);
	cleanup_close int fd = open(new, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, "half", 4), 4);
	make_clean(fixture);
	assert_int_equal(access(new, F_OK), -1);
}

static void load_version(const char *path, int version)
{
	const char *source = getenv("srcdir");
	cleanup_free char *dump =
		memory_printf("%s/tests/unit/data/db-v%d.sql", source ? source : ".", version);
	cleanup_free char *sql = file_read_at(AT_FDCWD, dump, NULL, NULL);
	assert_non_null(sql);
	run_sql(path, sql);
}

/* Every row of every table of the old file is in the new one, and no other but counters of new tables. */
static void check_same_rows(const char *old, const char *new)
{
	sqlite3 *handle;
	sqlite3_stmt *tables;
	cleanup_free char *attach = memory_printf("ATTACH '%s' AS old", old);
	assert_int_equal(sqlite3_open(new, &handle), SQLITE_OK);
	assert_int_equal(sqlite3_exec(handle, attach, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_prepare_v2(handle,
			   "SELECT t.name, group_concat(c.name) FROM old.sqlite_schema t,"
			   " pragma_table_info(t.name, 'old') c WHERE t.type = 'table' GROUP BY 1",
			   -1, &tables, NULL);
	int checked = 0;
	for (; sqlite3_step(tables) == SQLITE_ROW; checked++) {
		const char *table = (const char *)sqlite3_column_text(tables, 0);
		const char *columns = (const char *)sqlite3_column_text(tables, 1);
		bool counters = strcmp(table, "sqlite_sequence") == 0;
		cleanup_free char *sql = memory_printf(
			"SELECT count(*), (SELECT count(*) FROM old.%s),"
			" (SELECT count(*) FROM main.%s%s) FROM (SELECT %s FROM old.%s INTERSECT"
			" SELECT %s FROM main.%s)",
			table, table,
			counters ? " WHERE name IN (SELECT name FROM old.sqlite_sequence)" : "",
			columns, table, columns, table);
		sqlite3_stmt *count;
		assert_int_equal(sqlite3_prepare_v2(handle, sql, -1, &count, NULL), SQLITE_OK);
		assert_int_equal(sqlite3_step(count), SQLITE_ROW);
		assert_int_equal(sqlite3_column_int(count, 0), sqlite3_column_int(count, 1));
		assert_int_equal(sqlite3_column_int(count, 0), sqlite3_column_int(count, 2));
		sqlite3_finalize(count);
	}
	assert_true(checked > 12);
	sqlite3_finalize(tables);
	sqlite3_close(handle);
}

static void check_migrated(struct fixture *fixture)
{
	struct error *error = NULL;
	struct db *db = open_good(fixture->path);
	cleanup_instance_row struct instance_row box = {0};
	cleanup_instance_row struct instance_row other = {0};
	good(db_instance_get(db, "mybox", &box, &error), &error);
	good(db_instance_get(db, "zweite", &other, &error), &error);
	assert_int_equal(box.last_power, INSTANCE_POWER_STOPPED);
	assert_string_equal(json_string_value(json_array_get(box.profiles, 0)), "small");
	assert_int_equal(other.id_base, 1131072);
	assert_int_equal(json_object_size(json_object_get(other.devices, "empty")), 0);
	cleanup_image_row struct image_row image = {0};
	good(db_image_get_by_alias(db, "debian/12", &image, &error), &error);
	assert_null(image.template);
	cleanup_instance_row struct instance_row new = create_instance(db, "new");
	assert_int_equal(new.id_base, 1000000);
	good(db_instance_delete(db, new.id, &error), &error);
	db_close(db);
}

static void test_migration(void **state)
{
	struct fixture *fixture = *state;
	cleanup_free char *backup = memory_printf("%s.before-v2", fixture->path);
	load_version(fixture->path, 1);
	db_close(open_good(fixture->path));
	struct stat status;
	assert_int_equal(stat(backup, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	check_same_rows(backup, fixture->path);
	check_migrated(fixture);
}

/* Networks came with version 3, their forwards, zones and ACLs with version 4. */
static void test_migration_of_networks(void **state)
{
	struct fixture *fixture = *state;
	struct error *error = NULL;
	cleanup_free char *backup = memory_printf("%s.before-v4", fixture->path);
	load_version(fixture->path, 3);
	struct db *db = open_good(fixture->path);
	cleanup_object_row struct object_row lab = {0};
	cleanup_part_list struct part_list forwards = {0};
	good(db_object_get(db, &db_networks, "lab", &lab, &error), &error);
	assert_string_equal(json_string_value(json_object_get(lab.config, "ipv6.address")), "none");
	good(db_part_list(db, &db_forwards, NULL, &forwards, &error), &error);
	assert_int_equal(forwards.count, 0);
	db_close(db);
	check_same_rows(backup, fixture->path);
}

/* What wrote into instances/UUID before has that as its layer, with nothing below. */
static void check_layer(struct db *db, const char *name, const char *directory, const char *pool)
{
	struct error *error = NULL;
	cleanup_instance_row struct instance_row row = {0};
	cleanup_layer_list struct layer_list chain = {0};
	good(db_instance_get(db, name, &row, &error), &error);
	good(db_layer_chain(db, row.layer_id, &chain, &error), &error);
	assert_int_equal(chain.count, 1);
	assert_string_equal(chain.rows[0].directory, directory);
	assert_string_equal(chain.rows[0].pool, pool);
	assert_int_equal(chain.rows[0].id_base, row.id_base);
	assert_int_equal(chain.rows[0].parent_id, 0);
}

/* Layers and snapshots came with version 5. */
static void test_migration_of_layers(void **state)
{
	struct fixture *fixture = *state;
	struct error *error = NULL;
	cleanup_free char *backup = memory_printf("%s.before-v5", fixture->path);
	load_version(fixture->path, 4);
	struct db *db = open_good(fixture->path);
	check_layer(db, "mybox", "instances/6f1c2a52-0b5e-4c5e-9a58-000000000003", "default");
	check_layer(db, "zweite", "instances/6f1c2a52-0b5e-4c5e-9a58-000000000004", "fast");
	cleanup_layer_list struct layer_list dead = {0};
	good(db_layers_dead(db, &dead, &error), &error);
	assert_int_equal(dead.count, 0);
	cleanup_part_list struct part_list forwards = {0};
	good(db_part_list(db, &db_forwards, NULL, &forwards, &error), &error);
	assert_int_equal(forwards.count, 2);
	db_close(db);
	check_same_rows(backup, fixture->path);
}

/* What is below a chain came with version 6; what a layer knew of it before was its instance's. */
static void test_migration_of_images(void **state)
{
	struct fixture *fixture = *state;
	struct error *error = NULL;
	cleanup_free char *backup = memory_printf("%s.before-v6", fixture->path);
	load_version(fixture->path, 5);
	struct db *db = open_good(fixture->path);
	cleanup_instance_row struct instance_row row = {0}, other = {0};
	cleanup_layer_list struct layer_list chain = {0}, alone = {0};
	good(db_instance_get(db, "mybox", &row, &error), &error);
	good(db_layer_chain(db, row.layer_id, &chain, &error), &error);
	assert_int_equal(chain.count, 2);
	assert_null(chain.rows[0].image);
	assert_string_equal(chain.rows[1].image, row.image);
	assert_false(chain.rows[1].flat);
	good(db_instance_get(db, "zweite", &other, &error), &error);
	good(db_layer_chain(db, other.layer_id, &alone, &error), &error);
	assert_null(alone.rows[0].image);
	db_close(db);
	check_same_rows(backup, fixture->path);
}

/* A migration that was killed when half of it was in the file, and its journal beside it. */
static void test_killed_migration(void **state)
{
	struct fixture *fixture = *state;
	load_version(fixture->path, 1);
	pid_t child = fork();
	if (child == 0) {
		sqlite3 *handle;
		sqlite3_open(fixture->path, &handle);
		int result = sqlite3_exec(
			handle,
			"PRAGMA cache_size=1; BEGIN EXCLUSIVE; PRAGMA user_version=2;"
			"ALTER TABLE images ADD COLUMN template TEXT; CREATE TABLE big (x);"
			"WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)"
			" INSERT INTO big SELECT randomblob(2000) FROM n; DELETE FROM instances;",
			NULL, NULL, NULL);
		end_at_once(result == SQLITE_OK);
	}
	wait_for(child);
	cleanup_free char *journal = memory_printf("%s-journal", fixture->path);
	struct stat found;
	assert_int_equal(stat(journal, &found), 0);
	/* SQLite writes the first page, with the version, last; as if it had come to that. */
	static const unsigned char version[4] = {0, 0, 0, 2};
	overwrite(fixture->path, 60, version, sizeof(version));
	check_migrated(fixture);
}

#define FILE_TEST(name) cmocka_unit_test_setup_teardown(name, make_directory, remove_all)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FILE_TEST(test_new),
		FILE_TEST(test_unclean_is_recovered),
		FILE_TEST(test_foreign),
		FILE_TEST(test_newer),
		FILE_TEST(test_damaged),
		FILE_TEST(test_damaged_and_unclean),
		FILE_TEST(test_log_without_database),
		FILE_TEST(test_half_made),
		FILE_TEST(test_migration),
		FILE_TEST(test_migration_of_networks),
		FILE_TEST(test_migration_of_layers),
		FILE_TEST(test_migration_of_images),
		FILE_TEST(test_killed_migration),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
