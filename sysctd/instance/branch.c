/* See branch.h. */
#include "instance/branch.h"

#include "cleanup.h"
#include "fault.h"
#include "instance/internal.h"
#include "instance/snapshots.h"
#include "server.h"
#include "storage/storage.h"

enum {
	/* So many below each other are slow to look through: what comes then is copied beside. */
	MOST_LAYERS = 100,
};

void branch_clear(struct branch *branch)
{
	instance_row_clear(&branch->row);
	object_row_clear(&branch->pool);
	layer_list_clear(&branch->chain);
}

static int prepare(struct branch *branch, struct error **error)
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
	branch->beside = branch->running || branch->chain.count > MOST_LAYERS;
	return 0;
}

int branch_begin(struct branch *branch, struct error **error)
{
	if (prepare(branch, error) < 0)
		return -1;
	const struct layer_row *top = &branch->chain.rows[0];
	const char *driver = branch->pool.kind;
	if (storage_layer_create(branch->instance->server->storage, driver, top, branch->token,
				 error) < 0)
		return -1;
	fault_point("snapshot.layer");
	if (!branch->beside || snapshot_copy(branch->instance, driver, top, branch->token,
					     branch->running, error) == 0)
		return 0;
	branch_abort(branch);
	return -1;
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
	};
	if (db_layer_create(db, &new, error) < 0)
		return -1;
	*layer = branch->beside ? new.id : top->id;
	return branch->beside ? 0 : db_instance_set_layer(db, branch->row.id, new.id, error);
}

int branch_commit(struct branch *branch, struct error **error)
{
	return storage_layer_commit(branch->instance->server->storage, branch->pool.name,
				    branch->token, error);
}

void branch_abort(struct branch *branch)
{
	storage_layer_abort(branch->instance->server->storage, branch->pool.name, branch->token);
}
