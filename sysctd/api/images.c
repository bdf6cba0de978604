/* /1.0/images: what there is, building one with a template, changing and deleting one. */
#include <stdlib.h>
#include <string.h>

#include "api/render.h"
#include "api/routes.h"
#include "cleanup.h"
#include "db/images.h"
#include "image/image.h"
#include "memory.h"
#include "server.h"
#include "sysctd/events.h"
#include "sysctd/operation.h"

static json_t *image_to_json(const struct image_row *row)
{
	json_t *image = json_pack(
		"{s:s, s:s, s:s, s:s, s:I, s:b, s:b, s:b, s:O, s:O, s:[s], s:s}", "fingerprint",
		row->fingerprint, "filename", row->filename ? row->filename : "", "architecture",
		row->architecture, "type", row->type, "size", (json_int_t)row->size, "public",
		row->public, "auto_update", row->auto_update, "cached", row->cached, "properties",
		row->properties, "aliases", row->aliases, "profiles", "default", "project",
		"default");
	json_object_set_new(image, "created_at", render_time(row->created_at));
	json_object_set_new(image, "uploaded_at", render_time(row->uploaded_at));
	json_object_set_new(image, "expires_at", render_time(row->expires_at));
	json_object_set_new(image, "last_used_at", render_time(row->last_used_at));
	return image;
}

/* What PUT can change. */
static json_t *image_etag_content(const struct image_row *row)
{
	return json_pack("[b, b, I, O]", row->public, row->auto_update, (json_int_t)row->expires_at,
			 row->properties);
}

static struct response *get_images(struct request *request, struct error **error)
{
	cleanup_image_list struct image_list list = {0};
	if (render_check_project(request, error) < 0 ||
	    db_image_list(request_server(request)->db, &list, error) < 0)
		return NULL;
	json_t *objects = json_array();
	for (size_t i = 0; i < list.count; i++)
		json_array_append_new(objects, image_to_json(&list.rows[i]));
	return render_list(request, objects, "/1.0/images", "fingerprint", error);
}

static struct response *get_image(struct request *request, struct error **error)
{
	cleanup_image_row struct image_row row = {0};
	if (render_check_project(request, error) < 0 ||
	    db_image_get(request_server(request)->db, request_parameter(request, "fingerprint"),
			 &row, error) < 0)
		return NULL;
	json_t *content = image_etag_content(&row);
	struct response *response = response_sync_etag(image_to_json(&row), content);
	json_decref(content);
	return response;
}

/* ---- building ---- */

struct build_job {
	struct server *server;
	char *alias;
	json_t *options;
	json_t *aliases; /* [{name, description}] to add */
};

static void build_job_free(void *data)
{
	struct build_job *job = data;
	free(job->alias);
	json_decref(job->options);
	json_decref(job->aliases);
	free(job);
}

static int set_aliases(struct server *server, const json_t *aliases, const char *fingerprint,
		       struct error **error)
{
	size_t i;
	json_t *alias;
	json_array_foreach ((json_t *)aliases, i, alias) {
		const char *description = json_string_value(json_object_get(alias, "description"));
		cleanup_alias_row struct alias_row row = {
			.name = memory_strdup(json_string_value(json_object_get(alias, "name"))),
			.description = memory_strdup(description ? description : ""),
			.fingerprint = memory_strdup(fingerprint),
		};
		if (db_alias_set(server->db, &row, error) < 0)
			return -1;
	}
	return 0;
}

static int run_build(struct operation *operation, void *data, struct error **error)
{
	const struct build_job *job = data;
	cleanup_image_row struct image_row row = {0};
	if (image_build(job->server, job->alias, job->options, operation, &row, error) < 0 ||
	    set_aliases(job->server, job->aliases, row.fingerprint, error) < 0)
		return -1;
	operation_set_metadata(operation, "fingerprint", json_string(row.fingerprint));
	operation_set_metadata(operation, "size", json_integer(row.size));
	return 0;
}

static int check_aliases(const json_t *aliases, struct error **error)
{
	size_t i;
	json_t *alias;
	if (aliases && !json_is_null(aliases) && !json_is_array(aliases))
		return error_set(error, ERROR_INVALID, "\"aliases\" must be a list");
	json_array_foreach ((json_t *)aliases, i, alias) {
		const char *name = json_string_value(json_object_get(alias, "name"));
		if (!name || !*name)
			return error_set(error, ERROR_INVALID, "an alias needs a \"name\"");
	}
	return 0;
}

/* "source": {"type": "template", "alias": "debian/13", "options": {}}. */
static struct build_job *parse_build(struct server *server, const json_t *body,
				     struct error **error)
{
	static const char *const fields[] = {"source", "aliases", NULL};
	static const char *const source_fields[] = {"type", "alias", "options", NULL};
	const json_t *source = json_object_get(body, "source");
	const char *type = NULL, *alias = NULL;
	if (render_text_field(source, "type", &type, error) < 0)
		return NULL;
	if (!type || strcmp(type, "template") != 0) {
		error_set(error, ERROR_UNSUPPORTED,
			  "images from \"%s\" are not supported yet; the source type \"template\" "
			  "builds one",
			  type ? type : "an upload");
		return NULL;
	}
	if (render_check_fields(body, fields, error) < 0 ||
	    render_check_fields(source, source_fields, error) < 0 ||
	    render_text_field(source, "alias", &alias, error) < 0 ||
	    check_aliases(json_object_get(body, "aliases"), error) < 0)
		return NULL;
	if (!alias || !*alias) {
		error_set(error, ERROR_INVALID, "the source needs an \"alias\" like debian/13");
		return NULL;
	}
	json_t *options = render_map_field(source, "options", error);
	if (!options)
		return NULL;
	struct build_job *job = memory_alloc(sizeof(*job));
	*job = (struct build_job){
		.server = server,
		.alias = memory_strdup(alias),
		.options = options,
		.aliases = json_incref(json_object_get(body, "aliases")),
	};
	return job;
}

/* Files are refused before they are sent. */
static int begin_post(struct request *request, struct error **error)
{
	const char *type = request_header(request, "Content-Type");
	if (!type || (strncasecmp(type, "multipart/", strlen("multipart/")) != 0 &&
		      strncasecmp(type, "application/octet-stream",
				  strlen("application/octet-stream")) != 0))
		return 0;
	return error_set(error, ERROR_UNSUPPORTED,
			 "importing image files is not supported yet; build images with templates");
}

static struct response *post_images(struct request *request, struct error **error)
{
	struct operation *operation;
	const json_t *body = request_body_object(request, error);
	if (!body || render_check_project(request, error) < 0)
		return NULL;
	struct build_job *job = parse_build(request_server(request), body, error);
	if (!job)
		return NULL;
	const struct operation_spec spec = {
		.class = OPERATION_TASK,
		.description = "Building image",
		.may_cancel = true,
		.run = run_build,
		.data = job,
		.destroy = build_job_free,
	};
	if (operation_run(request_operations(request), &spec, &operation, error) < 0)
		return NULL;
	return response_operation(operation);
}

/* ---- changing ---- */

/* What LXD can store and nothing here would act upon. */
static int check_unsupported(const json_t *body, struct error **error)
{
	bool public = false, auto_update = false;
	const json_t *profiles = json_object_get(body, "profiles");
	if (render_bool_field(body, "public", &public, error) < 0 ||
	    render_bool_field(body, "auto_update", &auto_update, error) < 0)
		return -1;
	if (public)
		return error_set(error, ERROR_UNSUPPORTED, "public images are not supported yet");
	if (auto_update)
		return error_set(error, ERROR_UNSUPPORTED,
				 "\"auto_update\" is not supported: build the image again");
	const char *first = json_string_value(json_array_get(profiles, 0));
	if (profiles && !json_is_null(profiles) &&
	    (json_array_size(profiles) != 1 || !first || strcmp(first, "default") != 0))
		return error_set(error, ERROR_UNSUPPORTED,
				 "an image's \"profiles\" other than [\"default\"] are not "
				 "supported yet");
	return 0;
}

/* `lxc image unset-property` sends the property with an empty value. */
static void drop_empty(json_t *properties)
{
	const char *key;
	json_t *value;
	void *next;
	json_object_foreach_safe (properties, next, key, value)
		if (!*json_string_value(value))
			json_object_del(properties, key);
}

static int change_row(const json_t *body, bool patch, struct image_row *row, struct error **error)
{
	const json_t *expires_at = json_object_get(body, "expires_at");
	if (check_unsupported(body, error) < 0)
		return -1;
	if ((expires_at || !patch) &&
	    render_parse_time(expires_at, "expires_at", &row->expires_at, error) < 0)
		return -1;
	json_t *properties = render_map_field(body, "properties", error);
	if (!properties)
		return -1;
	if (patch)
		json_object_update_missing(properties, row->properties);
	drop_empty(properties);
	json_decref(row->properties);
	row->properties = properties;
	return 0;
}

static int change_in_transaction(struct request *request, const json_t *body, struct image_row *row,
				 struct error **error)
{
	struct db *db = request_server(request)->db;
	bool patch = strcmp(request_method(request), "PATCH") == 0;
	if (db_image_get(db, request_parameter(request, "fingerprint"), row, error) < 0)
		return -1;
	json_t *content = image_etag_content(row);
	cleanup_free char *etag = response_etag(content);
	json_decref(content);
	if (request_if_match_check(request, etag, error) < 0 ||
	    change_row(body, patch, row, error) < 0)
		return -1;
	return db_image_update(db, row, error);
}

static struct response *put_image(struct request *request, struct error **error)
{
	static const char *const fields[] = {"auto_update", "expires_at", "profiles",
					     "properties",  "public",	  NULL};
	struct db *db = request_server(request)->db;
	cleanup_image_row struct image_row row = {0};
	const json_t *body = request_body_object(request, error);
	if (!body || render_check_project(request, error) < 0 ||
	    render_check_fields(body, fields, error) < 0 || db_begin(db, DB_DURABLE, error) < 0)
		return NULL;
	if (change_in_transaction(request, body, &row, error) < 0) {
		db_rollback(db);
		return NULL;
	}
	if (db_commit(db, error) < 0)
		return NULL;
	cleanup_free char *url = memory_printf("/1.0/images/%s", row.fingerprint);
	event_hub_lifecycle(request_events(request), "image-updated", url, NULL);
	return response_empty();
}

/* ---- deleting ---- */

struct delete_job {
	struct server *server;
	char *fingerprint;
};

static void delete_job_free(void *data)
{
	struct delete_job *job = data;
	free(job->fingerprint);
	free(job);
}

static int run_delete(struct operation *operation, void *data, struct error **error)
{
	const struct delete_job *job = data;
	(void)operation;
	return image_delete(job->server, job->fingerprint, error);
}

static struct response *delete_image(struct request *request, struct error **error)
{
	cleanup_image_row struct image_row row = {0};
	struct server *server = request_server(request);
	struct operation *operation;
	if (render_check_project(request, error) < 0 ||
	    db_image_get(server->db, request_parameter(request, "fingerprint"), &row, error) < 0)
		return NULL;
	struct delete_job *job = memory_alloc(sizeof(*job));
	*job = (struct delete_job){server, memory_strdup(row.fingerprint)};
	cleanup_free char *url = memory_printf("/1.0/images/%s", row.fingerprint);
	const struct operation_spec spec = {
		.class = OPERATION_TASK,
		.description = "Deleting image",
		.resources = json_pack("{s:[s]}", "images", url),
		.run = run_delete,
		.data = job,
		.destroy = delete_job_free,
	};
	if (operation_run(request_operations(request), &spec, &operation, error) < 0)
		return NULL;
	return response_operation(operation);
}

static struct response *not_yet(struct request *request, struct error **error)
{
	const char *last = strrchr(request_path(request), '/');
	error_set(error, ERROR_UNSUPPORTED, "\"%s\" of an image is not supported yet", last + 1);
	return NULL;
}

#define IMAGE "/1.0/images/{fingerprint}"

const struct route image_routes[] = {
	{.method = "GET", .path = "/1.0/images", .handler = get_images},
	{.method = "POST", .path = "/1.0/images", .handler = post_images, .body_begin = begin_post},
	{.method = "GET", .path = IMAGE, .handler = get_image},
	{.method = "PUT", .path = IMAGE, .handler = put_image},
	{.method = "PATCH", .path = IMAGE, .handler = put_image},
	{.method = "DELETE", .path = IMAGE, .handler = delete_image},
	{.method = "GET", .path = IMAGE "/export", .handler = not_yet},
	{.method = "POST", .path = IMAGE "/export", .handler = not_yet},
	{.method = "POST", .path = IMAGE "/refresh", .handler = not_yet},
	{.method = "POST", .path = IMAGE "/secret", .handler = not_yet},
	{0},
};
