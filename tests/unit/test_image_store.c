/* Rows, files and aliases of images: stored together, and brought together again after a crash. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "db/images.h"
#include "events.h"
#include "file.h"
#include "image/image.h"
#include "image/store.h"
#include "memory.h"
#include "server.h"
#include "storage/storage.h"

#define ONE   "1111111111111111111111111111111111111111111111111111111111111111"
#define TWO   "2222222222222222222222222222222222222222222222222222222222222222"
#define THREE "3333333333333333333333333333333333333333333333333333333333333333"

static char *directory;

static int set_up(void **state)
{
	struct server *server = memory_alloc(sizeof(*server));
	const char *temporary = getenv("TMPDIR");
	directory = memory_printf("%s/sysct-store-XXXXXX", temporary ? temporary : "/tmp");
	assert_non_null(mkdtemp(directory));
	setenv("SYSCT_DIR", directory, 1);
	paths_init(&server->paths);
	cleanup_free char *database = memory_printf("%s/sysct.db", directory);
	server->db = db_open(database, NULL);
	assert_non_null(server->db);
	assert_int_equal(db_seed(server->db, NULL), 0);
	server->storage = storage_create(server->paths.state, NULL);
	assert_int_equal(storage_repair(server, NULL), 0);
	server->events = event_hub_create();
	*state = server;
	return 0;
}

static int tear_down(void **state)
{
	struct server *server = *state;
	event_hub_free(server->events);
	storage_free(server->storage);
	db_close(server->db);
	paths_free(&server->paths);
	free(server);
	assert_int_equal(file_remove_tree_at(-1, directory, NULL), 0);
	free(directory);
	return 0;
}

/* As a build does: an unpacked tree, then the commit. */
static int store(struct server *server, const char *fingerprint, const char *template,
		 const char *wanted, const char *alias, bool take_aliases)
{
	json_t *metadata = json_pack("{s:s, s:i}", "architecture", "x86_64", "creation_date", 1);
	json_t *aliases = json_pack("[s]", alias);
	json_t *options = json_object();
	const struct image_result result = {
		.token = "token",
		.fingerprint = fingerprint,
		.size = 1,
		.metadata = metadata,
		.template = template,
		.options = options,
		.aliases = aliases,
		.wanted = wanted,
		.take_aliases = take_aliases,
	};
	cleanup_free char *path =
		storage_image_begin(server->storage, "default", "overlay", "token", NULL);
	assert_non_null(path);
	cleanup_free char *file = memory_printf("%s/metadata.json", path);
	assert_int_equal(file_replace_at(-1, file, "{}", 2, 0644, false, NULL), 0);
	int status = image_store_commit(server, &result, NULL);
	json_decref(metadata);
	json_decref(aliases);
	json_decref(options);
	return status;
}

static void assert_target(struct server *server, const char *alias, const char *fingerprint)
{
	cleanup_alias_row struct alias_row row = {0};
	assert_int_equal(db_alias_get(server->db, alias, &row, NULL), 0);
	assert_string_equal(row.fingerprint, fingerprint);
}

static bool has_row(struct server *server, const char *fingerprint)
{
	cleanup_image_row struct image_row row = {0};
	return db_image_get(server->db, fingerprint, &row, NULL) == 0;
}

static bool has_files(struct server *server, const char *fingerprint)
{
	return storage_image_exists(server->storage, "default", fingerprint);
}

static void test_aliases(void **state)
{
	struct server *server = *state;
	/* A user's own alias stays where it is, unless it was asked for. */
	assert_int_equal(store(server, ONE, NULL, NULL, "debian/stable", false), 0);
	assert_int_equal(store(server, TWO, "sysct-debian", "debian/13", "debian/stable", false),
			 0);
	assert_target(server, "debian/stable", ONE);
	assert_target(server, "debian/13", TWO);
	/* One of the same template moves on to its newer image. */
	assert_int_equal(store(server, THREE, "sysct-debian", NULL, "debian/13", false), 0);
	assert_target(server, "debian/13", THREE);
	assert_int_equal(image_delete(server, THREE, NULL), 0);
	assert_int_equal(store(server, THREE, "other", NULL, "debian/stable", true), 0);
	assert_target(server, "debian/stable", THREE);
}

static void test_same_image_again(void **state)
{
	struct server *server = *state;
	assert_int_equal(store(server, ONE, "t", "a", "a", false), 0);
	assert_int_equal(store(server, ONE, "t", "b", "b", false), 0);
	assert_target(server, "a", ONE);
	assert_target(server, "b", ONE);
	assert_true(has_files(server, ONE));
}

static void test_repair(void **state)
{
	struct server *server = *state;
	cleanup_free char *orphan = storage_image_path(server->storage, "default", TWO);
	cleanup_free char *lost = storage_image_path(server->storage, "default", THREE);
	cleanup_free char *build = memory_printf("%s/tmp/image-builds/x/rootfs", directory);
	cleanup_free char *builds = image_builds_directory(server);
	assert_int_equal(store(server, ONE, "t", "a", "a", false), 0);
	assert_int_equal(store(server, THREE, "t", "c", "c", false), 0);
	/* Killed between files and row; files taken away; killed in a build. */
	assert_int_equal(mkdir(orphan, 0700), 0);
	assert_int_equal(file_remove_tree_at(-1, lost, NULL), 0);
	assert_int_equal(file_make_directories(build, 0700, NULL), 0);
	assert_int_equal(image_repair(server, NULL), 0);
	assert_true(has_row(server, ONE) && has_files(server, ONE));
	assert_false(has_files(server, TWO));
	assert_false(has_row(server, THREE));
	assert_int_equal(access(builds, F_OK), -1);
	assert_int_equal(image_repair(server, NULL), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_aliases),
		TEST(test_same_image_again),
		TEST(test_repair),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	if (geteuid() != 0) {
		puts("1..0 # SKIP pools need root");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
