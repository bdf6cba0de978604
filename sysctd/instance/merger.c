/* See merger.h. */
#include "instance/merger.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "cleanup.h"
#include "db/layers_merge.h"
#include "fault.h"
#include "image/store.h"
#include "instance/internal.h"
#include "log.h"
#include "memory.h"
#include "process.h"
#include "server.h"
#include "storage/storage.h"

enum {
	/* While both are there, files have a link more, which some programs look at (cron). So what
	 * a running instance has mounted is merged only below so many layers. */
	MOST_WHILE_RUNNING = 32,
	WAIT = 1000, /* ms for a lock, before it is asked again whose it has to be */
};

/* Two that are left alone: for ever, or until the next time. */
struct skipped {
	int64_t lower, upper;
	bool forever;
};

struct merger {
	struct server *server;
	pthread_t thread;
	bool runs;
	int wake; /* eventfd(2) */
	atomic_bool stopping;
	struct skipped *skipped;
	size_t skipped_count;
};

/* ---- whose the layers are ---- */

struct holders {
	struct layer_owners owners;
	struct instance **instances;
	size_t count;
};

static void holders_clear(struct holders *holders)
{
	for (size_t i = 0; i < holders->count; i++)
		instance_unref(holders->instances[i]);
	free(holders->instances);
	layer_owners_clear(&holders->owners);
	*holders = (struct holders){0};
}
#define cleanup_holders __attribute__((cleanup(holders_clear)))

static void add_holder(struct instance *instance, void *data)
{
	struct holders *holders = data;
	for (size_t i = 0; i < holders->owners.count; i++)
		if (holders->owners.ids[i] == instance->id)
			holders->instances[holders->count++] = instance_ref(instance);
}

static int find_holders(struct server *server, int64_t layer, struct holders *holders,
			struct error **error)
{
	*holders = (struct holders){0};
	if (db_layer_owners(server->db, layer, &holders->owners, error) < 0)
		return -1;
	holders->instances = memory_alloc((holders->owners.count + 1) * sizeof(struct instance *));
	instance_registry_each(server, add_holder, holders);
	return 0;
}

static void release(struct holders *holders, size_t count)
{
	for (size_t i = 0; i < count; i++)
		instance_unlock(holders->instances[i]);
}

/* All or none. Only the first is waited for, as nothing is held then; @busy: who it shall be next time. */
static bool lock_all(struct holders *holders, int64_t *busy)
{
	for (size_t i = 0; i < holders->count; i++)
		if (holders->instances[i]->id == *busy) {
			struct instance *first = holders->instances[i];
			holders->instances[i] = holders->instances[0];
			holders->instances[0] = first;
		}
	for (size_t i = 0; i < holders->count; i++)
		if (instance_lock(holders->instances[i], "merge layers", i ? 0 : WAIT, NULL) < 0) {
			*busy = holders->instances[i]->id;
			release(holders, i);
			return false;
		}
	return true;
}

/* Somebody may have been added before all were held, and one that is being made is not there yet. */
static bool are_all(struct server *server, int64_t layer, const struct holders *holders)
{
	cleanup_layer_owners struct layer_owners now = {0};
	return holders->count == holders->owners.count &&
	       db_layer_owners(server->db, layer, &now, NULL) == 0 && now.count == holders->count &&
	       memcmp(now.ids, holders->owners.ids, now.count * sizeof(now.ids[0])) == 0;
}

static int hold(struct merger *merger, int64_t layer, struct holders *holders, struct error **error)
{
	int64_t busy = 0;
	while (!merger->stopping) {
		if (find_holders(merger->server, layer, holders, error) < 0)
			return -1;
		if (lock_all(holders, &busy)) {
			if (are_all(merger->server, layer, holders))
				return 0;
			release(holders, holders->count);
		}
		holders_clear(holders);
	}
	return error_set(error, ERROR_CANCELLED, "the daemon stops");
}

/* ---- whether now ---- */

static bool has_mounted(struct instance *instance, int64_t layer)
{
	struct db *db = instance->server->db;
	cleanup_instance_row struct instance_row row = {0};
	cleanup_layer_list struct layer_list chain = {0};
	enum instance_state state = instance_get_state(instance);
	if (state == INSTANCE_STOPPED || state == INSTANCE_ERROR ||
	    db_instance_get_by_id(db, instance->id, &row, NULL) < 0 ||
	    db_layer_chain(db, row.layer_id, &chain, NULL) < 0 || chain.count > MOST_WHILE_RUNNING)
		return false;
	for (size_t i = 0; i < chain.count; i++)
		if (chain.rows[i].id == layer)
			return true;
	return false;
}

/* ERROR_BUSY for one that is woken for again, when the instance stops. */
static int check_mounted(const struct holders *holders, int64_t layer, struct error **error)
{
	for (size_t i = 0; i < holders->count; i++)
		if (has_mounted(holders->instances[i], layer))
			return error_set(error, ERROR_BUSY, "%s runs", holders->instances[i]->name);
	return 0;
}

static int check_now(struct server *server, const struct layer_row *upper, struct error **error)
{
	cleanup_holders struct holders holders = {0};
	if (!storage_pool_available(server->storage, upper->pool))
		return error_set(error, ERROR_BUSY, "pool %s is not there", upper->pool);
	if (find_holders(server, upper->id, &holders, error) < 0)
		return -1;
	return check_mounted(&holders, upper->id, error);
}

/* ---- one merge ---- */

/* With all locks held: nobody is between reading the old chain and using it. */
static int replace(struct server *server, const struct layer_row *lower,
		   const struct layer_row *upper, const char *directory, struct error **error)
{
	struct layer_row merged = {.directory = (char *)directory};
	if (db_layers_merge(server->db, lower, upper, &merged, error) < 0) {
		storage_layer_abort(server->storage, lower->pool, directory);
		return -1;
	}
	fault_point("merge.committed");
	return storage_layer_commit(server->storage, lower->pool, directory, error);
}

static int put_in_place(struct merger *merger, const struct layer_row *lower,
			const struct layer_row *upper, const char *directory, struct error **error)
{
	struct server *server = merger->server;
	cleanup_holders struct holders holders = {0};
	if (hold(merger, upper->id, &holders, error) < 0) {
		storage_layer_abort(server->storage, lower->pool, directory);
		return -1;
	}
	/* Who waits for a lock must not wait until nobody else wants the disk. */
	process_idle_disk(false);
	int result = check_mounted(&holders, upper->id, error);
	if (result < 0)
		storage_layer_abort(server->storage, lower->pool, directory);
	else
		result = replace(server, lower, upper, directory, error);
	release(&holders, holders.count);
	process_idle_disk(true);
	return result;
}

static int merge(struct merger *merger, const struct layer_row *lower,
		 const struct layer_row *upper, struct error **error)
{
	struct server *server = merger->server;
	cleanup_free char *directory = storage_new_layer_directory();
	/* Only its layers are stacked. */
	const struct layer_place place = {"overlay", upper->pool, directory, 0};
	if (check_now(server, upper, error) < 0 ||
	    storage_layers_merge(server->storage, &place, lower, upper, &merger->stopping, error) <
		    0 ||
	    put_in_place(merger, lower, upper, directory, error) < 0)
		return -1;
	log_event(LOG_LEVEL_INFO, NULL, "layers-merged %s over %s as %s", upper->directory,
		  lower->directory, directory);
	storage_tidy(server);
	return 0;
}

/* ---- all that there are ---- */

static bool is_skipped(const struct merger *merger, const struct layer_row *upper)
{
	for (size_t i = 0; i < merger->skipped_count; i++)
		if (merger->skipped[i].lower == upper->parent_id &&
		    merger->skipped[i].upper == upper->id)
			return true;
	return false;
}

static void skip(struct merger *merger, const struct layer_row *upper, const struct error *error)
{
	bool forever = error && error->kind == ERROR_UNSUPPORTED;
	merger->skipped = memory_realloc(merger->skipped,
					 (merger->skipped_count + 1) * sizeof(*merger->skipped));
	merger->skipped[merger->skipped_count++] =
		(struct skipped){upper->parent_id, upper->id, forever};
	/* What is being renamed into its place is not there yet; then it wakes. */
	if (error && error->kind != ERROR_BUSY && error->kind != ERROR_CANCELLED &&
	    error->kind != ERROR_NOT_FOUND)
		log_event(forever ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING, NULL,
			  "layers-not-merged %s: %s", upper->directory, error_message(error));
}

static void forget_skipped(struct merger *merger)
{
	size_t kept = 0;
	for (size_t i = 0; i < merger->skipped_count; i++)
		if (merger->skipped[i].forever)
			merger->skipped[kept++] = merger->skipped[i];
	merger->skipped_count = kept;
}

/* Whether there was one that had not been tried. */
static bool merge_next(struct merger *merger)
{
	struct db *db = merger->server->db;
	cleanup_error struct error *error = NULL;
	cleanup_layer_list struct layer_list uppers = {0}, chain = {0};
	size_t i = 0;
	if (db_layers_mergeable(db, &uppers, &error) < 0)
		return false;
	while (i < uppers.count && is_skipped(merger, &uppers.rows[i]))
		i++;
	if (i == uppers.count)
		return false;
	const struct layer_row *upper = &uppers.rows[i];
	if (db_layer_chain(db, upper->id, &chain, &error) < 0 || chain.count < 2 ||
	    merge(merger, &chain.rows[1], upper, &error) < 0)
		skip(merger, upper, error);
	return true;
}

/* What nobody needs any more goes. It may have been the last above an image that was deleted before. */
static void sweep(struct server *server)
{
	cleanup_error struct error *error = NULL;
	cleanup_layer_list struct layer_list dead = {0};
	if (db_layers_dead(server->db, &dead, &error) < 0 || dead.count == 0)
		return;
	process_idle_disk(false);
	if (storage_layers_sweep(server, &error) < 0)
		log_event(LOG_LEVEL_WARNING, NULL, "removing what was deleted: %s",
			  error_message(error));
	for (size_t i = 0; i < dead.count; i++)
		if (dead.rows[i].image)
			image_store_release(server, dead.rows[i].image, NULL);
	process_idle_disk(true);
}

static void *run(void *data)
{
	struct merger *merger = data;
	struct pollfd event = {.fd = merger->wake, .events = POLLIN};
	uint64_t count;
	process_idle_disk(true);
	while (!merger->stopping) {
		forget_skipped(merger);
		do
			sweep(merger->server);
		while (!merger->stopping && merge_next(merger));
		if (!merger->stopping && poll(&event, 1, -1) > 0 &&
		    read(merger->wake, &count, sizeof(count)) < 0 && errno != EAGAIN)
			break;
	}
	return NULL;
}

struct merger *merger_create(struct server *server, struct error **error)
{
	struct merger *merger = memory_alloc(sizeof(*merger));
	*merger = (struct merger){
		.server = server,
		.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
	};
	int problem = merger->wake < 0 ? errno : pthread_create(&merger->thread, NULL, run, merger);
	merger->runs = problem == 0;
	if (!problem)
		return merger;
	error_errno(error, problem, "starting the thread that looks after layers");
	merger_free(merger);
	return NULL;
}

void merger_stop(struct merger *merger)
{
	if (!merger || !merger->runs)
		return;
	merger->stopping = true;
	merger_wake(merger);
	pthread_join(merger->thread, NULL);
	merger->runs = false;
}

void merger_free(struct merger *merger)
{
	if (!merger)
		return;
	merger_stop(merger);
	cleanup_close_fd(&merger->wake);
	free(merger->skipped);
	free(merger);
}

void merger_wake(struct merger *merger)
{
	static const uint64_t one = 1;
	/* Full is as good. */
	if (merger && write(merger->wake, &one, sizeof(one)) < 0)
		return;
}
