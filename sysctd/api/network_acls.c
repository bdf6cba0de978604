/* /1.0/network-acls: lists of rules for NICs and networks (network/acl.h). */
#include <stdlib.h>
#include <string.h>

#include "api/render.h"
#include "api/routes.h"
#include "cleanup.h"
#include "db/objects.h"
#include "events.h"
#include "memory.h"
#include "network/acl.h"
#include "server.h"

#define ACLS "/1.0/network-acls"

static const char *const directions[] = {"ingress", "egress"};

static void publish(const struct request *request, const char *action, const char *name)
{
	json_t *url = render_url(ACLS, name);
	event_hub_lifecycle(request_events(request), action, json_string_value(url), NULL);
	json_decref(url);
}

static void add_users(json_t *used_by, const char *prefix, const json_t *names)
{
	json_t *urls = render_urls(prefix, names);
	json_array_extend(used_by, urls);
	json_decref(urls);
}

static json_t *acl_to_json(const struct object_row *row)
{
	json_t *used_by = json_array(), *rules = json_loads(row->kind, 0, NULL);
	add_users(used_by, "/1.0/networks", row->used_by_networks);
	add_users(used_by, "/1.0/instances", row->used_by_instances);
	add_users(used_by, "/1.0/profiles", row->used_by_profiles);
	add_users(used_by, ACLS, row->used_by_acls);
	json_t *object = json_pack("{s:s, s:s, s:O, s:s, s:o}", "name", row->name, "description",
				   row->description, "config", row->config, "project", "default",
				   "used_by", used_by);
	for (int d = 0; d < 2; d++)
		json_object_set(object, directions[d], json_object_get(rules, directions[d]));
	json_decref(rules);
	return object;
}

static json_t *etag_content(const struct object_row *row)
{
	return json_pack("[s, s, s, O]", row->name, row->description, row->kind, row->config);
}

static struct response *list(struct request *request, struct error **error)
{
	cleanup_object_list struct object_list rows = {0};
	if (render_check_project(request, error) < 0 ||
	    db_object_list(request_server(request)->db, &db_network_acls, &rows, error) < 0)
		return NULL;
	json_t *objects = json_array();
	for (size_t i = 0; i < rows.count; i++)
		json_array_append_new(objects, acl_to_json(&rows.rows[i]));
	return render_list(request, objects, ACLS, "name", error);
}

static int read_row(const struct request *request, struct object_row *row, struct error **error)
{
	if (render_check_project(request, error) < 0)
		return -1;
	return db_object_get(request_server(request)->db, &db_network_acls,
			     request_parameter(request, "name"), row, error);
}

static struct response *get(struct request *request, struct error **error)
{
	cleanup_object_row struct object_row row = {0};
	if (read_row(request, &row, error) < 0)
		return NULL;
	json_t *content = etag_content(&row);
	struct response *response = response_sync_etag(acl_to_json(&row), content);
	json_decref(content);
	return response;
}

static int check_config(const json_t *config, struct error **error)
{
	const char *key;
	json_t *value;
	json_object_foreach ((json_t *)config, key, value)
		if (strncmp(key, "user.", 5) != 0 || !key[5])
			return error_set(error, ERROR_INVALID,
					 "a network ACL has no key \"%s\", only \"user.*\"", key);
	return 0;
}

/* The rules of one direction: the body's, or with @old (of PATCH) those that were there. */
static json_t *take_rules(const json_t *body, const char *direction, const json_t *old,
			  struct error **error)
{
	const json_t *given = json_object_get(body, direction);
	json_t *rules = NULL;
	if (!given && old)
		return json_deep_copy(json_object_get(old, direction));
	if (!given || json_is_null(given))
		return json_array();
	if (!json_is_array(given)) {
		error_set(error, ERROR_INVALID, "\"%s\" must be a list of rules", direction);
		return NULL;
	}
	rules = json_deep_copy(given);
	if (acl_check_rules(rules, direction, error) == 0)
		return rules;
	json_decref(rules);
	return NULL;
}

static char *take_both(const json_t *body, const json_t *old, struct error **error)
{
	json_t *ingress = take_rules(body, "ingress", old, error);
	json_t *egress = ingress ? take_rules(body, "egress", old, error) : NULL;
	char *text = NULL;
	if (egress) {
		json_t *both = json_pack("{s:O, s:O}", "ingress", ingress, "egress", egress);
		text = json_dumps(both, JSON_COMPACT);
		json_decref(both);
	}
	json_decref(ingress);
	json_decref(egress);
	return text;
}

/* An empty value unsets a key. */
static void drop_empty(json_t *config)
{
	const char *key;
	json_t *value;
	void *next;
	json_object_foreach_safe (config, next, key, value)
		if (!*json_string_value(value))
			json_object_del(config, key);
}

/* Description, config and rules of the body into the row; for PATCH over what is there. */
static int take_body(const json_t *body, bool patch, struct object_row *row, struct error **error)
{
	const char *description = patch ? row->description : "";
	json_t *old = patch ? json_loads(row->kind, 0, NULL) : NULL;
	char *rules = take_both(body, old, error);
	json_t *config = rules ? render_map_field(body, "config", error) : NULL;
	json_decref(old);
	if (!config || render_text_field(body, "description", &description, error) < 0 ||
	    check_config(config, error) < 0) {
		json_decref(config);
		free(rules);
		return -1;
	}
	if (patch)
		json_object_update_missing(config, row->config);
	drop_empty(config);
	json_decref(row->config);
	row->config = config;
	free(row->kind);
	row->kind = rules;
	char *copy = memory_strdup(description);
	free(row->description);
	row->description = copy;
	return 0;
}

static struct response *create(struct request *request, struct error **error)
{
	static const char *const fields[] = {"name",	"description", "config",
					     "ingress", "egress",      NULL};
	const json_t *body = request_body_object(request, error);
	const char *name = NULL;
	cleanup_object_row struct object_row row = {0};
	if (!body || render_check_project(request, error) < 0 ||
	    render_check_fields(body, fields, error) < 0 ||
	    render_text_field(body, "name", &name, error) < 0)
		return NULL;
	row.name = memory_strdup(name ? name : "");
	if (take_body(body, false, &row, error) < 0 ||
	    acl_create(request_server(request), &row, error) < 0)
		return NULL;
	publish(request, "network-acl-created", name);
	return render_created(ACLS, name);
}

static struct response *change(struct request *request, struct error **error)
{
	/* Those that cannot be changed come back from clients that edit what they got. */
	static const char *const fields[] = {"description", "config",  "ingress", "egress",
					     "name",	    "used_by", "project", NULL};
	const json_t *body = request_body_object(request, error);
	cleanup_object_row struct object_row row = {0};
	if (!body || render_check_fields(body, fields, error) < 0 ||
	    read_row(request, &row, error) < 0)
		return NULL;
	json_t *content = etag_content(&row);
	cleanup_free char *etag = response_etag(content);
	json_decref(content);
	bool patch = strcmp(request_method(request), "PATCH") == 0;
	if (request_if_match_check(request, etag, error) < 0 ||
	    take_body(body, patch, &row, error) < 0 ||
	    acl_update(request_server(request), &row, error) < 0)
		return NULL;
	publish(request, "network-acl-updated", row.name);
	return response_empty();
}

static struct response *rename_acl(struct request *request, struct error **error)
{
	static const char *const fields[] = {"name", NULL};
	const json_t *body = request_body_object(request, error);
	const char *name = NULL;
	if (!body || render_check_project(request, error) < 0 ||
	    render_check_fields(body, fields, error) < 0 ||
	    render_text_field(body, "name", &name, error) < 0 ||
	    acl_rename(request_server(request), request_parameter(request, "name"),
		       name ? name : "", error) < 0)
		return NULL;
	publish(request, "network-acl-renamed", name);
	return render_created(ACLS, name);
}

static struct response *delete_acl(struct request *request, struct error **error)
{
	const char *name = request_parameter(request, "name");
	if (render_check_project(request, error) < 0 ||
	    acl_delete(request_server(request), name, error) < 0)
		return NULL;
	publish(request, "network-acl-deleted", name);
	return response_empty();
}

static struct response *get_log(struct request *request, struct error **error)
{
	cleanup_object_row struct object_row row = {0};
	if (read_row(request, &row, error) < 0)
		return NULL;
	char *text = acl_log_get(request_server(request), row.id);
	return response_bytes(text, strlen(text), NULL);
}

#define ACL ACLS "/{name}"

const struct route network_acl_routes[] = {
	{.method = "GET", .path = ACLS, .handler = list},
	{.method = "POST", .path = ACLS, .handler = create},
	{.method = "GET", .path = ACL, .handler = get},
	{.method = "PUT", .path = ACL, .handler = change},
	{.method = "PATCH", .path = ACL, .handler = change},
	{.method = "POST", .path = ACL, .handler = rename_acl},
	{.method = "DELETE", .path = ACL, .handler = delete_acl},
	{.method = "GET", .path = ACL "/log", .handler = get_log},
	{0},
};
