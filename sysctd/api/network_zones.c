/* /1.0/network-zones: domains that the name servers of networks answer for. */
#include <stdlib.h>
#include <string.h>

#include "api/parts.h"
#include "api/render.h"
#include "api/routes.h"
#include "cleanup.h"
#include "events.h"
#include "memory.h"
#include "network/zones.h"
#include "server.h"

#define ZONES "/1.0/network-zones"

static void publish(const struct request *request, const char *action, const char *name)
{
	json_t *url = render_url(ZONES, name);
	event_hub_lifecycle(request_events(request), action, json_string_value(url), NULL);
	json_decref(url);
}

static json_t *zone_to_json(const struct object_row *row)
{
	return json_pack("{s:s, s:s, s:O, s:o, s:s}", "name", row->name, "description",
			 row->description, "config", row->config, "used_by",
			 render_urls("/1.0/networks", row->used_by_instances), "project",
			 "default");
}

static json_t *etag_content(const struct object_row *row)
{
	return json_pack("[s, s, O]", row->name, row->description, row->config);
}

static struct response *list(struct request *request, struct error **error)
{
	cleanup_object_list struct object_list rows = {0};
	if (render_check_project(request, error) < 0 ||
	    db_object_list(request_server(request)->db, &db_zones, &rows, error) < 0)
		return NULL;
	json_t *objects = json_array();
	for (size_t i = 0; i < rows.count; i++)
		json_array_append_new(objects, zone_to_json(&rows.rows[i]));
	return render_list(request, objects, ZONES, "name", error);
}

static int read_row(struct request *request, struct object_row *row, struct error **error)
{
	if (render_check_project(request, error) < 0)
		return -1;
	return db_object_get(request_server(request)->db, &db_zones,
			     request_parameter(request, "zone"), row, error);
}

static struct response *get(struct request *request, struct error **error)
{
	cleanup_object_row struct object_row row = {0};
	if (read_row(request, &row, error) < 0)
		return NULL;
	json_t *content = etag_content(&row);
	struct response *response = response_sync_etag(zone_to_json(&row), content);
	json_decref(content);
	return response;
}

static struct response *create(struct request *request, struct error **error)
{
	static const char *const fields[] = {"name", "description", "config", NULL};
	const json_t *body = request_body_object(request, error);
	const char *name = "";
	cleanup_object_row struct object_row row = {0};
	if (!body || render_check_project(request, error) < 0 ||
	    render_check_fields(body, fields, error) < 0 ||
	    render_text_field(body, "name", &name, error) < 0)
		return NULL;
	row.name = memory_strdup(name);
	if (object_take_body(body, false, &row, error) < 0 ||
	    zone_create(request_server(request), &row, error) < 0)
		return NULL;
	publish(request, "network-zone-created", name);
	return render_created(ZONES, name);
}

static struct response *change(struct request *request, struct error **error)
{
	static const char *const fields[] = {"name",	"description", "config",
					     "used_by", "project",     NULL};
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
	    object_take_body(body, patch, &row, error) < 0 ||
	    zone_update(request_server(request), &row, error) < 0)
		return NULL;
	publish(request, "network-zone-updated", row.name);
	return response_empty();
}

static struct response *delete_zone(struct request *request, struct error **error)
{
	const char *name = request_parameter(request, "zone");
	if (render_check_project(request, error) < 0 ||
	    zone_delete(request_server(request), name, error) < 0)
		return NULL;
	publish(request, "network-zone-deleted", name);
	return response_empty();
}

#define ZONE ZONES "/{zone}"

const struct route network_zone_routes[] = {
	{.method = "GET", .path = ZONES, .handler = list},
	{.method = "POST", .path = ZONES, .handler = create},
	{.method = "GET", .path = ZONE, .handler = get},
	{.method = "PUT", .path = ZONE, .handler = change},
	{.method = "PATCH", .path = ZONE, .handler = change},
	{.method = "DELETE", .path = ZONE, .handler = delete_zone},
	{0},
};
