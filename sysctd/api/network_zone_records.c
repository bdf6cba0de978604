/* /1.0/network-zones/ZONE/records: what a zone has beside the names of instances. */
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

static char *collection(const struct request *request)
{
	json_t *zone = render_url("/1.0/network-zones", request_parameter(request, "zone"));
	char *url = memory_printf("%s/records", json_string_value(zone));
	json_decref(zone);
	return url;
}

static void publish(const struct request *request, const char *action, const char *name)
{
	cleanup_free char *prefix = collection(request);
	json_t *url = render_url(prefix, name);
	event_hub_lifecycle(request_events(request), action, json_string_value(url), NULL);
	json_decref(url);
}

static json_t *record_to_json(const struct part_row *row)
{
	return json_pack("{s:s, s:s, s:O, s:O}", "name", row->name, "description", row->description,
			 "config", row->config, "entries", row->list);
}

static int check_zone(struct request *request, struct error **error)
{
	cleanup_object_row struct object_row zone = {0};
	if (render_check_project(request, error) < 0)
		return -1;
	return db_object_get(request_server(request)->db, &db_zones,
			     request_parameter(request, "zone"), &zone, error);
}

static int read_row(struct request *request, struct part_row *row, struct error **error)
{
	if (check_zone(request, error) < 0)
		return -1;
	return db_part_get(request_server(request)->db, &db_records,
			   request_parameter(request, "zone"), request_parameter(request, "record"),
			   row, error);
}

static struct response *list(struct request *request, struct error **error)
{
	cleanup_part_list struct part_list rows = {0};
	cleanup_free char *prefix = collection(request);
	if (check_zone(request, error) < 0 ||
	    db_part_list(request_server(request)->db, &db_records,
			 request_parameter(request, "zone"), &rows, error) < 0)
		return NULL;
	json_t *objects = json_array();
	for (size_t i = 0; i < rows.count; i++)
		json_array_append_new(objects, record_to_json(&rows.rows[i]));
	return render_list(request, objects, prefix, "name", error);
}

static struct response *get(struct request *request, struct error **error)
{
	cleanup_part_row struct part_row row = {0};
	if (read_row(request, &row, error) < 0)
		return NULL;
	json_t *content = record_to_json(&row);
	struct response *response = response_sync_etag(json_incref(content), content);
	json_decref(content);
	return response;
}

static int take_entry(const json_t *entry, json_t *kept, struct error **error)
{
	static const char *const fields[] = {"type", "value", "ttl", NULL};
	const json_t *ttl = json_object_get(entry, "ttl");
	const char *type = "", *value = "";
	if (render_check_fields(entry, fields, error) < 0 ||
	    render_text_field(entry, "type", &type, error) < 0 ||
	    render_text_field(entry, "value", &value, error) < 0)
		return -1;
	json_int_t seconds = json_integer_value(ttl);
	if ((ttl && !json_is_null(ttl) && !json_is_integer(ttl)) || seconds < 0 ||
	    seconds > INT32_MAX)
		return error_set(error, ERROR_INVALID, "\"ttl\" must be a number of seconds");
	json_object_set_new(kept, "type", json_string(type));
	json_object_set_new(kept, "ttl", json_integer(seconds));
	json_object_set_new(kept, "value", json_string(value));
	return 0;
}

static struct response *create(struct request *request, struct error **error)
{
	static const char *const fields[] = {"name", "description", "config", "entries", NULL};
	const json_t *body = request_body_object(request, error);
	const char *name = "";
	cleanup_part_row struct part_row row = {0};
	cleanup_free char *prefix = collection(request);
	if (!body || check_zone(request, error) < 0 ||
	    render_check_fields(body, fields, error) < 0 ||
	    render_text_field(body, "name", &name, error) < 0)
		return NULL;
	row.owner = memory_strdup(request_parameter(request, "zone"));
	row.name = memory_strdup(name);
	if (part_take_body(body, false, "entries", take_entry, &row, error) < 0 ||
	    zone_record_create(request_server(request), &row, error) < 0)
		return NULL;
	publish(request, "network-zone-record-created", name);
	return render_created(prefix, name);
}

static struct response *change(struct request *request, struct error **error)
{
	static const char *const fields[] = {"name", "description", "config", "entries", NULL};
	const json_t *body = request_body_object(request, error);
	cleanup_part_row struct part_row row = {0};
	if (!body || render_check_fields(body, fields, error) < 0 ||
	    read_row(request, &row, error) < 0)
		return NULL;
	json_t *content = record_to_json(&row);
	cleanup_free char *etag = response_etag(content);
	json_decref(content);
	bool patch = strcmp(request_method(request), "PATCH") == 0;
	if (request_if_match_check(request, etag, error) < 0 ||
	    part_take_body(body, patch, "entries", take_entry, &row, error) < 0 ||
	    zone_record_update(request_server(request), &row, error) < 0)
		return NULL;
	publish(request, "network-zone-record-updated", row.name);
	return response_empty();
}

static struct response *delete_record(struct request *request, struct error **error)
{
	const char *name = request_parameter(request, "record");
	if (check_zone(request, error) < 0 ||
	    zone_record_delete(request_server(request), request_parameter(request, "zone"), name,
			       error) < 0)
		return NULL;
	publish(request, "network-zone-record-deleted", name);
	return response_empty();
}

#define RECORDS "/1.0/network-zones/{zone}/records"
#define RECORD	RECORDS "/{record}"

const struct route network_zone_record_routes[] = {
	{.method = "GET", .path = RECORDS, .handler = list},
	{.method = "POST", .path = RECORDS, .handler = create},
	{.method = "GET", .path = RECORD, .handler = get},
	{.method = "PUT", .path = RECORD, .handler = change},
	{.method = "PATCH", .path = RECORD, .handler = change},
	{.method = "DELETE", .path = RECORD, .handler = delete_record},
	{0},
};
