/* See object.h. */
#include "object.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "input.h"
#include "lib/cleanup.h"
#include "lib/memory.h"
#include "operation.h"
#include "lib/yaml_text.h"

enum { WRITABLE_MAX = 8, TRIES = 5 };

static const struct {
	const char *path;
	const char *writable[WRITABLE_MAX];
} kinds[] = {
	[OBJECT_INSTANCE] = {"/1.0/instances/%s",
			     {"architecture", "config", "description", "devices", "ephemeral",
			      "profiles", "stateful"}},
	[OBJECT_SNAPSHOT] = {"/1.0/instances/%s/snapshots/%s", {"description", "expires_at"}},
	[OBJECT_PROFILE] = {"/1.0/profiles/%s", {"config", "description", "devices"}},
	[OBJECT_POOL] = {"/1.0/storage-pools/%s", {"config", "description"}},
	[OBJECT_NETWORK] = {"/1.0/networks/%s", {"config", "description"}},
	[OBJECT_NETWORK_ACL] = {"/1.0/network-acls/%s",
				{"config", "description", "egress", "ingress"}},
	[OBJECT_IMAGE] = {"/1.0/images/%s",
			  {"auto_update", "properties", "public", "expires_at", "profiles"}},
	[OBJECT_ALIAS] = {"/1.0/images/aliases/%s", {"description", "target"}},
	[OBJECT_SERVER] = {"/1.0", {"config"}},
	[OBJECT_VOLUME] = {"/1.0/storage-pools/%s/volumes/custom/%s", {"config", "description"}},
	[OBJECT_VOLUME_SNAPSHOT] = {"/1.0/storage-pools/%s/volumes/custom/%s/snapshots/%s",
				    {"description", "expires_at"}},
	[OBJECT_FORWARD] = {"/1.0/networks/%s/forwards/%s", {"config", "description", "ports"}},
	[OBJECT_ZONE] = {"/1.0/network-zones/%s", {"config", "description"}},
	[OBJECT_RECORD] = {"/1.0/network-zones/%s/records/%s",
			   {"config", "description", "entries"}},
};

char *object_path(const struct object *object)
{
	const char *slash =
		object->kind == OBJECT_VOLUME_SNAPSHOT ? strchr(object->part, '/') : NULL;
	cleanup_free char *first =
		slash ? memory_strndup(object->part, (size_t)(slash - object->part)) : NULL;
	return client_path(kinds[object->kind].path, object->name, first ? first : object->part,
			   slash ? slash + 1 : NULL, NULL);
}

int object_words(enum object_kind kind)
{
	const char *first = strstr(kinds[kind].path, "%s");
	return !first ? 0 : strstr(first + 1, "%s") ? 2 : 1;
}

json_t *object_read(struct cli *cli, const struct object *object, struct error **error)
{
	cleanup_free char *path = object_path(object);
	return client_get(cli_client(cli), path, error);
}

json_t *object_writable(enum object_kind kind, const json_t *data)
{
	json_t *body = json_object();
	for (size_t i = 0; i < WRITABLE_MAX && kinds[kind].writable[i]; i++) {
		const char *key = kinds[kind].writable[i];
		json_t *value = json_object_get(data, key);
		if (value)
			json_object_set_new(body, key, json_deep_copy(value));
	}
	return body;
}

json_t *object_member(json_t *body, const char *key)
{
	json_t *value = json_object_get(body, key);
	if (!json_is_object(value)) {
		value = json_object();
		json_object_set_new(body, key, value);
	}
	return value;
}

int object_write(struct cli *cli, const struct object *object, const json_t *body, const char *etag,
		 struct error **error)
{
	cleanup_free char *path = object_path(object);
	cleanup_reply struct reply reply = {0};
	if (client_send(cli_client(cli), "PUT", path, body, etag, error) < 0 ||
	    client_receive(cli_client(cli), &reply, error) < 0)
		return -1;
	return operation_finish(cli, &reply, "Updating", NULL, error);
}

static int change_once(struct cli *cli, const struct object *object,
		       int (*change)(json_t *body, void *data, struct error **error), void *data,
		       struct error **error)
{
	cleanup_free char *path = object_path(object);
	cleanup_reply struct reply reply = {0};
	if (client_request(cli_client(cli), "GET", path, NULL, &reply, error) < 0)
		return -1;
	cleanup_json json_t *body = object_writable(object->kind, reply.metadata);
	if (change(body, data, error) < 0)
		return -1;
	return object_write(cli, object, body, reply.etag, error);
}

int object_change(struct cli *cli, const struct object *object,
		  int (*change)(json_t *body, void *data, struct error **error), void *data,
		  struct error **error)
{
	for (int try = 1;; try++) {
		struct error *problem = NULL;
		if (change_once(cli, object, change, data, &problem) == 0)
			return 0;
		if (try == TRIES || !problem || problem->kind != ERROR_PRECONDITION) {
			error_move(error, problem);
			return -1;
		}
		error_free(problem);
	}
}

static int write_text(struct cli *cli, const struct object *object, const char *text,
		      const char *etag, struct error **error)
{
	cleanup_json json_t *body = yaml_to_json(text, error);
	if (!body)
		return -1;
	if (!json_is_object(body))
		return error_set(error, ERROR_INVALID, "the YAML is not a mapping");
	return object_write(cli, object, body, etag, error);
}

/* A mistake is shown and the same text offered again, so that no work is lost. */
static int edit_until_good(struct cli *cli, const struct object *object, const char *text,
			   const char *etag, struct error **error)
{
	cleanup_free char *now = memory_strdup(text);
	for (;;) {
		struct error *problem = NULL;
		cleanup_free char *changed = input_edit(now, error);
		if (!changed)
			return -1;
		if (strcmp(changed, text) == 0)
			return 0; /* as it was: nothing to do */
		if (write_text(cli, object, changed, etag, &problem) == 0)
			return 0;
		cli_print_error(problem);
		if (!input_confirm("Edit again? [Y/n]")) {
			error_move(error, problem);
			return error_prefix(error, "nothing was changed");
		}
		error_free(problem);
		free(now);
		now = steal_pointer(&changed);
	}
}

int object_edit(struct cli *cli, const struct object *object, struct error **error)
{
	if (!isatty(STDIN_FILENO)) {
		cleanup_free char *text = input_read_text(STDIN_FILENO, error);
		return text ? write_text(cli, object, text, NULL, error) : -1;
	}
	cleanup_free char *path = object_path(object);
	cleanup_reply struct reply reply = {0};
	if (client_request(cli_client(cli), "GET", path, NULL, &reply, error) < 0)
		return -1;
	cleanup_json json_t *body = object_writable(object->kind, reply.metadata);
	cleanup_free char *text = yaml_from_json(body, error);
	if (!text)
		return -1;
	return edit_until_good(cli, object, text, reply.etag, error);
}
