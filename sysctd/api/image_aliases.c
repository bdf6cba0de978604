/*
 * /1.0/images/aliases. A name may have slashes; a client sends them escaped
 * (debian%2F12, one segment) or not: the routes take up to four segments.
 */
#include <ctype.h>
#include <string.h>

#include "api/render.h"
#include "api/routes.h"
#include "cleanup.h"
#include "db/images.h"
#include "memory.h"
#include "server.h"
#include "strbuf.h"
#include "sysctd/events.h"

#define ALIASES "/1.0/images/aliases"

enum { NAME_MAX_LENGTH = 255 };

static const char *const segments[] = {"a", "b", "c", "d"};

/* The name in the path; the caller frees it. */
static char *alias_name(const struct request *request)
{
	cleanup_strbuf struct strbuf name = {0};
	for (size_t i = 0; i < sizeof(segments) / sizeof(segments[0]); i++) {
		const char *segment = request_parameter(request, segments[i]);
		if (segment)
			strbuf_printf(&name, "%s%s", i ? "/" : "", segment);
	}
	return strbuf_steal(&name);
}

static int check_name(const char *name, struct error **error)
{
	size_t length = name ? strlen(name) : 0;
	bool right = length > 0 && length <= NAME_MAX_LENGTH && name[0] != '/' &&
		     name[length - 1] != '/' && !strstr(name, "//");
	for (size_t i = 0; right && i < length; i++)
		right = !isspace((unsigned char)name[i]) && !iscntrl((unsigned char)name[i]);
	if (right)
		return 0;
	return error_set(error, ERROR_INVALID,
			 "\"%s\" is no name for an alias: it needs 1 to %d characters without "
			 "blanks, and slashes only inside",
			 name ? name : "", NAME_MAX_LENGTH);
}

static json_t *alias_to_json(const struct alias_row *row)
{
	return json_pack("{s:s, s:s, s:s, s:s}", "name", row->name, "description",
			 row->description ? row->description : "", "target", row->fingerprint,
			 "type", row->type ? row->type : "container");
}

static void publish(const struct request *request, const char *action, const char *name)
{
	json_t *url = render_url(ALIASES, name);
	event_hub_lifecycle(request_events(request), action, json_string_value(url), NULL);
	json_decref(url);
}

static struct response *get_aliases(struct request *request, struct error **error)
{
	cleanup_alias_list struct alias_list list = {0};
	if (render_check_project(request, error) < 0 ||
	    db_alias_list(request_server(request)->db, &list, error) < 0)
		return NULL;
	json_t *objects = json_array();
	for (size_t i = 0; i < list.count; i++)
		json_array_append_new(objects, alias_to_json(&list.rows[i]));
	return render_list(request, objects, ALIASES, "name", error);
}

static struct response *get_alias(struct request *request, struct error **error)
{
	cleanup_alias_row struct alias_row row = {0};
	cleanup_free char *name = alias_name(request);
	if (render_check_project(request, error) < 0 ||
	    db_alias_get(request_server(request)->db, name, &row, error) < 0)
		return NULL;
	json_t *alias = alias_to_json(&row);
	return response_sync_etag(alias, alias);
}

/* "target" as a whole fingerprint. */
static int set_target(struct db *db, const char *target, struct alias_row *row,
		      struct error **error)
{
	cleanup_image_row struct image_row image = {0};
	if (db_image_get(db, target, &image, error) < 0)
		return -1;
	free(row->fingerprint);
	row->fingerprint = memory_strdup(image.fingerprint);
	return 0;
}

static struct response *post_aliases(struct request *request, struct error **error)
{
	static const char *const fields[] = {"name", "description", "target", "type", NULL};
	struct db *db = request_server(request)->db;
	const json_t *body = request_body_object(request, error);
	const char *name = NULL, *description = "", *target = NULL, *type = "";
	if (!body || render_check_project(request, error) < 0 ||
	    render_check_fields(body, fields, error) < 0 ||
	    render_text_field(body, "name", &name, error) < 0 ||
	    render_text_field(body, "description", &description, error) < 0 ||
	    render_text_field(body, "target", &target, error) < 0 ||
	    render_text_field(body, "type", &type, error) < 0 || check_name(name, error) < 0)
		return NULL;
	if (!target || !*target) {
		error_set(error, ERROR_INVALID, "an alias needs a \"target\": a fingerprint");
		return NULL;
	}
	if (*type && strcmp(type, "container") != 0) {
		error_set(error, ERROR_UNSUPPORTED, "there are images of type container only");
		return NULL;
	}
	cleanup_alias_row struct alias_row row = {.name = memory_strdup(name),
						  .description = memory_strdup(description)};
	if (set_target(db, target, &row, error) < 0 || db_alias_create(db, &row, error) < 0)
		return NULL;
	publish(request, "image-alias-created", name);
	return render_created(ALIASES, name);
}

static int change(struct request *request, const json_t *body, const char *name,
		  struct error **error)
{
	struct db *db = request_server(request)->db;
	cleanup_alias_row struct alias_row row = {0};
	const char *description = NULL, *target = NULL;
	bool patch = strcmp(request_method(request), "PATCH") == 0;
	if (db_alias_get(db, name, &row, error) < 0 ||
	    render_text_field(body, "description", &description, error) < 0 ||
	    render_text_field(body, "target", &target, error) < 0)
		return -1;
	json_t *old = alias_to_json(&row);
	cleanup_free char *etag = response_etag(old);
	json_decref(old);
	if (request_if_match_check(request, etag, error) < 0)
		return -1;
	if (!patch && (!target || !*target))
		return error_set(error, ERROR_INVALID,
				 "an alias needs a \"target\": a fingerprint");
	if (target && *target && set_target(db, target, &row, error) < 0)
		return -1;
	if (description || !patch) {
		free(row.description);
		row.description = memory_strdup(description ? description : "");
	}
	return db_alias_update(db, &row, error);
}

static struct response *put_alias(struct request *request, struct error **error)
{
	static const char *const fields[] = {"description", "target", NULL};
	struct db *db = request_server(request)->db;
	cleanup_free char *name = alias_name(request);
	const json_t *body = request_body_object(request, error);
	if (!body || render_check_project(request, error) < 0 ||
	    render_check_fields(body, fields, error) < 0 || db_begin(db, DB_DURABLE, error) < 0)
		return NULL;
	if (change(request, body, name, error) < 0) {
		db_rollback(db);
		return NULL;
	}
	if (db_commit(db, error) < 0)
		return NULL;
	publish(request, "image-alias-updated", name);
	return response_empty();
}

static struct response *post_alias(struct request *request, struct error **error)
{
	static const char *const fields[] = {"name", NULL};
	cleanup_free char *name = alias_name(request);
	const json_t *body = request_body_object(request, error);
	const char *new_name = NULL;
	if (!body || render_check_project(request, error) < 0 ||
	    render_check_fields(body, fields, error) < 0 ||
	    render_text_field(body, "name", &new_name, error) < 0 ||
	    check_name(new_name, error) < 0 ||
	    db_alias_rename(request_server(request)->db, name, new_name, error) < 0)
		return NULL;
	publish(request, "image-alias-renamed", new_name);
	return render_created(ALIASES, new_name);
}

static struct response *delete_alias(struct request *request, struct error **error)
{
	cleanup_free char *name = alias_name(request);
	if (render_check_project(request, error) < 0 ||
	    db_alias_delete(request_server(request)->db, name, error) < 0)
		return NULL;
	publish(request, "image-alias-deleted", name);
	return response_empty();
}

#define ALIAS_ROUTES(name)                                                                         \
	{.method = "GET", .path = ALIASES name, .handler = get_alias},                             \
		{.method = "PUT", .path = ALIASES name, .handler = put_alias},                     \
		{.method = "PATCH", .path = ALIASES name, .handler = put_alias},                   \
		{.method = "POST", .path = ALIASES name, .handler = post_alias},                   \
	{                                                                                          \
		.method = "DELETE", .path = ALIASES name, .handler = delete_alias                  \
	}

const struct route image_alias_routes[] = {
	{.method = "GET", .path = ALIASES, .handler = get_aliases},
	{.method = "POST", .path = ALIASES, .handler = post_aliases},
	ALIAS_ROUTES("/{a}"),
	ALIAS_ROUTES("/{a}/{b}"),
	ALIAS_ROUTES("/{a}/{b}/{c}"),
	ALIAS_ROUTES("/{a}/{b}/{c}/{d}"),
	{0},
};
