/* What the API does with networks: create, change, rename, delete (network.h). */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "fault.h"
#include "file.h"
#include "links.h"
#include "memory.h"
#include "network/forwards.h"
#include "network/host_bus.h"
#include "network/manager.h"
#include "network/zones.h"
#include "server.h"

static int check_overlap(const struct networks *networks, const struct network *new,
			 struct error **error)
{
	for (const struct network *at = networks->first; at; at = at->next) {
		if (strcmp(at->name, new->name) == 0)
			continue;
		bool four = at->ipv4.address.family &&
			    new->ipv4.address.family &&subnet_overlaps(&at->ipv4, &new->ipv4);
		bool six = at->ipv6.address.family &&
			   new->ipv6.address.family &&subnet_overlaps(&at->ipv6, &new->ipv6);
		if (four || six)
			return error_set(error, ERROR_EXISTS,
					 "its ipv%d.address overlaps that of network \"%s\"",
					 four ? 4 : 6, at->name);
	}
	return 0;
}

static int check_acls(const struct networks *networks, const struct network *new,
		      struct error **error)
{
	return acls_check_names(networks, network_config_get(new->config, "security.acls"), error);
}

static void append(struct networks *networks, struct network *network)
{
	*networks_place(networks, "") = network;
}

/* With the lock held. Undone in the order it was done. */
static int create_locked(struct networks *networks, struct object_row *row, struct network *network,
			 struct error **error)
{
	struct db *db = networks->server->db;
	if (check_overlap(networks, network, error) < 0 ||
	    forwards_check_network(networks, network, error) < 0 ||
	    zones_check_network(networks, network->config, error) < 0 ||
	    check_acls(networks, network, error) < 0 ||
	    db_object_create(db, &db_networks, row, error) < 0)
		return -1;
	fault_point("network.row");
	append(networks, network);
	int result = network_bring_up(networks, network, error);
	fault_point("network.up");
	if (result == 0 && firewall_apply(networks, error) == 0)
		return 0;
	*networks_place(networks, network->name) = NULL; /* it is the last */
	network_take_down(networks, network);
	firewall_apply(networks, NULL);
	cleanup_free char *directory = network_directory(networks->server, row->name);
	file_remove_tree_at(AT_FDCWD, directory, NULL);
	db_object_delete(db, &db_networks, row->name, NULL);
	return -1;
}

int network_create(struct server *server, struct object_row *row, struct error **error)
{
	struct networks *networks = server->networks;
	if (link_check_name(row->name, error) < 0 ||
	    network_config_check(row->config, true, error) < 0)
		return -1;
	struct network *network = network_new(row->name, row->config, error);
	if (!network)
		return -1;
	networks_hold(server);
	/* A bridge that exists is somebody else's; one of the database is ours. */
	int result =
		*networks_place(networks, row->name)
			? error_set(error, ERROR_EXISTS, "network \"%s\" already exists", row->name)
		: link_exists(row->name)
			? error_set(error, ERROR_EXISTS, "the host has an interface \"%s\" already",
				    row->name)
			: create_locked(networks, row, network, error);
	names_rewrite(networks);
	networks_release(server);
	if (result < 0)
		network_free(network);
	else
		networks_wake(networks);
	return result;
}

/* What the new one goes on with. */
static void hand_over(struct network *old, struct network *new)
{
	json_t *taken = new->taken;
	new->taken = old->taken;
	old->taken = taken;
	new->dnsmasq = old->dnsmasq;
	new->dnsmasq_pidfd = old->dnsmasq_pidfd;
	old->dnsmasq_pidfd = -1;
}

static int swap_in(struct networks *networks, struct network *old, struct network *new,
		   struct error **error)
{
	hand_over(old, new);
	new->next = old->next;
	*networks_place(networks, old->name) = new;
	host_bus_touch(networks);
	int result = bridge_change(old, new, error);
	if (result == 0)
		result = dnsmasq_up(networks->server, new, true, error);
	if (result == 0)
		result = firewall_apply(networks, error);
	network_set_problem(new, NULL);
	return result;
}

static int update_locked(struct networks *networks, const struct object_row *row,
			 struct network *new, struct error **error)
{
	struct network *old = *networks_place(networks, row->name);
	if (!old)
		return error_set(error, ERROR_NOT_FOUND, "Network not found: \"%s\"", row->name);
	if (check_overlap(networks, new, error) < 0 ||
	    forwards_check_network(networks, new, error) < 0 ||
	    zones_check_network(networks, new->config, error) < 0 ||
	    check_acls(networks, new, error) < 0)
		return -1;
	if (!json_equal(old->config, new->config)) {
		if (swap_in(networks, old, new, error) < 0) {
			swap_in(networks, new, old, NULL);
			return -1;
		}
	}
	if (db_object_update(networks->server->db, &db_networks, row, error) == 0) {
		network_free(json_equal(old->config, new->config) ? new : old);
		return 0;
	}
	if (!json_equal(old->config, new->config))
		swap_in(networks, new, old, NULL);
	return -1;
}

int network_update(struct server *server, const struct object_row *row, struct error **error)
{
	if (network_config_check(row->config, false, error) < 0)
		return -1;
	struct network *new = network_new(row->name, row->config, error);
	if (!new)
		return -1;
	networks_hold(server);
	int result = update_locked(server->networks, row, new, error);
	if (result < 0)
		network_free(new);
	names_rewrite(server->networks);
	networks_release(server);
	networks_wake(server->networks);
	return result;
}

static int delete_locked(struct networks *networks, const char *name, struct error **error)
{
	struct server *server = networks->server;
	struct network **place = networks_place(networks, name), *network = *place;
	cleanup_free char *directory = network_directory(server, name);
	cleanup_part_list struct part_list forwards = {0};
	if (!network)
		return error_set(error, ERROR_NOT_FOUND, "Network not found: \"%s\"", name);
	if (forwards_read(networks, name, &forwards, error) < 0 ||
	    db_object_delete(server->db, &db_networks, name, error) < 0)
		return -1;
	fault_point("network.deleted");
	forwards_forget(networks, &forwards);
	*place = network->next;
	network_take_down(networks, network);
	network_free(network);
	firewall_apply(networks, NULL);
	file_remove_tree_at(AT_FDCWD, directory, NULL);
	return 0;
}

int network_delete(struct server *server, const char *name, struct error **error)
{
	networks_hold(server);
	int result = delete_locked(server->networks, name, error);
	networks_release(server);
	networks_wake(server->networks);
	return result;
}

/* The bridge has the network's name: an unused network is taken down and made again. */
static int rename_locked(struct networks *networks, const char *name, const char *new_name,
			 struct error **error)
{
	struct server *server = networks->server;
	struct network *network = *networks_place(networks, name);
	cleanup_free char *directory = network_directory(server, name);
	if (!network)
		return error_set(error, ERROR_NOT_FOUND, "Network not found: \"%s\"", name);
	if (link_exists(new_name))
		return error_set(error, ERROR_EXISTS, "the host has an interface \"%s\" already",
				 new_name);
	if (db_object_rename(server->db, &db_networks, name, new_name, error) < 0)
		return -1;
	network_take_down(networks, network);
	file_remove_tree_at(AT_FDCWD, directory, NULL);
	free(network->name);
	network->name = memory_strdup(new_name);
	if (network_bring_up(networks, network, error) < 0 || firewall_apply(networks, error) < 0) {
		network_set_problem(network, error ? *error : NULL);
		return -1;
	}
	return 0;
}

int network_rename(struct server *server, const char *name, const char *new_name,
		   struct error **error)
{
	if (link_check_name(new_name, error) < 0)
		return -1;
	networks_hold(server);
	int result = rename_locked(server->networks, name, new_name, error);
	names_rewrite(server->networks);
	networks_release(server);
	networks_wake(server->networks);
	return result;
}
