/* Making, changing, copying and deleting custom volumes. */
#include <stdlib.h>
#include <string.h>

#include "api/backup_import.h"
#include "api/render.h"
#include "api/routes.h"
#include "api/storage_volume_render.h"
#include "cleanup.h"
#include "memory.h"
#include "server.h"
#include "volume/volume.h"

int volume_check_type(const struct request *request, struct error **error)
{
	const char *type = request_parameter(request, "type");
	if (strcmp(type, "custom") == 0)
		return render_check_project(request, error);
	return error_set(
		error, ERROR_UNSUPPORTED,
		"volumes of type \"%s\" come and go with what they belong to: only those of "
		"type custom can be changed",
		type);
}

int volume_of_request(const struct request *request, struct volume_row *row, struct error **error)
{
	if (volume_check_type(request, error) < 0)
		return -1;
	return db_volume_get(request_server(request)->db, request_parameter(request, "pool"),
			     request_parameter(request, "name"), row, error);
}

/* ---- operations ---- */

static char *copy_text(const char *text)
{
	return text ? memory_strdup(text) : NULL;
}

static void task_free(void *data)
{
	struct volume_task *task = data;
	free(task->pool);
	free(task->name);
	free(task->new_pool);
	free(task->new_name);
	free(task->snapshot);
	free(task->description);
	json_decref(task->config);
	free(task);
}

json_t *volume_render_resources(const char *pool, const char *name)
{
	cleanup_free char *prefix = memory_printf("/1.0/storage-pools/%s/volumes/custom", pool);
	return json_pack("{s:[o]}", "storage_volumes", render_url(prefix, name));
}

struct response *volume_run(const struct request *request, const char *description,
			    int (*run)(struct operation *, void *, struct error **),
			    const struct volume_task *what, struct error **error)
{
	struct operation *operation = NULL;
	struct volume_task *task = memory_alloc(sizeof(*task));
	*task = (struct volume_task){
		.server = request_server(request),
		.pool = copy_text(what->pool),
		.name = copy_text(what->name),
		.new_pool = copy_text(what->new_pool),
		.new_name = copy_text(what->new_name),
		.snapshot = copy_text(what->snapshot),
		.description = copy_text(what->description),
		.config = json_incref(what->config),
		.snapshots = what->snapshots,
		.replace = what->replace,
		.expires_at = what->expires_at,
	};
	struct operation_spec spec = {
		.class = OPERATION_TASK,
		.description = description,
		.resources = volume_render_resources(what->new_pool ? what->new_pool : what->pool,
						     what->new_name ? what->new_name : what->name),
		.run = run,
		.data = task,
		.destroy = task_free,
	};
	if (operation_run(request_operations(request), &spec, &operation, error) < 0)
		return NULL;
	return response_operation(operation);
}

static int run_copy(struct operation *operation, void *data, struct error **error)
{
	const struct volume_task *task = data;
	const struct volume_copy_request request = {
		.target = {task->new_pool, task->new_name, task->description, task->config},
		.pool = task->pool,
		.name = task->name,
		.snapshot = task->snapshot,
		.snapshots = task->snapshots,
	};
	(void)operation;
	return volume_copy(task->server, &request, error);
}

static int run_move(struct operation *operation, void *data, struct error **error)
{
	const struct volume_task *task = data;
	(void)operation;
	return volume_move(task->server, task->pool, task->name, task->new_pool, task->new_name,
			   error);
}

/* ---- POST: making, also a copy ---- */

static int check_source(const json_t *source, struct error **error)
{
	static const char *const fields[] = {"type",	    "name",	"pool", "volume_only",
					     "project",	    "refresh",	"mode", "websockets",
					     "certificate", "location", NULL};
	const char *type = "", *project = "default";
	bool refresh = false;
	if (render_check_fields(source, fields, error) < 0 ||
	    render_text_field(source, "type", &type, error) < 0 ||
	    render_text_field(source, "project", &project, error) < 0 ||
	    render_bool_field(source, "refresh", &refresh, error) < 0)
		return -1;
	if (strcmp(type, "copy") != 0)
		return error_set(error, ERROR_UNSUPPORTED,
				 "a volume is made empty or by a copy, not by \"%s\"", type);
	if (refresh)
		return error_set(error, ERROR_UNSUPPORTED,
				 "a copy that is there already cannot be refreshed yet");
	return *project && strcmp(project, "default") != 0
		       ? error_set(error, ERROR_NOT_FOUND, "Project not found: \"%s\"", project)
		       : 0;
}

static struct response *copy(struct request *request, const json_t *source,
			     const struct volume_request *target, struct error **error)
{
	const char *pool = target->pool, *name = "";
	bool volume_only = false;
	if (check_source(source, error) < 0 ||
	    render_text_field(source, "pool", &pool, error) < 0 ||
	    render_text_field(source, "name", &name, error) < 0 ||
	    render_bool_field(source, "volume_only", &volume_only, error) < 0)
		return NULL;
	cleanup_free char *volume = memory_strndup(name, strcspn(name, "/"));
	const char *slash = strchr(name, '/');
	cleanup_volume_row struct volume_row row = {0};
	if (db_volume_get(request_server(request)->db, *pool ? pool : target->pool, volume, &row,
			  error) < 0)
		return NULL;
	const struct volume_task task = {
		.pool = row.pool,
		.name = row.name,
		.new_pool = (char *)target->pool,
		.new_name = (char *)target->name,
		.snapshot = slash ? (char *)slash + 1 : NULL,
		.description = target->description && *target->description
				       ? (char *)target->description
				       : NULL,
		.config = json_object_size(target->config) ? (json_t *)target->config : NULL,
		.snapshots = !volume_only && !slash,
	};
	return volume_run(request, "Copying storage volume", run_copy, &task, error);
}

static int check_kinds(const json_t *body, const char *type, struct error **error)
{
	static const char *const fields[] = {"name",	 "type",    "content_type", "description",
					     "config",	 "source",  "pool",	    "used_by",
					     "location", "project", "created_at",   NULL};
	const char *content = "";
	if (render_check_fields(body, fields, error) < 0 ||
	    render_text_field(body, "type", &type, error) < 0 ||
	    render_text_field(body, "content_type", &content, error) < 0)
		return -1;
	if (strcmp(type, "custom") != 0)
		return error_set(error, ERROR_INVALID,
				 "volumes of type \"%s\" cannot be made: only custom", type);
	if (*content && strcmp(content, "filesystem") != 0)
		return error_set(
			error, ERROR_UNSUPPORTED,
			"volumes with content of type \"%s\" are not supported: only filesystem",
			content);
	return 0;
}

static int begin_import(struct request *request, struct error **error)
{
	if (!backup_import_is(request))
		return 0;
	return volume_check_type(request, error) < 0
		       ? -1
		       : backup_import_begin(request, BACKUP_OF_VOLUME, error);
}

static struct response *create_of(struct request *request, const char *type, struct error **error)
{
	const json_t *body = request_body_object(request, error);
	struct volume_request wanted = {
		.pool = request_parameter(request, "pool"), .name = "", .description = ""};
	if (!body || render_check_project(request, error) < 0 ||
	    check_kinds(body, type, error) < 0 ||
	    render_text_field(body, "name", &wanted.name, error) < 0 ||
	    render_text_field(body, "description", &wanted.description, error) < 0 ||
	    volume_check_name(wanted.name, error) < 0)
		return NULL;
	json_t *config = render_map_field(body, "config", error);
	const json_t *source = json_object_get(body, "source");
	const char *from = json_string_value(json_object_get(source, "type"));
	struct response *response = NULL;
	wanted.config = config;
	if (config && from && *from) /* LXD's client sends an empty source, too */
		response = copy(request, source, &wanted, error);
	else if (config && volume_create(request_server(request), &wanted, error) == 0) {
		cleanup_free char *prefix =
			memory_printf("/1.0/storage-pools/%s/volumes/custom", wanted.pool);
		response = render_created(prefix, wanted.name);
	}
	json_decref(config);
	return response;
}

static struct response *create(struct request *request, struct error **error)
{
	return create_of(request, "", error);
}

static struct response *create_in_type(struct request *request, struct error **error)
{
	if (request_data(request))
		return backup_import(request, error);
	return create_of(request, request_parameter(request, "type"), error);
}

/* ---- POST on one: another name, another pool ---- */

static struct response *rename_or_move(struct request *request, struct error **error)
{
	static const char *const fields[] = {"name",	"pool",	       "migration", "target",
					     "project", "volume_only", "source",    NULL};
	const json_t *body = request_body_object(request, error);
	cleanup_volume_row struct volume_row row = {0};
	const char *name = "", *pool = "";
	bool migration = false;
	if (!body || volume_of_request(request, &row, error) < 0 ||
	    render_check_fields(body, fields, error) < 0 ||
	    render_text_field(body, "name", &name, error) < 0 ||
	    render_text_field(body, "pool", &pool, error) < 0 ||
	    render_bool_field(body, "migration", &migration, error) < 0)
		return NULL;
	if (migration) {
		error_set(error, ERROR_UNSUPPORTED, "migration is not supported yet");
		return NULL;
	}
	if (volume_check_name(name, error) < 0)
		return NULL;
	if (*pool && strcmp(pool, row.pool) != 0) {
		const struct volume_task task = {.pool = row.pool,
						 .name = row.name,
						 .new_pool = (char *)pool,
						 .new_name = (char *)name};
		return volume_run(request, "Moving storage volume", run_move, &task, error);
	}
	if (volume_move(request_server(request), row.pool, row.name, row.pool, name, error) < 0)
		return NULL;
	cleanup_free char *prefix = memory_printf("/1.0/storage-pools/%s/volumes/custom", row.pool);
	return render_created(prefix, name);
}

/* ---- PUT, PATCH, DELETE ---- */

static int take_config(const json_t *body, bool patch, struct volume_row *row, struct error **error)
{
	const char *key;
	json_t *value;
	json_t *config = render_map_field(body, "config", error);
	if (!config)
		return -1;
	if (patch)
		json_object_update_missing(config, row->config);
	json_decref(row->config);
	row->config = json_object();
	/* An empty value is none. */
	json_object_foreach (config, key, value)
		if (*json_string_value(value))
			json_object_set(row->config, key, value);
	json_decref(config);
	return 0;
}

static int take_body(const json_t *body, bool patch, struct volume_row *row, struct error **error)
{
	static const char *const fields[] = {"config",	"description", "restore",  "name",
					     "type",	"used_by",     "location", "content_type",
					     "project", "created_at",  "pool",	   NULL};
	const char *description = patch ? row->description : "";
	if (render_check_fields(body, fields, error) < 0 ||
	    render_text_field(body, "description", &description, error) < 0)
		return -1;
	char *text = memory_strdup(description);
	free(row->description);
	row->description = text;
	return take_config(body, patch, row, error);
}

static struct response *change(struct request *request, struct error **error)
{
	struct server *server = request_server(request);
	const json_t *body = request_body_object(request, error);
	bool patch = strcmp(request_method(request), "PATCH") == 0;
	cleanup_volume_row struct volume_row row = {0};
	const char *restore = "";
	if (!body || volume_of_request(request, &row, error) < 0)
		return NULL;
	json_t *content = volume_etag_content(&row);
	cleanup_free char *etag = response_etag(content);
	json_decref(content);
	if (request_if_match_check(request, etag, error) < 0 ||
	    render_text_field(body, "restore", &restore, error) < 0)
		return NULL;
	if (*restore)
		return volume_restore(server, row.pool, row.name, restore, error) < 0
			       ? NULL
			       : response_empty();
	if (take_body(body, patch, &row, error) < 0 || volume_update(server, &row, error) < 0)
		return NULL;
	return response_empty();
}

static struct response *delete_one(struct request *request, struct error **error)
{
	if (volume_check_type(request, error) < 0 ||
	    volume_delete(request_server(request), request_parameter(request, "pool"),
			  request_parameter(request, "name"), error) < 0)
		return NULL;
	return response_empty();
}

static struct response *get_state(struct request *request, struct error **error)
{
	cleanup_volume_row struct volume_row row = {0};
	uint64_t bytes, size;
	if (volume_of_request(request, &row, error) < 0 ||
	    volume_usage(request_server(request), &row, &bytes, error) < 0 ||
	    volume_size(row.config, &size, error) < 0)
		return NULL;
	return response_sync(json_pack("{s:{s:I, s:I}}", "usage", "used", (json_int_t)bytes,
				       "total", (json_int_t)size));
}

#define VOLUME VOLUMES "/{type}/{name}"

const struct route storage_volume_change_routes[] = {
	{.method = "POST", .path = VOLUMES, .handler = create},
	{.method = "POST",
	 .path = VOLUMES "/{type}",
	 .handler = create_in_type,
	 .body_begin = begin_import},
	{.method = "POST", .path = VOLUME, .handler = rename_or_move},
	{.method = "PUT", .path = VOLUME, .handler = change},
	{.method = "PATCH", .path = VOLUME, .handler = change},
	{.method = "DELETE", .path = VOLUME, .handler = delete_one},
	{.method = "GET", .path = VOLUME "/state", .handler = get_state},
	{0},
};
