/* /1.0/instances: list, read, rename, delete. Creating is in instance_create.c, changing in instance_change.c. */
#include <string.h>

#include "api/backups.h"
#include "api/instance_render.h"
#include "api/instance_snapshots.h"
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

static bool chooses_fields(const struct request *request)
{
	const char *fields = request_query(request, "fields");
	return fields && *fields;
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

/* Expanding the configuration is half the work of a list; filters look at it too. */
static bool wants_expanded(const struct request *request)
{
	return !chooses_fields(request) || strstr(request_query(request, "fields"), "expanded_") ||
	       request_query(request, "filter");
}

/* "snapshots"; whoever chooses fields gets their names and times alone. */
static int add_snapshots(const struct request *request, json_t *object, int64_t id,
			 const struct snapshot_list *list, const struct profile_list *profiles,
			 struct error **error)
{
	json_t *snapshots =
		snapshots_render(list, id, chooses_fields(request) ? NULL : profiles, error);
	return snapshots ? json_object_set_new(object, "snapshots", snapshots) : -1;
}

/* What recursion=2 has beside an instance's own. */
struct extras {
	struct snapshot_list snapshots;
	struct backup_list backups;
};

static void extras_clear(struct extras *extras)
{
	snapshot_list_clear(&extras->snapshots);
	backup_list_clear(&extras->backups);
}
#define cleanup_extras __attribute__((cleanup(extras_clear)))

/* @id: of one instance; 0: of all. */
static int read_extras(const struct request *request, int64_t id, enum instance_detail detail,
		       struct extras *extras, struct error **error)
{
	struct db *db = request_server(request)->db;
	if (detail == INSTANCE_PLAIN)
		return 0;
	int result = id == 0 && chooses_fields(request)
			     ? db_snapshot_list_names(db, &extras->snapshots, error)
			     : db_snapshot_list(db, id, &extras->snapshots, error);
	if (result < 0)
		return -1;
	return detail == INSTANCE_FULL
		       ? db_backup_list(db, BACKUP_OF_INSTANCE, id, &extras->backups, error)
		       : 0;
}

static int add_extras(const struct request *request, json_t *object, int64_t id,
		      enum instance_detail detail, const struct extras *extras,
		      const struct profile_list *profiles, struct error **error)
{
	if (detail == INSTANCE_PLAIN)
		return 0;
	if (detail == INSTANCE_FULL)
		json_object_set_new(object, "backups", backups_render(&extras->backups, id));
	return add_snapshots(request, object, id, &extras->snapshots, profiles, error);
}

static struct response *list(struct request *request, struct error **error)
{
	struct server *server = request_server(request);
	cleanup_instance_list struct instance_list rows = {0};
	cleanup_profile_list struct profile_list profiles = {0};
	cleanup_extras struct extras extras = {0};
	enum instance_detail detail = list_detail(request);
	bool expanded = wants_expanded(request);
	if (render_check_project(request, error) < 0 ||
	    db_instance_list(server->db, &rows, error) < 0 ||
	    (expanded && db_profile_list(server->db, &profiles, error) < 0) ||
	    read_extras(request, 0, detail, &extras, error) < 0)
		return NULL;
	json_t *objects = json_array();
	for (size_t i = 0; i < rows.count; i++) {
		cleanup_instance struct instance *instance =
			instance_find(server, rows.rows[i].name, NULL);
		json_t *object = instance_render(&rows.rows[i], expanded ? &profiles : NULL,
						 instance, detail, error);
		if (!object || add_extras(request, object, rows.rows[i].id, detail, &extras,
					  &profiles, error) < 0) {
			json_decref(object);
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
	cleanup_extras struct extras extras = {0};
	const char *name = request_parameter(request, "name");
	cleanup_instance struct instance *instance = instance_of_request(request, error);
	if (!instance || render_check_project(request, error) < 0 ||
	    db_instance_get(server->db, name, &row, error) < 0 ||
	    db_profile_list(server->db, &profiles, error) < 0)
		return NULL;
	enum instance_detail detail =
		request_recursion(request) > 0 ? INSTANCE_FULL : INSTANCE_PLAIN;
	json_t *object = instance_render(&row, &profiles, instance, detail, error);
	if (!object || read_extras(request, row.id, detail, &extras, error) < 0 ||
	    add_extras(request, object, row.id, detail, &extras, &profiles, error) < 0) {
		json_decref(object);
		return NULL;
	}
	json_t *etag = instance_render_etag(&row);
	struct response *response = response_sync_etag(object, etag);
	json_decref(etag);
	return response;
}

/* ---- rename, delete ---- */

struct task {
	struct instance *instance;
	char *name;
	char *pool; /* to be moved to; NULL: it stays where it is */
	bool force;
};

static void task_free(void *data)
{
	struct task *task = data;
	instance_unref(task->instance);
	free(task->name);
	free(task->pool);
	free(task);
}

static int run_rename(struct operation *operation, void *data, struct error **error)
{
	struct task *task = data;
	if (task->pool && instance_move(task->instance, task->pool, operation, error) < 0)
		return -1;
	return strcmp(task->instance->name, task->name) == 0
		       ? 0
		       : instance_rename(task->instance, task->name, error);
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

/* Takes what is in @given. */
static struct response *run_task(struct request *request, const char *description,
				 int (*run)(struct operation *, void *, struct error **),
				 const struct task *given, struct error **error)
{
	struct server *server = request_server(request);
	const char *name = request_parameter(request, "name");
	struct operation *operation = NULL;
	struct task *task = memory_alloc(sizeof(*task));
	*task = *given;
	struct operation_spec spec = {
		.class = OPERATION_TASK,
		.description = description,
		.resources = instance_render_resources(name),
		.may_cancel = given->pool,
		.run = run,
		.data = task,
		.destroy = task_free,
	};
	if (operation_run(server->operations, &spec, &operation, error) < 0)
		return NULL;
	return response_operation(operation);
}

/* {"name"}, or with "migration" {"name", "pool"}: to another pool of this server. */
static struct response *rename_instance(struct request *request, struct error **error)
{
	json_t *body = request_body_object(request, error);
	const char *name = NULL, *pool = NULL;
	if (!body || render_text_field(body, "name", &name, error) < 0 ||
	    render_text_field(body, "pool", &pool, error) < 0)
		return NULL;
	bool moves = pool && *pool;
	if (!name || (!moves && json_is_true(json_object_get(body, "migration")))) {
		error_set(error, name ? ERROR_UNSUPPORTED : ERROR_INVALID,
			  name ? "migration to other servers is not supported yet"
			       : "\"name\" is missing");
		return NULL;
	}
	if (instance_check_name(name, error) < 0)
		return NULL;
	struct task task = {.instance = instance_of_request(request, error)};
	if (!task.instance)
		return NULL;
	task.name = memory_strdup(name);
	task.pool = moves ? memory_strdup(pool) : NULL;
	return run_task(request, moves ? "Moving instance" : "Renaming instance", run_rename, &task,
			error);
}

/* ?force=1 (ours) stops it first, in the same operation. */
static struct response *delete_instance(struct request *request, struct error **error)
{
	cleanup_instance struct instance *instance = instance_of_request(request, error);
	bool force = request_query_bool(request, "force");
	if (!instance)
		return NULL;
	enum instance_state state = instance_get_state(instance);
	if (!force && state != INSTANCE_STOPPED && state != INSTANCE_ERROR) {
		error_set(error, ERROR_INVALID, "The instance is currently running: stop it first");
		return NULL;
	}
	const struct task task = {.instance = steal_pointer(&instance), .force = force};
	return run_task(request, "Deleting instance", run_delete, &task, error);
}

const struct route instance_routes[] = {
	{.method = "GET", .path = "/1.0/instances", .handler = list},
	{.method = "GET", .path = "/1.0/instances/{name}", .handler = get},
	{.method = "POST", .path = "/1.0/instances/{name}", .handler = rename_instance},
	{.method = "DELETE", .path = "/1.0/instances/{name}", .handler = delete_instance},
	{0},
};
