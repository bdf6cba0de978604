/* /1.0/storage-pools. */
#include <string.h>

#include "api/parts.h"
#include "api/render.h"
#include "api/routes.h"
#include "cleanup.h"
#include "db/images.h"
#include "db/objects.h"
#include "db/volumes.h"
#include "events.h"
#include "image/store.h"
#include "memory.h"
#include "server.h"
#include "storage/storage.h"

#define POOLS "/1.0/storage-pools"

/* Instances, images, profiles and volumes; LXD says null when there are none. */
static int add_used_by(struct server *server, const struct object_row *row, json_t *pool,
		       struct error **error)
{
	cleanup_image_list struct image_list images = {0};
	cleanup_volume_list struct volume_list volumes = {0};
	bool has_images = strcmp(row->name, image_pool(server)) == 0;
	if ((has_images && db_image_list(server->db, &images, error) < 0) ||
	    db_volume_list(server->db, row->name, &volumes, error) < 0)
		return -1;
	json_t *used_by = render_urls("/1.0/instances", row->used_by_instances);
	json_t *profiles = render_urls("/1.0/profiles", row->used_by_profiles);
	for (size_t i = 0; i < images.count; i++)
		json_array_append_new(used_by,
				      render_url("/1.0/images", images.rows[i].fingerprint));
	json_array_extend(used_by, profiles);
	json_decref(profiles);
	cleanup_free char *prefix = memory_printf(POOLS "/%s/volumes/custom", row->name);
	for (size_t i = 0; i < volumes.count; i++)
		json_array_append_new(used_by, render_url(prefix, volumes.rows[i].name));
	if (json_array_size(used_by) == 0) {
		json_decref(used_by);
		used_by = json_null();
	}
	json_object_set_new(pool, "used_by", used_by);
	return 0;
}

static json_t *pool_to_json(struct server *server, const struct object_row *row,
			    struct error **error)
{
	json_t *pool = json_pack("{s:s, s:s, s:s, s:O, s:s, s:[s]}", "name", row->name, "driver",
				 row->kind, "description", row->description ? row->description : "",
				 "config", row->config, "status",
				 storage_pool_available(server->storage, row->name) ? "Created"
										    : "Unavailable",
				 "locations", "none");
	if (add_used_by(server, row, pool, error) == 0)
		return pool;
	json_decref(pool);
	return NULL;
}

static struct response *get_pools(struct request *request, struct error **error)
{
	struct server *server = request_server(request);
	cleanup_object_list struct object_list list = {0};
	if (db_object_list(server->db, &db_pools, &list, error) < 0)
		return NULL;
	json_t *objects = json_array();
	for (size_t i = 0; i < list.count; i++) {
		json_t *pool = pool_to_json(server, &list.rows[i], error);
		if (!pool) {
			json_decref(objects);
			return NULL;
		}
		json_array_append_new(objects, pool);
	}
	return render_list(request, objects, POOLS, "name", error);
}

static json_t *etag_content(const struct object_row *row)
{
	return json_pack("[s, s, s, O]", row->name, row->kind,
			 row->description ? row->description : "", row->config);
}

static struct response *get_pool(struct request *request, struct error **error)
{
	struct server *server = request_server(request);
	cleanup_object_row struct object_row row = {0};
	if (db_object_get(server->db, &db_pools, request_parameter(request, "pool"), &row, error) <
	    0)
		return NULL;
	json_t *pool = pool_to_json(server, &row, error);
	if (!pool)
		return NULL;
	json_t *content = etag_content(&row);
	struct response *response = response_sync_etag(pool, content);
	json_decref(content);
	return response;
}

static struct response *get_pool_resources(struct request *request, struct error **error)
{
	struct server *server = request_server(request);
	cleanup_object_row struct object_row row = {0};
	struct storage_space space;
	if (db_object_get(server->db, &db_pools, request_parameter(request, "pool"), &row, error) <
		    0 ||
	    storage_pool_require(server, row.name, error) < 0 ||
	    storage_pool_space(server->storage, row.name, &space, error) < 0)
		return NULL;
	/* The last is ours. */
	return response_sync(json_pack("{s:{s:I, s:I}, s:{s:I, s:I}, s:I}", "space", "total",
				       (json_int_t)space.total, "used", (json_int_t)space.used,
				       "inodes", "total", (json_int_t)space.inodes_total, "used",
				       (json_int_t)space.inodes_used, "pending_deletions",
				       (json_int_t)storage_pool_pending(server, row.name)));
}

static void publish(struct request *request, const char *action, const char *name)
{
	cleanup_free char *source = memory_printf(POOLS "/%s", name);
	event_hub_lifecycle(request_events(request), action, source, NULL);
}

static struct response *create_pool(struct request *request, struct error **error)
{
	static const char *const fields[] = {"name", "driver", "description", "config", NULL};
	const json_t *body = request_body_object(request, error);
	const char *name = NULL, *driver = NULL, *description = "";
	cleanup_object_row struct object_row row = {0};
	if (!body || render_check_fields(body, fields, error) < 0 ||
	    render_text_field(body, "name", &name, error) < 0 ||
	    render_text_field(body, "driver", &driver, error) < 0 ||
	    render_text_field(body, "description", &description, error) < 0)
		return NULL;
	if (!name || !driver) {
		error_set(error, ERROR_INVALID, "a storage pool needs a name and a driver");
		return NULL;
	}
	row.name = memory_strdup(name);
	row.kind = memory_strdup(driver);
	row.description = memory_strdup(description);
	row.config = render_map_field(body, "config", error);
	if (!row.config || storage_pool_create(request_server(request), &row, error) < 0)
		return NULL;
	publish(request, "storage-pool-created", name);
	return render_created(POOLS, name);
}

static struct response *change_pool(struct request *request, struct error **error)
{
	/* Those that cannot be changed come back from clients that edit what they got. */
	static const char *const fields[] = {"description", "config",	 "name",    "driver",
					     "status",	    "locations", "used_by", NULL};
	struct server *server = request_server(request);
	const json_t *body = request_body_object(request, error);
	cleanup_object_row struct object_row row = {0};
	if (!body || render_check_fields(body, fields, error) < 0 ||
	    db_object_get(server->db, &db_pools, request_parameter(request, "pool"), &row, error) <
		    0)
		return NULL;
	json_t *content = etag_content(&row);
	cleanup_free char *etag = response_etag(content);
	json_decref(content);
	bool patch = strcmp(request_method(request), "PATCH") == 0;
	if (request_if_match_check(request, etag, error) < 0 ||
	    object_take_body(body, patch, &row, error) < 0 ||
	    storage_pool_update(server, &row, error) < 0)
		return NULL;
	publish(request, "storage-pool-updated", row.name);
	return response_empty();
}

static struct response *delete_pool(struct request *request, struct error **error)
{
	const char *name = request_parameter(request, "pool");
	if (storage_pool_delete(request_server(request), name, error) < 0)
		return NULL;
	publish(request, "storage-pool-deleted", name);
	return response_empty();
}

#define POOL POOLS "/{pool}"

const struct route storage_pool_routes[] = {
	{.method = "GET", .path = POOLS, .handler = get_pools},
	{.method = "POST", .path = POOLS, .handler = create_pool},
	{.method = "GET", .path = POOL, .handler = get_pool},
	{.method = "PUT", .path = POOL, .handler = change_pool},
	{.method = "PATCH", .path = POOL, .handler = change_pool},
	{.method = "DELETE", .path = POOL, .handler = delete_pool},
	{.method = "GET", .path = POOL "/resources", .handler = get_pool_resources},
	{0},
};
