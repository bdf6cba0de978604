/*
 * A custom volume of a backup, by its index.yaml: "volatile.*" is LXD's own and is left out; all else must be valid
 * here, as nothing is dropped silently.
 */
#include <string.h>

#include "api/render.h"
#include "backup/import_internal.h"
#include "cleanup.h"
#include "db/db.h"
#include "instance/schedule.h"
#include "instance/scheduler.h"
#include "memory.h"
#include "server.h"
#include "storage/storage.h"
#include "volume/internal.h"

#define VOLATILE "volatile."

/* Keys of @over in place of the backup's; an empty one is left out. */
static json_t *take_config(const json_t *object, const json_t *over, struct error **error)
{
	json_t *given = render_map_field(object, "config", error), *value;
	json_t *config = json_object();
	const char *key;
	struct error *problem = NULL;
	json_object_update(given, (json_t *)over);
	json_object_foreach (given, key, value)
		if (strncmp(key, VOLATILE, strlen(VOLATILE)) != 0 && *json_string_value(value))
			json_object_set(config, key, value);
	if (given && volume_check_config(config, &problem) == 0) {
		json_decref(given);
		return config;
	}
	if (problem)
		error_set(error, problem->kind,
			  "the backup's configuration: %s ('--config KEY=' of 'sysct storage "
			  "volume import' leaves a key out)",
			  error_message(problem));
	error_free(problem);
	json_decref(given);
	json_decref(config);
	return NULL;
}

static int take_volume(struct import_plan *plan, struct server *server,
		       const struct import_request *request, const json_t *index,
		       struct error **error)
{
	struct volume_row *row = &plan->volume;
	const json_t *volume = json_object_get(json_object_get(index, "config"), "volume");
	const char *content = import_text(volume, "content_type");
	row->pool = memory_strdup(plan->pool.name);
	row->name = memory_strdup(request->name ? request->name : import_text(index, "name"));
	row->description = memory_strdup(import_text(volume, "description"));
	if (*content && strcmp(content, "filesystem") != 0)
		return error_set(error, ERROR_UNSUPPORTED,
				 "this is the backup of a volume with content of type \"%s\": only "
				 "filesystem is supported",
				 content);
	if (render_parse_time(json_object_get(volume, "created_at"), "created_at", &row->created_at,
			      error) < 0)
		return -1;
	if (!row->created_at) /* LXD 5.0 writes none */
		row->created_at = db_now();
	json_t *config = take_config(volume, request->config, error);
	row->config = config ? volume_default_config(server, row->pool, config, error) : NULL;
	json_decref(config);
	const struct volume_request wanted = {row->pool, row->name, NULL, row->config};
	return row->config ? volume_check_new(server, &wanted, error) : -1;
}

static int take_snapshot(struct import_plan *plan, const struct import_request *request,
			 const json_t *object, struct error **error)
{
	struct volume_snapshot_list *list = &plan->volume_snapshots;
	const char *name = import_text(object, "name");
	if (snapshot_check_name(name, error) < 0)
		return -1;
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->rows[i].name, name) == 0)
			return error_set(error, ERROR_INVALID, "index.yaml: two snapshots \"%s\"",
					 name);
	list->rows = memory_realloc(list->rows, (list->count + 1) * sizeof(*list->rows));
	struct volume_snapshot_row *row = &list->rows[list->count++];
	*row = (struct volume_snapshot_row){
		.name = memory_strdup(name),
		.description = memory_strdup(import_text(object, "description")),
		.config = take_config(object, request->config, error),
	};
	if (!row->config ||
	    render_parse_time(json_object_get(object, "created_at"), "created_at", &row->created_at,
			      error) < 0 ||
	    render_parse_time(json_object_get(object, "expires_at"), "expires_at", &row->expires_at,
			      error) < 0)
		return -1;
	if (!row->created_at)
		row->created_at = plan->volume.created_at;
	import_plan_add_tree(plan, memory_printf("volume-snapshots/%s", name), NULL);
	return 0;
}

static int plan_volume(struct import_plan *plan, struct server *server,
		       const struct import_request *request, const json_t *index,
		       struct error **error)
{
	const json_t *config = json_object_get(index, "config");
	size_t i;
	const json_t *snapshot;
	if (db_object_get(server->db, &db_pools, request->pool, &plan->pool, error) < 0 ||
	    import_plan_format(plan, index, error) < 0 ||
	    take_volume(plan, server, request, index, error) < 0 ||
	    storage_pool_require(server, plan->pool.name, error) < 0 ||
	    volume_check_size(server, plan->pool.name, plan->volume.config, error) < 0 ||
	    volume_size(plan->volume.config, &plan->size, error) < 0)
		return -1;
	/* Else each is whole, as those of volumes are on such a driver (volume/layer.c). */
	plan->shares = !plan->streamed && storage_clones(plan->pool.kind);
	json_array_foreach (json_object_get(config, "volume_snapshots"), i, snapshot)
		if (take_snapshot(plan, request, snapshot, error) < 0)
			return -1;
	import_plan_add_tree(plan, memory_strdup("volume"), NULL);
	return 0;
}

static int store(struct server *server, struct import_plan *plan, struct error **error)
{
	plan->volume.layer_id = transfer_layer(plan->layers, -1)->id;
	if (db_volume_create(server->db, &plan->volume, error) < 0)
		return -1;
	for (size_t i = 0; i < plan->volume_snapshots.count; i++) {
		struct volume_snapshot_row *row = &plan->volume_snapshots.rows[i];
		row->volume_id = plan->volume.id;
		row->layer_id = transfer_layer(plan->layers, (int)i)->id;
		if (db_volume_snapshot_create(server->db, row, error) < 0)
			return -1;
	}
	return 0;
}

static int commit(struct server *server, struct import_plan *plan, struct error **error)
{
	scheduler_wake(server->scheduler);
	volume_publish(server, "storage-volume-created", plan->volume.pool, plan->volume.name,
		       NULL);
	return volume_resize(server, &plan->volume, plan->volume.config, false, error);
}

static void abandon(struct server *server, struct import_plan *plan)
{
	(void)server;
	(void)plan;
}

static const char *name_of(const struct import_plan *plan)
{
	return plan->volume.name;
}

const struct import_kind import_volume = {
	.plan = plan_volume,
	.store = store,
	.commit = commit,
	.abort = abandon,
	.name = name_of,
};
