/* An instance like another one, or like a snapshot of it: above the same layers, so that nothing is copied
 * but, of one that runs, what it has written. */
#include <stdlib.h>
#include <string.h>
#include <uuid/uuid.h>

#include "cleanup.h"
#include "fault.h"
#include "instance/across.h"
#include "instance/branch.h"
#include "instance/config_keys.h"
#include "instance/internal.h"
#include "instance/snapshots.h"
#include "memory.h"
#include "network/nic.h"
#include "server.h"
#include "storage/pool_space.h"
#include "storage/storage.h"

enum { LOCK_TIMEOUT = 30000 };

struct copying {
	const struct copy_request *request;
	struct branch branch;	 /* not of a snapshot */
	struct layer_list below; /* of a snapshot: the uppermost is the one that it keeps */
	struct instance_row *row;
	struct object_row pool;
	struct layer_place place;  /* of the copy's own layer */
	struct transfer *transfer; /* to another pool */
	struct space space;	   /* where it goes */
	bool across;
};

static void add_settings(json_t *config, const json_t *from)
{
	const char *key;
	json_t *value;
	json_object_foreach ((json_t *)from, key, value)
		if (strncmp(key, "volatile.", 9) != 0)
			json_object_set(config, key, value);
}

/* What of the source is the daemon's own, such as MAC addresses, is made anew. */
static void fill_row(struct server *server, const struct copy_request *request,
		     const struct instance_row *from, struct instance_row *row)
{
	const struct instance_request *wanted = &request->instance;
	const json_t *base = json_object_get(from->config, "volatile.base_image");
	row->uuid = memory_alloc(UUID_STR_LEN);
	instance_make_uuid(row->uuid);
	row->name = wanted->name ? memory_strdup(wanted->name) : instance_make_name(server);
	row->description =
		memory_strdup(wanted->description ? wanted->description : from->description);
	row->architecture = memory_strdup(from->architecture);
	row->image = from->image ? memory_strdup(from->image) : NULL;
	row->ephemeral = wanted->ephemeral;
	row->profiles =
		json_deep_copy(json_is_array(wanted->profiles) ? wanted->profiles : from->profiles);
	row->devices = json_deep_copy(from->devices);
	if (wanted->devices)
		json_object_update(row->devices, (json_t *)wanted->devices);
	row->config = json_object();
	add_settings(row->config, from->config);
	if (wanted->config)
		add_settings(row->config, wanted->config);
	config_normalize(row->config);
	if (base)
		json_object_set(row->config, "volatile.base_image", (json_t *)base);
	json_object_set_new(row->config, "volatile.uuid", json_string(row->uuid));
}

/* The row that the copy is like. */
static int read_source(struct copying *copying, struct instance_row *from, struct error **error)
{
	const struct copy_request *request = copying->request;
	struct instance *source = request->source;
	struct db *db = source->server->db;
	cleanup_snapshot_row struct snapshot_row snapshot = {0};
	if (db_instance_get_by_id(db, source->id, from, error) < 0)
		return -1;
	if (!request->snapshot)
		return 0;
	if (db_snapshot_get(db, source->id, request->snapshot, &snapshot, error) < 0 ||
	    db_layer_chain(db, snapshot.layer_id, &copying->below, error) < 0)
		return -1;
	json_object_clear(from->config);
	json_object_update(from->config, snapshot.config);
	json_object_clear(from->devices);
	json_object_update(from->devices, snapshot.devices);
	json_array_clear(from->profiles);
	json_array_extend(from->profiles, snapshot.profiles);
	/* Not the one that it was in at that time. */
	return across_set_pool(source->server, from, from->pool, error);
}

/* The layer that the copy is like. */
static const struct layer_row *find_like(const struct copying *copying)
{
	return copying->below.count ? &copying->below.rows[0] : &copying->branch.chain.rows[0];
}

/* Before anything is stored: of a driver that stacks the layer to build on, else the copy itself. */
static int prepare(struct copying *copying, struct error **error)
{
	struct server *server = copying->request->source->server;
	if (!copying->below.count) {
		if (!copying->row->flat_layer)
			return branch_begin(&copying->branch, error);
		if (branch_look(&copying->branch, error) < 0)
			return -1;
		return snapshot_copy(copying->branch.instance, &copying->place,
				     &copying->branch.chain.rows[0], copying->branch.running,
				     error);
	}
	return copying->row->flat_layer ? storage_layer_duplicate(server->storage, &copying->place,
								  &copying->below.rows[0], error)
					: 0;
}

static int store_rows(struct copying *copying, struct error **error)
{
	struct instance *source = copying->request->source;
	struct server *server = source->server;
	struct instance_row *row = copying->row;
	const struct layer_row *like = find_like(copying);
	bool all = !copying->request->snapshot && copying->request->snapshots;
	row->parent_layer = row->flat_layer ? 0 : like->id;
	if (!row->flat_layer && !copying->below.count &&
	    branch_store(&copying->branch, &row->parent_layer, error) < 0)
		return -1;
	if (db_instance_create(server->db, row, &server->ids, error) < 0 ||
	    (all && db_snapshots_copy(server->db, source->id, row->id, error) < 0))
		return -1;
	return row->flat_layer ? 0
			       : storage_layer_above(server->storage, &copying->place, like,
						     row->id_base, error);
}

static int store(struct copying *copying, struct error **error)
{
	struct server *server = copying->request->source->server;
	if (db_begin(server->db, DB_DURABLE, error) < 0)
		return -1;
	if (store_rows(copying, error) < 0) {
		db_rollback(server->db);
		return -1;
	}
	fault_point("copy.volume");
	return db_commit(server->db, error);
}

/* Both are stored by now: what is left is to rename. */
static int commit(struct copying *copying, struct error **error)
{
	struct storage *storage = copying->request->source->server->storage;
	int result = copying->below.count || copying->row->flat_layer
			     ? 0
			     : branch_commit(&copying->branch, error);
	fault_point("copy.committed");
	if (storage_layer_commit(storage, copying->place.pool, copying->place.directory, error) < 0)
		return -1;
	return result;
}

static void abort_copy(struct copying *copying)
{
	struct storage *storage = copying->request->source->server->storage;
	storage_layer_abort(storage, copying->place.pool, copying->place.directory);
	if (!copying->below.count && !copying->row->flat_layer)
		branch_abort(&copying->branch);
}

/* ---- to another pool ---- */

static int add_all(struct copying *copying, struct snapshot_list *snapshots, struct error **error)
{
	const struct copy_request *request = copying->request;
	const char *own = copying->row->flat_layer ? copying->place.directory : NULL;
	if (copying->below.count)
		return transfer_add(copying->transfer, &copying->below, own, error);
	if (request->snapshots &&
	    across_add_snapshots(copying->transfer, request->source, snapshots, error) < 0)
		return -1;
	return across_add_instance(copying->transfer, request->source, own, error);
}

static int store_across(struct copying *copying, struct snapshot_list *snapshots,
			struct error **error)
{
	struct server *server = copying->request->source->server;
	struct instance_row *row = copying->row;
	if (transfer_store(copying->transfer, error) < 0)
		return -1;
	row->parent_layer = row->flat_layer ? 0 : transfer_layer(copying->transfer, -1)->id;
	if (db_instance_create(server->db, row, &server->ids, error) < 0)
		return -1;
	for (size_t i = 0; i < snapshots->count; i++)
		if (across_store_snapshot(server->db, &snapshots->rows[i], row->id,
					  transfer_layer(copying->transfer, (int)i)->id, error) < 0)
			return -1;
	return row->flat_layer ? 0
			       : transfer_above(copying->transfer, copying->place.directory,
						row->id_base, error);
}

static int copy_files(struct copying *copying, struct snapshot_list *snapshots,
		      struct error **error)
{
	struct server *server = copying->request->source->server;
	if (add_all(copying, snapshots, error) < 0 || db_begin(server->db, DB_DURABLE, error) < 0)
		return -1;
	if (store_across(copying, snapshots, error) < 0) {
		db_rollback(server->db);
		return -1;
	}
	fault_point("copy.across");
	if (db_commit(server->db, error) < 0)
		return -1;
	int result = transfer_commit(copying->transfer, error);
	if (!copying->row->flat_layer && storage_layer_commit(server->storage, copying->place.pool,
							      copying->place.directory, error) < 0)
		result = -1;
	return result;
}

static int copy_across(struct copying *copying, struct error **error)
{
	struct server *server = copying->request->source->server;
	cleanup_snapshot_list struct snapshot_list snapshots = {0};
	cleanup_transfer struct transfer *transfer =
		transfer_new(server, &copying->pool, copying->request->operation);
	copying->transfer = transfer;
	int result = copy_files(copying, &snapshots, error);
	if (result < 0)
		storage_layer_abort(server->storage, copying->place.pool, copying->place.directory);
	return result;
}

/* ---- the whole ---- */

static int copy_locked(struct copying *copying, struct error **error)
{
	struct server *server = copying->request->source->server;
	struct instance_row *row = copying->row;
	cleanup_instance_row struct instance_row from = {0};
	if (read_source(copying, &from, error) < 0)
		return -1;
	fill_row(server, copying->request, &from, row);
	if (instance_check_new(server, row, error) < 0)
		return -1;
	if (instance_place_volume(server, row, &copying->pool, &copying->place, error) < 0)
		return -1;
	copying->space = space_of_pool(server->storage, row->pool);
	copying->across = strcmp(row->pool, from.pool) != 0;
	if (copying->across)
		return copy_across(copying, error);
	if (prepare(copying, error) < 0)
		return -1;
	if (store(copying, error) == 0)
		return commit(copying, error);
	abort_copy(copying);
	return -1;
}

/* Within one pool of layers only what a running source has written is copied. */
static int explain(struct copying *copying, struct error **error)
{
	struct instance *source = copying->request->source;
	int64_t id = copying->below.count ? copying->below.rows[0].id : 0;
	bool own = !copying->across && !copying->row->flat_layer;
	if (!space_is_short(error) ||
	    (!id && db_instance_layer(source->server->db, source->id, &id, NULL) < 0))
		return -1;
	return space_explain(&copying->space, "the copy", space_for_layer(source->server, id, own),
			     error);
}

int instance_copy(const struct copy_request *request, struct instance_row *row,
		  struct error **error)
{
	struct instance *source = request->source;
	struct server *server = source->server;
	if (instance_check_request(server, &request->instance, error) < 0 ||
	    instance_lock(source, "copy", LOCK_TIMEOUT, error) < 0)
		return -1;
	cleanup_instance_lock struct instance *held = source;
	struct copying copying = {.request = request, .branch.instance = held, .row = row};
	int result = copy_locked(&copying, error);
	if (result < 0)
		explain(&copying, error);
	space_clear(&copying.space);
	branch_clear(&copying.branch);
	layer_list_clear(&copying.below);
	object_row_clear(&copying.pool);
	free((char *)copying.place.directory);
	if (result == 0)
		instance_announce(server, row);
	else if (row->uuid)
		nics_release(server, row->uuid);
	return result;
}
