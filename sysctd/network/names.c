/*
 * The files by which dnsmasq knows running instances: hosts.d/UUID has their
 * names and addresses (hosts(5)), dhcp.d/UUID what DHCP gives to their MAC
 * addresses. dnsmasq reads a new file by itself; that one is gone it is told.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "file.h"
#include "instance/internal.h"
#include "log.h"
#include "memory.h"
#include "network/addresses.h"
#include "network/host_side.h"
#include "network/manager.h"
#include "network/nic.h"
#include "server.h"
#include "strbuf.h"

static const char *const kinds[] = {"hosts.d", "dhcp.d"};

/* hosts(5): a second NIC in one network adds its address to the same name. */
static void add_host(struct strbuf *hosts, const char *address, const char *name,
		     const struct network *network)
{
	strbuf_printf(hosts, "%s %s.%s %s\n", address, name,
		      network_config_get(network->config, "dns.domain"), name);
}

static void add_nic(const struct network *network, const char *name, const json_t *nic,
		    struct strbuf *hosts, struct strbuf *dhcp)
{
	char ipv6[ADDRESS_TEXT];
	struct address address;
	const char *ipv4 = nic_value(nic, "ipv4");
	strbuf_append(dhcp, nic_value(nic, "hwaddr"));
	if (ipv4 && network->ipv4.address.family) {
		strbuf_printf(dhcp, ",%s", ipv4);
		add_host(hosts, ipv4, name, network);
	}
	bool known = nic_ipv6(nic, network, &address);
	if (known)
		address_format(&address, ipv6);
	/* A DHCPv6 server gives what router advertisements would lead to, so that names are right. */
	if (known && network_config_bool(network->config, "ipv6.dhcp.stateful"))
		strbuf_printf(dhcp, ",[%s]", ipv6);
	strbuf_append(dhcp, "\n");
	if (known && network->ipv6.address.family)
		add_host(hosts, ipv6, name, network);
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

static void announce_in(const struct server *server, const struct network *network,
			const char *uuid, const char *name, const json_t *nics)
{
	cleanup_strbuf struct strbuf hosts = {0}, dhcp = {0};
	size_t i;
	const json_t *nic;
	json_array_foreach (nics, i, nic)
		if (nic_has(nic, "network", network->name))
			add_nic(network, name, nic, &hosts, &dhcp);
	if (dhcp.length == 0)
		return;
	cleanup_free char *directory = network_directory(server, network->name);
	write_file(directory, "dhcp.d", uuid, &dhcp);
	if (hosts.length)
		write_file(directory, "hosts.d", uuid, &hosts);
}

static int announce(struct server *server, const char *uuid, const char *name, const json_t *nics,
		    struct error **error)
{
	int result = filters_add(server->networks, uuid, nics, error);
	if (result == 0 && host_side_up(server->networks, uuid, nics, error) < 0) {
		filters_remove(server->networks, uuid);
		result = -1;
	}
	for (struct network *at = server->networks->first; at && result == 0; at = at->next)
		announce_in(server, at, uuid, name, nics);
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
	for (struct network *at = server->networks->first; at; at = at->next) {
		remove_file(server, at, uuid);
		stale = stale || at->stale;
	}
	if (stale)
		networks_wake(server->networks);
}

int nics_announce(struct server *server, const char *uuid, const char *name, const json_t *nics,
		  struct error **error)
{
	if (json_array_size(nics) == 0)
		return 0;
	networks_hold(server);
	int result = announce(server, uuid, name, nics, error);
	networks_release(server);
	return result;
}

int nics_change(struct server *server, const char *uuid, const char *name, const json_t *nics,
		struct error **error)
{
	networks_hold(server);
	withdraw(server, uuid);
	int result = announce(server, uuid, name, nics, error);
	networks_release(server);
	return result;
}

void nics_withdraw(struct server *server, const char *uuid)
{
	networks_hold(server);
	withdraw(server, uuid);
	host_side_down(server->networks, uuid);
	networks_release(server);
}

/* With the NICs that it was started with. */
static void add_up(struct instance *instance, void *data)
{
	if (instance_get_state(instance) != INSTANCE_STOPPED)
		json_object_set_new(data, instance->uuid, instance_running_nics(instance));
}

static void sweep(const struct server *server, struct network *network, const json_t *up)
{
	cleanup_free char *directory = network_directory(server, network->name);
	cleanup_free char *path = memory_printf("%s/dhcp.d", directory);
	cleanup_dir DIR *dir = opendir(path);
	struct dirent *entry;
	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.' && !json_object_get(up, entry->d_name))
			remove_file(server, network, entry->d_name);
}

void nics_sweep(struct server *server)
{
	json_t *up = json_object();
	cleanup_error struct error *error = NULL;
	instance_registry_each(server, add_up, up);
	networks_hold(server);
	json_object_update(server->networks->running, up);
	if (filters_write(server->networks, &error) < 0)
		log_event(LOG_LEVEL_ERROR, NULL, "filters of NICs: %s", error_message(error));
	host_side_sweep(server->networks);
	for (struct network *at = server->networks->first; at; at = at->next) {
		sweep(server, at, up);
		guard_rejoin(server->networks, at->name);
		if (at->stale)
			networks_wake(server->networks);
	}
	networks_release(server);
	json_decref(up);
}
