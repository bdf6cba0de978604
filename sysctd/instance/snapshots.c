/* See snapshots.h: taking, naming and removing them. */
#include "instance/snapshots.h"

#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "events.h"
#include "fault.h"
#include "instance/branch.h"
#include "instance/config_keys.h"
#include "instance/internal.h"
#include "instance/schedule.h"
#include "instance/scheduler.h"
#include "log.h"
#include "memory.h"
#include "server.h"
#include "storage/pool_space.h"
#include "storage/storage.h"

enum { LOCK_TIMEOUT = 30000 };

void snapshot_publish(struct instance *instance, const char *action, const char *name)
{
	cleanup_free char *source =
		memory_printf("/1.0/instances/%s/snapshots/%s", instance->name, name);
	event_hub_lifecycle(instance->server->events, action, source, NULL);
}

/* ---- taking one ---- */

static char *make_name(struct server *server, int64_t id, const json_t *config, int64_t now,
		       struct error **error)
{
	cleanup_snapshot_list struct snapshot_list list = {0};
	if (db_snapshot_list(server->db, id, &list, error) < 0)
		return NULL;
	cleanup_free const char **names = memory_alloc((list.count + 1) * sizeof(*names));
	for (size_t i = 0; i < list.count; i++)
		names[i] = list.rows[i].name;
	return snapshot_make_name(config, names, list.count, now, error);
}

/* Name and times. */
static int describe(struct instance *instance, const struct snapshot_request *request,
		    struct snapshot_row *taken, struct error **error)
{
	struct server *server = instance->server;
	cleanup_instance_row struct instance_row row = {0};
	const char *name = request->name && *request->name ? request->name : NULL;
	json_t *config = NULL;
	if (db_instance_get_by_id(server->db, instance->id, &row, error) < 0 ||
	    instance_expand(server, &row, &config, NULL, error) < 0)
		return -1;
	taken->created_at = db_now();
	taken->description = memory_strdup(request->description ? request->description : "");
	taken->name = name ? memory_strdup(name)
			   : make_name(server, instance->id, config, taken->created_at, error);
	int result = taken->name ? snapshot_check_name(taken->name, error) : -1;
	taken->expires_at = request->expires_at;
	if (result == 0 && request->expires_at < 0)
		result = snapshot_expiry(config, request->scheduled, taken->created_at,
					 &taken->expires_at, error);
	json_decref(config);
	return result;
}

struct taking {
	struct branch branch;
	int64_t replaced; /* the id of a snapshot; 0: none */
};

static int store(struct taking *taking, struct snapshot_row *taken, struct error **error)
{
	struct db *db = taking->branch.instance->server->db;
	if (db_begin(db, DB_DURABLE, error) < 0)
		return -1;
	if ((!taking->replaced || db_snapshot_delete(db, taking->replaced, error) == 0) &&
	    branch_store(&taking->branch, &taken->layer_id, error) == 0 &&
	    db_snapshot_create(db, taken, &taking->branch.row, error) == 0)
		return db_commit(db, error);
	db_rollback(db);
	return -1;
}

static int begin(struct branch *branch, struct error **error)
{
	struct server *server = branch->instance->server;
	cleanup_instance_row struct instance_row row = {0};
	if (db_instance_get_by_id(server->db, branch->instance->id, &row, error) < 0)
		return -1;
	cleanup_space struct space space = space_of_pool(server->storage, row.pool);
	if (branch_begin(branch, error) == 0)
		return 0;
	if (space_is_short(error))
		space_explain(&space, "the snapshot",
			      branch->beside ? space_for_layer(server, row.layer_id, !branch->flat)
					     : -1,
			      error);
	return -1;
}

static int take(struct taking *taking, struct snapshot_row *taken, struct error **error)
{
	if (begin(&taking->branch, error) < 0)
		return -1;
	if (store(taking, taken, error) < 0) {
		branch_abort(&taking->branch);
		return -1;
	}
	fault_point("snapshot.committed");
	return branch_commit(&taking->branch, error);
}

/* Before anything is copied. */
static int check_name(struct taking *taking, const char *name, bool replace, struct error **error)
{
	struct instance *instance = taking->branch.instance;
	cleanup_snapshot_row struct snapshot_row other = {0};
	if (db_snapshot_get(instance->server->db, instance->id, name, &other, NULL) < 0)
		return 0;
	taking->replaced = other.id;
	return replace ? 0 : error_set(error, ERROR_EXISTS, "Snapshot \"%s\" already exists", name);
}

int instance_snapshot(struct instance *instance, const struct snapshot_request *request,
		      struct snapshot_row *taken, struct error **error)
{
	const char *name = request->name && *request->name ? request->name : NULL;
	*taken = (struct snapshot_row){0};
	if ((name && snapshot_check_name(name, error) < 0) ||
	    instance_lock(instance, "snapshot", LOCK_TIMEOUT, error) < 0)
		return -1;
	cleanup_instance_lock struct instance *held = instance;
	struct taking taking = {.branch.instance = held};
	int result = describe(held, request, taken, error);
	if (result == 0)
		result = check_name(&taking, taken->name, request->replace, error);
	if (result == 0)
		result = take(&taking, taken, error);
	branch_clear(&taking.branch);
	if (result < 0) {
		snapshot_row_clear(taken);
		return -1;
	}
	if (taking.replaced)
		storage_tidy(held->server);
	if (taken->expires_at)
		scheduler_wake(held->server->scheduler);
	log_event(LOG_LEVEL_INFO, held->name, "instance-snapshot-created %s", taken->name);
	snapshot_publish(held, "instance-snapshot-created", taken->name);
	return 0;
}

/* ---- changing them ---- */

int instance_snapshot_update(struct instance *instance, const struct snapshot_row *row,
			     struct error **error)
{
	if (db_snapshot_update(instance->server->db, row, error) < 0)
		return -1;
	scheduler_wake(instance->server->scheduler);
	snapshot_publish(instance, "instance-snapshot-updated", row->name);
	return 0;
}

int instance_snapshot_rename(struct instance *instance, const char *name, const char *new_name,
			     struct error **error)
{
	struct db *db = instance->server->db;
	cleanup_snapshot_row struct snapshot_row row = {0};
	if (snapshot_check_name(new_name, error) < 0 ||
	    db_snapshot_get(db, instance->id, name, &row, error) < 0 ||
	    db_snapshot_rename(db, &row, new_name, error) < 0)
		return -1;
	snapshot_publish(instance, "instance-snapshot-renamed", new_name);
	return 0;
}

int instance_snapshot_delete(struct instance *instance, const char *name, struct error **error)
{
	struct server *server = instance->server;
	cleanup_snapshot_row struct snapshot_row row = {0};
	if (instance_lock(instance, "delete a snapshot", LOCK_TIMEOUT, error) < 0)
		return -1;
	cleanup_instance_lock struct instance *held = instance;
	if (db_snapshot_get(server->db, held->id, name, &row, error) < 0 ||
	    db_snapshot_delete(server->db, row.id, error) < 0)
		return -1;
	fault_point("snapshot.deleted");
	storage_tidy(server);
	log_event(LOG_LEVEL_INFO, held->name, "instance-snapshot-deleted %s", name);
	snapshot_publish(held, "instance-snapshot-deleted", name);
	return 0;
}
