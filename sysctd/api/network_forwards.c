/* /1.0/networks/NAME/forwards: addresses of the world that lead to instances of a network. */
#include <stdlib.h>
#include <string.h>

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
	if (check_network(request, error) < 0)
		return -1;
	return db_part_get(request_server(request)->db, &db_forwards,
			   request_parameter(request, "name"), request_parameter(request, "address"),
			   row, error);
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

/* ---- bodies ---- */

static int take_port(json_t *ports, const json_t *port, struct error **error)
{
	static const char *const fields[] = {"description", "protocol",	   "listen_port",
					     "target_port", "target_address", "snat", NULL};
	json_t *kept = json_object();
	bool snat = false;
	json_array_append_new(ports, kept);
	if (!json_is_object(port))
		return error_set(error, ERROR_INVALID, "a port of \"ports\" must be an object");
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

/* NULL with *error; @present: whether the body has them. */
static json_t *take_ports(const json_t *body, bool *present, struct error **error)
{
	const json_t *given = json_object_get(body, "ports");
	json_t *ports = json_array();
	size_t i;
	const json_t *port;
	*present = given && !json_is_null(given);
	if (*present && !json_is_array(given)) {
		error_set(error, ERROR_INVALID, "\"ports\" must be a list");
		json_decref(ports);
		return NULL;
	}
	json_array_foreach (given, i, port)
		if (take_port(ports, port, error) < 0) {
			json_decref(ports);
			error_prefix(error, "port %zu", i + 1);
			return NULL;
		}
	return ports;
}

/* Description, configuration and ports into the row: replaced, or for PATCH laid over. */
static int take_body(const json_t *body, bool patch, struct part_row *row, struct error **error)
{
	const char *description = patch ? row->description : "";
	bool present;
	json_t *config = render_map_field(body, "config", error);
	json_t *ports = config ? take_ports(body, &present, error) : NULL;
	if (!ports || render_text_field(body, "description", &description, error) < 0) {
		json_decref(config);
		json_decref(ports);
		return -1;
	}
	if (patch)
		json_object_update_missing(config, row->config);
	if (patch && !present)
		json_array_extend(ports, row->list);
	json_decref(row->config);
	json_decref(row->list);
	row->config = config;
	row->list = ports;
	char *copy = memory_strdup(description);
	free(row->description);
	row->description = copy;
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
	if (take_body(body, false, &row, error) < 0 ||
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
	    take_body(body, patch, &row, error) < 0 ||
	    forward_update(request_server(request), &row, error) < 0)
		return NULL;
	publish(request, "network-forward-updated", row.name);
	return response_empty();
}

static struct response *delete_forward(struct request *request, struct error **error)
{
	const char *address = request_parameter(request, "address");
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
