/* See across.h. */
#include "instance/across.h"

#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "fault.h"
#include "instance/branch.h"
#include "instance/device_types.h"
#include "instance/internal.h"
#include "log.h"
#include "memory.h"
#include "server.h"
#include "storage/pool_space.h"
#include "storage/storage.h"

enum { LOCK_TIMEOUT = 30000 };

int across_add_snapshots(struct transfer *transfer, struct instance *instance,
			 struct snapshot_list *list, struct error **error)
{
	struct db *db = instance->server->db;
	if (db_snapshot_list(db, instance->id, list, error) < 0)
		return -1;
	for (size_t i = 0; i < list->count; i++) {
		cleanup_layer_list struct layer_list chain = {0};
		if (db_layer_chain(db, list->rows[i].layer_id, &chain, error) < 0 ||
		    transfer_add(transfer, &chain, NULL, error) < 0)
			return -1;
	}
	return 0;
}

/* Of one that runs what it writes into is copied beside first, which takes it a moment only. */
static int add_running(struct transfer *transfer, struct branch *branch, const char *directory,
		       struct error **error)
{
	if (branch_begin(branch, error) < 0)
		return -1;
	free(branch->chain.rows[0].directory);
	branch->chain.rows[0].directory = storage_pending_directory(branch->token);
	int result = transfer_add(transfer, &branch->chain, directory, error);
	branch_abort(branch);
	return result;
}

int across_add_instance(struct transfer *transfer, struct instance *instance, const char *directory,
			struct error **error)
{
	struct branch branch = {.instance = instance};
	int result = branch_look(&branch, error);
	bool running = branch.running;
	if (result == 0 && !running)
		result = transfer_add(transfer, &branch.chain, directory, error);
	branch_clear(&branch);
	if (result < 0 || !running)
		return result;
	struct branch beside = {.instance = instance};
	result = add_running(transfer, &beside, directory, error);
	branch_clear(&beside);
	return result;
}

int across_store_snapshot(struct db *db, const struct snapshot_row *snapshot, int64_t id,
			  int64_t layer, struct error **error)
{
	const struct instance_row then = {
		.id = id,
		.architecture = snapshot->architecture,
		.ephemeral = snapshot->ephemeral,
		.config = snapshot->config,
		.devices = snapshot->devices,
		.profiles = snapshot->profiles,
	};
	struct snapshot_row taken = {
		.name = snapshot->name,
		.description = snapshot->description,
		.created_at = snapshot->created_at,
		.expires_at = snapshot->expires_at,
		.layer_id = layer,
	};
	return db_snapshot_create(db, &taken, &then, error);
}

int across_set_pool(struct server *server, struct instance_row *row, const char *pool,
		    struct error **error)
{
	json_t *devices = NULL;
	const char *name = NULL;
	if (instance_expand(server, row, NULL, &devices, error) < 0)
		return -1;
	const json_t *root = devices_find_root(devices, &name);
	const char *now = json_string_value(json_object_get(root, "pool"));
	if (root && (!now || strcmp(now, pool) != 0)) {
		json_t *own = json_deep_copy(root);
		json_object_set_new(own, "pool", json_string(pool));
		json_object_set_new(row->devices, name, own);
	}
	json_decref(devices);
	return 0;
}

/* ---- moving ---- */

struct moving {
	struct instance *instance;
	struct object_row pool; /* where it goes */
	struct instance_row row;
	struct snapshot_list snapshots;
	struct transfer *transfer;
	char *top; /* of a driver that stacks: the directory of the layer that it writes into */
};

static int store_layers(struct moving *moving, int64_t *layer, struct error **error)
{
	struct db *db = moving->instance->server->db;
	if (transfer_store(moving->transfer, error) < 0)
		return -1;
	*layer = transfer_layer(moving->transfer, -1)->id;
	struct layer_row top = {
		.parent_id = *layer,
		.pool = moving->pool.name,
		.directory = moving->top,
		.id_base = moving->row.id_base,
	};
	if (!moving->top)
		return 0;
	if (db_layer_create(db, &top, error) < 0)
		return -1;
	*layer = top.id;
	return 0;
}

static int store_rows(struct moving *moving, struct error **error)
{
	struct db *db = moving->instance->server->db;
	size_t count = moving->snapshots.count;
	cleanup_free struct snapshot_layer *layers =
		memory_alloc((count + 1) * sizeof(struct snapshot_layer));
	int64_t layer = 0;
	if (store_layers(moving, &layer, error) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		layers[i] = (struct snapshot_layer){moving->snapshots.rows[i].id,
						    transfer_layer(moving->transfer, (int)i)->id};
	if (db_instance_move(db, moving->row.id, moving->pool.name, layer, layers, count, error) <
	    0)
		return -1;
	return db_instance_update(db, &moving->row, error);
}

static int store(struct moving *moving, struct error **error)
{
	struct db *db = moving->instance->server->db;
	if (db_begin(db, DB_DURABLE, error) < 0)
		return -1;
	if (store_rows(moving, error) == 0)
		return db_commit(db, error);
	db_rollback(db);
	return -1;
}

static int make_top(struct moving *moving, struct error **error)
{
	if (!storage_stacks(moving->pool.kind))
		return 0;
	moving->top = storage_new_layer_directory();
	return transfer_above(moving->transfer, moving->top, moving->row.id_base, error);
}

static int commit(struct moving *moving, struct error **error)
{
	struct storage *storage = moving->instance->server->storage;
	int result = transfer_commit(moving->transfer, error);
	if (moving->top && storage_layer_commit(storage, moving->pool.name, moving->top, error) < 0)
		result = -1;
	return result;
}

static int move_files(struct moving *moving, struct error **error)
{
	struct instance *instance = moving->instance;
	if (across_add_snapshots(moving->transfer, instance, &moving->snapshots, error) < 0 ||
	    across_add_instance(moving->transfer, instance, NULL, error) < 0)
		return -1;
	if (make_top(moving, error) == 0) {
		fault_point("move.copied");
		if (store(moving, error) == 0) {
			fault_point("move.stored");
			return commit(moving, error);
		}
	}
	if (moving->top)
		storage_layer_abort(instance->server->storage, moving->pool.name, moving->top);
	return -1;
}

static int prepare(struct moving *moving, const char *pool, struct error **error)
{
	struct server *server = moving->instance->server;
	enum instance_state state = instance_get_state(moving->instance);
	if (state != INSTANCE_STOPPED && state != INSTANCE_ERROR)
		return error_set(error, ERROR_INVALID,
				 "moving a running instance to another pool is not possible: stop "
				 "it first");
	if (db_instance_get_by_id(server->db, moving->instance->id, &moving->row, error) < 0 ||
	    db_object_get(server->db, &db_pools, pool, &moving->pool, error) < 0 ||
	    storage_pool_require(server, pool, error) < 0)
		return -1;
	if (strcmp(moving->row.pool, pool) == 0)
		return error_set(error, ERROR_INVALID, "it is in pool \"%s\" already", pool);
	return across_set_pool(server, &moving->row, pool, error);
}

int instance_move(struct instance *instance, const char *pool, struct operation *operation,
		  struct error **error)
{
	struct server *server = instance->server;
	if (instance_lock(instance, "move", LOCK_TIMEOUT, error) < 0)
		return -1;
	cleanup_instance_lock struct instance *held = instance;
	struct moving moving = {.instance = held};
	int result = prepare(&moving, pool, error);
	if (result == 0) {
		moving.transfer = transfer_new(server, &moving.pool, operation);
		cleanup_space struct space space = space_of_pool(server->storage, pool);
		result = move_files(&moving, error);
		if (result < 0 && space_is_short(error))
			space_explain(&space, "the instance",
				      space_for_layer(server, moving.row.layer_id, false), error);
		transfer_free(moving.transfer);
	}
	if (result == 0)
		log_event(LOG_LEVEL_INFO, held->name, "instance-moved from pool %s to %s",
			  moving.row.pool, pool);
	snapshot_list_clear(&moving.snapshots);
	instance_row_clear(&moving.row);
	object_row_clear(&moving.pool);
	free(moving.top);
	if (result == 0)
		storage_tidy(server);
	return result;
}
