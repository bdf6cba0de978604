/*
 * The thread that keeps descriptions up to date (recover.h). It lags behind on purpose: what changes
 * several times in half a second, as while an instance is made and started, is written once, and nobody waits
 * for it but who removes what an old description names.
 */
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "db/changes.h"
#include "db/layers_merge.h"
#include "image/store.h"
#include "log.h"
#include "memory.h"
#include "process.h"
#include "recover/internal.h"
#include "server.h"
#include "storage/storage.h"

enum { LAG = 500000000 }; /* ns */

/* ---- files ---- */

static char *file_path(struct recovery *recovery, const char *pool, const char *file)
{
	cleanup_free char *descriptions = storage_descriptions(recovery->server->storage, pool);
	return memory_printf("%s/%s/%s", descriptions, recovery->identity, file);
}

static char *make_key(enum change_kind kind, int64_t id)
{
	return memory_printf("%d-%lld", kind, (long long)id);
}

/* The file that told of it before, unless it is @but. */
static void drop(struct recovery *recovery, const char *key, const char *but)
{
	const json_t *old = json_object_get(recovery->written, key);
	const char *path = json_string_value(json_object_get(old, "path"));
	bool written;
	if (path && (!but || strcmp(path, but) != 0))
		storage_describe(recovery->server->storage,
				 json_string_value(json_object_get(old, "pool")), path, NULL,
				 &written, NULL);
	json_object_del(recovery->written, key);
}

/* A failure is told, and mended with the next change of anything. */
static void fail(struct recovery *recovery, const char *pool, const char *file,
		 const struct error *error)
{
	log_event(LOG_LEVEL_WARNING, NULL, "describing %s in pool %s: %s", file, pool,
		  error_message(error));
	pthread_mutex_lock(&recovery->lock);
	recovery->all = true;
	pthread_mutex_unlock(&recovery->lock);
}

/* In a pool that is away nothing is written: recovery_examine() comes when it is back. */
static void store(struct recovery *recovery, const char *key, const char *pool, const char *file,
		  const char *text, struct error **error)
{
	cleanup_free char *path = file_path(recovery, pool, file);
	bool written = false;
	if (!text ||
	    storage_describe(recovery->server->storage, pool, path, text, &written, error) < 0)
		fail(recovery, pool, file, *error);
	if (!written)
		return;
	drop(recovery, key, path);
	json_object_set_new(recovery->written, key,
			    json_pack("{s:s, s:s}", "pool", pool, "path", path));
}

/* ---- each kind ---- */

static void write_instance(struct recovery *recovery, int64_t id)
{
	struct server *server = recovery->server;
	cleanup_error struct error *error = NULL;
	cleanup_instance_row struct instance_row row = {0};
	cleanup_free char *key = make_key(CHANGE_INSTANCE, id);
	if (db_instance_get_by_id(server->db, id, &row, &error) < 0) {
		if (error->kind == ERROR_NOT_FOUND)
			drop(recovery, key, NULL);
		return;
	}
	cleanup_free char *file = describe_instance_file(row.uuid);
	cleanup_free char *text = describe_instance(server, &row, &error);
	store(recovery, key, row.pool, file, text, &error);
}

static void write_volume_row(struct recovery *recovery, const struct volume_row *row)
{
	cleanup_error struct error *error = NULL;
	cleanup_free char *key = make_key(CHANGE_VOLUME, row->id);
	cleanup_free char *file = describe_volume_file(row->name);
	cleanup_free char *text = describe_volume(recovery->server, row, &error);
	store(recovery, key, row->pool, file, text, &error);
}

/* @id 0: all of them. */
static void write_volumes(struct recovery *recovery, int64_t id)
{
	cleanup_volume_list struct volume_list list = {0};
	cleanup_free char *key = make_key(CHANGE_VOLUME, id);
	bool found = false;
	if (db_volume_list(recovery->server->db, NULL, &list, NULL) < 0)
		return;
	for (size_t i = 0; i < list.count; i++) {
		if (id && list.rows[i].id != id)
			continue;
		found = true;
		write_volume_row(recovery, &list.rows[i]);
	}
	if (!found)
		drop(recovery, key, NULL);
}

static void write_images(struct recovery *recovery, int64_t id)
{
	struct server *server = recovery->server;
	cleanup_image_list struct image_list list = {0};
	cleanup_free char *gone = make_key(CHANGE_IMAGE, id);
	bool found = false;
	if (db_image_list(server->db, &list, NULL) < 0)
		return;
	for (size_t i = 0; i < list.count; i++) {
		cleanup_error struct error *error = NULL;
		const struct image_row *row = &list.rows[i];
		if (id && row->id != id)
			continue;
		found = true;
		cleanup_free char *key = make_key(CHANGE_IMAGE, row->id);
		cleanup_free char *file = describe_image_file(row->fingerprint);
		cleanup_free char *text = describe_image(row, &error);
		store(recovery, key, image_pool(server), file, text, &error);
	}
	if (!found)
		drop(recovery, gone, NULL);
}

/* Each pool tells of all, so that those are found whose disk is elsewhere. */
static void write_pools(struct recovery *recovery)
{
	cleanup_error struct error *error = NULL;
	cleanup_object_list struct object_list pools = {0};
	if (db_object_list(recovery->server->db, &db_pools, &pools, &error) < 0)
		return;
	cleanup_free char *text = describe_pools(&pools, &error);
	for (size_t i = 0; text && i < pools.count; i++) {
		cleanup_free char *key = make_key(CHANGE_POOL, pools.rows[i].id);
		store(recovery, key, pools.rows[i].name, POOLS_FILE, text, &error);
	}
}

static void write_above(struct recovery *recovery, int64_t layer)
{
	cleanup_layer_owners struct layer_owners owners = {0};
	if (db_layer_owners(recovery->server->db, layer, &owners, NULL) < 0)
		return;
	for (size_t i = 0; i < owners.count; i++)
		write_instance(recovery, owners.ids[i]);
}

static void write_one(struct recovery *recovery, const struct change *change)
{
	switch (change->kind) {
	case CHANGE_INSTANCE:
		write_instance(recovery, change->id);
		break;
	case CHANGE_VOLUME:
		write_volumes(recovery, change->id);
		break;
	case CHANGE_IMAGE:
		write_images(recovery, change->id);
		break;
	case CHANGE_POOL:
		write_pools(recovery);
		break;
	case CHANGE_LAYER:
		write_above(recovery, change->id);
		break;
	}
}

static void write_all(struct recovery *recovery)
{
	cleanup_instance_list struct instance_list list = {0};
	write_pools(recovery);
	write_images(recovery, 0);
	write_volumes(recovery, 0);
	if (db_instance_list(recovery->server->db, &list, NULL) < 0)
		return;
	for (size_t i = 0; i < list.count; i++)
		write_instance(recovery, list.rows[i].id);
}

/* ---- the thread ---- */

/* With the lock held: until there is something to do; a while later, unless somebody waits. */
static void wait_for_work(struct recovery *recovery)
{
	struct timespec until;
	while (recovery->asked == recovery->done && !recovery->stopping)
		pthread_cond_wait(&recovery->wake, &recovery->lock);
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += LAG;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	while (!recovery->stopping && !recovery->hurry &&
	       pthread_cond_timedwait(&recovery->wake, &recovery->lock, &until) != ETIMEDOUT)
		;
}

static void work(struct recovery *recovery, bool all)
{
	cleanup_change_list struct change_list changes = {0};
	db_changes_take(recovery->server->db, &changes);
	if (all)
		write_all(recovery);
	/* After all, too: of what is deleted that says nothing. */
	for (size_t i = 0; i < changes.count; i++)
		write_one(recovery, &changes.rows[i]);
}

static void *run(void *data)
{
	struct recovery *recovery = data;
	process_idle_disk(true);
	pthread_mutex_lock(&recovery->lock);
	while (!recovery->stopping || recovery->asked != recovery->done) {
		wait_for_work(recovery);
		uint64_t asked = recovery->asked;
		bool all = recovery->all;
		recovery->all = false;
		pthread_mutex_unlock(&recovery->lock);
		work(recovery, all);
		malloc_trim(0); /* many descriptions at a time are a lot of small things */
		pthread_mutex_lock(&recovery->lock);
		recovery->done = asked;
		pthread_cond_broadcast(&recovery->settled);
	}
	pthread_mutex_unlock(&recovery->lock);
	return NULL;
}

/* After a commit, by the thread that made it. */
static void told(void *data)
{
	struct recovery *recovery = data;
	pthread_mutex_lock(&recovery->lock);
	/* One that has something to do looks by itself. */
	if (recovery->asked++ == recovery->done)
		pthread_cond_signal(&recovery->wake);
	pthread_mutex_unlock(&recovery->lock);
}

void recovery_refresh(struct recovery *recovery)
{
	pthread_mutex_lock(&recovery->lock);
	recovery->all = true;
	recovery->asked++;
	pthread_cond_signal(&recovery->wake);
	pthread_mutex_unlock(&recovery->lock);
}

bool recovery_settle(void *data)
{
	struct recovery *recovery = data;
	pthread_mutex_lock(&recovery->lock);
	uint64_t asked = recovery->asked;
	recovery->hurry++;
	pthread_cond_signal(&recovery->wake);
	while (recovery->done < asked && !recovery->stopping)
		pthread_cond_wait(&recovery->settled, &recovery->lock);
	recovery->hurry--;
	bool settled = recovery->done >= asked;
	pthread_mutex_unlock(&recovery->lock);
	return settled;
}

/* ---- from start to end ---- */

static void note(struct recovery *recovery, enum change_kind kind, int64_t id, const char *pool,
		 char *file)
{
	cleanup_free char *key = make_key(kind, id);
	cleanup_free char *path = file_path(recovery, pool, file);
	json_object_set_new(recovery->written, key,
			    json_pack("{s:s, s:s}", "pool", pool, "path", path));
	free(file);
}

/* What the daemon before has written, as far as rows are there: they may go before anything is written. */
static int note_all(struct recovery *recovery, struct error **error)
{
	struct db *db = recovery->server->db;
	cleanup_instance_list struct instance_list instances = {0};
	cleanup_volume_list struct volume_list volumes = {0};
	cleanup_image_list struct image_list images = {0};
	if (db_instance_list(db, &instances, error) < 0 ||
	    db_volume_list(db, NULL, &volumes, error) < 0 || db_image_list(db, &images, error) < 0)
		return -1;
	for (size_t i = 0; i < instances.count; i++)
		note(recovery, CHANGE_INSTANCE, instances.rows[i].id, instances.rows[i].pool,
		     describe_instance_file(instances.rows[i].uuid));
	for (size_t i = 0; i < volumes.count; i++)
		note(recovery, CHANGE_VOLUME, volumes.rows[i].id, volumes.rows[i].pool,
		     describe_volume_file(volumes.rows[i].name));
	for (size_t i = 0; i < images.count; i++)
		note(recovery, CHANGE_IMAGE, images.rows[i].id, image_pool(recovery->server),
		     describe_image_file(images.rows[i].fingerprint));
	return 0;
}

struct recovery *recovery_create(struct server *server, struct error **error)
{
	struct recovery *recovery = memory_alloc(sizeof(*recovery));
	pthread_condattr_t monotonic;
	*recovery = (struct recovery){
		.server = server,
		.written = json_object(),
		.lost = json_object(),
		.asked = 1, /* all that is there */
		.all = true,
	};
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_mutex_init(&recovery->lock, NULL);
	pthread_mutex_init(&recovery->recovering, NULL);
	pthread_cond_init(&recovery->wake, &monotonic);
	pthread_cond_init(&recovery->settled, NULL);
	pthread_condattr_destroy(&monotonic);
	recovery->identity = db_identity(server->db, error);
	if (recovery->identity && note_all(recovery, error) == 0 &&
	    db_changes_watch(server->db, told, recovery, error) == 0) {
		storage_reclaim_after(server->storage, recovery_settle, recovery);
		return recovery;
	}
	recovery_free(recovery);
	return NULL;
}

int recovery_start(struct recovery *recovery, struct error **error)
{
	int problem = pthread_create(&recovery->thread, NULL, run, recovery);
	if (problem)
		return error_errno(error, problem, "starting a thread");
	recovery->runs = true;
	return 0;
}

void recovery_stop(struct recovery *recovery)
{
	if (!recovery || !recovery->runs)
		return;
	pthread_mutex_lock(&recovery->lock);
	recovery->stopping = true;
	pthread_cond_broadcast(&recovery->wake);
	pthread_cond_broadcast(&recovery->settled);
	pthread_mutex_unlock(&recovery->lock);
	pthread_join(recovery->thread, NULL);
	recovery->runs = false;
}

void recovery_free(struct recovery *recovery)
{
	if (!recovery)
		return;
	recovery_stop(recovery);
	pthread_mutex_destroy(&recovery->lock);
	pthread_mutex_destroy(&recovery->recovering);
	pthread_cond_destroy(&recovery->wake);
	pthread_cond_destroy(&recovery->settled);
	json_decref(recovery->written);
	json_decref(recovery->lost);
	free(recovery->identity);
	free(recovery);
}
