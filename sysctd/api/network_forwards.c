/* /1.0/networks/NAME/forwards: addresses of the world that lead to instances of a network. */
#include <stdlib.h>
#include <string.h>

#include "api/parts.h"
#include "api/render.h"
#include "api/routes.h"
#include "cleanup.h"
#include "events.h"
#include "memory.h"
#include "network/forwards.h"
#include "network/network.h"
#include "server.h"

static char *collection(const struct request *request)
{
	json_t *network = render_url("/1.0/networks", request_parameter(request, "name"));
	char *url = memory_printf("%s/forwards", json_string_value(network));
	json_decref(network);
	return url;
}

static void publish(const struct request *request, const char *action, const char *address)
{
	cleanup_free char *prefix = collection(request);
	json_t *url = render_url(prefix, address);
	event_hub_lifecycle(request_events(request), action, json_string_value(url), NULL);
	json_decref(url);
}

static json_t *forward_to_json(const struct part_row *row)
{
	return json_pack("{s:s, s:s, s:O, s:O, s:s}", "listen_address", row->name, "description",
			 row->description, "config", row->config, "ports", row->list, "location",
			 "");
}

static char *etag_of(const struct part_row *row)
{
	json_t *content = forward_to_json(row);
	char *etag = response_etag(content);
	json_decref(content);
	return etag;
}

/* Of the path, as forwards write theirs. */
static const char *address_of(const struct request *request, char text[static ADDRESS_TEXT])
{
	const char *given = request_parameter(request, "address");
	struct address address;
	if (!address_parse(AF_UNSPEC, given, &address))
		return given;
	address_format(&address, text);
	return text;
}

/* The network must be a managed one. */
static int check_network(struct request *request, struct error **error)
{
	if (render_check_project(request, error) < 0 ||
	    !networks_find(request_server(request), request_parameter(request, "name"), error))
		return -1;
	networks_release(request_server(request));
	return 0;
}

static int read_row(struct request *request, struct part_row *row, struct error **error)
{
	char text[ADDRESS_TEXT];
	if (check_network(request, error) < 0)
		return -1;
	return db_part_get(request_server(request)->db, &db_forwards,
			   request_parameter(request, "name"), address_of(request, text), row,
			   error);
}

static struct response *list(struct request *request, struct error **error)
{
	cleanup_part_list struct part_list rows = {0};
	cleanup_free char *prefix = collection(request);
	if (check_network(request, error) < 0 ||
	    db_part_list(request_server(request)->db, &db_forwards,
			 request_parameter(request, "name"), &rows, error) < 0)
		return NULL;
	json_t *objects = json_array();
	for (size_t i = 0; i < rows.count; i++)
		json_array_append_new(objects, forward_to_json(&rows.rows[i]));
	return render_list(request, objects, prefix, "listen_address", error);
}

static struct response *get(struct request *request, struct error **error)
{
	cleanup_part_row struct part_row row = {0};
	if (read_row(request, &row, error) < 0)
		return NULL;
	json_t *content = forward_to_json(&row);
	struct response *response = response_sync_etag(json_incref(content), content);
	json_decref(content);
	return response;
}

static int take_port(const json_t *port, json_t *kept, struct error **error)
{
	static const char *const fields[] = {"description", "protocol",	      "listen_port",
					     "target_port", "target_address", "snat",
					     NULL};
	bool snat = false;
	if (render_check_fields(port, fields, error) < 0 ||
	    render_bool_field(port, "snat", &snat, error) < 0)
		return -1;
	if (snat)
		return error_set(error, ERROR_UNSUPPORTED,
				 "\"snat\" of a forward's port is not supported by sysct: "
				 "ipv4.nat.address of the network says what instances send from");
	for (int i = 0; i < 5; i++) {
		const char *text = "";
		if (render_text_field(port, fields[i], &text, error) < 0)
			return -1;
		json_object_set_new(kept, fields[i], json_string(text));
	}
	return 0;
}

static struct response *create(struct request *request, struct error **error)
{
	static const char *const fields[] = {"listen_address", "description", "config", "ports",
					     NULL};
	const json_t *body = request_body_object(request, error);
	const char *address = "";
	cleanup_part_row struct part_row row = {0};
	cleanup_free char *prefix = collection(request);
	if (!body || check_network(request, error) < 0 ||
	    render_check_fields(body, fields, error) < 0 ||
	    render_text_field(body, "listen_address", &address, error) < 0)
		return NULL;
	row.owner = memory_strdup(request_parameter(request, "name"));
	row.name = memory_strdup(address);
	if (part_take_body(body, false, "ports", take_port, &row, error) < 0 ||
	    forward_create(request_server(request), &row, error) < 0)
		return NULL;
	publish(request, "network-forward-created", row.name);
	return render_created(prefix, row.name);
}

static struct response *change(struct request *request, struct error **error)
{
	static const char *const fields[] = {"listen_address", "description", "config",
					     "ports",	       "location",    NULL};
	const json_t *body = request_body_object(request, error);
	cleanup_part_row struct part_row row = {0};
	if (!body || render_check_fields(body, fields, error) < 0 ||
	    read_row(request, &row, error) < 0)
		return NULL;
	cleanup_free char *etag = etag_of(&row);
	bool patch = strcmp(request_method(request), "PATCH") == 0;
	if (request_if_match_check(request, etag, error) < 0 ||
	    part_take_body(body, patch, "ports", take_port, &row, error) < 0 ||
	    forward_update(request_server(request), &row, error) < 0)
		return NULL;
	publish(request, "network-forward-updated", row.name);
	return response_empty();
}

static struct response *delete_forward(struct request *request, struct error **error)
{
	char text[ADDRESS_TEXT];
	const char *address = address_of(request, text);
	if (check_network(request, error) < 0 ||
	    forward_delete(request_server(request), request_parameter(request, "name"), address,
			   error) < 0)
		return NULL;
	publish(request, "network-forward-deleted", address);
	return response_empty();
}

#define FORWARDS "/1.0/networks/{name}/forwards"
#define FORWARD	 FORWARDS "/{address}"

const struct route network_forward_routes[] = {
	{.method = "GET", .path = FORWARDS, .handler = list},
	{.method = "POST", .path = FORWARDS, .handler = create},
	{.method = "GET", .path = FORWARD, .handler = get},
	{.method = "PUT", .path = FORWARD, .handler = change},
	{.method = "PATCH", .path = FORWARD, .handler = change},
	{.method = "DELETE", .path = FORWARD, .handler = delete_forward},
	{0},
};
