/*
 * An instance that was copied before becomes what the source is now: snapshots that it has not come, those that
 * the source has no more go, and its files are the source's. In one pool nothing is copied but what a copy
 * would copy, too; in another one what differs from the newest snapshot that both have.
 */
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "fault.h"
#include "instance/across.h"
#include "instance/branch.h"
#include "instance/internal.h"
#include "instance/snapshots.h"
#include "log.h"
#include "memory.h"
#include "server.h"
#include "storage/pool_space.h"
#include "storage/storage.h"

enum { LOCK_TIMEOUT = 30000 };

struct refreshing {
	struct instance *source, *target;
	struct instance_row from, row; /* theirs */
	struct object_row pool;	       /* the target's */
	struct snapshot_list wanted, present;
	bool same_pool;
	struct branch branch;	   /* in the same pool */
	struct transfer *transfer; /* to another one */
	struct layer_place place;  /* of the layer that the target gets */
};

static void clear(struct refreshing *refreshing)
{
	branch_clear(&refreshing->branch);
	if (refreshing->transfer)
		transfer_free(refreshing->transfer);
	instance_row_clear(&refreshing->from);
	instance_row_clear(&refreshing->row);
	object_row_clear(&refreshing->pool);
	snapshot_list_clear(&refreshing->wanted);
	snapshot_list_clear(&refreshing->present);
	free((char *)refreshing->place.directory);
}

/* Another one may have been taken under the same name. */
static const struct snapshot_row *find(const struct snapshot_list *list,
				       const struct snapshot_row *like)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->rows[i].name, like->name) == 0 &&
		    list->rows[i].created_at == like->created_at)
			return &list->rows[i];
	return NULL;
}

static int read_all(struct refreshing *refreshing, bool snapshots, struct error **error)
{
	struct db *db = refreshing->source->server->db;
	if (db_instance_get_by_id(db, refreshing->source->id, &refreshing->from, error) < 0 ||
	    db_instance_get_by_id(db, refreshing->target->id, &refreshing->row, error) < 0 ||
	    db_object_get(db, &db_pools, refreshing->row.pool, &refreshing->pool, error) < 0 ||
	    storage_pool_require(refreshing->source->server, refreshing->row.pool, error) < 0)
		return -1;
	if (snapshots &&
	    (db_snapshot_list(db, refreshing->source->id, &refreshing->wanted, error) < 0 ||
	     db_snapshot_list(db, refreshing->target->id, &refreshing->present, error) < 0))
		return -1;
	refreshing->same_pool = strcmp(refreshing->from.pool, refreshing->row.pool) == 0;
	refreshing->row.flat_layer = !storage_stacks(refreshing->pool.kind);
	refreshing->place = (struct layer_place){refreshing->pool.kind, refreshing->pool.name,
						 storage_new_layer_directory(), 0};
	return 0;
}

/* ---- files ---- */

static int prepare_here(struct refreshing *refreshing, struct error **error)
{
	struct branch *branch = &refreshing->branch;
	if (!refreshing->row.flat_layer)
		return branch_begin(branch, error);
	return branch_look(branch, error) < 0
		       ? -1
		       : snapshot_copy(refreshing->source, &refreshing->place,
				       &branch->chain.rows[0], branch->running, error);
}

/* The newest that both have is what the others are written above. */
static int add_base(struct refreshing *refreshing, struct error **error)
{
	for (size_t i = refreshing->wanted.count; i-- > 0;) {
		const struct snapshot_row *both =
			find(&refreshing->present, &refreshing->wanted.rows[i]);
		cleanup_layer_list struct layer_list chain = {0};
		if (!both)
			continue;
		if (db_layer_chain(refreshing->source->server->db, both->layer_id, &chain, error) <
		    0)
			return -1;
		transfer_base(refreshing->transfer, &chain);
		return 0;
	}
	return 0;
}

static int prepare_across(struct refreshing *refreshing, struct operation *operation,
			  struct error **error)
{
	struct server *server = refreshing->source->server;
	const char *own = refreshing->row.flat_layer ? refreshing->place.directory : NULL;
	refreshing->transfer = transfer_new(server, &refreshing->pool, operation);
	if (add_base(refreshing, error) < 0)
		return -1;
	for (size_t i = 0; i < refreshing->wanted.count; i++) {
		cleanup_layer_list struct layer_list chain = {0};
		const struct snapshot_row *row = &refreshing->wanted.rows[i];
		if (find(&refreshing->present, row))
			continue;
		if (db_layer_chain(server->db, row->layer_id, &chain, error) < 0 ||
		    transfer_add(refreshing->transfer, &chain, NULL, error) < 0)
			return -1;
	}
	return across_add_instance(refreshing->transfer, refreshing->source, own, error);
}

/* ---- rows ---- */

static int store_snapshots(struct refreshing *refreshing, bool snapshots, struct error **error)
{
	struct db *db = refreshing->source->server->db;
	int copied = 0;
	for (size_t i = 0; snapshots && i < refreshing->wanted.count; i++) {
		const struct snapshot_row *row = &refreshing->wanted.rows[i];
		if (find(&refreshing->present, row))
			continue;
		int64_t layer = refreshing->same_pool
					? row->layer_id
					: transfer_layer(refreshing->transfer, copied++)->id;
		if (across_store_snapshot(db, row, refreshing->row.id, layer, error) < 0)
			return -1;
	}
	return 0;
}

/* Before layers are made: what nobody names yet would be taken for what nobody needs. */
static int delete_snapshots(struct refreshing *refreshing, struct error **error)
{
	struct db *db = refreshing->source->server->db;
	for (size_t i = 0; i < refreshing->present.count; i++)
		if (!find(&refreshing->wanted, &refreshing->present.rows[i]) &&
		    db_snapshot_delete(db, refreshing->present.rows[i].id, error) < 0)
			return -1;
	return 0;
}

static int make_layer(struct refreshing *refreshing, int64_t *parent, struct error **error)
{
	struct storage *storage = refreshing->source->server->storage;
	const struct layer_place *place = &refreshing->place;
	bool flat = refreshing->row.flat_layer;
	*parent = 0;
	if (!refreshing->same_pool) {
		if (transfer_store(refreshing->transfer, error) < 0)
			return -1;
		if (flat)
			return 0;
		*parent = transfer_layer(refreshing->transfer, -1)->id;
		return transfer_above(refreshing->transfer, place->directory,
				      refreshing->row.id_base, error);
	}
	if (flat)
		return 0;
	if (branch_store(&refreshing->branch, parent, error) < 0)
		return -1;
	return storage_layer_above(storage, place, &refreshing->branch.chain.rows[0],
				   refreshing->row.id_base, error);
}

static int store_rows(struct refreshing *refreshing, bool snapshots, struct error **error)
{
	struct db *db = refreshing->source->server->db;
	bool flat = refreshing->row.flat_layer;
	struct layer_row layer = {
		.pool = refreshing->pool.name,
		.directory = (char *)refreshing->place.directory,
		.id_base = flat ? 0 : refreshing->row.id_base,
		.flat = flat,
	};
	if ((snapshots && delete_snapshots(refreshing, error) < 0) ||
	    make_layer(refreshing, &layer.parent_id, error) < 0 ||
	    store_snapshots(refreshing, snapshots, error) < 0 ||
	    db_layer_create(db, &layer, error) < 0)
		return -1;
	return db_instance_set_layer(db, refreshing->row.id, layer.id, error);
}

static int store(struct refreshing *refreshing, bool snapshots, struct error **error)
{
	struct db *db = refreshing->source->server->db;
	if (db_begin(db, DB_DURABLE, error) < 0)
		return -1;
	if (store_rows(refreshing, snapshots, error) == 0) {
		fault_point("copy.refreshed");
		return db_commit(db, error);
	}
	db_rollback(db);
	return -1;
}

/* ---- the whole ---- */

static void abandon(struct refreshing *refreshing)
{
	struct storage *storage = refreshing->source->server->storage;
	storage_layer_abort(storage, refreshing->place.pool, refreshing->place.directory);
	if (refreshing->same_pool && !refreshing->row.flat_layer)
		branch_abort(&refreshing->branch);
}

static int commit(struct refreshing *refreshing, struct error **error)
{
	struct storage *storage = refreshing->source->server->storage;
	int result = 0;
	if (!refreshing->same_pool)
		result = transfer_commit(refreshing->transfer, error);
	else if (!refreshing->row.flat_layer)
		result = branch_commit(&refreshing->branch, error);
	bool given = !refreshing->same_pool && refreshing->row.flat_layer;
	if (!given && storage_layer_commit(storage, refreshing->place.pool,
					   refreshing->place.directory, error) < 0)
		result = -1;
	return result;
}

static int refresh_locked(struct refreshing *refreshing, const struct copy_request *request,
			  struct error **error)
{
	enum instance_state state = instance_get_state(refreshing->target);
	if (state != INSTANCE_STOPPED && state != INSTANCE_ERROR)
		return error_set(error, ERROR_INVALID, "\"%s\" runs: stop it first",
				 refreshing->target->name);
	if (read_all(refreshing, request->snapshots, error) < 0)
		return -1;
	struct server *server = refreshing->source->server;
	cleanup_space struct space space = space_of_pool(server->storage, refreshing->row.pool);
	int result = refreshing->same_pool ? prepare_here(refreshing, error)
					   : prepare_across(refreshing, request->operation, error);
	if (result < 0)
		/* Of what it needs at most it may have some already. */
		return space_explain(&space, "the copy", -1, error);
	if (store(refreshing, request->snapshots, error) == 0)
		return commit(refreshing, error);
	abandon(refreshing);
	return -1;
}

int instance_refresh(struct instance *target, const struct copy_request *request,
		     struct error **error)
{
	struct instance *source = request->source;
	bool source_first = source->id < target->id;
	if (source == target)
		return error_set(error, ERROR_INVALID, "an instance is no copy of itself");
	if (instance_lock(source_first ? source : target, "copy", LOCK_TIMEOUT, error) < 0)
		return -1;
	cleanup_instance_lock struct instance *first = source_first ? source : target;
	(void)first;
	if (instance_lock(source_first ? target : source, "copy", LOCK_TIMEOUT, error) < 0)
		return -1;
	cleanup_instance_lock struct instance *second = source_first ? target : source;
	(void)second;
	struct refreshing refreshing = {
		.source = source, .target = target, .branch.instance = source};
	int result = refresh_locked(&refreshing, request, error);
	clear(&refreshing);
	if (result < 0)
		return -1;
	storage_tidy(source->server);
	log_event(LOG_LEVEL_INFO, target->name, "instance-refreshed from %s", source->name);
	instance_publish(target, "instance-updated");
	return 0;
}
