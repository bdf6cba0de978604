/* See volume.h: making, copying, moving and deleting volumes. */
#include <stdlib.h>
#include <string.h>

#include "backup/backup.h"
#include "cleanup.h"
#include "db/objects.h"
#include "events.h"
#include "fault.h"
#include "instance/scheduler.h"
#include "log.h"
#include "memory.h"
#include "server.h"
#include "storage/storage.h"
#include "volume/internal.h"

void volume_publish(struct server *server, const char *action, const char *pool, const char *name,
		    const char *snapshot)
{
	cleanup_free char *source =
		memory_printf("/1.0/storage-pools/%s/volumes/custom/%s%s%s", pool, name,
			      snapshot ? "/snapshots/" : "", snapshot ? snapshot : "");
	log_event(LOG_LEVEL_INFO, NULL, "%s %s/%s%s%s", action, pool, name, snapshot ? "/" : "",
		  snapshot ? snapshot : "");
	event_hub_lifecycle(server->events, action, source, NULL);
}

int volume_check_new(struct server *server, const struct volume_request *request,
		     struct error **error)
{
	cleanup_object_row struct object_row pool = {0};
	cleanup_volume_row struct volume_row other = {0};
	if (volume_check_name(request->name, error) < 0 ||
	    (request->config && volume_check_config(request->config, error) < 0) ||
	    db_object_get(server->db, &db_pools, request->pool, &pool, error) < 0)
		return -1;
	if (db_volume_get(server->db, request->pool, request->name, &other, NULL) < 0)
		return 0;
	return error_set(error, ERROR_EXISTS, "storage volume \"%s\" already exists in pool %s",
			 request->name, request->pool);
}

/* ---- making ---- */

static int store_new(struct server *server, const struct volume_request *request,
		     const struct volume_layer *layer, struct error **error)
{
	struct volume_row row = {
		.pool = (char *)request->pool,
		.name = (char *)request->name,
		.description = (char *)request->description,
		.created_at = db_now(),
		.config = (json_t *)request->config,
	};
	if (db_begin(server->db, DB_DURABLE, error) < 0)
		return -1;
	if (volume_layer_store(server, layer, &row.layer_id, error) == 0 &&
	    db_volume_create(server->db, &row, error) == 0)
		return db_commit(server->db, error);
	db_rollback(server->db);
	return -1;
}

static int create(struct server *server, const struct volume_request *request, struct error **error)
{
	cleanup_volume_layer struct volume_layer layer = {0};
	if (volume_check_size(server, request->pool, request->config, error) < 0 ||
	    volume_layer_make(server, request->pool, 0, request->config, &layer, error) < 0)
		return -1;
	if (volume_layer_limit(server, &layer, request->config, true, error) == 0 &&
	    store_new(server, request, &layer, error) == 0)
		return volume_layer_commit(server, &layer, error);
	volume_layer_abort(server, &layer);
	return -1;
}

int volume_create(struct server *server, const struct volume_request *request, struct error **error)
{
	if (volume_check_new(server, request, error) < 0)
		return -1;
	struct volume_request whole = *request;
	json_t *config = volume_default_config(server, request->pool, request->config, error);
	whole.config = config;
	int result = config ? create(server, &whole, error) : -1;
	json_decref(config);
	if (result < 0)
		return -1;
	scheduler_wake(server->scheduler);
	volume_publish(server, "storage-volume-created", request->pool, request->name, NULL);
	return 0;
}

/* ---- many layers: of a volume and its snapshots ---- */

struct set {
	struct volume_row volume;	       /* what is copied or moved */
	struct volume_snapshot_list snapshots; /* of it, those that come along */
	int64_t source;			       /* the layer that it begins with */
	bool share; /* in one pool: snapshots, which nobody changes, are kept by both */
	struct volume_layer layer;
	struct volume_layer *kept; /* of the snapshots; NULL where they are shared */
};

static void set_clear(struct server *server, struct set *set)
{
	for (size_t i = 0; set->kept && i < set->snapshots.count; i++) {
		volume_layer_abort(server, &set->kept[i]);
		volume_layer_clear(&set->kept[i]);
	}
	free(set->kept);
	volume_layer_abort(server, &set->layer);
	volume_layer_clear(&set->layer);
	volume_snapshot_list_clear(&set->snapshots);
	volume_row_clear(&set->volume);
}

static int set_make(struct server *server, const char *pool, const json_t *config, struct set *set,
		    struct error **error)
{
	set->share = strcmp(pool, set->volume.pool) == 0;
	if (!set->share)
		set->kept = memory_alloc(set->snapshots.count * sizeof(*set->kept));
	for (size_t i = 0; set->kept && i < set->snapshots.count; i++)
		if (volume_layer_make(server, pool, set->snapshots.rows[i].layer_id, config,
				      &set->kept[i], error) < 0)
			return -1;
	return volume_layer_make(server, pool, set->source, config, &set->layer, error);
}

static int set_commit(struct server *server, struct set *set, struct error **error)
{
	for (size_t i = 0; set->kept && i < set->snapshots.count; i++)
		if (volume_layer_commit(server, &set->kept[i], error) < 0)
			return -1;
	return volume_layer_commit(server, &set->layer, error);
}

int volume_check_same(struct server *server, const struct volume_row *row, struct error **error)
{
	cleanup_volume_row struct volume_row now = {0};
	if (db_volume_get(server->db, row->pool, row->name, &now, error) < 0)
		return -1;
	return now.id == row->id && now.layer_id == row->layer_id
		       ? 0
		       : error_set(error, ERROR_BUSY,
				   "storage volume \"%s\" was replaced meanwhile: try again",
				   row->name);
}

int volume_check_snapshots(struct server *server, const struct volume_snapshot_list *list,
			   struct error **error)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct volume_snapshot_row *row = &list->rows[i];
		cleanup_volume_snapshot_row struct volume_snapshot_row now = {0};
		if (db_volume_snapshot_get(server->db, row->volume_id, row->name, &now, error) < 0)
			return -1;
		if (now.layer_id != row->layer_id)
			return error_set(error, ERROR_BUSY,
					 "snapshot \"%s\" was replaced meanwhile: try again",
					 row->name);
	}
	return 0;
}

/* ---- copying ---- */

static int read_source(struct server *server, const struct volume_copy_request *request,
		       struct set *set, struct error **error)
{
	cleanup_volume_snapshot_row struct volume_snapshot_row snapshot = {0};
	if (db_volume_get(server->db, request->pool, request->name, &set->volume, error) < 0)
		return -1;
	set->source = set->volume.layer_id;
	if (!request->snapshot)
		return request->snapshots ? db_volume_snapshot_list(server->db, set->volume.id,
								    &set->snapshots, error)
					  : 0;
	if (db_volume_snapshot_get(server->db, set->volume.id, request->snapshot, &snapshot,
				   error) < 0)
		return -1;
	set->source = snapshot.layer_id;
	return 0;
}

static int store_snapshots(struct server *server, const struct set *set, int64_t volume_id,
			   struct error **error)
{
	for (size_t i = 0; i < set->snapshots.count; i++) {
		struct volume_snapshot_row row = set->snapshots.rows[i];
		row.volume_id = volume_id;
		if ((!set->share &&
		     volume_layer_store(server, &set->kept[i], &row.layer_id, error) < 0) ||
		    db_volume_snapshot_create(server->db, &row, error) < 0)
			return -1;
	}
	return 0;
}

static int check_source(struct server *server, const struct volume_copy_request *request,
			const struct set *set, struct error **error)
{
	cleanup_volume_snapshot_row struct volume_snapshot_row now = {0};
	if (!request->snapshot)
		return volume_check_same(server, &set->volume, error) < 0
			       ? -1
			       : volume_check_snapshots(server, &set->snapshots, error);
	if (db_volume_snapshot_get(server->db, set->volume.id, request->snapshot, &now, error) < 0)
		return -1;
	return now.layer_id == set->source
		       ? 0
		       : error_set(error, ERROR_BUSY, "the snapshot was replaced meanwhile");
}

static int store_copy(struct server *server, const struct volume_copy_request *request,
		      const struct set *set, struct error **error)
{
	const struct volume_request *target = &request->target;
	const char *description =
		target->description ? target->description : set->volume.description;
	struct volume_row row = {
		.pool = (char *)target->pool,
		.name = (char *)target->name,
		.description = (char *)description,
		.created_at = db_now(),
		.config = target->config ? (json_t *)target->config : set->volume.config,
	};
	if (db_begin(server->db, DB_DURABLE, error) < 0)
		return -1;
	if (check_source(server, request, set, error) == 0 &&
	    volume_layer_store(server, &set->layer, &row.layer_id, error) == 0 &&
	    db_volume_create(server->db, &row, error) == 0 &&
	    store_snapshots(server, set, row.id, error) == 0)
		return db_commit(server->db, error);
	db_rollback(server->db);
	return -1;
}

static int make_copy(struct server *server, const struct volume_copy_request *request,
		     struct set *set, struct error **error)
{
	const struct volume_request *target = &request->target;
	const json_t *config = target->config ? target->config : set->volume.config;
	if (volume_check_size(server, target->pool, config, error) < 0 ||
	    set_make(server, target->pool, config, set, error) < 0)
		return -1;
	return volume_layer_limit(server, &set->layer, config, true, error);
}

int volume_copy(struct server *server, const struct volume_copy_request *request,
		struct error **error)
{
	const struct volume_request *target = &request->target;
	struct set set = {0};
	int result = -1;
	if (volume_check_new(server, target, error) == 0 &&
	    read_source(server, request, &set, error) == 0 &&
	    make_copy(server, request, &set, error) == 0 &&
	    store_copy(server, request, &set, error) == 0)
		result = set_commit(server, &set, error);
	set_clear(server, &set);
	if (result < 0)
		return -1;
	scheduler_wake(server->scheduler);
	volume_publish(server, "storage-volume-created", target->pool, target->name, NULL);
	return 0;
}

/* ---- moving ---- */

/* A layer gets its row just before something names it: what nobody names is dead. */
static int store_moved(struct server *server, const struct set *set, const char *pool,
		       const char *name, struct error **error)
{
	int64_t layer_id;
	for (size_t i = 0; i < set->snapshots.count; i++) {
		struct volume_snapshot_row row = set->snapshots.rows[i];
		if (volume_layer_store(server, &set->kept[i], &row.layer_id, error) < 0 ||
		    db_volume_snapshot_update(server->db, &row, error) < 0)
			return -1;
	}
	return volume_layer_store(server, &set->layer, &layer_id, error) < 0
		       ? -1
		       : db_volume_move(server->db, &set->volume, pool, name, layer_id, error);
}

static int store_move(struct server *server, const struct set *set, const char *pool,
		      const char *name, struct error **error)
{
	const struct volume_row *row = &set->volume;
	bool stays = strcmp(pool, row->pool) == 0;
	if (db_begin(server->db, DB_DURABLE, error) < 0)
		return -1;
	if (volume_check_unused(server, row->pool, row->name, false, error) == 0 &&
	    volume_check_same(server, row, error) == 0 &&
	    volume_check_snapshots(server, &set->snapshots, error) == 0 &&
	    (stays ? db_volume_move(server->db, row, pool, name, row->layer_id, error)
		   : store_moved(server, set, pool, name, error)) == 0)
		return db_commit(server->db, error);
	db_rollback(server->db);
	return -1;
}

static int make_moved(struct server *server, const char *pool, struct set *set,
		      struct error **error)
{
	const json_t *config = set->volume.config;
	if (volume_check_size(server, pool, config, error) < 0 ||
	    set_make(server, pool, config, set, error) < 0)
		return -1;
	return volume_layer_limit(server, &set->layer, config, false, error);
}

int volume_move(struct server *server, const char *pool, const char *name, const char *new_pool,
		const char *new_name, struct error **error)
{
	const struct volume_request target = {.pool = new_pool, .name = new_name};
	bool stays = strcmp(pool, new_pool) == 0;
	struct set set = {0};
	int result = -1;
	if (db_volume_get(server->db, pool, name, &set.volume, error) == 0 &&
	    volume_check_new(server, &target, error) == 0 &&
	    volume_check_unused(server, pool, name, false, error) == 0 &&
	    (stays ||
	     db_volume_snapshot_list(server->db, set.volume.id, &set.snapshots, error) == 0)) {
		set.source = set.volume.layer_id;
		if ((stays || make_moved(server, new_pool, &set, error) == 0) &&
		    store_move(server, &set, new_pool, new_name, error) == 0)
			result = stays ? 0 : set_commit(server, &set, error);
	}
	set_clear(server, &set);
	if (result < 0)
		return -1;
	storage_tidy(server);
	volume_publish(server, "storage-volume-renamed", new_pool, new_name, NULL);
	return 0;
}

/* ---- changing and deleting ---- */

/* Only where it changes: what is there already may be more than a size that was lowered otherwise. */
static int resize(struct server *server, const struct volume_row *old, const struct volume_row *row,
		  struct error **error)
{
	uint64_t before, after;
	if (volume_size(old->config, &before, error) < 0 ||
	    volume_size(row->config, &after, error) < 0)
		return -1;
	if (before == after)
		return 0;
	return volume_check_size(server, row->pool, row->config, error) < 0
		       ? -1
		       : volume_resize(server, row, row->config, true, error);
}

int volume_update(struct server *server, const struct volume_row *row, struct error **error)
{
	cleanup_volume_row struct volume_row old = {0};
	if (volume_check_config(row->config, error) < 0 ||
	    db_volume_get(server->db, row->pool, row->name, &old, error) < 0 ||
	    resize(server, &old, row, error) < 0)
		return -1;
	fault_point("volume.resized");
	if (db_volume_update(server->db, row, error) < 0) {
		volume_resize(server, &old, old.config, false, NULL);
		return -1;
	}
	scheduler_wake(server->scheduler);
	volume_publish(server, "storage-volume-updated", row->pool, row->name, NULL);
	return 0;
}

static int delete_row(struct server *server, const char *pool, const char *name,
		      struct error **error)
{
	cleanup_volume_row struct volume_row row = {0};
	if (db_volume_get(server->db, pool, name, &row, error) < 0 ||
	    volume_check_unused(server, pool, name, false, error) < 0)
		return -1;
	return db_volume_delete(server->db, row.id, error);
}

int volume_delete(struct server *server, const char *pool, const char *name, struct error **error)
{
	if (db_begin(server->db, DB_DURABLE, error) < 0)
		return -1;
	if (delete_row(server, pool, name, error) < 0) {
		db_rollback(server->db);
		return -1;
	}
	if (db_commit(server->db, error) < 0)
		return -1;
	fault_point("volume.deleted");
	storage_tidy(server);
	backups_tidy(server);
	volume_publish(server, "storage-volume-deleted", pool, name, NULL);
	return 0;
}
