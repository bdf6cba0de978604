/* Back to a snapshot: files, configuration and devices, in one transaction. */
#include <stdlib.h>
#include <string.h>
#include <uuid/uuid.h>

#include "cleanup.h"
#include "db/objects.h"
#include "fault.h"
#include "instance/across.h"
#include "instance/internal.h"
#include "instance/scheduler.h"
#include "instance/snapshots.h"
#include "log.h"
#include "memory.h"
#include "server.h"
#include "storage/pool_space.h"
#include "storage/storage.h"

enum { LOCK_TIMEOUT = 30000 };

static bool is_volatile(const char *key)
{
	return strncmp(key, "volatile.", 9) == 0;
}

/* What the daemon keeps of an instance, such as its addresses, is of now: another may have those of then. */
static json_t *join_config(const json_t *then, const json_t *now)
{
	json_t *config = json_object(), *value;
	const char *key;
	json_object_foreach ((json_t *)then, key, value)
		if (!is_volatile(key))
			json_object_set(config, key, value);
	json_object_foreach ((json_t *)now, key, value)
		if (is_volatile(key))
			json_object_set(config, key, value);
	return config;
}

static int fill(const struct snapshot_row *snapshot, const struct instance_row *now,
		struct instance_row *row, struct server *server, struct error **error)
{
	if (db_instance_get_by_id(server->db, now->id, row, error) < 0)
		return -1;
	json_decref(row->config);
	json_decref(row->devices);
	json_decref(row->profiles);
	row->config = join_config(snapshot->config, now->config);
	row->devices = json_deep_copy(snapshot->devices);
	row->profiles = json_deep_copy(snapshot->profiles);
	row->ephemeral = snapshot->ephemeral;
	/* It may have been in another pool at that time. */
	return across_set_pool(server, row, now->pool, error);
}

/* @kept: the layer that the snapshot keeps. */
static int store(struct instance *instance, const struct layer_row *kept, const char *directory,
		 const struct instance_row *row, struct error **error)
{
	struct db *db = instance->server->db;
	struct layer_row layer = {
		.parent_id = row->flat_layer ? 0 : kept->id,
		.pool = kept->pool,
		.directory = (char *)directory,
		.id_base = row->flat_layer ? kept->id_base : row->id_base,
		.flat = row->flat_layer,
	};
	if (db_begin(db, DB_DURABLE, error) < 0)
		return -1;
	if (db_layer_create(db, &layer, error) == 0 && db_instance_update(db, row, error) == 0 &&
	    db_instance_set_layer(db, row->id, layer.id, error) == 0)
		return db_commit(db, error);
	db_rollback(db);
	return -1;
}

static int make_layer(struct server *server, const struct layer_place *place,
		      const struct layer_row *kept, const struct instance_row *row,
		      struct error **error)
{
	cleanup_layer_list struct layer_list now = {0};
	if (storage_pool_require(server, place->pool, error) < 0 ||
	    db_layer_chain(server->db, row->layer_id, &now, error) < 0)
		return -1;
	if (row->flat_layer)
		return storage_layer_duplicate(server->storage, place, kept, error);
	return storage_layer_instead(server->storage, place, kept, &now.rows[0], row->id_base,
				     error);
}

static int swap(struct instance *instance, const struct snapshot_row *snapshot,
		struct instance_row *row, struct error **error)
{
	struct server *server = instance->server;
	cleanup_layer_list struct layer_list chain = {0};
	cleanup_object_row struct object_row pool = {0};
	if (db_layer_chain(server->db, snapshot->layer_id, &chain, error) < 0 ||
	    db_object_get(server->db, &db_pools, row->pool, &pool, error) < 0)
		return -1;
	cleanup_free char *directory = storage_new_layer_directory();
	const struct layer_place place = {pool.kind, pool.name, directory, 0};
	row->flat_layer = !storage_stacks(pool.kind);
	cleanup_space struct space space = space_of_pool(server->storage, pool.name);
	if (make_layer(server, &place, &chain.rows[0], row, error) < 0) {
		if (space_is_short(error))
			space_explain(&space, "the restore",
				      row->flat_layer
					      ? space_for_layer(server, chain.rows[0].id, false)
					      : -1,
				      error);
		return -1;
	}
	fault_point("restore.layer");
	if (store(instance, &chain.rows[0], directory, row, error) < 0) {
		storage_layer_abort(server->storage, pool.name, directory);
		return -1;
	}
	fault_point("restore.committed");
	return storage_layer_commit(server->storage, pool.name, directory, error);
}

static int restore_stopped(struct instance *instance, const char *name, struct error **error)
{
	struct server *server = instance->server;
	cleanup_snapshot_row struct snapshot_row snapshot = {0};
	cleanup_instance_row struct instance_row now = {0}, row = {0};
	if (instance_lock(instance, "restore", LOCK_TIMEOUT, error) < 0)
		return -1;
	cleanup_instance_lock struct instance *held = instance;
	enum instance_state state = instance_get_state(held);
	if (state != INSTANCE_STOPPED && state != INSTANCE_ERROR)
		return error_set(error, ERROR_BUSY, "somebody has started the instance meanwhile");
	if (db_instance_get_by_id(server->db, held->id, &now, error) < 0 ||
	    db_snapshot_get(server->db, held->id, name, &snapshot, error) < 0 ||
	    fill(&snapshot, &now, &row, server, error) < 0 ||
	    instance_prepare_update(held, &now, &row, error) < 0 ||
	    swap(held, &snapshot, &row, error) < 0)
		return -1;
	held->ephemeral = row.ephemeral;
	storage_tidy(server);
	scheduler_wake(server->scheduler);
	log_event(LOG_LEVEL_INFO, held->name, "instance-restored %s", name);
	instance_publish(held, "instance-restored");
	return 0;
}

static bool is_up(struct instance *instance)
{
	enum instance_state state = instance_get_state(instance);
	return state != INSTANCE_STOPPED && state != INSTANCE_ERROR;
}

static void keep(struct instance *instance, bool restarting)
{
	pthread_mutex_lock(&instance->lock);
	instance->restarting = restarting;
	pthread_mutex_unlock(&instance->lock);
}

int instance_restore(struct instance *instance, const char *name, struct error **error)
{
	cleanup_snapshot_row struct snapshot_row snapshot = {0};
	/* Nothing is ended for a name that is none. */
	if (db_snapshot_get(instance->server->db, instance->id, name, &snapshot, error) < 0)
		return -1;
	if (!is_up(instance))
		return restore_stopped(instance, name, error);
	/* An ephemeral instance would be deleted between the two. */
	keep(instance, true);
	int result = instance_stop(instance, true, -1, error);
	if (result == 0) {
		result = restore_stopped(instance, name, error);
		/* It goes on as it was when it could not be restored. */
		if (instance_start(instance, result < 0 ? NULL : error) < 0)
			result = -1;
	}
	keep(instance, false);
	return result;
}
