/* POST /1.0/instances: a new one from an image. */
#include <string.h>

#include "api/backup_import.h"
#include "api/instance_render.h"
#include "api/render.h"
#include "api/routes.h"
#include "cleanup.h"
#include "db/instances.h"
#include "instance/instance.h"
#include "memory.h"
#include "operation.h"
#include "server.h"

struct creation {
	struct server *server;
	json_t *body;
	char *made_name; /* when the client gave none */
	struct instance_request request;
	struct instance *source; /* of a copy; NULL: from an image */
	const char *snapshot;
	bool snapshots;
	bool refresh;		 /* one that is there */
	struct instance *target; /* that one; NULL: there is none, it is made */
	bool start;
};

static void creation_free(void *data)
{
	struct creation *creation = data;
	json_decref(creation->body);
	if (creation->source)
		instance_unref(creation->source);
	if (creation->target)
		instance_unref(creation->target);
	free(creation->made_name);
	free(creation);
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
	const struct copy_request copy = {creation->source, creation->snapshot, creation->snapshots,
					  creation->request, operation};
	if (creation->target)
		return instance_refresh(creation->target, &copy, error);
	int made = creation->source ? instance_copy(&copy, &row, error)
				    : instance_create(creation->server, &creation->request,
						      operation, &row, error);
	if (made < 0)
		return -1;
	operation_set_metadata(operation, "name", json_string(row.name));
	return creation->start ? start_new(creation, row.name, error) : 0;
}

/* "INSTANCE" or "INSTANCE/SNAPSHOT". The body is ours to change. */
static int take_copy(struct creation *creation, const json_t *source, struct error **error)
{
	bool only = false;
	const char *project = json_string_value(json_object_get(source, "project"));
	char *name = (char *)json_string_value(json_object_get(source, "source"));
	if (!name || !*name)
		return error_set(error, ERROR_INVALID,
				 "source needs the name of an instance in \"source\"");
	if (project && *project && strcmp(project, "default") != 0)
		return error_set(error, ERROR_NOT_FOUND, "there is no project \"%s\"", project);
	if (render_bool_field(source, "instance_only", &only, error) < 0 ||
	    (!only && render_bool_field(source, "container_only", &only, error) < 0) ||
	    render_bool_field(source, "refresh", &creation->refresh, error) < 0)
		return -1;
	char *slash = strchr(name, '/');
	if (slash)
		*slash++ = '\0';
	if (slash && creation->refresh)
		return error_set(error, ERROR_INVALID,
				 "a copy is brought up to date from an instance, not from a "
				 "snapshot");
	creation->snapshot = slash;
	creation->snapshots = !only;
	creation->source = instance_find(creation->server, name, error);
	return creation->source ? 0 : -1;
}

static int take_source(struct creation *creation, struct error **error)
{
	const json_t *source = json_object_get(creation->body, "source");
	const char *type = json_string_value(json_object_get(source, "type"));
	const char *alias = json_string_value(json_object_get(source, "alias"));
	const char *fingerprint = json_string_value(json_object_get(source, "fingerprint"));
	const char *remote = json_string_value(json_object_get(source, "server"));
	if (type && strcmp(type, "copy") == 0)
		return take_copy(creation, source, error);
	if (!type || strcmp(type, "image") != 0)
		return error_set(error, ERROR_UNSUPPORTED,
				 "instances can be made from an image or as a copy only (source "
				 "type \"%s\")",
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
	if (taken && creation->refresh) {
		creation->target = steal_pointer(&taken);
		return 0;
	}
	return taken ? error_set(error, ERROR_EXISTS, "Instance \"%s\" already exists", taken->name)
		     : 0;
}

/* Clients send the configuration of the source, with what is not theirs to set. */
static void drop_volatile(json_t *config)
{
	const char *key;
	json_t *value;
	void *next;
	json_object_foreach_safe (config, next, key, value)
		if (strncmp(key, "volatile.", 9) == 0)
			json_object_del(config, key);
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
	if (creation->source)
		drop_volatile(json_object_get(body, "config"));
	request->devices = json_is_object(devices) ? devices : NULL;
	request->profiles = json_object_get(body, "profiles");
	return take_name(creation, error);
}

/* What can be refused before anything is begun is refused here, not by the operation. */
static struct response *create(struct request *request, struct error **error)
{
	struct server *server = request_server(request);
	if (request_data(request))
		return backup_import(request, error);
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
		.resources = instance_render_resources(creation->request.name),
		.may_cancel = true,
		.run = run_creation,
		.data = creation,
		.destroy = creation_free,
	};
	if (operation_run(server->operations, &spec, &operation, error) < 0)
		return NULL;
	return response_operation(operation);
}

static int begin_import(struct request *request, struct error **error)
{
	return backup_import_is(request) ? backup_import_begin(request, BACKUP_OF_INSTANCE, error)
					 : 0;
}

const struct route instance_create_routes[] = {
	{.method = "POST", .path = "/1.0/instances", .handler = create, .body_begin = begin_import},
	{0},
};
