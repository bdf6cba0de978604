/* /1.0/instances: list, create, read, change, rename, delete. */
#include <string.h>

#include "api/instance_render.h"
#include "api/render.h"
#include "api/routes.h"
#include "cleanup.h"
#include "db/instances.h"
#include "db/profiles.h"
#include "instance/instance.h"
#include "memory.h"
#include "operation.h"
#include "server.h"

/* ?state=network is ours: who lists a hundred instances often wants their addresses alone. */
static enum instance_detail list_detail(const struct request *request)
{
	const char *state = request_query(request, "state");
	if (request_recursion(request) < 2)
		return INSTANCE_PLAIN;
	return state && strcmp(state, "network") == 0 ? INSTANCE_NETWORK : INSTANCE_FULL;
}

/* ?fields=name,status (ours): the wanted members alone, in place of @object. */
static json_t *choose_fields(const struct request *request, json_t *object)
{
	const char *fields = request_query(request, "fields");
	if (!object || !fields || !*fields)
		return object;
	json_t *chosen = json_object();
	cleanup_free char *copy = memory_strdup(fields);
	char *rest = copy;
	for (char *name; (name = strsep(&rest, ","));)
		if (json_object_get(object, name))
			json_object_set(chosen, name, json_object_get(object, name));
	json_decref(object);
	return chosen;
}

static struct response *list(struct request *request, struct error **error)
{
	struct server *server = request_server(request);
	cleanup_instance_list struct instance_list rows = {0};
	cleanup_profile_list struct profile_list profiles = {0};
	enum instance_detail detail = list_detail(request);
	if (render_check_project(request, error) < 0 ||
	    db_instance_list(server->db, &rows, error) < 0 ||
	    db_profile_list(server->db, &profiles, error) < 0)
		return NULL;
	json_t *objects = json_array();
	for (size_t i = 0; i < rows.count; i++) {
		cleanup_instance struct instance *instance =
			instance_find(server, rows.rows[i].name, NULL);
		json_t *object = instance_render(&rows.rows[i], &profiles, instance, detail, error);
		if (!object) {
			json_decref(objects);
			return NULL;
		}
		json_array_append_new(objects, choose_fields(request, object));
	}
	return render_list(request, objects, request_instances_path(request), "name", error);
}

static struct response *get(struct request *request, struct error **error)
{
	struct server *server = request_server(request);
	cleanup_instance_row struct instance_row row = {0};
	cleanup_profile_list struct profile_list profiles = {0};
	const char *name = request_parameter(request, "name");
	cleanup_instance struct instance *instance = instance_find(server, name, error);
	if (!instance || render_check_project(request, error) < 0 ||
	    db_instance_get(server->db, name, &row, error) < 0 ||
	    db_profile_list(server->db, &profiles, error) < 0)
		return NULL;
	enum instance_detail detail =
		request_recursion(request) > 0 ? INSTANCE_FULL : INSTANCE_PLAIN;
	json_t *object = instance_render(&row, &profiles, instance, detail, error);
	if (!object)
		return NULL;
	json_t *etag = instance_render_etag(&row);
	struct response *response = response_sync_etag(object, etag);
	json_decref(etag);
	return response;
}

/* ---- create ---- */

struct creation {
	struct server *server;
	json_t *body;
	char *made_name; /* when the client gave none */
	struct instance_request request;
	bool start;
};

static void creation_free(void *data)
{
	struct creation *creation = data;
	json_decref(creation->body);
	free(creation->made_name);
	free(creation);
}

static json_t *instance_resources(const char *name)
{
	json_t *url = render_url("/1.0/instances", name);
	return json_pack("{s:[o]}", "instances", url);
}

static int start_new(struct creation *creation, const char *name, struct error **error)
{
	cleanup_instance struct instance *instance = instance_find(creation->server, name, error);
	if (!instance)
		return -1;
	if (instance_start(instance, error) == 0)
		return 0;
	/* What could not be started was not launched: nothing half made stays. */
	if (instance_get_state(instance) == INSTANCE_STOPPED)
		instance_delete(instance, NULL);
	return -1;
}

static int run_creation(struct operation *operation, void *data, struct error **error)
{
	struct creation *creation = data;
	cleanup_instance_row struct instance_row row = {0};
	if (instance_create(creation->server, &creation->request, operation, &row, error) < 0)
		return -1;
	operation_set_metadata(operation, "name", json_string(row.name));
	return creation->start ? start_new(creation, row.name, error) : 0;
}

static int take_source(struct creation *creation, struct error **error)
{
	const json_t *source = json_object_get(creation->body, "source");
	const char *type = json_string_value(json_object_get(source, "type"));
	const char *alias = json_string_value(json_object_get(source, "alias"));
	const char *fingerprint = json_string_value(json_object_get(source, "fingerprint"));
	const char *remote = json_string_value(json_object_get(source, "server"));
	if (!type || strcmp(type, "image") != 0)
		return error_set(error, ERROR_UNSUPPORTED,
				 "instances can be made from an image only (source type \"%s\")",
				 type ? type : "");
	if (remote && *remote)
		return error_set(error, ERROR_UNSUPPORTED,
				 "images of other servers are not supported yet: use a local one");
	creation->request.image = alias && *alias ? alias : fingerprint;
	if (!creation->request.image || !*creation->request.image)
		return error_set(error, ERROR_INVALID,
				 "source needs the \"alias\" or \"fingerprint\" of an image");
	return 0;
}

static int take_type(const json_t *body, struct error **error)
{
	const char *type = json_string_value(json_object_get(body, "type"));
	const char *size = json_string_value(json_object_get(body, "instance_type"));
	if (type && *type && strcmp(type, "container") != 0)
		return error_set(error, ERROR_UNSUPPORTED,
				 "instances of type \"%s\" are not supported", type);
	if (size && *size)
		return error_set(
			error, ERROR_UNSUPPORTED,
			"instance_type is not supported: set limits.cpu and limits.memory");
	return 0;
}

static const char *const create_fields[] = {
	"name",	     "source",	      "architecture", "config",	     "devices",
	"ephemeral", "profiles",      "stateful",     "description", "type",
	"start",     "instance_type", "restore",      NULL,
};

/* The maps are replaced by copies in which every value is a text. */
static int take_map(json_t *body, const char *field, const json_t **map, struct error **error)
{
	json_t *copy = render_map_field(body, field, error);
	if (!copy)
		return -1;
	json_object_set_new(body, field, copy);
	*map = copy;
	return 0;
}

/* The name is made here, because clients learn it from the operation's resources. */
static int take_name(struct creation *creation, struct error **error)
{
	struct instance_request *request = &creation->request;
	if (!request->name || !*request->name)
		request->name = creation->made_name = instance_make_name(creation->server);
	if (instance_check_name(request->name, error) < 0)
		return -1;
	cleanup_instance struct instance *taken =
		instance_find(creation->server, request->name, NULL);
	return taken ? error_set(error, ERROR_EXISTS, "Instance \"%s\" already exists", taken->name)
		     : 0;
}

static int take_body(struct creation *creation, struct error **error)
{
	json_t *body = creation->body;
	struct instance_request *request = &creation->request;
	const json_t *devices = json_object_get(body, "devices");
	if (render_check_fields(body, create_fields, error) < 0 || take_type(body, error) < 0 ||
	    take_source(creation, error) < 0 ||
	    render_text_field(body, "name", &request->name, error) < 0 ||
	    render_text_field(body, "description", &request->description, error) < 0 ||
	    render_bool_field(body, "ephemeral", &request->ephemeral, error) < 0 ||
	    render_bool_field(body, "start", &creation->start, error) < 0 ||
	    take_map(body, "config", &request->config, error) < 0)
		return -1;
	if (devices && !json_is_null(devices) && !json_is_object(devices))
		return error_set(error, ERROR_INVALID, "\"devices\" must be an object");
	request->devices = json_is_object(devices) ? devices : NULL;
	request->profiles = json_object_get(body, "profiles");
	return take_name(creation, error);
}

/* What can be refused before anything is begun is refused here, not by the operation. */
static struct response *create(struct request *request, struct error **error)
{
	struct server *server = request_server(request);
	json_t *body = request_body_object(request, error);
	if (!body || render_check_project(request, error) < 0)
		return NULL;
	struct creation *creation = memory_alloc(sizeof(*creation));
	*creation = (struct creation){.server = server, .body = json_deep_copy(body)};
	if (take_body(creation, error) < 0) {
		creation_free(creation);
		return NULL;
	}
	struct operation *operation = NULL;
	struct operation_spec spec = {
		.class = OPERATION_TASK,
		.description = "Creating instance",
		.resources = instance_resources(creation->request.name),
		.may_cancel = true,
		.run = run_creation,
		.data = creation,
		.destroy = creation_free,
	};
	if (operation_run(server->operations, &spec, &operation, error) < 0)
		return NULL;
	return response_operation(operation);
}

/* ---- change ---- */

/* The last three rows are read-only: clients (pylxd) send back what they got. */
static const char *const put_fields[] = {
	"architecture",	   "config",	       "devices", "ephemeral",	"profiles",	"stateful",
	"description",	   "restore",	       "name",	  "created_at", "last_used_at", "status",
	"status_code",	   "location",	       "type",	  "project",	"state",	"snapshots",
	"expanded_config", "expanded_devices", "backups", NULL,
};

static int take_devices(const json_t *body, json_t **devices, struct error **error)
{
	json_t *given = json_object_get(body, "devices");
	if (given && !json_is_null(given) && !json_is_object(given))
		return error_set(error, ERROR_INVALID, "\"devices\" must be an object");
	json_decref(*devices);
	*devices = json_is_object(given) ? json_deep_copy(given) : json_object();
	return 0;
}

static int take_config(const json_t *body, json_t **config, struct error **error)
{
	json_t *given = render_map_field(body, "config", error);
	if (!given)
		return -1;
	json_decref(*config);
	*config = given;
	return 0;
}

static int put_into(struct instance_row *row, const json_t *body, struct error **error)
{
	const char *restore = json_string_value(json_object_get(body, "restore"));
	const char *description = "";
	if (render_check_fields(body, put_fields, error) < 0)
		return -1;
	if (restore && *restore)
		return error_set(error, ERROR_UNSUPPORTED, "snapshots are not supported yet");
	row->ephemeral = false;
	if (take_config(body, &row->config, error) < 0 ||
	    take_devices(body, &row->devices, error) < 0 ||
	    render_text_field(body, "description", &description, error) < 0 ||
	    render_bool_field(body, "ephemeral", &row->ephemeral, error) < 0)
		return -1;
	const json_t *profiles = json_object_get(body, "profiles");
	json_decref(row->profiles);
	row->profiles =
		json_is_array(profiles) ? json_deep_copy(profiles) : json_pack("[s]", "default");
	free(row->description);
	row->description = memory_strdup(description);
	return 0;
}

/* PATCH: maps are merged, everything else replaced when present. */
static int patch_into(struct instance_row *row, const json_t *body, struct error **error)
{
	if (render_check_fields(body, put_fields, error) < 0)
		return -1;
	json_t *config = render_map_field(body, "config", error);
	if (!config)
		return -1;
	json_object_update(row->config, config);
	json_decref(config);
	json_t *devices = json_object_get(body, "devices");
	if (devices && !json_is_null(devices) && !json_is_object(devices))
		return error_set(error, ERROR_INVALID, "\"devices\" must be an object");
	if (json_is_object(devices))
		json_object_update(row->devices, devices);
	const char *description = row->description;
	if (render_text_field(body, "description", &description, error) < 0 ||
	    render_bool_field(body, "ephemeral", &row->ephemeral, error) < 0)
		return -1;
	if (description != row->description) {
		char *copy = memory_strdup(description);
		free(row->description);
		row->description = copy;
	}
	const json_t *profiles = json_object_get(body, "profiles");
	if (json_is_array(profiles)) {
		json_decref(row->profiles);
		row->profiles = json_deep_copy(profiles);
	}
	return 0;
}

static int check_etag(struct request *request, const struct instance_row *row, struct error **error)
{
	json_t *content = instance_render_etag(row);
	cleanup_free char *etag = response_etag(content);
	json_decref(content);
	return request_if_match_check(request, etag, error);
}

static int change(struct request *request,
		  int (*apply)(struct instance_row *, const json_t *, struct error **),
		  struct error **error)
{
	struct server *server = request_server(request);
	const char *name = request_parameter(request, "name");
	json_t *body = request_body_object(request, error);
	cleanup_instance struct instance *instance =
		body ? instance_find(server, name, error) : NULL;
	cleanup_instance_row struct instance_row row = {0};
	if (!instance || db_instance_get(server->db, name, &row, error) < 0 ||
	    check_etag(request, &row, error) < 0 || apply(&row, body, error) < 0)
		return -1;
	return instance_update(instance, &row, error);
}

static struct response *patch(struct request *request, struct error **error)
{
	return change(request, patch_into, error) < 0 ? NULL : response_empty();
}

/* LXD answers a PUT with an operation that has nothing left to do. */
static int nothing_to_do(struct operation *operation, void *data, struct error **error)
{
	(void)operation;
	(void)data;
	(void)error;
	return 0;
}

static struct response *put(struct request *request, struct error **error)
{
	struct operation *operation = NULL;
	if (change(request, put_into, error) < 0)
		return NULL;
	struct operation_spec spec = {
		.class = OPERATION_TASK,
		.description = "Updating instance",
		.resources = instance_resources(request_parameter(request, "name")),
		.run = nothing_to_do,
	};
	if (operation_run(request_operations(request), &spec, &operation, error) < 0)
		return NULL;
	return response_operation(operation);
}

/* ---- rename, delete ---- */

struct task {
	struct instance *instance;
	char *name;
	bool force;
};

static void task_free(void *data)
{
	struct task *task = data;
	instance_unref(task->instance);
	free(task->name);
	free(task);
}

static int run_rename(struct operation *operation, void *data, struct error **error)
{
	struct task *task = data;
	(void)operation;
	return instance_rename(task->instance, task->name, error);
}

static int run_delete(struct operation *operation, void *data, struct error **error)
{
	struct task *task = data;
	(void)operation;
	if (task->force && instance_get_state(task->instance) != INSTANCE_STOPPED) {
		bool ephemeral = task->instance->ephemeral;
		task->instance->ephemeral = false; /* we delete it ourselves */
		if (instance_stop(task->instance, true, -1, error) < 0) {
			task->instance->ephemeral = ephemeral;
			return -1;
		}
	}
	return instance_delete(task->instance, error);
}

static struct response *run_task(struct request *request, const char *description,
				 int (*run)(struct operation *, void *, struct error **),
				 const char *new_name, bool force, struct error **error)
{
	struct server *server = request_server(request);
	const char *name = request_parameter(request, "name");
	struct instance *instance = instance_find(server, name, error);
	struct operation *operation = NULL;
	if (!instance)
		return NULL;
	struct task *task = memory_alloc(sizeof(*task));
	*task = (struct task){instance, new_name ? memory_strdup(new_name) : NULL, force};
	struct operation_spec spec = {
		.class = OPERATION_TASK,
		.description = description,
		.resources = instance_resources(name),
		.run = run,
		.data = task,
		.destroy = task_free,
	};
	if (operation_run(server->operations, &spec, &operation, error) < 0)
		return NULL;
	return response_operation(operation);
}

static struct response *rename_instance(struct request *request, struct error **error)
{
	json_t *body = request_body_object(request, error);
	const char *name = NULL;
	if (!body || render_text_field(body, "name", &name, error) < 0)
		return NULL;
	if (!name || json_is_true(json_object_get(body, "migration"))) {
		error_set(error, name ? ERROR_UNSUPPORTED : ERROR_INVALID,
			  name ? "migration is not supported yet" : "\"name\" is missing");
		return NULL;
	}
	if (instance_check_name(name, error) < 0)
		return NULL;
	return run_task(request, "Renaming instance", run_rename, name, false, error);
}

/* ?force=1 (ours) stops it first, in the same operation. */
static struct response *delete_instance(struct request *request, struct error **error)
{
	const char *name = request_parameter(request, "name");
	cleanup_instance struct instance *instance =
		instance_find(request_server(request), name, error);
	bool force = request_query_bool(request, "force");
	if (!instance)
		return NULL;
	enum instance_state state = instance_get_state(instance);
	if (!force && state != INSTANCE_STOPPED && state != INSTANCE_ERROR) {
		error_set(error, ERROR_INVALID, "The instance is currently running: stop it first");
		return NULL;
	}
	return run_task(request, "Deleting instance", run_delete, NULL, force, error);
}

const struct route instance_routes[] = {
	{.method = "GET", .path = "/1.0/instances", .handler = list},
	{.method = "POST", .path = "/1.0/instances", .handler = create},
	{.method = "GET", .path = "/1.0/instances/{name}", .handler = get},
	{.method = "PUT", .path = "/1.0/instances/{name}", .handler = put},
	{.method = "PATCH", .path = "/1.0/instances/{name}", .handler = patch},
	{.method = "POST", .path = "/1.0/instances/{name}", .handler = rename_instance},
	{.method = "DELETE", .path = "/1.0/instances/{name}", .handler = delete_instance},
	{0},
};
