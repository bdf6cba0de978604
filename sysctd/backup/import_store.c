/*
 * The transaction of an import, and what an imported instance is made of: its own tree is below an empty layer
 * of its own where the driver stacks; else the instance writes into it.
 */
#include <stdlib.h>

#include "backup/import_internal.h"
#include "cleanup.h"
#include "fault.h"
#include "instance/internal.h"
#include "memory.h"
#include "network/nic.h"
#include "server.h"
#include "storage/storage.h"

void import_plan_clear(struct import_plan *plan)
{
	for (size_t i = 0; i < plan->tree_count; i++) {
		free(plan->trees[i].name);
		free(plan->trees[i].directory);
		free(plan->trees[i].given);
	}
	free(plan->trees);
	for (size_t i = 0; i < plan->count; i++) {
		snapshot_row_clear(&plan->snapshots[i].row);
		instance_row_clear(&plan->snapshots[i].content);
	}
	free(plan->snapshots);
	instance_row_clear(&plan->row);
	object_row_clear(&plan->pool);
	volume_row_clear(&plan->volume);
	volume_snapshot_list_clear(&plan->volume_snapshots);
	if (plan->layers)
		transfer_free(plan->layers);
	*plan = (struct import_plan){0};
}

int import_plan_store(struct server *server, struct import_plan *plan, struct error **error)
{
	if (db_begin(server->db, DB_DURABLE, error) < 0)
		return -1;
	if (transfer_store(plan->layers, error) < 0 || plan->kind->store(server, plan, error) < 0) {
		db_rollback(server->db);
		return -1;
	}
	fault_point("import.volume");
	if (db_commit(server->db, error) < 0)
		return -1;
	plan->stored = true;
	fault_point("import.committed");
	/* All is stored by now: what is left is to rename, which storage_repair() makes up for. */
	int result = transfer_commit(plan->layers, error);
	return plan->kind->commit(server, plan, result < 0 ? NULL : error) < 0 ? -1 : result;
}

/* ---- an instance ---- */

static int store_snapshots(struct server *server, struct import_plan *plan, struct error **error)
{
	for (size_t i = 0; i < plan->count; i++) {
		struct import_snapshot *snapshot = &plan->snapshots[i];
		snapshot->content.id = plan->row.id;
		snapshot->row.layer_id = transfer_layer(plan->layers, (int)i)->id;
		if (db_snapshot_create(server->db, &snapshot->row, &snapshot->content, error) < 0)
			return -1;
	}
	return 0;
}

static int store(struct server *server, struct import_plan *plan, struct error **error)
{
	struct instance_row *row = &plan->row;
	cleanup_free char *directory = storage_instance_directory(row->uuid);
	if (!row->flat_layer)
		row->parent_layer = transfer_layer(plan->layers, -1)->id;
	if (db_instance_create(server->db, row, &server->ids, error) < 0 ||
	    store_snapshots(server, plan, error) < 0)
		return -1;
	return row->flat_layer ? 0 : transfer_above(plan->layers, directory, row->id_base, error);
}

static int commit(struct server *server, struct import_plan *plan, struct error **error)
{
	cleanup_free char *directory = storage_instance_directory(plan->row.uuid);
	int result = plan->row.flat_layer ? 0
					  : storage_layer_commit(server->storage, plan->pool.name,
								 directory, error);
	instance_announce(server, &plan->row);
	return result;
}

static void abandon(struct server *server, struct import_plan *plan)
{
	if (plan->row.uuid && plan->pool.name && !plan->row.flat_layer) {
		cleanup_free char *directory = storage_instance_directory(plan->row.uuid);
		storage_layer_abort(server->storage, plan->pool.name, directory);
	}
	if (plan->assigned)
		nics_release(server, plan->row.uuid);
}

static const char *name_of(const struct import_plan *plan)
{
	return plan->row.name;
}

const struct import_kind import_instance = {
	.plan = import_plan_instance,
	.store = store,
	.commit = commit,
	.abort = abandon,
	.name = name_of,
};
