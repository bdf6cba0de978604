/* See branch.h. */
#include "instance/branch.h"

#include "cleanup.h"
#include "fault.h"
#include "instance/internal.h"
#include "instance/merger.h"
#include "instance/snapshots.h"
#include "server.h"
#include "storage/storage.h"
#include "storage/usage.h"

enum {
	/* Of so many a start has to mount each: what comes then is copied beside. The kernel takes 500. */
	MOST_LAYERS = 200,
};

void branch_clear(struct branch *branch)
{
	instance_row_clear(&branch->row);
	object_row_clear(&branch->pool);
	layer_list_clear(&branch->chain);
}

int branch_look(struct branch *branch, struct error **error)
{
	struct instance *instance = branch->instance;
	struct db *db = instance->server->db;
	enum instance_state state = instance_get_state(instance);
	instance_make_uuid(branch->token);
	branch->running = state == INSTANCE_RUNNING || state == INSTANCE_FROZEN;
	if (!branch->running && state != INSTANCE_STOPPED && state != INSTANCE_ERROR)
		return error_set(error, ERROR_BUSY, "The instance is %s: try again",
				 instance_state_to_string(state));
	if (db_instance_get_by_id(db, instance->id, &branch->row, error) < 0 ||
	    db_object_get(db, &db_pools, branch->row.pool, &branch->pool, error) < 0 ||
	    db_layer_chain(db, branch->row.layer_id, &branch->chain, error) < 0)
		return -1;
	branch->flat = !storage_stacks(branch->pool.kind);
	branch->beside = branch->flat || branch->running || branch->chain.count > MOST_LAYERS;
	return storage_pool_require(instance->server, branch->pool.name, error);
}

int branch_begin(struct branch *branch, struct error **error)
{
	if (branch_look(branch, error) < 0)
		return -1;
	const struct layer_row *top = &branch->chain.rows[0];
	struct storage *storage = branch->instance->server->storage;
	cleanup_free char *directory = storage_layer_directory(branch->token);
	const struct layer_place place = {branch->pool.kind, branch->pool.name, directory, 0};
	if (branch->beside)
		return snapshot_copy(branch->instance, &place, top, branch->running, error);
	if (storage_layer_instead(storage, &place, top, top, top->id_base, error) < 0)
		return -1;
	fault_point("snapshot.layer");
	return 0;
}

int branch_store(struct branch *branch, int64_t *layer, struct error **error)
{
	struct db *db = branch->instance->server->db;
	const struct layer_row *top = &branch->chain.rows[0];
	cleanup_free char *directory = storage_layer_directory(branch->token);
	struct layer_row new = {
		.parent_id = branch->beside ? top->parent_id : top->id,
		.pool = branch->pool.name,
		.directory = directory,
		.image = branch->beside ? top->image : NULL,
		.id_base = top->id_base,
		.flat = branch->flat,
	};
	if (db_layer_create(db, &new, error) < 0)
		return -1;
	*layer = branch->beside ? new.id : top->id;
	return branch->beside ? 0 : db_instance_set_layer(db, branch->row.id, new.id, error);
}

int branch_commit(struct branch *branch, struct error **error)
{
	cleanup_free char *directory = storage_layer_directory(branch->token);
	struct server *server = branch->instance->server;
	if (storage_layer_commit(server->storage, branch->pool.name, directory, error) < 0)
		return -1;
	usage_wake(server->usage);
	merger_wake(server->merger);
	return 0;
}

void branch_abort(struct branch *branch)
{
	cleanup_free char *directory = storage_layer_directory(branch->token);
	storage_layer_abort(branch->instance->server->storage, branch->pool.name, directory);
}
