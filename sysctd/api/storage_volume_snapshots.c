/* Snapshots of custom volumes. */
#include <stdlib.h>
#include <string.h>

#include "api/render.h"
#include "api/routes.h"
#include "api/storage_volume_render.h"
#include "cleanup.h"
#include "instance/schedule.h"
#include "memory.h"
#include "server.h"
#include "volume/volume.h"

/* ---- reading ---- */

/* LXD's name of one is that of both. */
static json_t *render(const struct volume_row *volume, const struct volume_snapshot_row *row)
{
	cleanup_free char *name = memory_printf("%s/%s", volume->name, row->name);
	return json_pack("{s:s, s:s, s:O, s:s, s:o, s:o}", "name", name, "description",
			 row->description, "config", row->config, "content_type", "filesystem",
			 "created_at", render_time(row->created_at), "expires_at",
			 render_time(row->expires_at));
}

static json_t *etag_content(const struct volume_row *volume, const struct volume_snapshot_row *row)
{
	return json_pack("[s, s, s, I]", volume->name, row->name, row->description,
			 (json_int_t)row->expires_at);
}

static char *collection(const struct volume_row *volume)
{
	return memory_printf("/1.0/storage-pools/%s/volumes/custom/%s/snapshots", volume->pool,
			     volume->name);
}

/* URLs end with the snapshot's own name, so this is not render_list(). */
static json_t *list_urls(const struct volume_row *volume, const struct volume_snapshot_list *list)
{
	cleanup_free char *prefix = collection(volume);
	json_t *urls = json_array();
	for (size_t i = 0; i < list->count; i++)
		json_array_append_new(urls, render_url(prefix, list->rows[i].name));
	return urls;
}

static struct response *list(struct request *request, struct error **error)
{
	cleanup_volume_row struct volume_row volume = {0};
	cleanup_volume_snapshot_list struct volume_snapshot_list rows = {0};
	if (volume_of_request(request, &volume, error) < 0 ||
	    db_volume_snapshot_list(request_server(request)->db, volume.id, &rows, error) < 0)
		return NULL;
	if (request_recursion(request) == 0)
		return response_sync(list_urls(&volume, &rows));
	json_t *objects = json_array();
	for (size_t i = 0; i < rows.count; i++)
		json_array_append_new(objects, render(&volume, &rows.rows[i]));
	return response_sync(objects);
}

static int read_both(const struct request *request, struct volume_row *volume,
		     struct volume_snapshot_row *row, struct error **error)
{
	if (volume_of_request(request, volume, error) < 0)
		return -1;
	return db_volume_snapshot_get(request_server(request)->db, volume->id,
				      request_parameter(request, "snapshot"), row, error);
}

static struct response *get(struct request *request, struct error **error)
{
	cleanup_volume_row struct volume_row volume = {0};
	cleanup_volume_snapshot_row struct volume_snapshot_row row = {0};
	if (read_both(request, &volume, &row, error) < 0)
		return NULL;
	json_t *content = etag_content(&volume, &row);
	struct response *response = response_sync_etag(render(&volume, &row), content);
	json_decref(content);
	return response;
}

/* ---- operations ---- */

static int run_create(struct operation *operation, void *data, struct error **error)
{
	const struct volume_task *task = data;
	cleanup_volume_snapshot_row struct volume_snapshot_row taken = {0};
	const struct volume_snapshot_request wanted = {
		.pool = task->pool,
		.volume = task->name,
		.name = task->snapshot,
		.description = task->description,
		.replace = task->replace,
		.expires_at = task->expires_at,
	};
	if (volume_snapshot(task->server, &wanted, &taken, error) < 0)
		return -1;
	operation_set_metadata(operation, "name", json_string(taken.name));
	return 0;
}

static int run_delete(struct operation *operation, void *data, struct error **error)
{
	const struct volume_task *task = data;
	cleanup_volume_row struct volume_row volume = {0};
	(void)operation;
	if (db_volume_get(task->server->db, task->pool, task->name, &volume, error) < 0)
		return -1;
	return volume_snapshot_delete(task->server, &volume, task->snapshot, error);
}

static int run_rename(struct operation *operation, void *data, struct error **error)
{
	const struct volume_task *task = data;
	struct db *db = task->server->db;
	cleanup_volume_row struct volume_row volume = {0};
	cleanup_volume_snapshot_row struct volume_snapshot_row row = {0};
	(void)operation;
	if (db_volume_get(db, task->pool, task->name, &volume, error) < 0 ||
	    db_volume_snapshot_get(db, volume.id, task->snapshot, &row, error) < 0)
		return -1;
	free(row.name);
	row.name = memory_strdup(task->description);
	return volume_snapshot_update(task->server, &volume, &row, task->snapshot, error);
}

/* ---- changing ---- */

/* null, or nothing: @otherwise; the zero time: never. */
static int take_expiry(const json_t *body, int64_t otherwise, int64_t *expires_at,
		       struct error **error)
{
	const json_t *given = json_object_get(body, "expires_at");
	*expires_at = otherwise;
	if (!given || json_is_null(given))
		return 0;
	return render_parse_time(given, "expires_at", expires_at, error);
}

static struct response *create(struct request *request, struct error **error)
{
	static const char *const fields[] = {"name", "expires_at", "description", "reuse", NULL};
	const json_t *body = request_body_object(request, error);
	cleanup_volume_row struct volume_row volume = {0};
	const char *name = "", *description = "";
	bool reuse = false;
	int64_t expires_at; /* -1: as the configuration says */
	if (!body || volume_of_request(request, &volume, error) < 0 ||
	    render_check_fields(body, fields, error) < 0 ||
	    render_text_field(body, "name", &name, error) < 0 ||
	    render_text_field(body, "description", &description, error) < 0 ||
	    render_bool_field(body, "reuse", &reuse, error) < 0 ||
	    take_expiry(body, -1, &expires_at, error) < 0 ||
	    (*name && snapshot_check_name(name, error) < 0))
		return NULL;
	const struct volume_task task = {
		.pool = volume.pool,
		.name = volume.name,
		.snapshot = (char *)name,
		.description = (char *)description,
		.replace = reuse,
		.expires_at = expires_at,
	};
	return volume_run(request, "Snapshotting storage volume", run_create, &task, error);
}

static struct response *delete_one(struct request *request, struct error **error)
{
	cleanup_volume_row struct volume_row volume = {0};
	cleanup_volume_snapshot_row struct volume_snapshot_row row = {0};
	if (read_both(request, &volume, &row, error) < 0)
		return NULL;
	const struct volume_task task = {
		.pool = volume.pool, .name = volume.name, .snapshot = row.name};
	return volume_run(request, "Deleting storage volume snapshot", run_delete, &task, error);
}

static struct response *rename_one(struct request *request, struct error **error)
{
	static const char *const fields[] = {"name", "pool", "migration", "target", NULL};
	const json_t *body = request_body_object(request, error);
	cleanup_volume_row struct volume_row volume = {0};
	cleanup_volume_snapshot_row struct volume_snapshot_row row = {0};
	const char *name = "";
	if (!body || read_both(request, &volume, &row, error) < 0 ||
	    render_check_fields(body, fields, error) < 0 ||
	    render_text_field(body, "name", &name, error) < 0 ||
	    snapshot_check_name(name, error) < 0)
		return NULL;
	const struct volume_task task = {.pool = volume.pool,
					 .name = volume.name,
					 .snapshot = row.name,
					 .description = (char *)name}; /* the new name */
	return volume_run(request, "Renaming storage volume snapshot", run_rename, &task, error);
}

static struct response *change(struct request *request, struct error **error)
{
	static const char *const fields[] = {"description",  "expires_at", "name", "config",
					     "content_type", "created_at", NULL};
	const json_t *body = request_body_object(request, error);
	cleanup_volume_row struct volume_row volume = {0};
	cleanup_volume_snapshot_row struct volume_snapshot_row row = {0};
	if (!body || read_both(request, &volume, &row, error) < 0)
		return NULL;
	bool patch = strcmp(request_method(request), "PATCH") == 0;
	const char *description = patch ? row.description : "";
	json_t *content = etag_content(&volume, &row);
	cleanup_free char *etag = response_etag(content);
	json_decref(content);
	if (request_if_match_check(request, etag, error) < 0 ||
	    render_check_fields(body, fields, error) < 0 ||
	    take_expiry(body, patch ? row.expires_at : 0, &row.expires_at, error) < 0 ||
	    render_text_field(body, "description", &description, error) < 0)
		return NULL;
	char *text = memory_strdup(description);
	free(row.description);
	row.description = text;
	if (volume_snapshot_update(request_server(request), &volume, &row, row.name, error) < 0)
		return NULL;
	return response_empty();
}

#define SNAPSHOTS VOLUMES "/{type}/{name}/snapshots"
#define SNAPSHOT  SNAPSHOTS "/{snapshot}"

const struct route storage_volume_snapshot_routes[] = {
	{.method = "GET", .path = SNAPSHOTS, .handler = list},
	{.method = "POST", .path = SNAPSHOTS, .handler = create},
	{.method = "GET", .path = SNAPSHOT, .handler = get},
	{.method = "PUT", .path = SNAPSHOT, .handler = change},
	{.method = "PATCH", .path = SNAPSHOT, .handler = change},
	{.method = "POST", .path = SNAPSHOT, .handler = rename_one},
	{.method = "DELETE", .path = SNAPSHOT, .handler = delete_one},
	{0},
};
