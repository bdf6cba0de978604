/* What the API does with network ACLs (acl.h): the row first, then the tables from the rows. */
#include "network/acl.h"

#include <string.h>

#include "cleanup.h"
#include "fault.h"
#include "network/manager.h"
#include "server.h"

static bool names_itself(const json_t *rules, const char *name)
{
	static const char *const directions[] = {"ingress", "egress"};
	for (int d = 0; d < 2; d++) {
		size_t i;
		const json_t *rule;
		json_array_foreach (json_object_get(rules, directions[d]), i, rule)
			if (acl_list_has(json_string_value(json_object_get(rule, "source")),
					 name) ||
			    acl_list_has(json_string_value(json_object_get(rule, "destination")),
					 name))
				return true;
	}
	return false;
}

/* Names in rules are ACLs that are there, or @name itself. */
static int check_subjects(const struct networks *networks, const json_t *rules, const char *name,
			  struct error **error)
{
	static const char *const directions[] = {"ingress", "egress"};
	static const char *const fields[] = {"source", "destination"};
	for (int d = 0; d < 2; d++) {
		size_t i;
		const json_t *rule;
		json_array_foreach (json_object_get(rules, directions[d]), i, rule)
			for (int f = 0; f < 2; f++) {
				json_t *names = acl_list_split(
					json_string_value(json_object_get(rule, fields[f])));
				size_t k;
				const json_t *item;
				int result = 0;
				json_array_foreach (names, k, item) {
					const char *text = json_string_value(item);
					if (result == 0 && !acl_subject_family(text) &&
					    strcmp(text, name) != 0)
						result = acls_check_names(networks, text, error);
				}
				json_decref(names);
				if (result < 0)
					return error_prefix(error, "%s rule %zu", directions[d],
							    i + 1);
			}
	}
	return 0;
}

static int check_row(const struct networks *networks, const struct object_row *row,
		     struct error **error)
{
	json_t *rules = json_loads(row->kind, 0, NULL);
	int result = check_subjects(networks, rules, row->name, error);
	json_decref(rules);
	return result;
}

static int apply(struct networks *networks, struct error **error)
{
	fault_point("acl.row");
	return acls_reload(networks, error) < 0 ? -1 : acls_write(networks, error);
}

int acl_create(struct server *server, struct object_row *row, struct error **error)
{
	if (acl_check_name(row->name, error) < 0)
		return -1;
	networks_hold(server);
	struct networks *networks = server->networks;
	int result = check_row(networks, row, error);
	if (result == 0)
		result = db_object_create(server->db, &db_network_acls, row, error);
	if (result == 0) {
		fault_point("acl.created");
		result = acls_reload(networks, error);
	}
	networks_release(server);
	return result;
}

int acl_update(struct server *server, const struct object_row *row, struct error **error)
{
	cleanup_object_row struct object_row old = {0};
	struct networks *networks = server->networks;
	networks_hold(server);
	int result = check_row(networks, row, error);
	if (result == 0)
		result = db_object_get(server->db, &db_network_acls, row->name, &old, error);
	if (result == 0)
		result = db_object_update(server->db, &db_network_acls, row, error);
	if (result == 0 && strcmp(old.kind, row->kind) != 0 && apply(networks, error) < 0) {
		db_object_update(server->db, &db_network_acls, &old, NULL);
		apply(networks, NULL);
		result = -1;
	}
	networks_release(server);
	return result;
}

int acl_rename(struct server *server, const char *name, const char *new_name, struct error **error)
{
	cleanup_object_row struct object_row row = {0};
	if (acl_check_name(new_name, error) < 0)
		return -1;
	networks_hold(server);
	int result = db_object_get(server->db, &db_network_acls, name, &row, error);
	json_t *rules = result == 0 ? json_loads(row.kind, 0, NULL) : NULL;
	if (names_itself(rules, name))
		result = error_set(error, ERROR_BUSY,
				   "network ACL \"%s\" is in use by its own rules", name);
	json_decref(rules);
	if (result == 0)
		result = db_object_rename(server->db, &db_network_acls, name, new_name, error);
	if (result == 0)
		result = acls_reload(server->networks, error);
	networks_release(server);
	return result;
}

int acl_delete(struct server *server, const char *name, struct error **error)
{
	cleanup_object_row struct object_row row = {0};
	networks_hold(server);
	int result = db_object_get(server->db, &db_network_acls, name, &row, error);
	if (result == 0)
		result = db_object_delete(server->db, &db_network_acls, name, error);
	if (result == 0) {
		fault_point("acl.deleted");
		acl_log_delete(server, row.id);
		result = acls_reload(server->networks, error);
	}
	networks_release(server);
	return result;
}
