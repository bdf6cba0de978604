/* Volumes of a pool as LXD lists them: root disks of instances, images, and custom ones. */
#include <string.h>

#include "api/filter.h"
#include "api/render.h"
#include "api/routes.h"
#include "api/storage_volume_render.h"
#include "cleanup.h"
#include "db/images.h"
#include "db/instances.h"
#include "db/objects.h"
#include "image/store.h"
#include "memory.h"
#include "server.h"
#include "volume/volume.h"

static json_t *volume(const char *type, const char *name, const char *description,
		      int64_t created_at, const char *user)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:{}, s:[o], s:o}", "type", type, "name",
			 name, "description", description ? description : "", "content_type",
			 "filesystem", "location", "none", "project", "default", "config",
			 "used_by", render_url(user, name), "created_at", render_time(created_at));
}

static int add_instances(struct server *server, const char *pool, json_t *volumes,
			 struct error **error)
{
	cleanup_instance_list struct instance_list list = {0};
	if (db_instance_list(server->db, &list, error) < 0)
		return -1;
	for (size_t i = 0; i < list.count; i++) {
		const struct instance_row *row = &list.rows[i];
		if (strcmp(row->pool, pool) == 0)
			json_array_append_new(volumes,
					      volume("container", row->name, row->description,
						     row->created_at, "/1.0/instances"));
	}
	return 0;
}

static int add_images(struct server *server, const char *pool, json_t *volumes,
		      struct error **error)
{
	cleanup_image_list struct image_list list = {0};
	if (strcmp(pool, image_pool(server)) != 0)
		return 0;
	if (db_image_list(server->db, &list, error) < 0)
		return -1;
	for (size_t i = 0; i < list.count; i++) {
		const struct image_row *row = &list.rows[i];
		json_array_append_new(volumes, volume("image", row->fingerprint, "",
						      row->uploaded_at, "/1.0/images"));
	}
	return 0;
}

json_t *volume_render(struct server *server, const struct volume_row *row, struct error **error)
{
	json_t *instances = NULL, *profiles = NULL;
	if (volume_users(server, row->pool, row->name, &instances, &profiles, error) < 0)
		return NULL;
	json_t *used_by = render_urls("/1.0/instances", instances);
	json_t *others = render_urls("/1.0/profiles", profiles);
	json_array_extend(used_by, others);
	json_decref(others);
	json_decref(instances);
	json_decref(profiles);
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:O, s:o, s:o}", "type", "custom",
			 "name", row->name, "description", row->description, "pool", row->pool,
			 "content_type", "filesystem", "location", "none", "project", "default",
			 "config", row->config, "used_by", used_by, "created_at",
			 render_time(row->created_at));
}

json_t *volume_etag_content(const struct volume_row *row)
{
	return json_pack("[s, s, s, s, O]", row->pool, "custom", row->name, row->description,
			 row->config);
}

static int add_custom(struct server *server, const char *pool, json_t *volumes,
		      struct error **error)
{
	cleanup_volume_list struct volume_list list = {0};
	if (db_volume_list(server->db, pool, &list, error) < 0)
		return -1;
	for (size_t i = 0; i < list.count; i++) {
		json_t *object = volume_render(server, &list.rows[i], error);
		if (!object)
			return -1;
		json_array_append_new(volumes, object);
	}
	return 0;
}

/* All volumes of the pool in the path; a new array. */
static json_t *list_volumes(const struct request *request, struct error **error)
{
	struct server *server = request_server(request);
	cleanup_object_row struct object_row pool = {0};
	if (render_check_project(request, error) < 0 ||
	    db_object_get(server->db, &db_pools, request_parameter(request, "pool"), &pool, error) <
		    0)
		return NULL;
	json_t *volumes = json_array();
	if (add_instances(server, pool.name, volumes, error) == 0 &&
	    add_images(server, pool.name, volumes, error) == 0 &&
	    add_custom(server, pool.name, volumes, error) == 0)
		return volumes;
	json_decref(volumes);
	return NULL;
}

static int check_type(const char *type, struct error **error)
{
	static const char *const types[] = {"container", "image", "custom", "virtual-machine"};
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(types[i], type) == 0)
			return 0;
	return error_set(error, ERROR_INVALID, "there is no volume type \"%s\"", type);
}

static bool has_text(const json_t *object, const char *key, const char *text)
{
	const char *value = json_string_value(json_object_get(object, key));
	return value && strcmp(value, text) == 0;
}

/* The URL of a volume has its type, so this is not render_list(). */
static json_t *choose(const struct request *request, const json_t *volumes, const char *type,
		      const struct filter *filter)
{
	size_t i;
	json_t *object;
	json_t *list = json_array();
	bool whole = request_recursion(request) > 0;
	json_array_foreach ((json_t *)volumes, i, object) {
		if ((type && !has_text(object, "type", type)) || !filter_match(filter, object))
			continue;
		cleanup_free char *prefix = memory_printf(
			"/1.0/storage-pools/%s/volumes/%s", request_parameter(request, "pool"),
			json_string_value(json_object_get(object, "type")));
		const char *name = json_string_value(json_object_get(object, "name"));
		json_array_append_new(list, whole ? json_incref(object) : render_url(prefix, name));
	}
	return list;
}

static struct response *respond(const struct request *request, const char *type,
				struct error **error)
{
	struct filter *filter = NULL;
	if (type && check_type(type, error) < 0)
		return NULL;
	json_t *volumes = list_volumes(request, error);
	if (!volumes)
		return NULL;
	struct response *response = NULL;
	if (filter_compile(request_query(request, "filter"), &filter, error) == 0)
		response = response_sync(choose(request, volumes, type, filter));
	filter_free(filter);
	json_decref(volumes);
	return response;
}

static struct response *get_volumes(struct request *request, struct error **error)
{
	return respond(request, NULL, error);
}

static struct response *get_volumes_of_type(struct request *request, struct error **error)
{
	return respond(request, request_parameter(request, "type"), error);
}

static struct response *get_custom(struct request *request, struct error **error)
{
	cleanup_volume_row struct volume_row row = {0};
	if (volume_of_request(request, &row, error) < 0)
		return NULL;
	json_t *object = volume_render(request_server(request), &row, error);
	if (!object)
		return NULL;
	json_t *content = volume_etag_content(&row);
	struct response *response = response_sync_etag(object, content);
	json_decref(content);
	return response;
}

static struct response *get_volume(struct request *request, struct error **error)
{
	const char *type = request_parameter(request, "type");
	const char *name = request_parameter(request, "name");
	size_t i;
	json_t *object;
	if (strcmp(type, "custom") == 0)
		return get_custom(request, error);
	if (check_type(type, error) < 0)
		return NULL;
	json_t *volumes = list_volumes(request, error);
	if (!volumes)
		return NULL;
	struct response *response = NULL;
	json_array_foreach (volumes, i, object) {
		if (response || !has_text(object, "type", type) || !has_text(object, "name", name))
			continue;
		json_t *content =
			json_pack("[s, s, O]", name, type, json_object_get(object, "config"));
		response = response_sync_etag(json_incref(object), content);
		json_decref(content);
	}
	json_decref(volumes);
	if (!response)
		error_set(error, ERROR_NOT_FOUND, "there is no %s volume \"%s\"", type, name);
	return response;
}

const struct route storage_volume_routes[] = {
	{.method = "GET", .path = VOLUMES, .handler = get_volumes},
	{.method = "GET", .path = VOLUMES "/{type}", .handler = get_volumes_of_type},
	{.method = "GET", .path = VOLUMES "/{type}/{name}", .handler = get_volume},
	{0},
};
