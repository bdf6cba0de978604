/* kill -9 in the middle of commits: what was answered is there, what was not is whole or absent. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "db/layers.h"
#include "test_db_common.h"

enum { KILLS = 25, NAMES = 16 };

/* As a daemon does when the directories of dead layers are gone. */
static int sweep(struct db *db, struct error **error)
{
	cleanup_layer_list struct layer_list dead = {0};
	int result = db_layers_dead(db, &dead, error);
	for (size_t i = 0; i < dead.count && result == 0; i++)
		result = db_layer_delete(db, dead.rows[i].id, error);
	return result;
}

/* Makes and deletes box0 … box15 in turn, and writes a letter for each answer. */
static void work_until_killed(const char *path, int answers, bool there[NAMES])
{
	struct error *error = NULL;
	struct db *db = open_good(path);
	if (sweep(db, &error) < 0)
		_exit(1);
	for (int i = 0;; i = (i + 1) % NAMES) {
		char name[16], letter = (char)('a' + i);
		snprintf(name, sizeof(name), "box%d", i);
		cleanup_instance_row struct instance_row row = {0};
		int result;
		if (there[i]) {
			result = db_instance_get(db, name, &row, &error);
			if (result == 0)
				result = db_instance_delete(db, row.id, &error);
			if (result == 0)
				result = sweep(db, &error);
		} else {
			row = new_instance(name);
			row.config = json_pack("{s:s}", "user.name", name);
			result = db_instance_create(db, &row, &ids, &error);
		}
		if (result < 0 || write(answers, &letter, 1) != 1)
			_exit(1);
		there[i] = !there[i];
	}
}

/* The last letter that came; the states follow the letters. */
static int follow(int answers, bool there[NAMES])
{
	int last = -1;
	char letter;
	while (read(answers, &letter, 1) == 1) {
		last = letter - 'a';
		there[last] = !there[last];
	}
	return last;
}

static int start_and_kill(const char *path, bool there[NAMES], useconds_t after)
{
	int pipe_fds[2];
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	pid_t child = fork();
	if (child == 0)
		work_until_killed(path, pipe_fds[1], there);
	close(pipe_fds[1]);
	struct pollfd first = {.fd = pipe_fds[0], .events = POLLIN};
	assert_int_equal(poll(&first, 1, 20000), 1);
	usleep(after);
	kill(child, SIGKILL);
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	int last = follow(pipe_fds[0], there);
	close(pipe_fds[0]);
	return last;
}

/* Only the work after the last answer may be done or not: @unsure. */
static void check(const char *path, bool there[NAMES], int unsure)
{
	struct error *error = NULL;
	struct db *db = open_good(path);
	cleanup_instance_list struct instance_list list = {0};
	good(db_instance_list(db, &list, &error), &error);
	bool found[NAMES] = {false}, slots[NAMES + 1] = {false};
	for (size_t i = 0; i < list.count; i++) {
		const struct instance_row *row = &list.rows[i];
		found[atoi(row->name + 3)] = true;
		assert_int_equal(json_object_size(row->config), 1);
		size_t slot = (row->id_base - ids.base) / 65536;
		assert_true(slot <= NAMES && row->id_count == 65536 && !slots[slot]);
		slots[slot] = true;
	}
	for (int i = 0; i < NAMES; i++)
		if (i != unsure)
			assert_int_equal(found[i], there[i]);
	there[unsure] = found[unsure];
	db_close(db);
}

static void test_kill(void **state)
{
	struct fixture *fixture = *state;
	bool there[NAMES] = {false};
	db_close(fixture->db);
	fixture->db = NULL;
	srand(1);
	for (int i = 0; i < KILLS; i++) {
		int last = start_and_kill(fixture->path, there, (useconds_t)(rand() % 8000));
		check(fixture->path, there, (last + 1) % NAMES);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_kill, make_database, remove_all),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
