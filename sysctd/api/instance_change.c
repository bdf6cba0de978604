/* PUT and PATCH of /1.0/instances/NAME: configuration, devices, profiles. */
#include <string.h>

#include "api/instance_render.h"
#include "api/instance_snapshots.h"
#include "api/render.h"
#include "api/routes.h"
#include "cleanup.h"
#include "db/instances.h"
#include "instance/instance.h"
#include "memory.h"
#include "operation.h"
#include "server.h"

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
	const char *description = "";
	if (render_check_fields(body, put_fields, error) < 0)
		return -1;
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
		body ? instance_of_request(request, error) : NULL;
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

/* With "restore", what else the body says is not looked at, as with LXD. */
static struct response *put(struct request *request, struct error **error)
{
	struct operation *operation = NULL;
	const json_t *body = request_body_object(request, error);
	const char *restore = json_string_value(json_object_get(body, "restore"));
	if (restore && *restore)
		return snapshot_restore(request, restore, error);
	if (change(request, put_into, error) < 0)
		return NULL;
	struct operation_spec spec = {
		.class = OPERATION_TASK,
		.description = "Updating instance",
		.resources = instance_render_resources(request_parameter(request, "name")),
		.run = nothing_to_do,
	};
	if (operation_run(request_operations(request), &spec, &operation, error) < 0)
		return NULL;
	return response_operation(operation);
}

const struct route instance_change_routes[] = {
	{.method = "PUT", .path = "/1.0/instances/{name}", .handler = put},
	{.method = "PATCH", .path = "/1.0/instances/{name}", .handler = patch},
	{0},
};
