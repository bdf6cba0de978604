/* Many threads at once: no two instances share ids, and readers see whole rows. */
#include <pthread.h>
#include <stdio.h>
#include <time.h>

#include "test_db_common.h"

enum { THREADS = 8, ROUNDS = 25, KEPT = 4 };

/* Which 65536 ids are in use, as the threads were told. */
struct registry {
	struct db *db;
	pthread_mutex_t lock;
	bool used[THREADS * KEPT + THREADS + 1];
	unsigned int failures;
};

struct worker {
	struct registry *registry;
	int number;
	pthread_t thread;
};

static void note(struct registry *registry, uint32_t base, bool used)
{
	size_t slot = (base - ids.base) / 65536;
	pthread_mutex_lock(&registry->lock);
	if (slot >= sizeof(registry->used) || registry->used[slot] == used)
		registry->failures++;
	else
		registry->used[slot] = used;
	pthread_mutex_unlock(&registry->lock);
}

static void count_failure(struct registry *registry, struct error *error)
{
	if (error)
		fprintf(stderr, "# %s\n", error_message(error));
	pthread_mutex_lock(&registry->lock);
	registry->failures++;
	pthread_mutex_unlock(&registry->lock);
}

static void read_all(struct registry *registry)
{
	cleanup_error struct error *error = NULL;
	cleanup_instance_list struct instance_list list = {0};
	if (db_instance_list(registry->db, &list, &error) < 0)
		count_failure(registry, error);
	for (size_t i = 0; i < list.count; i++)
		if (json_array_size(list.rows[i].profiles) != 1 || list.rows[i].id_count != 65536 ||
		    json_object_size(list.rows[i].config) == 0)
			count_failure(registry, NULL);
}

static void create_one(struct worker *worker, int round, struct instance_row *row)
{
	cleanup_error struct error *error = NULL;
	char name[32];
	snprintf(name, sizeof(name), "box-%d-%d", worker->number, round);
	*row = new_instance(name);
	row->config = json_pack("{s:s}", "user.name", name);
	row->profiles = json_pack("[s]", "default");
	if (db_instance_create(worker->registry->db, row, &ids, &error) < 0)
		count_failure(worker->registry, error);
	else
		note(worker->registry, row->id_base, true);
}

static void delete_one(struct worker *worker, struct instance_row *row)
{
	cleanup_error struct error *error = NULL;
	note(worker->registry, row->id_base, false);
	if (db_instance_delete(worker->registry->db, row->id, &error) < 0)
		count_failure(worker->registry, error);
	instance_row_clear(row);
}

static void *work(void *data)
{
	struct worker *worker = data;
	struct instance_row kept[KEPT] = {{0}};
	for (int round = 0; round < ROUNDS; round++) {
		cleanup_error struct error *error = NULL;
		struct instance_row *row = &kept[round % KEPT];
		if (row->id)
			delete_one(worker, row);
		create_one(worker, round, row);
		if (db_instance_touch(worker->registry->db, row->id, round, &error) < 0)
			count_failure(worker->registry, error);
		if (round % 5 == 0)
			read_all(worker->registry);
	}
	for (int i = 0; i < KEPT; i++)
		delete_one(worker, &kept[i]);
	return NULL;
}

static double milliseconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void test_threads(void **state)
{
	struct fixture *fixture = *state;
	struct error *error = NULL;
	struct registry registry = {.db = fixture->db, .lock = PTHREAD_MUTEX_INITIALIZER};
	struct worker workers[THREADS];
	double start = milliseconds();
	for (int i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){.registry = &registry, .number = i};
		assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(workers[i].thread, NULL);
	print_message("# %d threads, %d durable commits: %.0f ms\n", THREADS, THREADS * ROUNDS * 2,
		      milliseconds() - start);
	assert_int_equal(registry.failures, 0);

	/* Everything came back, in one piece. */
	cleanup_instance_row struct instance_row all = new_instance("all");
	all.id_count = ids.count;
	good(db_instance_create(fixture->db, &all, &ids, &error), &error);
	assert_int_equal(all.id_base, ids.base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_threads, make_database, remove_all),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
