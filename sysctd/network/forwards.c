/* See forwards.h. */
#include "network/forwards.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "fault.h"
#include "log.h"
#include "memory.h"
#include "network/forward_ports.h"
#include "network/manager.h"
#include "server.h"

static const struct {
	const char *name, *help;
} keys[] = {
	{"target_address",
	 "Address in the network to which everything goes that has no port of its own."},
	{"user.*", "Anything; sysct only keeps it."},
};

const char *forward_config_key(size_t index, const char **fallback, const char **help)
{
	if (index >= sizeof(keys) / sizeof(keys[0]))
		return NULL;
	*fallback = NULL;
	*help = keys[index].help;
	return keys[index].name;
}

/* The address alone names it: two forwards never have the same. */
static char *owner_of(const struct part_row *row)
{
	return memory_printf("the forward %s", row->name);
}

/* ---- what may be ---- */

static bool is_usable(const struct address *address)
{
	struct in6_addr six;
	memcpy(&six, address->bytes, sizeof(six));
	if (address->family == AF_INET)
		return address->bytes[0] > 0 && address->bytes[0] < 224 && address->bytes[0] != 127;
	return !IN6_IS_ADDR_UNSPECIFIED(&six) && !IN6_IS_ADDR_LOOPBACK(&six) &&
	       !IN6_IS_ADDR_MULTICAST(&six) && !IN6_IS_ADDR_LINKLOCAL(&six) &&
	       !IN6_IS_ADDR_V4MAPPED(&six);
}

static bool has(const struct network *network, const struct address *address)
{
	const struct subnet *subnet = address->family == AF_INET6 ? &network->ipv6 : &network->ipv4;
	return subnet->address.family && subnet_contains(subnet, address);
}

static int check_listen(const struct networks *networks, struct part_row *row, struct error **error)
{
	char text[ADDRESS_TEXT];
	struct address address;
	if (!address_parse(AF_UNSPEC, row->name, &address) || !is_usable(&address))
		return error_set(error, ERROR_INVALID,
				 "listen_address: \"%s\" is not an address that others can send to",
				 row->name);
	for (const struct network *at = networks->first; at; at = at->next)
		if (has(at, &address))
			return error_set(
				error, ERROR_INVALID,
				"listen_address: %s is in the subnet of the network \"%s\"",
				row->name, at->name);
	address_format(&address, text);
	free(row->name);
	row->name = memory_strdup(text);
	return 0;
}

static int check_config(json_t *config, struct error **error)
{
	const char *key;
	json_t *value;
	void *next;
	json_object_foreach_safe (config, next, key, value)
		if (!*json_string_value(value))
			json_object_del(config, key);
	json_object_foreach (config, key, value)
		if (strcmp(key, keys[0].name) != 0 && strncmp(key, "user.", 5) != 0)
			return error_set(error, ERROR_INVALID, "a forward has no key \"%s\"", key);
	return 0;
}

/* Everything but whether the row is there. */
static int examine(struct networks *networks, struct part_row *row, struct dnat_list *list,
		   struct error **error)
{
	const struct network *network = *networks_place(networks, row->owner);
	cleanup_free char *owner = owner_of(row);
	if (!network)
		return error_set(error, ERROR_NOT_FOUND,
				 "Network not found: there is no managed network \"%s\"",
				 row->owner);
	if (check_config(row->config, error) < 0 || forward_entries(row, network, list, error) < 0)
		return -1;
	return dnat_check(networks, owner, list->entries, list->count, error);
}

/* ---- the API ---- */

static int create_locked(struct networks *networks, struct part_row *row, struct error **error)
{
	struct db *db = networks->server->db;
	cleanup_dnat_list struct dnat_list list = {0};
	if (!*networks_place(networks, row->owner))
		return examine(networks, row, &list, error);
	if (check_listen(networks, row, error) < 0 || examine(networks, row, &list, error) < 0 ||
	    db_part_create(db, &db_forwards, row, error) < 0)
		return -1;
	fault_point("forward.row");
	cleanup_free char *owner = owner_of(row);
	if (dnat_set(networks, owner, list.entries, list.count, error) == 0)
		return 0;
	db_part_delete(db, &db_forwards, row->owner, row->name, NULL);
	return -1;
}

int forward_create(struct server *server, struct part_row *row, struct error **error)
{
	networks_hold(server);
	int result = create_locked(server->networks, row, error);
	networks_release(server);
	return result;
}

/* What the row of the database says, for the way back. */
static void restore(struct networks *networks, const struct part_row *row)
{
	cleanup_part_row struct part_row old = {0};
	cleanup_dnat_list struct dnat_list list = {0};
	cleanup_free char *owner = owner_of(row);
	if (db_part_get(networks->server->db, &db_forwards, row->owner, row->name, &old, NULL) ==
		    0 &&
	    examine(networks, &old, &list, NULL) == 0)
		dnat_set(networks, owner, list.entries, list.count, NULL);
}

static int update_locked(struct networks *networks, struct part_row *row, struct error **error)
{
	cleanup_dnat_list struct dnat_list list = {0};
	cleanup_free char *owner = owner_of(row);
	if (examine(networks, row, &list, error) < 0 ||
	    dnat_set(networks, owner, list.entries, list.count, error) < 0)
		return -1;
	fault_point("forward.changed");
	if (db_part_update(networks->server->db, &db_forwards, row, error) == 0)
		return 0;
	restore(networks, row);
	return -1;
}

int forward_update(struct server *server, struct part_row *row, struct error **error)
{
	networks_hold(server);
	int result = update_locked(server->networks, row, error);
	networks_release(server);
	return result;
}

int forward_delete(struct server *server, const char *network, const char *address,
		   struct error **error)
{
	const struct part_row row = {.name = (char *)address};
	cleanup_free char *owner = owner_of(&row);
	networks_hold(server);
	int result = db_part_delete(server->db, &db_forwards, network, address, error);
	if (result == 0) {
		fault_point("forward.deleted");
		dnat_remove(server->networks, owner);
	}
	networks_release(server);
	return result;
}

/* ---- the manager ---- */

static void load(struct networks *networks, struct part_row *row)
{
	cleanup_error struct error *problem = NULL;
	cleanup_dnat_list struct dnat_list list = {0};
	cleanup_free char *owner = owner_of(row);
	if (examine(networks, row, &list, &problem) < 0)
		log_event(LOG_LEVEL_ERROR, NULL, "forward %s of network %s: %s", row->name,
			  row->owner, error_message(problem));
	else
		dnat_note(networks, owner, list.entries, list.count);
}

int forwards_load(struct networks *networks, struct error **error)
{
	cleanup_part_list struct part_list rows = {0};
	if (db_part_list(networks->server->db, &db_forwards, NULL, &rows, error) < 0)
		return -1;
	for (size_t i = 0; i < rows.count; i++)
		load(networks, &rows.rows[i]);
	return 0;
}

int forwards_check_network(const struct networks *networks, const struct network *network,
			   struct error **error)
{
	cleanup_part_list struct part_list rows = {0};
	struct address listen;
	if (db_part_list(networks->server->db, &db_forwards, NULL, &rows, error) < 0)
		return -1;
	for (size_t i = 0; i < rows.count; i++) {
		struct part_row *row = &rows.rows[i];
		cleanup_dnat_list struct dnat_list list = {0};
		if (address_parse(AF_UNSPEC, row->name, &listen) && has(network, &listen))
			return error_set(error, ERROR_INVALID,
					 "its subnet has the address %s, which a forward of the "
					 "network \"%s\" listens on",
					 row->name, row->owner);
		if (strcmp(row->owner, network->name) == 0 &&
		    forward_entries(row, network, &list, error) < 0)
			return error_prefix(error, "its forward %s", row->name);
	}
	return 0;
}

int forwards_read(struct networks *networks, const char *network, struct part_list *list,
		  struct error **error)
{
	return db_part_list(networks->server->db, &db_forwards, network, list, error);
}

void forwards_forget(struct networks *networks, const struct part_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		cleanup_free char *owner = owner_of(&list->rows[i]);
		dnat_note(networks, owner, NULL, 0);
	}
}
