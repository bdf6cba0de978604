/*
 * The files by which dnsmasq knows running instances: hosts.d/UUID has their
 * names and addresses (hosts(5)), dhcp.d/UUID what DHCP gives to their MAC
 * addresses. dnsmasq reads a new file by itself; that one is gone it is told.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "file.h"
#include "instance/internal.h"
#include "log.h"
#include "memory.h"
#include "network/addresses.h"
#include "network/dnat.h"
#include "network/host_side.h"
#include "network/manager.h"
#include "network/nic.h"
#include "network/zones.h"
#include "server.h"
#include "strbuf.h"

static const char *const kinds[] = {"hosts.d", "dhcp.d"};

static struct nic_addresses addresses_of(const struct network *network, const json_t *nic)
{
	struct nic_addresses result = {"", ""};
	struct address address;
	const char *ipv4 = nic_value(nic, "ipv4");
	if (ipv4 && network->ipv4.address.family)
		snprintf(result.ipv4, sizeof(result.ipv4), "%s", ipv4);
	if (network->ipv6.address.family && nic_ipv6(nic, network, &address))
		address_format(&address, result.ipv6);
	return result;
}

static const struct network *network_of(const struct networks *networks, const json_t *nic)
{
	const char *name = nic_value(nic, "network");
	return name ? *networks_place((struct networks *)networks, name) : NULL;
}

bool nic_addresses(const struct networks *networks, const json_t *nic,
		   struct nic_addresses *addresses)
{
	const struct network *network = network_of(networks, nic);
	if (network)
		*addresses = addresses_of(network, nic);
	return network;
}

/* hosts(5): a second NIC in one network adds its address to the same name. */
static void add_host(const struct network *network, const char *address, const char *name,
		     struct strbuf *hosts)
{
	if (*address && strcmp(network_config_get(network->config, "dns.mode"), "managed") == 0)
		strbuf_printf(hosts, "%s %s.%s %s\n", address, name,
			      network_config_get(network->config, "dns.domain"), name);
}

static void add_dhcp(const struct network *network, const json_t *nic, struct strbuf *dhcp)
{
	struct nic_addresses addresses = addresses_of(network, nic);
	strbuf_append(dhcp, nic_value(nic, "hwaddr"));
	if (*addresses.ipv4)
		strbuf_printf(dhcp, ",%s", addresses.ipv4);
	/* A DHCPv6 server gives what router advertisements would lead to, so that names are right. */
	if (*addresses.ipv6 && network_config_bool(network->config, "ipv6.dhcp.stateful"))
		strbuf_printf(dhcp, ",[%s]", addresses.ipv6);
	strbuf_append(dhcp, "\n");
}

/* What the dnsmasq of @network knows of a NIC, which may be in another network (zones.h). */
static void add_names(struct networks *networks, const struct network *network, const char *name,
		      const json_t *nic, struct strbuf *hosts)
{
	const struct network *in = network_of(networks, nic);
	if (!in)
		return;
	struct nic_addresses addresses = addresses_of(in, nic);
	const char *const both[] = {addresses.ipv4, addresses.ipv6};
	for (int i = 0; i < 2; i++) {
		/* The first name of an address is its reverse name. */
		if (in == network && !zones_reverse(network))
			add_host(network, both[i], name, hosts);
		if (*both[i])
			zones_add_hosts(networks, network, in, name, both[i], hosts);
		if (in == network && zones_reverse(network))
			add_host(network, both[i], name, hosts);
	}
}

/* Written under a name that dnsmasq passes over, then renamed. */
static void write_file(const char *directory, const char *kind, const char *uuid,
		       const struct strbuf *content)
{
	cleanup_free char *path = memory_printf("%s/%s/%s", directory, kind, uuid);
	cleanup_free char *temporary = memory_printf("%s/%s/.%s", directory, kind, uuid);
	cleanup_close int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0 || file_write_all(fd, content->text, content->length) < 0 ||
	    rename(temporary, path) < 0) {
		log_event(LOG_LEVEL_WARNING, NULL, "writing %s: %s", path, strerror(errno));
		unlink(temporary);
	}
}

static void make_hosts(struct networks *networks, const struct network *network, const char *name,
		       const json_t *nics, struct strbuf *hosts)
{
	size_t i;
	const json_t *nic;
	json_array_foreach (nics, i, nic)
		add_names(networks, network, name, nic, hosts);
}

static void announce_in(struct networks *networks, struct network *network, const char *uuid,
			const char *name, const json_t *nics)
{
	cleanup_strbuf struct strbuf hosts = {0}, dhcp = {0};
	cleanup_free char *directory = network_directory(networks->server, network->name);
	size_t i;
	const json_t *nic;
	json_array_foreach (nics, i, nic)
		if (nic_has(nic, "network", network->name))
			add_dhcp(network, nic, &dhcp);
	make_hosts(networks, network, name, nics, &hosts);
	if (dhcp.length)
		write_file(directory, "dhcp.d", uuid, &dhcp);
	if (hosts.length)
		write_file(directory, "hosts.d", uuid, &hosts);
	/* Beside a record with its address, only a reload makes its own name the reverse one. */
	if (hosts.length && zones_have_records(networks, network)) {
		network->stale = true;
		networks_wake(networks);
	}
}

static void rewrite(struct networks *networks, struct network *network, const char *uuid,
		    const json_t *nics)
{
	cleanup_strbuf struct strbuf hosts = {0};
	cleanup_free char *directory = network_directory(networks->server, network->name);
	cleanup_free char *path = memory_printf("%s/hosts.d/%s", directory, uuid);
	cleanup_free char *old = file_try_read_at(AT_FDCWD, path);
	const char *name = json_string_value(json_object_get(networks->names, uuid));
	if (!name)
		return;
	make_hosts(networks, network, name, nics, &hosts);
	if (strcmp(old ? old : "", hosts.text ? hosts.text : "") == 0)
		return;
	network->stale = true;
	if (hosts.length)
		write_file(directory, "hosts.d", uuid, &hosts);
	else
		unlink(path);
}

void names_rewrite(struct networks *networks)
{
	const char *uuid;
	json_t *nics;
	for (struct network *at = networks->first; at; at = at->next)
		json_object_foreach (networks->running, uuid, nics)
			rewrite(networks, at, uuid, nics);
}

static int announce(struct server *server, const char *uuid, const char *name, json_t *nics,
		    struct error **error)
{
	dnat_mark_hairpins(server->networks, nics);
	int result = filters_add(server->networks, uuid, nics, error);
	if (result == 0 && host_side_up(server->networks, uuid, nics, error) < 0) {
		filters_remove(server->networks, uuid);
		result = -1;
	}
	if (result == 0)
		json_object_set_new(server->networks->names, uuid, json_string(name));
	for (struct network *at = server->networks->first; at && result == 0; at = at->next)
		announce_in(server->networks, at, uuid, name, nics);
	return result;
}

/* The lines of dhcp.d/UUID: "MAC,IPv4[,[IPv6]]". */
static void release_leases(const struct network *network, const char *directory, const char *uuid)
{
	cleanup_free char *path = memory_printf("%s/dhcp.d/%s", directory, uuid);
	cleanup_free char *content = file_try_read_at(AT_FDCWD, path);
	char *rest = content;
	for (char *line; content && (line = strsep(&rest, "\n"));) {
		const char *hwaddr = strsep(&line, ","), *ipv4 = line ? strsep(&line, ",") : NULL;
		if (ipv4)
			network_release_lease(network, hwaddr, ipv4);
	}
}

static void remove_file(const struct server *server, struct network *network, const char *uuid)
{
	cleanup_free char *directory = network_directory(server, network->name);
	release_leases(network, directory, uuid);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		cleanup_free char *path = memory_printf("%s/%s/%s", directory, kinds[i], uuid);
		if (unlink(path) == 0)
			network->stale = true;
	}
}

static void withdraw(struct server *server, const char *uuid)
{
	bool stale = false;
	filters_remove(server->networks, uuid);
	json_object_del(server->networks->names, uuid);
	for (struct network *at = server->networks->first; at; at = at->next) {
		remove_file(server, at, uuid);
		stale = stale || at->stale;
	}
	if (stale)
		networks_wake(server->networks);
}

int nics_announce(struct server *server, const char *uuid, const char *name, json_t *nics,
		  struct error **error)
{
	if (json_array_size(nics) == 0)
		return 0;
	networks_hold(server);
	int result = announce(server, uuid, name, nics, error);
	if (result == 0 && acls_change(server->networks, NULL, nics, error) < 0) {
		withdraw(server, uuid);
		host_side_down(server->networks, uuid);
		result = -1;
	}
	networks_release(server);
	return result;
}

/* The ACLs of NICs that stay are in force all the time. */
int nics_change(struct server *server, const char *uuid, const char *name, json_t *nics,
		struct error **error)
{
	networks_hold(server);
	json_t *old = json_incref(json_object_get(server->networks->running, uuid));
	withdraw(server, uuid);
	int result = announce(server, uuid, name, nics, error);
	if (result == 0)
		result = acls_change(server->networks, old, nics, error);
	json_decref(old);
	networks_release(server);
	return result;
}

void nics_withdraw(struct server *server, const char *uuid)
{
	cleanup_error struct error *error = NULL;
	networks_hold(server);
	json_t *old = json_incref(json_object_get(server->networks->running, uuid));
	withdraw(server, uuid);
	host_side_down(server->networks, uuid);
	if (acls_change(server->networks, old, NULL, &error) < 0)
		log_event(LOG_LEVEL_WARNING, NULL, "network ACLs: %s", error_message(error));
	json_decref(old);
	networks_release(server);
}

/* With the NICs that it was started with, and the name. */
static void add_up(struct instance *instance, void *data)
{
	json_t *up = data;
	if (instance_get_state(instance) == INSTANCE_STOPPED)
		return;
	json_object_set_new(json_object_get(up, "nics"), instance->uuid,
			    instance_running_nics(instance));
	json_object_set_new(json_object_get(up, "names"), instance->uuid,
			    json_string(instance->name));
}

static void sweep(const struct server *server, struct network *network, const char *kind)
{
	cleanup_free char *directory = network_directory(server, network->name);
	cleanup_free char *path = memory_printf("%s/%s", directory, kind);
	cleanup_dir DIR *dir = opendir(path);
	struct dirent *entry;
	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.' &&
		    !json_object_get(server->networks->running, entry->d_name))
			remove_file(server, network, entry->d_name);
}

/* Only now, when what leads to running instances is known: a table of before serves until then. */
static void apply_firewall(struct networks *networks)
{
	cleanup_error struct error *error = NULL;
	if ((networks->first || networks->dnat) && firewall_apply(networks, &error) < 0)
		log_event(LOG_LEVEL_ERROR, NULL, "%s", error_message(error));
}

void nics_sweep(struct server *server)
{
	json_t *up = json_pack("{s:{}, s:{}}", "nics", "names");
	cleanup_error struct error *error = NULL;
	instance_registry_each(server, add_up, up);
	networks_hold(server);
	json_object_update(server->networks->running, json_object_get(up, "nics"));
	json_object_update(server->networks->names, json_object_get(up, "names"));
	if (filters_write(server->networks, &error) < 0)
		log_event(LOG_LEVEL_ERROR, NULL, "filters of NICs: %s", error_message(error));
	cleanup_error struct error *problem = NULL;
	server->networks->swept = true;
	if (acls_write(server->networks, &problem) < 0)
		log_event(LOG_LEVEL_ERROR, NULL, "network ACLs: %s", error_message(problem));
	host_side_sweep(server->networks);
	apply_firewall(server->networks);
	for (struct network *at = server->networks->first; at; at = at->next) {
		sweep(server, at, "dhcp.d");
		sweep(server, at, "hosts.d");
		guard_rejoin(server->networks, at->name);
	}
	names_rewrite(server->networks);
	networks_wake(server->networks);
	networks_release(server);
	json_decref(up);
}
