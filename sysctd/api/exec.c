/* POST /1.0/instances/NAME/exec: by descriptors for our own client, by WebSockets for others. */
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/exec.h"
#include "api/instance_render.h"
#include "api/render.h"
#include "api/routes.h"
#include "cleanup.h"
#include "instance/instance.h"
#include "log.h"
#include "memory.h"
#include "message.h"
#include "operation.h"
#include "server.h"

/* ---- the fast path ---- */

struct handover {
	struct instance *instance;
	json_t *request;
};

static void handover_free(void *data)
{
	struct handover *handover = data;
	instance_unref(handover->instance);
	json_decref(handover->request);
	free(handover);
}

/* The control descriptor is the last one: it hears why nothing came of it. */
static void refuse(struct message *message, const struct error *error)
{
	cleanup_close int control =
		message->fd_count ? message_take_fd(message, message->fd_count - 1) : -1;
	json_t *body = message_from_error(error);
	if (control >= 0)
		message_send(control, body, NULL, 0, NULL);
	json_decref(body);
}

static void run_handover(int socket, void *data)
{
	struct handover *handover = data;
	cleanup_error struct error *error = NULL;
	cleanup_message struct message message = {0};
	if (message_receive(socket, &message, 10000, &error) < 0 || !message.body)
		return;
	cleanup_free char *directory = instance_run_directory(handover->instance);
	if (monitor_request(directory, handover->request, message.fds, message.fd_count, NULL,
			    &error) < 0)
		refuse(&message, error);
}

struct response *attach_by_descriptors(struct instance *instance, json_t *request)
{
	struct handover *handover = memory_alloc(sizeof(*handover));
	*handover = (struct handover){instance, request};
	return response_upgrade_fd(run_handover, handover, handover_free);
}

/* ---- the request ---- */

static const char *const exec_fields[] = {
	"command",
	"environment",
	"wait-for-websocket",
	"interactive",
	"width",
	"height",
	"user",
	"group",
	"cwd",
	"record-output",
	"user_name",
	"group_name",
	NULL,
};

static int check_command(const json_t *command, struct error **error)
{
	size_t i;
	const json_t *word;
	if (json_array_size(command) == 0)
		return error_set(error, ERROR_INVALID, "\"command\" must be a list of words");
	json_array_foreach (command, i, word)
		if (!json_is_string(word))
			return error_set(error, ERROR_INVALID,
					 "\"command\" must be a list of words");
	return 0;
}

static void copy_field(json_t *to, const char *name, const json_t *body, const char *field)
{
	json_t *value = json_object_get(body, field);
	if (value && !json_is_null(value))
		json_object_set(to, name, value);
}

/* environment.* of the instance, below what the client sends. */
static json_t *make_environment(struct instance *instance, const json_t *asked,
				struct error **error)
{
	cleanup_instance_row struct instance_row row = {0};
	json_t *config = NULL, *environment = json_object();
	const char *key;
	json_t *value;
	if (db_instance_get_by_id(instance->server->db, instance->id, &row, error) < 0 ||
	    instance_expand(instance->server, &row, &config, NULL, error) < 0) {
		json_decref(environment);
		return NULL;
	}
	json_object_foreach (config, key, value)
		if (strncmp(key, "environment.", 12) == 0)
			json_object_set(environment, key + 12, value);
	json_decref(config);
	json_object_update(environment, (json_t *)asked);
	return environment;
}

static json_t *make_request(struct instance *instance, const json_t *body, struct error **error)
{
	bool interactive = false, record = false;
	if (render_check_fields(body, exec_fields, error) < 0 ||
	    check_command(json_object_get(body, "command"), error) < 0 ||
	    render_bool_field(body, "interactive", &interactive, error) < 0 ||
	    render_bool_field(body, "record-output", &record, error) < 0)
		return NULL;
	if (record) {
		error_set(error, ERROR_UNSUPPORTED, "record-output is not supported");
		return NULL;
	}
	json_t *given = render_map_field(body, "environment", error);
	json_t *environment = given ? make_environment(instance, given, error) : NULL;
	json_decref(given);
	if (!environment)
		return NULL;
	json_t *request = json_pack("{s:s, s:O, s:o, s:b}", "op", "exec", "args",
				    json_object_get(body, "command"), "env", environment,
				    "interactive", interactive);
	copy_field(request, "cwd", body, "cwd");
	copy_field(request, "user", body, "user");
	copy_field(request, "group", body, "group");
	copy_field(request, "user", body, "user_name");
	copy_field(request, "group", body, "group_name");
	copy_field(request, "width", body, "width");
	copy_field(request, "height", body, "height");
	/* LXD's clients send 0 for "not asked". */
	if (json_integer_value(json_object_get(request, "group")) == 0 &&
	    json_is_integer(json_object_get(request, "group")))
		json_object_del(request, "group");
	return request;
}

/* ---- WebSockets ---- */

struct session {
	struct instance *instance;
	json_t *request;
	bool connected;
};

static void session_free(void *data)
{
	struct session *session = data;
	instance_unref(session->instance);
	json_decref(session->request);
	free(session);
}

static int run_session(struct operation *operation, void *data, struct error **error)
{
	struct session *session = data;
	return exec_session_run(operation, session->instance, session->request, session->connected,
				error);
}

static struct response *start_session(struct request *request, struct instance *instance,
				      json_t *monitor_request, bool connected, struct error **error)
{
	static const char *const terminal[] = {"0", "control", NULL};
	static const char *const streams[] = {"0", "1", "2", "control", NULL};
	bool interactive = json_is_true(json_object_get(monitor_request, "interactive"));
	struct session *session = memory_alloc(sizeof(*session));
	struct operation *operation = NULL;
	*session = (struct session){instance, monitor_request, connected};
	struct operation_spec spec = {
		.class = connected ? OPERATION_WEBSOCKET : OPERATION_TASK,
		.description = "Executing command",
		.resources = json_pack("{s:[o]}", "instances",
				       render_url(request_instances_path(request), instance->name)),
		.metadata = json_pack("{s:O, s:O, s:b}", "command",
				      json_object_get(monitor_request, "args"), "environment",
				      json_object_get(monitor_request, "env"), "interactive",
				      interactive),
		.sockets = connected ? (interactive ? terminal : streams) : NULL,
		.run = run_session,
		.data = session,
		.destroy = session_free,
	};
	if (operation_run(request_operations(request), &spec, &operation, error) < 0)
		return NULL;
	return response_operation(operation);
}

static struct response *post_exec(struct request *request, struct error **error)
{
	json_t *body = request_body_object(request, error);
	struct instance *instance = body ? instance_of_request(request, error) : NULL;
	bool connected = false;
	if (!instance)
		return NULL;
	json_t *monitor_request = NULL;
	if (instance_check_running(instance, error) == 0 &&
	    render_bool_field(body, "wait-for-websocket", &connected, error) == 0)
		monitor_request = make_request(instance, body, error);
	if (!monitor_request) {
		instance_unref(instance);
		return NULL;
	}
	if (request_upgrade(request) == REQUEST_UPGRADE_FD)
		return attach_by_descriptors(instance, monitor_request);
	return start_session(request, instance, monitor_request, connected, error);
}

const struct route exec_routes[] = {
	{
		.method = "POST",
		.path = "/1.0/instances/{name}/exec",
		.handler = post_exec,
		.flags = ROUTE_UPGRADE_FD,
		.body_limit = 8 << 20, /* argument lists may be long (ARG_MAX) */
	},
	{0},
};
