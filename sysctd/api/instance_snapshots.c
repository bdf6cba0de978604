/* /1.0/instances/NAME/snapshots. */
#include "api/instance_snapshots.h"

#include <stdlib.h>
#include <string.h>

#include "api/instance_render.h"
#include "api/render.h"
#include "api/routes.h"
#include "cleanup.h"
#include "instance/device_types.h"
#include "instance/schedule.h"
#include "instance/snapshots.h"
#include "memory.h"
#include "operation.h"
#include "server.h"

static char *collection(const char *instance)
{
	json_t *url = render_url("/1.0/instances", instance);
	char *path = memory_printf("%s/snapshots", json_string_value(url));
	json_decref(url);
	return path;
}

/* ---- as JSON ---- */

/* What profiles make of a snapshot, and of others with the same configuration. */
struct expansion {
	const struct snapshot_row *of;
	json_t *config, *devices;
};

static void expansion_clear(struct expansion *expansion)
{
	json_decref(expansion->config);
	json_decref(expansion->devices);
	*expansion = (struct expansion){0};
}
#define cleanup_expansion __attribute__((cleanup(expansion_clear)))

/* Rows of one list share what is the same (db/snapshots.c). */
static void expand(struct expansion *expansion, const struct snapshot_row *row,
		   const struct profile_list *profiles)
{
	const struct snapshot_row *of = expansion->of;
	if (of && of->config == row->config && of->devices == row->devices &&
	    of->profiles == row->profiles)
		return;
	expansion_clear(expansion);
	expansion->of = row;
	/* A profile of that time may be gone: then nobody can say what the sum was. */
	if (config_expand(profiles, row->profiles, row->config, row->devices, &expansion->config,
			  &expansion->devices, NULL) < 0) {
		expansion->config = json_deep_copy(row->config);
		expansion->devices = json_deep_copy(row->devices);
	}
}

static json_t *render(const struct snapshot_row *row, const struct profile_list *profiles,
		      struct expansion *expansion, struct error **error)
{
	if (!profiles)
		return json_pack("{s:s, s:o}", "name", row->name, "created_at",
				 render_time(row->created_at));
	expand(expansion, row, profiles);
	json_t *object = json_pack(
		"{s:s, s:s, s:s, s:O, s:O, s:O, s:O, s:O, s:b, s:b, s:o, s:o, s:o, s:I}", "name",
		row->name, "description", row->description, "architecture", row->architecture,
		"config", row->config, "devices", row->devices, "expanded_config",
		expansion->config, "expanded_devices", expansion->devices, "profiles",
		row->profiles, "ephemeral", row->ephemeral, "stateful", 0, "created_at",
		render_time(row->created_at), "expires_at", render_time(row->expires_at),
		"last_used_at", render_time(0), "size", (json_int_t)row->bytes);
	if (!object)
		error_set(error, ERROR_INTERNAL, "snapshot \"%s\" cannot be told", row->name);
	return object;
}

json_t *snapshot_render(const struct snapshot_row *row, const struct profile_list *profiles,
			struct error **error)
{
	cleanup_expansion struct expansion expansion = {0};
	return render(row, profiles, &expansion, error);
}

json_t *snapshots_render(const struct snapshot_list *list, int64_t id,
			 const struct profile_list *profiles, struct error **error)
{
	cleanup_expansion struct expansion expansion = {0};
	json_t *array = json_array();
	for (size_t i = 0; i < list->count; i++) {
		if (list->rows[i].instance_id != id)
			continue;
		json_t *object = render(&list->rows[i], profiles, &expansion, error);
		if (!object) {
			json_decref(array);
			return NULL;
		}
		json_array_append_new(array, object);
	}
	return array;
}

/* ---- reading ---- */

static struct response *list(struct request *request, struct error **error)
{
	struct server *server = request_server(request);
	cleanup_instance struct instance *instance = instance_of_request(request, error);
	cleanup_snapshot_list struct snapshot_list rows = {0};
	cleanup_profile_list struct profile_list profiles = {0};
	if (!instance || render_check_project(request, error) < 0 ||
	    db_snapshot_list(server->db, instance->id, &rows, error) < 0 ||
	    db_profile_list(server->db, &profiles, error) < 0)
		return NULL;
	json_t *objects = snapshots_render(&rows, instance->id, &profiles, error);
	cleanup_free char *prefix = collection(request_parameter(request, "name"));
	return objects ? render_list(request, objects, prefix, "name", error) : NULL;
}

static json_t *make_etag(const struct snapshot_row *row)
{
	return json_pack("[s, s, I, I]", row->name, row->description, (json_int_t)row->created_at,
			 (json_int_t)row->expires_at);
}

static int read_row(struct request *request, struct instance *instance, struct snapshot_row *row,
		    struct error **error)
{
	if (!instance || render_check_project(request, error) < 0)
		return -1;
	return db_snapshot_get(request_server(request)->db, instance->id,
			       request_parameter(request, "snapshot"), row, error);
}

static struct response *get(struct request *request, struct error **error)
{
	cleanup_instance struct instance *instance = instance_of_request(request, error);
	cleanup_snapshot_row struct snapshot_row row = {0};
	cleanup_profile_list struct profile_list profiles = {0};
	if (read_row(request, instance, &row, error) < 0 ||
	    db_profile_list(request_server(request)->db, &profiles, error) < 0)
		return NULL;
	json_t *object = snapshot_render(&row, &profiles, error);
	json_t *etag = make_etag(&row);
	struct response *response = object ? response_sync_etag(object, etag) : NULL;
	json_decref(etag);
	return response;
}

/* ---- changing, in operations ---- */

struct task {
	struct instance *instance;
	char *name, *new_name, *description;
	bool reuse;
	int64_t expires_at;
};

static void task_free(void *data)
{
	struct task *task = data;
	instance_unref(task->instance);
	free(task->name);
	free(task->new_name);
	free(task->description);
	free(task);
}

static int run_create(struct operation *operation, void *data, struct error **error)
{
	struct task *task = data;
	cleanup_snapshot_row struct snapshot_row taken = {0};
	const struct snapshot_request wanted = {
		.name = task->name,
		.description = task->description,
		.replace = task->reuse,
		.expires_at = task->expires_at,
	};
	if (instance_snapshot(task->instance, &wanted, &taken, error) < 0)
		return -1;
	operation_set_metadata(operation, "name", json_string(taken.name));
	return 0;
}

static int run_rename(struct operation *operation, void *data, struct error **error)
{
	struct task *task = data;
	(void)operation;
	return instance_snapshot_rename(task->instance, task->name, task->new_name, error);
}

static int run_delete(struct operation *operation, void *data, struct error **error)
{
	struct task *task = data;
	(void)operation;
	return instance_snapshot_delete(task->instance, task->name, error);
}

static int run_restore(struct operation *operation, void *data, struct error **error)
{
	struct task *task = data;
	(void)operation;
	return instance_restore(task->instance, task->name, error);
}

static json_t *resources_of(const struct task *task)
{
	json_t *resources = instance_render_resources(task->instance->name);
	cleanup_free char *prefix = collection(task->instance->name);
	if (task->name && *task->name)
		json_object_set_new(resources, "instances_snapshots",
				    json_pack("[o]", render_url(prefix, task->name)));
	return resources;
}

static struct response *run_task(struct request *request, const char *description,
				 int (*run)(struct operation *, void *, struct error **),
				 const struct task *what, struct error **error)
{
	struct instance *instance = instance_of_request(request, error);
	struct operation *operation = NULL;
	if (!instance)
		return NULL;
	struct task *task = memory_alloc(sizeof(*task));
	*task = (struct task){
		.instance = instance,
		.name = what->name ? memory_strdup(what->name) : NULL,
		.new_name = what->new_name ? memory_strdup(what->new_name) : NULL,
		.description = what->description ? memory_strdup(what->description) : NULL,
		.reuse = what->reuse,
		.expires_at = what->expires_at,
	};
	struct operation_spec spec = {
		.class = OPERATION_TASK,
		.description = description,
		.resources = resources_of(task),
		.run = run,
		.data = task,
		.destroy = task_free,
	};
	if (operation_run(request_operations(request), &spec, &operation, error) < 0)
		return NULL;
	return response_operation(operation);
}

/* null, or nothing: as the configuration says, -1; the zero time: never. */
static int take_expiry(const json_t *body, int64_t *expires_at, struct error **error)
{
	const json_t *given = json_object_get(body, "expires_at");
	if (json_is_true(json_object_get(body, "stateful")))
		return error_set(error, ERROR_UNSUPPORTED,
				 "snapshots with the state of processes are not supported yet");
	*expires_at = -1;
	if (!given || json_is_null(given))
		return 0;
	return render_parse_time(given, "expires_at", expires_at, error);
}

static struct response *create(struct request *request, struct error **error)
{
	static const char *const fields[] = {"name",	    "stateful", "expires_at",
					     "description", "reuse",	NULL}; /* two are ours */
	const json_t *body = request_body_object(request, error);
	const char *name = "", *description = "";
	bool reuse = false;
	int64_t expires_at;
	if (!body || render_check_project(request, error) < 0 ||
	    render_check_fields(body, fields, error) < 0 ||
	    render_text_field(body, "name", &name, error) < 0 ||
	    render_text_field(body, "description", &description, error) < 0 ||
	    render_bool_field(body, "reuse", &reuse, error) < 0 ||
	    take_expiry(body, &expires_at, error) < 0 ||
	    (*name && snapshot_check_name(name, error) < 0))
		return NULL;
	const struct task task = {
		.name = (char *)name,
		.description = (char *)description,
		.reuse = reuse,
		.expires_at = expires_at,
	};
	return run_task(request, "Snapshotting instance", run_create, &task, error);
}

/* The path's one is there before an operation begins. */
static struct response *run_on_one(struct request *request, const char *description,
				   int (*run)(struct operation *, void *, struct error **),
				   const char *new_name, struct error **error)
{
	cleanup_instance struct instance *instance = instance_of_request(request, error);
	cleanup_snapshot_row struct snapshot_row row = {0};
	if (read_row(request, instance, &row, error) < 0)
		return NULL;
	const struct task task = {.name = row.name, .new_name = (char *)new_name};
	return run_task(request, description, run, &task, error);
}

static struct response *rename_snapshot(struct request *request, struct error **error)
{
	const json_t *body = request_body_object(request, error);
	const char *name = "";
	if (!body || render_text_field(body, "name", &name, error) < 0)
		return NULL;
	if (json_is_true(json_object_get(body, "migration"))) {
		error_set(error, ERROR_UNSUPPORTED, "migration is not supported yet");
		return NULL;
	}
	if (snapshot_check_name(name, error) < 0)
		return NULL;
	return run_on_one(request, "Renaming snapshot", run_rename, name, error);
}

static struct response *delete_snapshot(struct request *request, struct error **error)
{
	return run_on_one(request, "Deleting snapshot", run_delete, NULL, error);
}

static int describe(struct request *request, struct error **error)
{
	/* Clients send back what they got: all but the first two is read-only. */
	static const char *const fields[] = {
		"description", "expires_at", "name",	  "architecture",    "config",
		"devices",     "profiles",   "ephemeral", "expanded_config", "expanded_devices",
		"stateful",    "created_at", "size",	  "last_used_at",    NULL};
	const json_t *body = request_body_object(request, error);
	cleanup_instance struct instance *instance = instance_of_request(request, error);
	cleanup_snapshot_row struct snapshot_row row = {0};
	if (!body || read_row(request, instance, &row, error) < 0)
		return -1;
	bool patch = strcmp(request_method(request), "PATCH") == 0;
	const char *description = patch ? row.description : "";
	int64_t expires_at;
	json_t *content = make_etag(&row);
	cleanup_free char *etag = response_etag(content);
	json_decref(content);
	if (request_if_match_check(request, etag, error) < 0 ||
	    render_check_fields(body, fields, error) < 0 ||
	    take_expiry(body, &expires_at, error) < 0 ||
	    render_text_field(body, "description", &description, error) < 0)
		return -1;
	if (expires_at >= 0)
		row.expires_at = expires_at;
	if (description != row.description) {
		char *copy = memory_strdup(description);
		free(row.description);
		row.description = copy;
	}
	return instance_snapshot_update(instance, &row, error);
}

static struct response *change(struct request *request, struct error **error)
{
	return describe(request, error) < 0 ? NULL : response_empty();
}

struct response *snapshot_restore(struct request *request, const char *name, struct error **error)
{
	cleanup_instance struct instance *instance = instance_of_request(request, error);
	cleanup_snapshot_row struct snapshot_row row = {0};
	const char *slash = strrchr(name, '/');
	if (!instance || render_check_project(request, error) < 0 ||
	    db_snapshot_get(request_server(request)->db, instance->id, slash ? slash + 1 : name,
			    &row, error) < 0)
		return NULL;
	const struct task task = {.name = row.name};
	return run_task(request, "Restoring snapshot", run_restore, &task, error);
}

#define SNAPSHOTS "/1.0/instances/{name}/snapshots"
#define SNAPSHOT  SNAPSHOTS "/{snapshot}"

const struct route instance_snapshot_routes[] = {
	{.method = "GET", .path = SNAPSHOTS, .handler = list},
	{.method = "POST", .path = SNAPSHOTS, .handler = create},
	{.method = "GET", .path = SNAPSHOT, .handler = get},
	{.method = "PUT", .path = SNAPSHOT, .handler = change},
	{.method = "PATCH", .path = SNAPSHOT, .handler = change},
	{.method = "POST", .path = SNAPSHOT, .handler = rename_snapshot},
	{.method = "DELETE", .path = SNAPSHOT, .handler = delete_snapshot},
	{0},
};
