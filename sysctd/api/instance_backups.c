/* /1.0/instances/NAME/backups. A POST that accepts application/octet-stream gets the backup itself, which is not kept. */
#include "api/instance_backups.h"

#include <stdlib.h>
#include <string.h>

#include "api/instance_render.h"
#include "api/render.h"
#include "api/routes.h"
#include "backup/backup.h"
#include "cleanup.h"
#include "instance/instance.h"
#include "memory.h"
#include "operation.h"
#include "server.h"

static char *collection(const char *instance)
{
	json_t *url = render_url("/1.0/instances", instance);
	char *path = memory_printf("%s/backups", json_string_value(url));
	json_decref(url);
	return path;
}

/* ---- reading ---- */

static json_t *to_json(const struct backup_row *row)
{
	return json_pack("{s:s, s:o, s:o, s:b, s:b, s:b}", "name", row->name, "created_at",
			 render_time(row->created_at), "expires_at", render_time(row->expires_at),
			 "instance_only", row->instance_only, "container_only", row->instance_only,
			 "optimized_storage", row->optimized);
}

json_t *backups_render(const struct backup_list *list, int64_t id)
{
	json_t *array = json_array();
	for (size_t i = 0; i < list->count; i++)
		if (list->rows[i].instance_id == id)
			json_array_append_new(array, to_json(&list->rows[i]));
	return array;
}

static struct response *list(struct request *request, struct error **error)
{
	cleanup_instance struct instance *instance = instance_of_request(request, error);
	cleanup_backup_list struct backup_list rows = {0};
	if (!instance || render_check_project(request, error) < 0 ||
	    db_backup_list(request_server(request)->db, instance->id, &rows, error) < 0)
		return NULL;
	cleanup_free char *prefix = collection(request_parameter(request, "name"));
	return render_list(request, backups_render(&rows, instance->id), prefix, "name", error);
}

static int read_row(struct request *request, struct instance *instance, struct backup_row *row,
		    struct error **error)
{
	if (!instance || render_check_project(request, error) < 0)
		return -1;
	return db_backup_get(request_server(request)->db, instance->id,
			     request_parameter(request, "backup"), row, error);
}

static struct response *get(struct request *request, struct error **error)
{
	cleanup_instance struct instance *instance = instance_of_request(request, error);
	cleanup_backup_row struct backup_row row = {0};
	return read_row(request, instance, &row, error) < 0 ? NULL : response_sync(to_json(&row));
}

static struct response *get_file(struct request *request, struct error **error)
{
	cleanup_instance struct instance *instance = instance_of_request(request, error);
	cleanup_backup_row struct backup_row row = {0};
	uint64_t size;
	if (read_row(request, instance, &row, error) < 0)
		return NULL;
	int fd = backup_open(request_server(request), &row, &size, error);
	return fd < 0 ? NULL : response_fd(fd, 0, size, NULL);
}

/* ---- changing, in operations ---- */

struct task {
	struct instance *instance;
	char *name, *new_name, *compression;
	struct backup_request wanted; /* its texts are these */
};

static void task_free(void *data)
{
	struct task *task = data;
	instance_unref(task->instance);
	free(task->name);
	free(task->new_name);
	free(task->compression);
	free(task);
}

static json_t *resources_of(const char *instance, const char *backup)
{
	json_t *resources = instance_render_resources(instance);
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
	return backup_create(task->instance, &task->wanted, operation, &made, error);
}

static int run_rename(struct operation *operation, void *data, struct error **error)
{
	struct task *task = data;
	(void)operation;
	return backup_rename(task->instance, task->name, task->new_name, error);
}

static int run_delete(struct operation *operation, void *data, struct error **error)
{
	struct task *task = data;
	(void)operation;
	return backup_delete(task->instance, task->name, error);
}

static char *copy(const char *text)
{
	return text ? memory_strdup(text) : NULL;
}

static struct response *run_task(struct request *request, const char *description,
				 int (*run)(struct operation *, void *, struct error **),
				 const struct backup_request *wanted, const char *new_name,
				 struct error **error)
{
	struct instance *instance = instance_of_request(request, error);
	struct operation *operation = NULL;
	if (!instance)
		return NULL;
	struct task *task = memory_alloc(sizeof(*task));
	*task = (struct task){
		.instance = instance,
		.name = copy(wanted->name),
		.new_name = copy(new_name),
		.compression = copy(wanted->compression),
		.wanted = *wanted,
	};
	struct operation_spec spec = {
		.class = OPERATION_TASK,
		.description = description,
		.resources = resources_of(instance->name, wanted->name),
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

static int take_request(const json_t *body, struct backup_request *wanted, struct error **error)
{
	static const char *const fields[] = {"name",
					     "expires_at",
					     "instance_only",
					     "container_only",
					     "optimized_storage",
					     "compression_algorithm",
					     "target",
					     NULL};
	const json_t *target = json_object_get(body, "target");
	if (render_check_fields(body, fields, error) < 0 ||
	    render_text_field(body, "name", &wanted->name, error) < 0 ||
	    render_text_field(body, "compression_algorithm", &wanted->compression, error) < 0 ||
	    render_parse_time(json_object_get(body, "expires_at"), "expires_at",
			      &wanted->expires_at, error) < 0 ||
	    render_bool_field(body, "optimized_storage", &wanted->optimized, error) < 0 ||
	    render_bool_field(body, "container_only", &wanted->instance_only, error) < 0 ||
	    (!wanted->instance_only &&
	     render_bool_field(body, "instance_only", &wanted->instance_only, error) < 0))
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
static struct response *keep(struct request *request, const struct instance *instance,
			     struct backup_request *wanted, struct error **error)
{
	cleanup_free char *made =
		*wanted->name ? NULL : backup_make_name(instance->server, instance->id, error);
	if (!*wanted->name && !made)
		return NULL;
	if (made)
		wanted->name = made;
	return run_task(request, "Backing up instance", run_create, wanted, NULL, error);
}

static struct response *create(struct request *request, struct error **error)
{
	cleanup_instance struct instance *instance = instance_of_request(request, error);
	const json_t *body = request_body_object(request, error);
	struct backup_request wanted = {.name = ""};
	if (!instance || !body || render_check_project(request, error) < 0 ||
	    take_request(body, &wanted, error) < 0 || backup_check(instance, &wanted, error) < 0)
		return NULL;
	if (!wants_stream(request))
		return keep(request, instance, &wanted, error);
	struct backup_stream *stream = backup_stream_open(instance, &wanted, error);
	return stream ? response_stream(read_stream, stream, free_stream) : NULL;
}

static struct response *rename_backup(struct request *request, struct error **error)
{
	cleanup_instance struct instance *instance = instance_of_request(request, error);
	cleanup_backup_row struct backup_row row = {0};
	const json_t *body = request_body_object(request, error);
	struct backup_request wanted = {.name = ""};
	if (!body || read_row(request, instance, &row, error) < 0 ||
	    render_text_field(body, "name", &wanted.name, error) < 0)
		return NULL;
	const char *new_name = wanted.name;
	if (!*new_name) {
		error_set(error, ERROR_INVALID, "the backup needs a \"name\"");
		return NULL;
	}
	if (backup_check(instance, &wanted, error) < 0)
		return NULL;
	wanted.name = row.name;
	return run_task(request, "Renaming backup", run_rename, &wanted, new_name, error);
}

static struct response *delete_backup(struct request *request, struct error **error)
{
	cleanup_instance struct instance *instance = instance_of_request(request, error);
	cleanup_backup_row struct backup_row row = {0};
	if (read_row(request, instance, &row, error) < 0)
		return NULL;
	const struct backup_request wanted = {.name = row.name};
	return run_task(request, "Deleting backup", run_delete, &wanted, NULL, error);
}

#define BACKUPS "/1.0/instances/{name}/backups"
#define BACKUP	BACKUPS "/{backup}"

const struct route instance_backup_routes[] = {
	{.method = "GET", .path = BACKUPS, .handler = list},
	{.method = "POST", .path = BACKUPS, .handler = create},
	{.method = "GET", .path = BACKUP, .handler = get},
	{.method = "POST", .path = BACKUP, .handler = rename_backup},
	{.method = "DELETE", .path = BACKUP, .handler = delete_backup},
	{.method = "GET", .path = BACKUP "/export", .handler = get_file},
	{0},
};
