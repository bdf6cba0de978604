/*
 * /1.0/profiles. A profile may only become what every instance using it stays
 * valid with; it is checked and stored in one transaction, then applied to the
 * running instances, and taken back when one of them refuses.
 */
#include <string.h>

#include "api/render.h"
#include "api/routes.h"
#include "cleanup.h"
#include "db/instances.h"
#include "db/profiles.h"
#include "instance/config_keys.h"
#include "instance/device_types.h"
#include "instance/instance.h"
#include "log.h"
#include "memory.h"
#include "network/nic.h"
#include "server.h"
#include "sysctd/events.h"

#define PROFILES "/1.0/profiles"

enum { NAME_MAX_LENGTH = 63 };

static json_t *profile_to_json(const struct profile_row *row)
{
	return json_pack("{s:s, s:s, s:O, s:O, s:s, s:o}", "name", row->name, "description",
			 row->description ? row->description : "", "config", row->config, "devices",
			 row->devices, "project", "default", "used_by",
			 render_urls("/1.0/instances", row->used_by));
}

static json_t *profile_etag_content(const struct profile_row *row)
{
	return json_pack("[O, s, O]", row->config, row->description ? row->description : "",
			 row->devices);
}

static void publish(const struct request *request, const char *action, const char *name)
{
	json_t *url = render_url(PROFILES, name);
	event_hub_lifecycle(request_events(request), action, json_string_value(url), NULL);
	json_decref(url);
}

static int check_name(const char *name, struct error **error)
{
	size_t length = name ? strlen(name) : 0;
	bool right = length > 0 && length <= NAME_MAX_LENGTH && strcmp(name, ".") != 0 &&
		     strcmp(name, "..") != 0;
	for (size_t i = 0; right && i < length; i++)
		right = (unsigned char)name[i] > ' ' && name[i] != '/' && name[i] != 127;
	if (right)
		return 0;
	return error_set(error, ERROR_INVALID,
			 "\"%s\" is no name for a profile: it needs 1 to %d characters without "
			 "blanks and slashes",
			 name ? name : "", NAME_MAX_LENGTH);
}

static struct response *get_profiles(struct request *request, struct error **error)
{
	cleanup_profile_list struct profile_list list = {0};
	if (render_check_project(request, error) < 0 ||
	    db_profile_list(request_server(request)->db, &list, error) < 0)
		return NULL;
	json_t *objects = json_array();
	for (size_t i = 0; i < list.count; i++)
		json_array_append_new(objects, profile_to_json(&list.rows[i]));
	return render_list(request, objects, PROFILES, "name", error);
}

static struct response *get_profile(struct request *request, struct error **error)
{
	cleanup_profile_row struct profile_row row = {0};
	if (render_check_project(request, error) < 0 ||
	    db_profile_get(request_server(request)->db, request_parameter(request, "name"), &row,
			   error) < 0)
		return NULL;
	json_t *content = profile_etag_content(&row);
	struct response *response = response_sync_etag(profile_to_json(&row), content);
	json_decref(content);
	return response;
}

/* "devices" of a body with all values as texts; a new object. */
static json_t *devices_field(const json_t *body, struct error **error)
{
	const char *name;
	json_t *device;
	const json_t *found = json_object_get(body, "devices");
	json_t *devices = json_object();
	if (found && !json_is_null(found) && !json_is_object(found)) {
		error_set(error, ERROR_INVALID, "\"devices\" must be an object");
		json_decref(devices);
		return NULL;
	}
	json_object_foreach ((json_t *)found, name, device) {
		json_t *keys = render_map_field(found, name, error);
		if (!keys) {
			json_decref(devices);
			return NULL;
		}
		json_object_set_new(devices, name, keys);
	}
	return devices;
}

/* Replaces config and devices of a row by the body's; with @patch they are laid over the old. */
static int take_maps(const json_t *body, bool patch, struct profile_row *row, struct error **error)
{
	json_t *config = render_map_field(body, "config", error);
	json_t *devices = config ? devices_field(body, error) : NULL;
	if (!devices) {
		json_decref(config);
		return -1;
	}
	if (patch) {
		json_object_update_missing(config, row->config);
		json_object_update_missing(devices, row->devices);
	}
	config_normalize(config);
	json_decref(row->config);
	json_decref(row->devices);
	row->config = config;
	row->devices = devices;
	if (config_validate(row->config, CONFIG_SCOPE_PROFILE, error) < 0)
		return -1;
	return devices_validate(row->devices, error);
}

static int take_body(const json_t *body, bool patch, struct profile_row *row, struct error **error)
{
	const char *description = patch ? row->description : "";
	if (render_text_field(body, "description", &description, error) < 0)
		return -1;
	char *copy = memory_strdup(description ? description : "");
	free(row->description);
	row->description = copy;
	return take_maps(body, patch, row, error);
}

/* Whether one instance is valid with the profiles as they will be. */
static int check_user(const struct profile_list *profiles, const struct instance_row *instance,
		      struct error **error)
{
	json_t *config = NULL, *devices = NULL;
	if (config_expand(profiles, instance->profiles, instance->config, instance->devices,
			  &config, &devices, error) < 0)
		return -1;
	const char *pool = devices_root_pool(devices, error);
	int result = pool ? 0 : -1;
	if (pool && strcmp(pool, instance->pool) != 0)
		result = error_set(error, ERROR_INVALID,
				   "its root disk is in pool \"%s\" and cannot move to \"%s\"",
				   instance->pool, pool);
	json_decref(config);
	json_decref(devices);
	return result;
}

static int check_users(struct db *db, const struct profile_row *new, struct error **error)
{
	cleanup_profile_list struct profile_list profiles = {0};
	size_t i;
	json_t *name;
	if (db_profile_list(db, &profiles, error) < 0)
		return -1;
	struct profile_row *row = (struct profile_row *)profile_list_find(&profiles, new->name);
	if (!row)
		return error_set(error, ERROR_NOT_FOUND, "profile \"%s\" is gone", new->name);
	json_decref(row->config);
	json_decref(row->devices);
	row->config = json_incref(new->config);
	row->devices = json_incref(new->devices);
	json_array_foreach (new->used_by, i, name) {
		cleanup_instance_row struct instance_row instance = {0};
		if (db_instance_get(db, json_string_value(name), &instance, error) < 0)
			return -1;
		if (check_user(&profiles, &instance, error) < 0)
			return error_prefix(error, "instance %s uses this profile", instance.name);
	}
	return 0;
}

/* Not in a transaction: the networks have a lock of their own. */
static int check_acls(const struct request *request, const json_t *body, struct error **error)
{
	return nics_check_acls(request_server(request), json_object_get(body, "devices"), error);
}

static struct response *post_profiles(struct request *request, struct error **error)
{
	static const char *const fields[] = {"name", "description", "config", "devices", NULL};
	cleanup_profile_row struct profile_row row = {0};
	const json_t *body = request_body_object(request, error);
	const char *name = NULL;
	if (!body || render_check_project(request, error) < 0 ||
	    render_check_fields(body, fields, error) < 0 ||
	    render_text_field(body, "name", &name, error) < 0 || check_name(name, error) < 0)
		return NULL;
	row.name = memory_strdup(name);
	if (take_body(body, false, &row, error) < 0 || check_acls(request, body, error) < 0 ||
	    db_profile_create(request_server(request)->db, &row, error) < 0)
		return NULL;
	publish(request, "profile-created", name);
	return render_created(PROFILES, name);
}

/* In a transaction: checks the body and stores it; @old is what was there. */
static int store(struct request *request, const json_t *body, struct profile_row *old,
		 struct error **error)
{
	struct db *db = request_server(request)->db;
	const char *name = request_parameter(request, "name");
	bool patch = strcmp(request_method(request), "PATCH") == 0;
	cleanup_profile_row struct profile_row row = {0};
	if (db_profile_get(db, name, old, error) < 0 || db_profile_get(db, name, &row, error) < 0)
		return -1;
	json_t *content = profile_etag_content(old);
	cleanup_free char *etag = response_etag(content);
	json_decref(content);
	if (request_if_match_check(request, etag, error) < 0 ||
	    take_body(body, patch, &row, error) < 0 || check_users(db, &row, error) < 0)
		return -1;
	return db_profile_update(db, &row, error);
}

/* Running instances take the change, or nobody does. */
static int apply(struct server *server, const struct profile_row *old, struct error **error)
{
	cleanup_error struct error *problem = NULL;
	if (instances_profile_changed(server, old->name, error) == 0)
		return 0;
	if (db_profile_update(server->db, old, &problem) < 0 ||
	    instances_profile_changed(server, old->name, &problem) < 0)
		log_event(LOG_LEVEL_WARNING, NULL, "taking back a change of profile %s: %s",
			  old->name, error_message(problem));
	return -1;
}

static struct response *put_profile(struct request *request, struct error **error)
{
	/* "name" and "used_by" come back from clients that edit what they got. */
	static const char *const fields[] = {"description", "config",  "devices", "name",
					     "used_by",	    "project", NULL};
	struct server *server = request_server(request);
	cleanup_profile_row struct profile_row old = {0};
	const json_t *body = request_body_object(request, error);
	if (!body || render_check_project(request, error) < 0 ||
	    render_check_fields(body, fields, error) < 0 || check_acls(request, body, error) < 0 ||
	    db_begin(server->db, DB_DURABLE, error) < 0)
		return NULL;
	if (store(request, body, &old, error) < 0) {
		db_rollback(server->db);
		return NULL;
	}
	if (db_commit(server->db, error) < 0 || apply(server, &old, error) < 0)
		return NULL;
	publish(request, "profile-updated", old.name);
	return response_empty();
}

static struct response *post_profile(struct request *request, struct error **error)
{
	static const char *const fields[] = {"name", NULL};
	const json_t *body = request_body_object(request, error);
	const char *name = NULL;
	if (!body || render_check_project(request, error) < 0 ||
	    render_check_fields(body, fields, error) < 0 ||
	    render_text_field(body, "name", &name, error) < 0 || check_name(name, error) < 0 ||
	    db_profile_rename(request_server(request)->db, request_parameter(request, "name"), name,
			      error) < 0)
		return NULL;
	publish(request, "profile-renamed", name);
	return render_created(PROFILES, name);
}

static struct response *delete_profile(struct request *request, struct error **error)
{
	const char *name = request_parameter(request, "name");
	if (render_check_project(request, error) < 0 ||
	    db_profile_delete(request_server(request)->db, name, error) < 0)
		return NULL;
	publish(request, "profile-deleted", name);
	return response_empty();
}

#define PROFILE PROFILES "/{name}"

const struct route profile_routes[] = {
	{.method = "GET", .path = PROFILES, .handler = get_profiles},
	{.method = "POST", .path = PROFILES, .handler = post_profiles},
	{.method = "GET", .path = PROFILE, .handler = get_profile},
	{.method = "PUT", .path = PROFILE, .handler = put_profile},
	{.method = "PATCH", .path = PROFILE, .handler = put_profile},
	{.method = "POST", .path = PROFILE, .handler = post_profile},
	{.method = "DELETE", .path = PROFILE, .handler = delete_profile},
	{0},
};
