/*
 * Building images with a template that is a shell script: what gets stored,
 * two at once, failures, cancellation, and a daemon that is killed.
 * Needs root (overlay, ids) and libexec/sysct-{guard,unpack} in the directory
 * it is run from, or SYSCT_LIBEXEC.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "db/images.h"
#include "db/instances.h"
#include "events.h"
#include "file.h"
#include "image/image.h"
#include "image/store.h"
#include "memory.h"
#include "operation.h"
#include "server.h"
#include "storage/storage.h"

/*
 * "fake" and "fake/one" are built at once, "slow" when DIR's "go" appears,
 * "broken" fails with a message, "stuck" never ends and hides a child in a
 * session of its own, "evil" writes an archive that must be refused.
 */
static const char template_text[] =
	"#!/bin/bash\n"
	"set -eu\n"
	"base=$(dirname \"$0\")/../..\n"
	"case $1 in\n"
	"match)\n"
	"    case $2 in\n"
	"    fake | fake/one) echo "
	"'{\"options\":{\"kind\":\"fake\"},\"aliases\":[\"fake\",\"fake/one\"]}' ;;\n"
	"    slow | broken | stuck | evil) echo "
	"\"{\\\"options\\\":{\\\"kind\\\":\\\"$2\\\"},\\\"aliases\\\":[\\\"$2\\\"]}\" ;;\n"
	"    fake/*) echo \"there is no variant ${2#fake/}\" >&2; exit 1 ;;\n"
	"    *) exit 3 ;;\n"
	"    esac ;;\n"
	"build)\n"
	"    dir=$2 kind=${3#kind=}\n"
	"    echo \"$kind\" >>\"$base/builds\"\n"
	"    [ -d \"$SYSCT_CACHE_DIR\" ]\n"
	"    echo '10 working' >&\"$SYSCT_PROGRESS_FD\"\n"
	"    case $kind in\n"
	"    slow) until [ -e \"$base/go\" ]; do sleep 0.02; done ;;\n"
	"    broken) echo 'one line' >&2; echo 'the mirror is on fire' >&2; exit 4 ;;\n"
	"    stuck) setsid sleep 300 & echo $! >\"$base/hidden\"; echo $$ >\"$base/pid\"; trap '' "
	"TERM; sleep 300; sleep 300 ;;\n"
	"    esac\n"
	"    printf "
	"'{\"architecture\":\"x86_64\",\"creation_date\":1700000000,\"properties\":{\"os\":\"%s\"}}"
	"' \"$kind${4:-}\" >\"$dir/metadata.json\"\n"
	"    mkdir \"$dir/tree\"; echo hello >\"$dir/tree/file\"\n"
	"    if [ \"$kind\" = evil ]; then tar -C \"$dir/tree\" -cPf \"$dir/rootfs.tar\" "
	"--transform 's,^,/abs/,' file\n"
	"    else tar -C \"$dir/tree\" --mtime=@0 -cf \"$dir/rootfs.tar\" .; fi\n"
	"    echo '100 done' >&\"$SYSCT_PROGRESS_FD\" ;;\n"
	"esac\n";

struct fixture {
	struct server server;
	char *directory;
};

static char *at(const struct fixture *fixture, const char *name)
{
	return memory_printf("%s/%s", fixture->directory, name);
}

static void open_server(struct fixture *fixture)
{
	struct server *server = &fixture->server;
	struct error *error = NULL;
	char libexec[PATH_MAX];
	const char *wanted = getenv("SYSCT_LIBEXEC");
	setenv("SYSCT_DIR", fixture->directory, 1);
	paths_init(&server->paths);
	assert_non_null(realpath(wanted ? wanted : "libexec", libexec));
	server->libexec = memory_strdup(libexec);
	server->ids = (struct id_pool){1000000, 1000000000};
	cleanup_free char *database = at(fixture, "sysct.db");
	assert_int_equal(file_make_directories(server->paths.log, 0700, &error), 0);
	server->db = db_open(database, &error);
	assert_non_null(server->db);
	assert_int_equal(db_seed(server->db, &error), 0);
	server->storage = storage_create(server->paths.state, &error);
	assert_non_null(server->storage);
	assert_int_equal(storage_repair(server, &error), 0);
	server->events = event_hub_create();
	server->operations = operation_manager_create(server->events, &error);
	server->images = image_builder_create(server, &error);
	assert_int_equal(image_repair(server, &error), 0);
}

static void close_server(struct server *server)
{
	image_builder_free(server->images);
	assert_int_equal(operation_manager_stop(server->operations, 10000), 0);
	operation_manager_free(server->operations);
	event_hub_free(server->events);
	storage_free(server->storage);
	db_close(server->db);
	paths_free(&server->paths);
	free(server->libexec);
	*server = (struct server){0};
}

static int set_up(void **state)
{
	struct fixture *fixture = memory_alloc(sizeof(*fixture));
	*state = fixture;
	const char *temporary = getenv("TMPDIR");
	fixture->directory = memory_printf("%s/sysct-test-XXXXXX", temporary ? temporary : "/tmp");
	assert_non_null(mkdtemp(fixture->directory));
	cleanup_free char *templates = at(fixture, "etc/templates");
	cleanup_free char *path = at(fixture, "etc/templates/fake");
	assert_int_equal(file_make_directories(templates, 0755, NULL), 0);
	assert_int_equal(
		file_replace_at(-1, path, template_text, strlen(template_text), 0755, false, NULL),
		0);
	open_server(fixture);
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;
	close_server(&fixture->server);
	assert_int_equal(file_remove_tree_at(-1, fixture->directory, NULL), 0);
	free(fixture->directory);
	free(fixture);
	return 0;
}

static int count_entries(const struct fixture *fixture, const char *name)
{
	cleanup_free char *path = at(fixture, name);
	cleanup_dir DIR *dir = opendir(path);
	int count = 0;
	struct dirent *entry;
	while (dir && (entry = readdir(dir)))
		count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
	return count;
}

/* Nothing of a build is left but @images images. */
static void assert_clean(const struct fixture *fixture, int images)
{
	struct image_list list = {0};
	assert_int_equal(count_entries(fixture, "tmp/image-builds"), 0);
	assert_int_equal(count_entries(fixture, "storage-pools/default/images"), images);
	assert_int_equal(db_image_list(fixture->server.db, &list, NULL), 0);
	assert_int_equal(list.count, images);
	image_list_clear(&list);
}

static int count_builds(const struct fixture *fixture)
{
	cleanup_free char *path = at(fixture, "builds");
	cleanup_free char *text = file_try_read_at(-1, path);
	int lines = 0;
	for (const char *c = text; c && *c; c++)
		lines += *c == '\n';
	return lines;
}

static void sleep_a_little(void)
{
	const struct timespec pause = {0, 10000000};
	nanosleep(&pause, NULL);
}

/* The pid in a file that the template writes; waits for it. */
static pid_t wait_for_pid(const struct fixture *fixture, const char *name)
{
	cleanup_free char *path = at(fixture, name);
	for (int i = 0; i < 1000; i++) {
		pid_t pid = (pid_t)file_read_number_at(-1, path, 0);
		if (pid > 0)
			return pid;
		sleep_a_little();
	}
	fail_msg("%s did not appear", path);
	return -1;
}

static bool is_gone(pid_t pid, int milliseconds)
{
	for (int i = 0; i < milliseconds / 10; i++) {
		if (kill(pid, 0) < 0 && errno == ESRCH)
			return true;
		sleep_a_little();
	}
	return false;
}

static void assert_alias(const struct fixture *fixture, const char *name, const char *fingerprint)
{
	struct image_row row = {0};
	assert_int_equal(db_image_get_by_alias(fixture->server.db, name, &row, NULL), 0);
	assert_string_equal(row.fingerprint, fingerprint);
	image_row_clear(&row);
}

static void test_build_once(void **state)
{
	struct fixture *fixture = *state;
	struct error *error = NULL;
	struct image_row row = {0}, again = {0};
	assert_int_equal(image_require(&fixture->server, "fake/one", NULL, &row, &error), 0);
	assert_int_equal(strlen(row.fingerprint), 64);
	assert_string_equal(row.architecture, "x86_64");
	assert_string_equal(row.template, "fake");
	assert_true(row.created_at == 1700000000LL * 1000000000);
	assert_int_equal(row.size, 10240);
	assert_string_equal(json_string_value(json_object_get(row.properties, "os")), "fake");
	assert_alias(fixture, "fake", row.fingerprint);
	assert_alias(fixture, "fake/one", row.fingerprint);
	cleanup_free char *file =
		memory_printf("storage-pools/default/images/%s/rootfs/file", row.fingerprint);
	cleanup_free char *path = at(fixture, file);
	cleanup_free char *text = file_try_read_at(-1, path);
	assert_string_equal(text, "hello\n");
	assert_clean(fixture, 1);
	assert_int_equal(image_require(&fixture->server, "fake", NULL, &again, &error), 0);
	assert_string_equal(again.fingerprint, row.fingerprint);
	image_row_clear(&again);
	row.fingerprint[12] = '\0';
	assert_int_equal(image_require(&fixture->server, row.fingerprint, NULL, &again, &error), 0);
	assert_int_equal(count_builds(fixture), 1);
	image_row_clear(&again);
	image_row_clear(&row);
}

static void test_build_anew_moves_alias(void **state)
{
	struct fixture *fixture = *state;
	struct image_row first = {0}, second = {0};
	json_t *options = json_pack("{s:s}", "more", "x");
	assert_int_equal(image_require(&fixture->server, "fake", NULL, &first, NULL), 0);
	assert_int_equal(image_build(&fixture->server, "fake", options, NULL, &second, NULL), 0);
	assert_string_not_equal(first.fingerprint, second.fingerprint);
	assert_alias(fixture, "fake", second.fingerprint);
	assert_alias(fixture, "fake/one", first.fingerprint);
	assert_clean(fixture, 2);
	json_decref(options);
	image_row_clear(&first);
	image_row_clear(&second);
}

static void assert_fails(struct fixture *fixture, const char *alias, enum error_kind kind,
			 const char *text)
{
	struct error *error = NULL;
	struct image_row row = {0};
	assert_int_equal(image_require(&fixture->server, alias, NULL, &row, &error), -1);
	assert_non_null(error);
	if (!strstr(error_message(error), text))
		fail_msg("\"%s\" is not in \"%s\"", text, error_message(error));
	assert_int_equal(error->kind, kind);
	error_free(error);
	assert_clean(fixture, 0);
}

static void test_failures(void **state)
{
	struct fixture *fixture = *state;
	assert_fails(fixture, "plan9", ERROR_NOT_FOUND, "templates: fake");
	assert_fails(fixture, "fake/two", ERROR_INVALID, "there is no variant two");
	assert_fails(fixture, "broken", ERROR_INTERNAL, "failed: the mirror is on fire");
	assert_fails(fixture, "evil", ERROR_INTERNAL, "/abs/file: Path is absolute");
	cleanup_free char *path = at(fixture, "log/image-build.log");
	cleanup_free char *log = file_try_read_at(-1, path);
	assert_non_null(strstr(log, "one line\n"));
}

struct caller {
	struct fixture *fixture;
	const char *alias;
	pthread_t thread;
	int result;
	struct error *error;
	struct image_row row;
};

static void *call(void *data)
{
	struct caller *caller = data;
	caller->result = image_require(&caller->fixture->server, caller->alias, NULL, &caller->row,
				       &caller->error);
	return NULL;
}

static void start_caller(struct caller *caller, struct fixture *fixture, const char *alias)
{
	*caller = (struct caller){.fixture = fixture, .alias = alias};
	assert_int_equal(pthread_create(&caller->thread, NULL, call, caller), 0);
}

static void let_go(const struct fixture *fixture)
{
	cleanup_free char *go = at(fixture, "go");
	assert_int_equal(file_replace_at(-1, go, "", 0, 0644, false, NULL), 0);
}

static void wait_for_builds(const struct fixture *fixture, int count)
{
	for (int i = 0; i < 1000 && count_builds(fixture) < count; i++)
		sleep_a_little();
	assert_int_equal(count_builds(fixture), count);
}

static void test_two_at_once(void **state)
{
	struct fixture *fixture = *state;
	struct caller callers[4];
	for (int i = 0; i < 4; i++)
		start_caller(&callers[i], fixture, "slow");
	wait_for_builds(fixture, 1);
	for (int i = 0; i < 20; i++)
		sleep_a_little();
	let_go(fixture);
	for (int i = 0; i < 4; i++) {
		pthread_join(callers[i].thread, NULL);
		assert_int_equal(callers[i].result, 0);
		assert_string_equal(callers[i].row.fingerprint, callers[0].row.fingerprint);
	}
	assert_int_equal(count_builds(fixture), 1);
	assert_clean(fixture, 1);
	for (int i = 0; i < 4; i++)
		image_row_clear(&callers[i].row);
}

static int run_require(struct operation *operation, void *data, struct error **error)
{
	struct caller *caller = data;
	return image_require(&caller->fixture->server, caller->alias, operation, &caller->row,
			     error);
}

static struct operation *start_operation(struct caller *caller, struct fixture *fixture,
					 const char *alias)
{
	*caller = (struct caller){.fixture = fixture, .alias = alias};
	struct operation *operation = NULL;
	const struct operation_spec spec = {
		.class = OPERATION_TASK,
		.description = "Testing",
		.may_cancel = true,
		.run = run_require,
		.data = caller,
	};
	assert_int_equal(operation_run(fixture->server.operations, &spec, &operation, NULL), 0);
	return operation;
}

/* What the template says reaches the operation a little later, through a pipe. */
static void wait_for_progress(struct operation *operation, const char *wanted)
{
	for (;;) {
		json_t *shown = operation_to_json(operation);
		json_t *metadata = json_object_get(shown, "metadata");
		const char *text = json_string_value(json_object_get(metadata, "image_progress"));
		const char *updated = json_string_value(json_object_get(shown, "updated_at"));
		bool there = text && strcmp(text, wanted) == 0;
		int changed = there || operation_wait(operation, 15000, updated, -1);
		json_decref(shown);
		if (there)
			return;
		assert_int_equal(changed, 1);
	}
}

static void test_cancel(void **state)
{
	struct fixture *fixture = *state;
	struct caller caller;
	struct operation *operation = start_operation(&caller, fixture, "stuck");
	pid_t template = wait_for_pid(fixture, "pid");
	pid_t hidden = wait_for_pid(fixture, "hidden");
	wait_for_progress(operation, "working");
	assert_int_equal(operation_cancel(operation, NULL), 0);
	assert_int_equal(operation_wait(operation, 15000, NULL, -1), 1);
	assert_int_equal(operation_get_status(operation), OPERATION_CANCELLED);
	assert_true(is_gone(template, 100));
	assert_true(is_gone(hidden, 100));
	assert_clean(fixture, 0);
	operation_unref(operation);
}

static void test_cancel_of_one_waiter(void **state)
{
	struct fixture *fixture = *state;
	struct caller first, second;
	struct operation *one = start_operation(&first, fixture, "slow");
	wait_for_builds(fixture, 1);
	struct operation *two = start_operation(&second, fixture, "slow");
	for (int i = 0; i < 10; i++)
		sleep_a_little();
	assert_int_equal(operation_cancel(one, NULL), 0);
	assert_int_equal(operation_wait(one, 5000, NULL, -1), 1);
	assert_int_equal(operation_get_status(one), OPERATION_CANCELLED);
	let_go(fixture);
	assert_int_equal(operation_wait(two, 10000, NULL, -1), 1);
	assert_int_equal(operation_get_status(two), OPERATION_SUCCESS);
	assert_int_equal(count_builds(fixture), 1);
	image_row_clear(&second.row);
	operation_unref(one);
	operation_unref(two);
}

/* A process of its own is the daemon; its database is opened after it is dead. */
static void test_killed_daemon(void **state)
{
	struct fixture *fixture = *state;
	close_server(&fixture->server);
	pid_t daemon = fork();
	if (daemon == 0) {
		struct image_row row = {0};
		open_server(fixture);
		image_require(&fixture->server, "stuck", NULL, &row, NULL);
		_exit(0);
	}
	pid_t template = wait_for_pid(fixture, "pid");
	pid_t hidden = wait_for_pid(fixture, "hidden");
	kill(daemon, SIGKILL);
	waitpid(daemon, NULL, 0);
	assert_true(is_gone(template, 10000));
	assert_true(is_gone(hidden, 1000));
	open_server(fixture);
	assert_clean(fixture, 0);
}

static void test_stopping_daemon(void **state)
{
	struct fixture *fixture = *state;
	struct caller caller;
	start_caller(&caller, fixture, "stuck");
	pid_t template = wait_for_pid(fixture, "pid");
	image_builder_free(fixture->server.images);
	fixture->server.images = NULL;
	pthread_join(caller.thread, NULL);
	assert_int_equal(caller.result, -1);
	assert_int_equal(caller.error->kind, ERROR_CANCELLED);
	error_free(caller.error);
	assert_true(is_gone(template, 100));
	assert_clean(fixture, 0);
}

static void test_delete(void **state)
{
	struct fixture *fixture = *state;
	struct server *server = &fixture->server;
	struct image_row image = {0};
	assert_int_equal(image_require(server, "fake", NULL, &image, NULL), 0);
	struct instance_row instance = {
		.uuid = memory_strdup("5b2c1f9e-0000-4000-8000-000000000001"),
		.name = memory_strdup("box"),
		.architecture = memory_strdup("x86_64"),
		.pool = memory_strdup("default"),
		.image = memory_strdup(image.fingerprint),
	};
	assert_int_equal(db_instance_create(server->db, &instance, &server->ids, NULL), 0);
	assert_int_equal(image_delete(server, image.fingerprint, NULL), 0);
	assert_true(storage_image_exists(server->storage, "default", image.fingerprint));
	assert_int_equal(db_instance_delete(server->db, instance.id, NULL), 0);
	assert_int_equal(image_store_release(server, image.fingerprint, NULL), 0);
	assert_false(storage_image_exists(server->storage, "default", image.fingerprint));
	image_row_clear(&image);
	assert_int_equal(image_require(server, "fake", NULL, &image, NULL), 0);
	assert_int_equal(image_delete(server, image.fingerprint, NULL), 0);
	assert_false(storage_image_exists(server->storage, "default", image.fingerprint));
	assert_int_equal(image_delete(server, image.fingerprint, NULL), -1);
	instance_row_clear(&instance);
	image_row_clear(&image);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_build_once),	  TEST(test_build_anew_moves_alias),
		TEST(test_failures),	  TEST(test_two_at_once),
		TEST(test_cancel),	  TEST(test_cancel_of_one_waiter),
		TEST(test_killed_daemon), TEST(test_stopping_daemon),
		TEST(test_delete),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	if (geteuid() != 0) {
		puts("1..0 # SKIP building images needs root");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
