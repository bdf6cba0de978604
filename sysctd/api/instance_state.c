/* /1.0/instances/NAME/state: read it, and change it (start, stop, restart, freeze, unfreeze). */
#include <string.h>

#include "api/instance_render.h"
#include "api/render.h"
#include "api/routes.h"
#include "cleanup.h"
#include "instance/instance.h"
#include "memory.h"
#include "operation.h"
#include "server.h"

enum action {
	ACTION_START,
	ACTION_STOP,
	ACTION_RESTART,
	ACTION_FREEZE,
	ACTION_UNFREEZE,
	ACTION_COUNT
};

static const struct {
	const char *name, *description;
} actions[ACTION_COUNT] = {
	[ACTION_START] = {"start", "Starting instance"},
	[ACTION_STOP] = {"stop", "Stopping instance"},
	[ACTION_RESTART] = {"restart", "Restarting instance"},
	[ACTION_FREEZE] = {"freeze", "Freezing instance"},
	[ACTION_UNFREEZE] = {"unfreeze", "Unfreezing instance"},
};

struct change {
	struct instance *instance;
	enum action action;
	bool force;
	int timeout; /* seconds */
};

static void change_free(void *data)
{
	struct change *change = data;
	instance_unref(change->instance);
	free(change);
}

static int run_change(struct operation *operation, void *data, struct error **error)
{
	struct change *change = data;
	(void)operation;
	switch (change->action) {
	case ACTION_START:
		return instance_start(change->instance, error);
	case ACTION_STOP:
		return instance_stop(change->instance, change->force, change->timeout, error);
	case ACTION_RESTART:
		return instance_restart(change->instance, change->force, change->timeout, error);
	case ACTION_FREEZE:
		return instance_freeze(change->instance, true, error);
	default:
		return instance_freeze(change->instance, false, error);
	}
}

static int find_action(const char *name, enum action *action, struct error **error)
{
	for (int i = 0; name && i < ACTION_COUNT; i++)
		if (strcmp(actions[i].name, name) == 0) {
			*action = (enum action)i;
			return 0;
		}
	return error_set(
		error, ERROR_INVALID,
		"Unknown action \"%s\": start, stop, restart, freeze and unfreeze are known",
		name ? name : "");
}

static int parse(const json_t *body, struct change *change, struct error **error)
{
	static const char *const fields[] = {"action", "timeout", "force", "stateful", NULL};
	const json_t *timeout = json_object_get(body, "timeout");
	bool stateful = false;
	if (render_check_fields(body, fields, error) < 0 ||
	    find_action(json_string_value(json_object_get(body, "action")), &change->action,
			error) < 0 ||
	    render_bool_field(body, "force", &change->force, error) < 0 ||
	    render_bool_field(body, "stateful", &stateful, error) < 0)
		return -1;
	if (timeout && !json_is_null(timeout) && !json_is_integer(timeout))
		return error_set(error, ERROR_INVALID, "\"timeout\" must be a number of seconds");
	if (stateful && change->action != ACTION_START)
		return error_set(error, ERROR_UNSUPPORTED, "stateful stops are not supported yet");
	json_int_t seconds = timeout ? json_integer_value(timeout) : -1;
	change->timeout = seconds < 0 || seconds > 86400 ? -1 : (int)seconds;
	return 0;
}

/* A wrong state is refused at once, as LXD does, and not by an operation that fails. */
static int check_state(const struct change *change, struct error **error)
{
	enum instance_state state = instance_get_state(change->instance);
	bool down = state == INSTANCE_STOPPED || state == INSTANCE_ERROR;
	if (change->action == ACTION_START && state == INSTANCE_RUNNING)
		return error_set(error, ERROR_INVALID, "The instance is already running");
	if (change->action == ACTION_STOP && down)
		return error_set(error, ERROR_INVALID, "The instance is already stopped");
	if (change->action == ACTION_RESTART && down)
		return error_set(error, ERROR_INVALID, "The instance is not running");
	return 0;
}

static struct response *put_state(struct request *request, struct error **error)
{
	struct server *server = request_server(request);
	const char *name = request_parameter(request, "name");
	json_t *body = request_body_object(request, error);
	struct instance *instance = body ? instance_of_request(request, error) : NULL;
	struct operation *operation = NULL;
	if (!instance)
		return NULL;
	struct change *change = memory_alloc(sizeof(*change));
	*change = (struct change){.instance = instance};
	if (parse(body, change, error) < 0 || check_state(change, error) < 0) {
		change_free(change);
		return NULL;
	}
	struct operation_spec spec = {
		.class = OPERATION_TASK,
		.description = actions[change->action].description,
		.resources = json_pack("{s:[o]}", "instances", render_url("/1.0/instances", name)),
		.run = run_change,
		.data = change,
		.destroy = change_free,
	};
	if (operation_run(server->operations, &spec, &operation, error) < 0)
		return NULL;
	return response_operation(operation);
}

static struct response *get_state(struct request *request, struct error **error)
{
	cleanup_instance struct instance *instance = instance_of_request(request, error);
	cleanup_instance_row struct instance_row row = {0};
	struct server *server = request_server(request);
	json_t *devices = NULL;
	if (!instance || db_instance_get_by_id(server->db, instance->id, &row, error) < 0 ||
	    instance_expand(server, &row, NULL, &devices, error) < 0)
		return NULL;
	json_t *state = instance_render_state(instance, devices, INSTANCE_FULL);
	json_decref(devices);
	return response_sync(state);
}

const struct route instance_state_routes[] = {
	{.method = "GET", .path = "/1.0/instances/{name}/state", .handler = get_state},
	{.method = "PUT", .path = "/1.0/instances/{name}/state", .handler = put_state},
	{0},
};
