/* /1.0/networks: managed networks, and what bridges and cards the host has beside. */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "api/parts.h"
#include "api/render.h"
#include "api/routes.h"
#include "cleanup.h"
#include "db/objects.h"
#include "events.h"
#include "links.h"
#include "memory.h"
#include "network/interfaces.h"
#include "network/leases.h"
#include "network/network.h"
#include "server.h"

#define NETWORKS "/1.0/networks"

static void publish(const struct request *request, const char *action, const char *name)
{
	json_t *url = render_url(NETWORKS, name);
	event_hub_lifecycle(request_events(request), action, json_string_value(url), NULL);
	json_decref(url);
}

static json_t *network_to_json(struct server *server, const struct object_row *row)
{
	json_t *used_by = render_urls("/1.0/instances", row->used_by_instances);
	json_t *profiles = render_urls("/1.0/profiles", row->used_by_profiles);
	json_array_extend(used_by, profiles);
	json_decref(profiles);
	const struct network *network = networks_find(server, row->name, NULL);
	bool works = network && !network->problem;
	json_t *object =
		json_pack("{s:s, s:s, s:s, s:O, s:b, s:s, s:[s], s:o, s:s}", "name", row->name,
			  "type", row->kind, "description", row->description, "config", row->config,
			  "managed", 1, "status", works ? "Created" : "Errored", "locations",
			  "none", "used_by", used_by, "project", "default");
	if (network && network->problem) /* ours */
		json_object_set_new(object, "last_error", json_string(network->problem));
	if (network)
		networks_release(server);
	return object;
}

static json_t *etag_content(const struct object_row *row)
{
	return json_pack("[s, b, s, s, O]", row->name, 1, row->kind, row->description, row->config);
}

/* An interface of the host that is no network of ours: a bridge, or a card. */
static json_t *interface_to_json(const char *name)
{
	cleanup_free char *card = memory_printf("/sys/class/net/%s/device", name);
	bool bridge = link_is_bridge(name);
	if (!bridge && access(card, F_OK) != 0)
		return NULL;
	return json_pack("{s:s, s:s, s:s, s:{}, s:b, s:s, s:[], s:[], s:s}", "name", name, "type",
			 bridge ? "bridge" : "physical", "description", "", "config", "managed", 0,
			 "status", "", "locations", "used_by", "project", "default");
}

static bool is_listed(const json_t *objects, const char *name)
{
	size_t i;
	const json_t *object;
	json_array_foreach (objects, i, object)
		if (strcmp(json_string_value(json_object_get(object, "name")), name) == 0)
			return true;
	return false;
}

static void add_interfaces(json_t *objects)
{
	cleanup_dir DIR *dir = opendir("/sys/class/net");
	struct dirent *entry;
	while (dir && (entry = readdir(dir))) {
		json_t *object = entry->d_name[0] == '.' || is_listed(objects, entry->d_name)
					 ? NULL
					 : interface_to_json(entry->d_name);
		if (object)
			json_array_append_new(objects, object);
	}
}

static struct response *list(struct request *request, struct error **error)
{
	struct server *server = request_server(request);
	cleanup_object_list struct object_list rows = {0};
	if (render_check_project(request, error) < 0 ||
	    db_object_list(server->db, &db_networks, &rows, error) < 0)
		return NULL;
	json_t *objects = json_array();
	for (size_t i = 0; i < rows.count; i++)
		json_array_append_new(objects, network_to_json(server, &rows.rows[i]));
	add_interfaces(objects);
	return render_list(request, objects, NETWORKS, "name", error);
}

static struct response *get(struct request *request, struct error **error)
{
	struct server *server = request_server(request);
	const char *name = request_parameter(request, "name");
	cleanup_object_row struct object_row row = {0};
	cleanup_error struct error *problem = NULL;
	if (render_check_project(request, error) < 0)
		return NULL;
	if (db_object_get(server->db, &db_networks, name, &row, &problem) < 0) {
		json_t *object = problem->kind == ERROR_NOT_FOUND && link_exists(name)
					 ? interface_to_json(name)
					 : NULL;
		if (object)
			return response_sync(object);
		error_move(error, steal_pointer(&problem));
		return NULL;
	}
	json_t *content = etag_content(&row);
	struct response *response = response_sync_etag(network_to_json(server, &row), content);
	json_decref(content);
	return response;
}

static int take_type(const char *type, struct error **error)
{
	static const struct {
		const char *type, *advice;
	} others[] = {
		{"macvlan", "give the NIC nictype=macvlan and a parent instead"},
		{"sriov", "there is no support for virtual functions of cards"},
		{"physical", "give the NIC nictype=physical and a parent instead"},
		{"ovn", "bridges with NAT, forwards and zones are what sysct has"},
	};
	if (!type || !*type || strcmp(type, "bridge") == 0)
		return 0;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (strcmp(type, others[i].type) == 0)
			return error_set(
				error, ERROR_UNSUPPORTED,
				"networks of type \"%s\" are not supported, only bridge: %s", type,
				others[i].advice);
	return error_set(error, ERROR_INVALID, "\"%s\" is no type of network: use bridge", type);
}

static struct response *create(struct request *request, struct error **error)
{
	static const char *const fields[] = {"name", "type", "description", "config", NULL};
	const json_t *body = request_body_object(request, error);
	const char *name = NULL, *type = NULL, *description = "";
	cleanup_object_row struct object_row row = {0};
	if (!body || render_check_project(request, error) < 0 ||
	    render_check_fields(body, fields, error) < 0 ||
	    render_text_field(body, "name", &name, error) < 0 ||
	    render_text_field(body, "type", &type, error) < 0 ||
	    render_text_field(body, "description", &description, error) < 0 ||
	    take_type(type, error) < 0)
		return NULL;
	row.name = memory_strdup(name ? name : "");
	row.kind = memory_strdup("bridge");
	row.description = memory_strdup(description);
	row.config = render_map_field(body, "config", error);
	if (!row.config || network_create(request_server(request), &row, error) < 0)
		return NULL;
	publish(request, "network-created", name);
	return render_created(NETWORKS, name);
}

static struct response *change(struct request *request, struct error **error)
{
	/* Those that cannot be changed come back from clients that edit what they got. */
	static const char *const fields[] = {"description", "config",	  "name",      "type",
					     "managed",	    "status",	  "locations", "used_by",
					     "project",	    "last_error", NULL};
	struct server *server = request_server(request);
	const json_t *body = request_body_object(request, error);
	cleanup_object_row struct object_row row = {0};
	if (!body || render_check_project(request, error) < 0 ||
	    render_check_fields(body, fields, error) < 0 ||
	    db_object_get(server->db, &db_networks, request_parameter(request, "name"), &row,
			  error) < 0)
		return NULL;
	json_t *content = etag_content(&row);
	cleanup_free char *etag = response_etag(content);
	json_decref(content);
	bool patch = strcmp(request_method(request), "PATCH") == 0;
	if (request_if_match_check(request, etag, error) < 0 ||
	    object_take_body(body, patch, &row, error) < 0 ||
	    network_update(server, &row, error) < 0)
		return NULL;
	publish(request, "network-updated", row.name);
	return response_empty();
}

static struct response *rename_network(struct request *request, struct error **error)
{
	static const char *const fields[] = {"name", NULL};
	const json_t *body = request_body_object(request, error);
	const char *name = NULL;
	if (!body || render_check_project(request, error) < 0 ||
	    render_check_fields(body, fields, error) < 0 ||
	    render_text_field(body, "name", &name, error) < 0 ||
	    network_rename(request_server(request), request_parameter(request, "name"),
			   name ? name : "", error) < 0)
		return NULL;
	publish(request, "network-renamed", name);
	return render_created(NETWORKS, name);
}

static struct response *delete_network(struct request *request, struct error **error)
{
	const char *name = request_parameter(request, "name");
	if (render_check_project(request, error) < 0 ||
	    network_delete(request_server(request), name, error) < 0)
		return NULL;
	publish(request, "network-deleted", name);
	return response_empty();
}

/* ---- what it does now ---- */

static json_t *bridge_ports(const char *name)
{
	cleanup_free char *path = memory_printf("/sys/class/net/%s/brif", name);
	cleanup_dir DIR *dir = opendir(path);
	struct dirent *entry;
	json_t *ports = json_array();
	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			json_array_append_new(ports, json_string(entry->d_name));
	return ports;
}

static struct response *get_state(struct request *request, struct error **error)
{
	const char *name = request_parameter(request, "name");
	json_t *all = interfaces_read(0, INTERFACES_COUNTERS);
	json_t *state = json_incref(json_object_get(all, name));
	json_decref(all);
	if (!state) {
		error_set(error, ERROR_NOT_FOUND,
			  "Network not found: the host has no interface \"%s\"", name);
		return NULL;
	}
	json_object_del(state, "host_name");
	if (link_is_bridge(name))
		json_object_set_new(state, "bridge",
				    json_pack("{s:b, s:i, s:b, s:o}", "stp", 0, "forward_delay", 0,
					      "vlan_filtering", 0, "upper_devices",
					      bridge_ports(name)));
	return response_sync(state);
}

static struct response *get_leases(struct request *request, struct error **error)
{
	json_t *leases =
		leases_read(request_server(request), request_parameter(request, "name"), error);
	return leases ? response_sync(leases) : NULL;
}

static struct response *get_allocations(struct request *request, struct error **error)
{
	json_t *allocations = allocations_read(request_server(request), error);
	return allocations ? response_sync(allocations) : NULL;
}

#define NETWORK NETWORKS "/{name}"

const struct route network_routes[] = {
	{.method = "GET", .path = NETWORKS, .handler = list},
	{.method = "POST", .path = NETWORKS, .handler = create},
	{.method = "GET", .path = NETWORK, .handler = get},
	{.method = "PUT", .path = NETWORK, .handler = change},
	{.method = "PATCH", .path = NETWORK, .handler = change},
	{.method = "POST", .path = NETWORK, .handler = rename_network},
	{.method = "DELETE", .path = NETWORK, .handler = delete_network},
	{.method = "GET", .path = NETWORK "/state", .handler = get_state},
	{.method = "GET", .path = NETWORK "/leases", .handler = get_leases},
	{.method = "GET", .path = "/1.0/network-allocations", .handler = get_allocations},
	{0},
};
