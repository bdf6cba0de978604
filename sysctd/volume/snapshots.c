/* Snapshots of volumes: copies beside, made at once where the driver can. */
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "instance/schedule.h"
#include "instance/scheduler.h"
#include "memory.h"
#include "server.h"
#include "storage/storage.h"
#include "volume/internal.h"

/* ---- taking one ---- */

static char *make_name(const struct volume_row *volume, const struct volume_snapshot_list *list,
		       int64_t now, struct error **error)
{
	cleanup_free const char **names = memory_alloc((list->count + 1) * sizeof(*names));
	for (size_t i = 0; i < list->count; i++)
		names[i] = list->rows[i].name;
	return snapshot_make_name(volume->config, names, list->count, now, error);
}

/* Name and times. */
static int name_it(const struct volume_snapshot_request *request, const struct volume_row *volume,
		   const struct volume_snapshot_list *list, struct volume_snapshot_row *taken,
		   struct error **error)
{
	const char *name = request->name && *request->name ? request->name : NULL;
	taken->created_at = db_now();
	taken->name =
		name ? memory_strdup(name) : make_name(volume, list, taken->created_at, error);
	if (!taken->name || snapshot_check_name(taken->name, error) < 0)
		return -1;
	taken->expires_at = request->expires_at;
	return request->expires_at >= 0
		       ? 0
		       : snapshot_expiry(volume->config, request->scheduled, taken->created_at,
					 &taken->expires_at, error);
}

/* @replaced: the id of a snapshot that goes; 0: none. */
static int describe(struct server *server, const struct volume_snapshot_request *request,
		    const struct volume_row *volume, struct volume_snapshot_row *taken,
		    int64_t *replaced, struct error **error)
{
	cleanup_volume_snapshot_list struct volume_snapshot_list list = {0};
	if (db_volume_snapshot_list(server->db, volume->id, &list, error) < 0)
		return -1;
	*taken = (struct volume_snapshot_row){
		.volume_id = volume->id,
		.description = memory_strdup(request->description ? request->description : ""),
		.config = json_deep_copy(volume->config),
	};
	if (name_it(request, volume, &list, taken, error) < 0)
		return -1;
	*replaced = 0;
	for (size_t i = 0; i < list.count; i++)
		if (strcmp(list.rows[i].name, taken->name) == 0)
			*replaced = list.rows[i].id;
	return *replaced && !request->replace
		       ? error_set(error, ERROR_EXISTS, "Snapshot \"%s\" already exists",
				   taken->name)
		       : 0;
}

static int store(struct server *server, const struct volume_row *volume,
		 const struct volume_layer *layer, int64_t replaced,
		 struct volume_snapshot_row *taken, struct error **error)
{
	if (db_begin(server->db, DB_DURABLE, error) < 0)
		return -1;
	if (volume_check_same(server, volume, error) == 0 &&
	    (!replaced || db_volume_snapshot_delete(server->db, replaced, error) == 0) &&
	    volume_layer_store(server, layer, &taken->layer_id, error) == 0 &&
	    db_volume_snapshot_create(server->db, taken, error) == 0)
		return db_commit(server->db, error);
	db_rollback(server->db);
	return -1;
}

int volume_snapshot(struct server *server, const struct volume_snapshot_request *request,
		    struct volume_snapshot_row *taken, struct error **error)
{
	cleanup_volume_row struct volume_row volume = {0};
	cleanup_volume_layer struct volume_layer layer = {0};
	int64_t replaced = 0;
	*taken = (struct volume_snapshot_row){0};
	if (db_volume_get(server->db, request->pool, request->volume, &volume, error) < 0 ||
	    describe(server, request, &volume, taken, &replaced, error) < 0 ||
	    volume_layer_make(server, volume.pool, volume.layer_id, NULL, &layer, error) < 0)
		return -1;
	if (store(server, &volume, &layer, replaced, taken, error) < 0) {
		volume_layer_abort(server, &layer);
		return -1;
	}
	if (volume_layer_commit(server, &layer, error) < 0)
		return -1;
	if (replaced)
		storage_tidy(server);
	if (taken->expires_at)
		scheduler_wake(server->scheduler);
	volume_publish(server, "storage-volume-snapshot-created", volume.pool, volume.name,
		       taken->name);
	return 0;
}

/* ---- changing them ---- */

int volume_snapshot_update(struct server *server, const struct volume_row *volume,
			   const struct volume_snapshot_row *row, const char *name,
			   struct error **error)
{
	bool renamed = strcmp(row->name, name) != 0;
	if ((renamed && snapshot_check_name(row->name, error) < 0) ||
	    db_volume_snapshot_update(server->db, row, error) < 0)
		return -1;
	scheduler_wake(server->scheduler);
	volume_publish(server,
		       renamed ? "storage-volume-snapshot-renamed"
			       : "storage-volume-snapshot-updated",
		       volume->pool, volume->name, row->name);
	return 0;
}

int volume_snapshot_delete(struct server *server, const struct volume_row *volume, const char *name,
			   struct error **error)
{
	cleanup_volume_snapshot_row struct volume_snapshot_row row = {0};
	if (db_volume_snapshot_get(server->db, volume->id, name, &row, error) < 0 ||
	    db_volume_snapshot_delete(server->db, row.id, error) < 0)
		return -1;
	storage_tidy(server);
	volume_publish(server, "storage-volume-snapshot-deleted", volume->pool, volume->name, name);
	return 0;
}

/* ---- bringing one back ---- */

static int store_restored(struct server *server, const struct volume_row *volume,
			  const struct volume_snapshot_row *snapshot,
			  const struct volume_layer *layer, struct error **error)
{
	struct volume_row row = *volume;
	row.config = snapshot->config;
	if (db_begin(server->db, DB_DURABLE, error) < 0)
		return -1;
	if (volume_check_same(server, volume, error) == 0 &&
	    volume_check_unused(server, volume->pool, volume->name, true, error) == 0 &&
	    volume_layer_store(server, layer, &row.layer_id, error) == 0 &&
	    db_volume_update(server->db, &row, error) == 0)
		return db_commit(server->db, error);
	db_rollback(server->db);
	return -1;
}

int volume_restore(struct server *server, const char *pool, const char *name, const char *snapshot,
		   struct error **error)
{
	cleanup_volume_row struct volume_row volume = {0};
	cleanup_volume_snapshot_row struct volume_snapshot_row row = {0};
	cleanup_volume_layer struct volume_layer layer = {0};
	if (db_volume_get(server->db, pool, name, &volume, error) < 0 ||
	    db_volume_snapshot_get(server->db, volume.id, snapshot, &row, error) < 0 ||
	    volume_check_unused(server, pool, name, true, error) < 0 ||
	    volume_layer_make(server, pool, row.layer_id, NULL, &layer, error) < 0)
		return -1;
	if (volume_layer_limit(server, &layer, row.config, false, error) < 0 ||
	    store_restored(server, &volume, &row, &layer, error) < 0) {
		volume_layer_abort(server, &layer);
		return -1;
	}
	if (volume_layer_commit(server, &layer, error) < 0)
		return -1;
	storage_tidy(server);
	scheduler_wake(server->scheduler); /* the configuration is the snapshot's */
	volume_publish(server, "storage-volume-restored", pool, name, NULL);
	return 0;
}
