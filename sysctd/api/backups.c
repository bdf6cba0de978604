/*
 * /1.0/instances/NAME/backups, and the same of custom volumes. A POST that accepts application/octet-stream gets
 * the backup itself, which is not kept.
 */
#include "api/backups.h"

#include <stdlib.h>
#include <string.h>

#include "api/instance_render.h"
#include "api/render.h"
#include "api/routes.h"
#include "api/storage_volume_render.h"
#include "backup/backup.h"
#include "cleanup.h"
#include "instance/instance.h"
#include "memory.h"
#include "operation.h"
#include "server.h"

/* The instance or volume in the path; @owner is to be cleared. */
static int owner_of_request(struct request *request, struct backup_owner *owner,
			    struct error **error)
{
	cleanup_volume_row struct volume_row volume = {0};
	if (request_parameter(request, "pool")) {
		if (volume_of_request(request, &volume, error) < 0)
			return -1;
		*owner = backup_owner_of_volume(request_server(request), &volume);
		return 0;
	}
	cleanup_instance struct instance *instance = instance_of_request(request, error);
	if (!instance || render_check_project(request, error) < 0)
		return -1;
	*owner = backup_owner_of_instance(instance);
	return 0;
}

/* ---- reading ---- */

static json_t *to_json(const struct backup_row *row)
{
	json_t *object =
		json_pack("{s:s, s:o, s:o, s:b}", "name", row->name, "created_at",
			  render_time(row->created_at), "expires_at", render_time(row->expires_at),
			  "optimized_storage", row->optimized);
	if (row->kind == BACKUP_OF_VOLUME) {
		json_object_set_new(object, "volume_only", json_boolean(row->only));
		return object;
	}
	json_object_set_new(object, "instance_only", json_boolean(row->only));
	json_object_set_new(object, "container_only", json_boolean(row->only));
	return object;
}

json_t *backups_render(const struct backup_list *list, int64_t id)
{
	json_t *array = json_array();
	for (size_t i = 0; i < list->count; i++)
		if (list->rows[i].owner_id == id)
			json_array_append_new(array, to_json(&list->rows[i]));
	return array;
}

static struct response *list(struct request *request, struct error **error)
{
	cleanup_backup_owner struct backup_owner owner = {0};
	cleanup_backup_list struct backup_list rows = {0};
	if (owner_of_request(request, &owner, error) < 0 ||
	    db_backup_list(owner.server->db, owner.kind, owner.id, &rows, error) < 0)
		return NULL;
	cleanup_free char *url = backup_owner_url(&owner);
	cleanup_free char *prefix = memory_printf("%s/backups", url);
	return render_list(request, backups_render(&rows, owner.id), prefix, "name", error);
}

static int read_row(struct request *request, struct backup_owner *owner, struct backup_row *row,
		    struct error **error)
{
	if (owner_of_request(request, owner, error) < 0)
		return -1;
	return db_backup_get(owner->server->db, owner->kind, owner->id,
			     request_parameter(request, "backup"), row, error);
}

static struct response *get(struct request *request, struct error **error)
{
	cleanup_backup_owner struct backup_owner owner = {0};
	cleanup_backup_row struct backup_row row = {0};
	return read_row(request, &owner, &row, error) < 0 ? NULL : response_sync(to_json(&row));
}

static struct response *get_file(struct request *request, struct error **error)
{
	cleanup_backup_owner struct backup_owner owner = {0};
	cleanup_backup_row struct backup_row row = {0};
	uint64_t size;
	if (read_row(request, &owner, &row, error) < 0)
		return NULL;
	int fd = backup_open(owner.server, &row, &size, error);
	return fd < 0 ? NULL : response_fd(fd, 0, size, NULL);
}

/* ---- changing, in operations ---- */

struct task {
	struct backup_owner owner;
	char *name, *new_name, *compression;
	struct backup_request wanted; /* its texts are these */
	bool reserved;		      /* its name */
};

static void task_free(void *data)
{
	struct task *task = data;
	if (task->reserved)
		backup_name_release(&task->owner, task->name);
	backup_owner_clear(&task->owner);
	free(task->name);
	free(task->new_name);
	free(task->compression);
	free(task);
}

static json_t *resources_of(const struct backup_owner *owner, const char *backup)
{
	json_t *resources = owner->instance ? instance_render_resources(owner->instance->name)
					    : volume_render_resources(owner->pool, owner->name);
	/* As LXD 5 has it, whose client takes the name behind this. */
	if (backup && *backup)
		json_object_set_new(resources, "backups",
				    json_pack("[o]", render_url("/1.0/backups", backup)));
	return resources;
}

static int run_create(struct operation *operation, void *data, struct error **error)
{
	struct task *task = data;
	cleanup_backup_row struct backup_row made = {0};
	task->wanted.name = task->name;
	task->wanted.compression = task->compression;
	return backup_create(&task->owner, &task->wanted, operation, &made, error);
}

static int run_rename(struct operation *operation, void *data, struct error **error)
{
	struct task *task = data;
	(void)operation;
	return backup_rename(&task->owner, task->name, task->new_name, error);
}

static int run_delete(struct operation *operation, void *data, struct error **error)
{
	struct task *task = data;
	(void)operation;
	return backup_delete(&task->owner, task->name, error);
}

static char *copy(const char *text)
{
	return text ? memory_strdup(text) : NULL;
}

static struct response *run_task(struct request *request, const struct backup_owner *owner,
				 int (*run)(struct operation *, void *, struct error **),
				 const struct backup_request *wanted, const char *new_name,
				 struct error **error)
{
	const char *creating = owner->instance ? "Backing up instance" : "Backing up custom volume";
	const char *description = run == run_create   ? creating
				  : run == run_rename ? "Renaming backup"
						      : "Deleting backup";
	struct operation *operation = NULL;
	struct task *task = memory_alloc(sizeof(*task));
	*task = (struct task){
		.owner = backup_owner_copy(owner),
		.name = copy(wanted->name),
		.new_name = copy(new_name),
		.compression = copy(wanted->compression),
		.wanted = *wanted,
		.reserved = run == run_create,
	};
	struct operation_spec spec = {
		.class = OPERATION_TASK,
		.description = description,
		.resources = resources_of(owner, wanted->name),
		.may_cancel = run == run_create,
		.run = run,
		.data = task,
		.destroy = task_free,
	};
	if (operation_run(request_operations(request), &spec, &operation, error) < 0)
		return NULL;
	return response_operation(operation);
}

static ssize_t read_stream(void *data, void *bytes, size_t size)
{
	return backup_stream_read(data, bytes, size);
}

static void free_stream(void *data)
{
	backup_stream_free(data);
}

/* LXD has several words for it. */
static int take_only(const json_t *body, bool *only, struct error **error)
{
	static const char *const fields[] = {"instance_only", "container_only", "volume_only"};
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (!*only && render_bool_field(body, fields[i], only, error) < 0)
			return -1;
	return 0;
}

static int take_request(const json_t *body, struct backup_request *wanted, struct error **error)
{
	static const char *const fields[] = {
		"name",	       "expires_at",	    "instance_only",	     "container_only",
		"volume_only", "optimized_storage", "compression_algorithm", "target",
		NULL};
	const json_t *target = json_object_get(body, "target");
	if (render_check_fields(body, fields, error) < 0 ||
	    render_text_field(body, "name", &wanted->name, error) < 0 ||
	    render_text_field(body, "compression_algorithm", &wanted->compression, error) < 0 ||
	    render_parse_time(json_object_get(body, "expires_at"), "expires_at",
			      &wanted->expires_at, error) < 0 ||
	    render_bool_field(body, "optimized_storage", &wanted->optimized, error) < 0 ||
	    take_only(body, &wanted->only, error) < 0)
		return -1;
	/* LXD's default, and its client calls the file backup.tar.gz. */
	if (!wanted->compression || !*wanted->compression)
		wanted->compression = "gzip";
	return !target || json_is_null(target)
		       ? 0
		       : error_set(
				 error, ERROR_UNSUPPORTED,
				 "backups to another \"target\" are not supported: download them");
}

static bool wants_stream(const struct request *request)
{
	const char *accept = request_header(request, "Accept");
	return accept && strcasecmp(accept, "application/octet-stream") == 0;
}

/* Clients find the name of one without a name in the operation's resources. */
static struct response *keep(struct request *request, const struct backup_owner *owner,
			     struct backup_request *wanted, struct error **error)
{
	cleanup_free char *name = backup_name_reserve(owner, wanted->name, error);
	if (!name)
		return NULL;
	wanted->name = name;
	return run_task(request, owner, run_create, wanted, NULL, error);
}

static struct response *create(struct request *request, struct error **error)
{
	cleanup_backup_owner struct backup_owner owner = {0};
	const json_t *body = request_body_object(request, error);
	struct backup_request wanted = {.name = ""};
	if (!body || owner_of_request(request, &owner, error) < 0 ||
	    take_request(body, &wanted, error) < 0 || backup_check(&owner, &wanted, error) < 0)
		return NULL;
	if (!wants_stream(request))
		return keep(request, &owner, &wanted, error);
	struct backup_stream *stream = backup_stream_open(&owner, &wanted, error);
	return stream ? response_stream(read_stream, stream, free_stream) : NULL;
}

static struct response *rename_backup(struct request *request, struct error **error)
{
	cleanup_backup_owner struct backup_owner owner = {0};
	cleanup_backup_row struct backup_row row = {0};
	const json_t *body = request_body_object(request, error);
	struct backup_request wanted = {.name = ""};
	if (!body || read_row(request, &owner, &row, error) < 0 ||
	    render_text_field(body, "name", &wanted.name, error) < 0)
		return NULL;
	const char *new_name = wanted.name;
	if (!*new_name) {
		error_set(error, ERROR_INVALID, "the backup needs a \"name\"");
		return NULL;
	}
	if (backup_check(&owner, &wanted, error) < 0)
		return NULL;
	wanted.name = row.name;
	return run_task(request, &owner, run_rename, &wanted, new_name, error);
}

static struct response *delete_backup(struct request *request, struct error **error)
{
	cleanup_backup_owner struct backup_owner owner = {0};
	cleanup_backup_row struct backup_row row = {0};
	if (read_row(request, &owner, &row, error) < 0)
		return NULL;
	const struct backup_request wanted = {.name = row.name};
	return run_task(request, &owner, run_delete, &wanted, NULL, error);
}

#define OF_INSTANCE "/1.0/instances/{name}/backups"
#define OF_VOLUME   VOLUMES "/{type}/{name}/backups"
#define ROUTES(backups)                                                                            \
	{.method = "GET", .path = (backups), .handler = list},                                     \
		{.method = "POST", .path = (backups), .handler = create},                          \
		{.method = "GET", .path = backups "/{backup}", .handler = get},                    \
		{.method = "POST", .path = backups "/{backup}", .handler = rename_backup},         \
		{.method = "DELETE", .path = backups "/{backup}", .handler = delete_backup},       \
	{                                                                                          \
		.method = "GET", .path = backups "/{backup}/export", .handler = get_file           \
	}

const struct route backup_routes[] = {
	ROUTES(OF_INSTANCE),
	ROUTES(OF_VOLUME),
	{0},
};
