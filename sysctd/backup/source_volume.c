/*
 * What goes into the backup of a custom volume. Where the driver copies a tree at once, or an instance that runs
 * has the volume, a copy beside is read, which nobody names and which is held as long; else the volume itself.
 */
#include "backup/internal.h"
#include "cleanup.h"
#include "fault.h"
#include "memory.h"
#include "server.h"
#include "storage/storage.h"
#include "volume/internal.h"

struct opening {
	struct backup_source *source;
	struct volume_row row;
	struct object_row pool;
	struct volume_snapshot_list snapshots;
	struct volume_layer copy;
	int64_t layer; /* that is read */
};

static void clear(struct opening *opening)
{
	volume_row_clear(&opening->row);
	object_row_clear(&opening->pool);
	volume_snapshot_list_clear(&opening->snapshots);
	volume_layer_clear(&opening->copy);
}

static int read_rows(struct opening *opening, bool only, struct error **error)
{
	const struct backup_owner *owner = opening->source->owner;
	struct db *db = owner->server->db;
	if (db_volume_get(db, owner->pool, owner->name, &opening->row, error) < 0 ||
	    db_object_get(db, &db_pools, owner->pool, &opening->pool, error) < 0 ||
	    storage_pool_require(owner->server, owner->pool, error) < 0)
		return -1;
	opening->layer = opening->row.layer_id;
	return only ? 0 : db_volume_snapshot_list(db, opening->row.id, &opening->snapshots, error);
}

static bool is_read_beside(const struct opening *opening)
{
	return storage_clones(opening->pool.kind) ||
	       volume_check_unused(opening->source->owner->server, opening->row.pool,
				   opening->row.name, true, NULL) < 0;
}

static int hold(struct opening *opening, struct error **error)
{
	struct server *server = opening->source->owner->server;
	if (volume_check_same(server, &opening->row, error) < 0 ||
	    volume_check_snapshots(server, &opening->snapshots, error) < 0 ||
	    (opening->copy.made &&
	     volume_layer_store(server, &opening->copy, &opening->layer, error) < 0) ||
	    backup_source_hold(opening->source, opening->layer, error) < 0)
		return -1;
	for (size_t i = 0; i < opening->snapshots.count; i++)
		if (backup_source_hold(opening->source, opening->snapshots.rows[i].layer_id,
				       error) < 0)
			return -1;
	return 0;
}

static int take(struct opening *opening, struct error **error)
{
	struct server *server = opening->source->owner->server;
	if (is_read_beside(opening) &&
	    volume_layer_make(server, opening->row.pool, opening->row.layer_id, NULL,
			      &opening->copy, error) < 0)
		return -1;
	if (db_begin(server->db, DB_DURABLE, error) == 0) {
		if (hold(opening, error) == 0) {
			if (db_commit(server->db, error) < 0)
				return -1;
			fault_point("backup.volume");
			return opening->copy.made
				       ? volume_layer_commit(server, &opening->copy, error)
				       : 0;
		}
		db_rollback(server->db);
		opening->source->held_count = 0;
	}
	volume_layer_abort(server, &opening->copy);
	return -1;
}

static int add_tree(struct backup_source *source, const char *path, const char *name, int64_t layer,
		    struct error **error)
{
	return source->driver
		       ? backup_source_add_stream(source, path, name, NULL, NULL, layer, error)
		       : backup_source_add_tree(json_object_get(source->request, "entries"), path,
						source->owner->server, layer, error);
}

static int describe(struct opening *opening, const struct backup_request *request,
		    struct error **error)
{
	struct backup_source *source = opening->source;
	json_t *index =
		backup_index_volume(&opening->row, &opening->pool, &opening->snapshots, error);
	backup_source_request(source, request);
	if (request->optimized)
		backup_source_optimize(source, &opening->pool);
	if (!index || backup_source_add_index(source, index, error) < 0)
		return -1;
	for (size_t i = 0; i < opening->snapshots.count; i++) {
		const struct volume_snapshot_row *row = &opening->snapshots.rows[i];
		cleanup_free char *path = memory_printf("backup/volume-snapshots/%s", row->name);
		if (add_tree(source, path, row->name, row->layer_id, error) < 0)
			return -1;
	}
	return add_tree(source, "backup/volume", ".backup", opening->layer, error);
}

int backup_source_open_volume(struct backup_source *source, const struct backup_request *request,
			      struct error **error)
{
	struct opening opening = {.source = source};
	int result = read_rows(&opening, request->only, error);
	if (result == 0)
		result = take(&opening, error);
	if (result == 0)
		result = describe(&opening, request, error);
	clear(&opening);
	return result;
}
