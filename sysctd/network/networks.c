/*
 * The manager of networks (network.h): the list of them, what the API changes,
 * and one thread that starts a dnsmasq that died and tells one whose files
 * changed to read them again. The thread sleeps while there is nothing to do.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "file.h"
#include "log.h"
#include "memory.h"
#include "network/addresses.h"
#include "network/dnat.h"
#include "network/forwards.h"
#include "network/host_bus.h"
#include "network/manager.h"
#include "network/nic.h"
#include "network/zones.h"
#include "process.h"
#include "server.h"

enum { RELOAD_DELAY = 50, RETRY_DELAY = 5000, WATCHED_MAX = 256 };

char *network_directory(const struct server *server, const char *name)
{
	return memory_printf("%s/networks/%s", server->paths.state, name);
}

void networks_hold(struct server *server)
{
	pthread_mutex_lock(&server->networks->lock);
}

void networks_release(struct server *server)
{
	pthread_mutex_unlock(&server->networks->lock);
}

long long networks_now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000LL + time.tv_nsec / 1000000;
}

void networks_wake(struct networks *networks)
{
	uint64_t one = 1;
	if (write(networks->wake, &one, sizeof(one)) < 0)
		log_event(LOG_LEVEL_WARNING, NULL, "waking the thread of networks: %s",
			  strerror(errno));
}

struct network **networks_place(struct networks *networks, const char *name)
{
	struct network **at = &networks->first;
	while (*at && strcmp((*at)->name, name) != 0)
		at = &(*at)->next;
	return at;
}

struct network *networks_find(struct server *server, const char *name, struct error **error)
{
	networks_hold(server);
	struct network *network = *networks_place(server->networks, name);
	if (network)
		return network;
	networks_release(server);
	error_set(error, ERROR_NOT_FOUND, "Network not found: there is no managed network \"%s\"",
		  name);
	return NULL;
}

void networks_each_port(const struct networks *networks, const char *bridge,
			void (*visit)(struct netlink *netlink, const json_t *nic))
{
	cleanup_netlink struct netlink netlink = NETLINK_INIT;
	const char *uuid;
	json_t *nics;
	const json_t *nic;
	size_t i;
	if (netlink_open(&netlink, NULL) < 0)
		return;
	json_object_foreach (networks->running, uuid, nics)
		json_array_foreach (nics, i, nic)
			if (nic_has(nic, "bridge", bridge))
				visit(&netlink, nic);
}

/* ---- one network ---- */

static int take_subnet(const json_t *config, const char *key, int family, struct subnet *subnet,
		       struct error **error)
{
	const char *value = network_config_get(config, key);
	*subnet = (struct subnet){0};
	if (!value || strcmp(value, "none") == 0)
		return 0;
	return subnet_parse(family, value, subnet, error);
}

void network_free(struct network *network)
{
	if (!network)
		return;
	cleanup_close_fd(&network->dnsmasq_pidfd);
	json_decref(network->config);
	json_decref(network->taken);
	free(network->problem);
	free(network->name);
	free(network);
}

struct network *network_new(const char *name, const json_t *config, struct error **error)
{
	struct network *network = memory_alloc(sizeof(*network));
	network->dnsmasq_pidfd = -1;
	network->name = memory_strdup(name);
	network->config = json_deep_copy(config);
	network->taken = json_object();
	if (take_subnet(config, "ipv4.address", AF_INET, &network->ipv4, error) == 0 &&
	    take_subnet(config, "ipv6.address", AF_INET6, &network->ipv6, error) == 0)
		return network;
	network_free(network);
	return NULL;
}

int network_bring_up(struct networks *networks, struct network *network, struct error **error)
{
	if (bridge_up(network, error) < 0)
		return -1;
	host_bus_touch(networks);
	return dnsmasq_up(networks->server, network, false, error);
}

/* Told once, not each time that it is tried again. */
void network_set_problem(struct network *network, const struct error *error)
{
	char *problem = error ? memory_strdup(error_message(error)) : NULL;
	if (problem && (!network->problem || strcmp(problem, network->problem) != 0))
		log_event(LOG_LEVEL_ERROR, NULL, "network %s: %s", network->name, problem);
	free(network->problem);
	network->problem = problem;
}

void network_take_down(struct networks *networks, struct network *network)
{
	neighbours_dismiss(networks, network->name);
	host_bus_touch(networks);
	dnsmasq_down(networks->server, network);
	bridge_down(network);
}

/* ---- the thread ---- */

/* One that dies as soon as it runs waits for its turn like one that does not start. */
static void look_after(struct networks *networks, struct network *network)
{
	cleanup_error struct error *error = NULL;
	if (network->dnsmasq_pidfd >= 0 && process_pidfd_wait(network->dnsmasq_pidfd, 0)) {
		log_event(LOG_LEVEL_WARNING, NULL, "network %s: dnsmasq ended; starting another",
			  network->name);
		cleanup_close_fd(&network->dnsmasq_pidfd);
		network->dnsmasq_pidfd = -1;
		network->dnsmasq = 0;
		bool often = networks_now() - network->mended_at < RETRY_DELAY;
		network->mended_at = networks_now();
		if (often)
			error_set(&error, ERROR_INTERNAL, "dnsmasq ends again and again");
		else
			dnsmasq_up(networks->server, network, false, &error);
		network_set_problem(network, error);
	} else if (network->problem && networks_now() - network->mended_at >= RETRY_DELAY) {
		network->mended_at = networks_now();
		network_bring_up(networks, network, &error);
		network_set_problem(network, error);
	}
	if (network->stale)
		dnsmasq_reload(network);
}

/* The descriptors to wait for; @timeout: when what does not work is tried again. */
static nfds_t collect(struct networks *networks, struct pollfd *fds, int *timeout)
{
	nfds_t count = 0;
	fds[count++] = (struct pollfd){networks->wake, POLLIN, 0};
	fds[count++] = host_bus_wait(networks, timeout);
	fds[count++] = (struct pollfd){networks->link_events, POLLIN, 0};
	fds[count++] = (struct pollfd){networks->rule_events, POLLIN, 0};
	fds[count++] = (struct pollfd){networks->acl_log, POLLIN, 0};
	for (struct network *at = networks->first; at && count < WATCHED_MAX; at = at->next) {
		if (at->dnsmasq_pidfd >= 0)
			fds[count++] = (struct pollfd){at->dnsmasq_pidfd, POLLIN, 0};
		if (at->problem && (*timeout < 0 || *timeout > RETRY_DELAY))
			*timeout = RETRY_DELAY;
	}
	return count;
}

static void *run_thread(void *data)
{
	struct networks *networks = data;
	struct pollfd fds[WATCHED_MAX];
	uint64_t woken;
	for (;;) {
		int timeout;
		pthread_mutex_lock(&networks->lock);
		bool ending = networks->ending;
		host_bus_look(networks);
		nfds_t count = collect(networks, fds, &timeout);
		pthread_mutex_unlock(&networks->lock);
		if (ending)
			return NULL;
		if (poll(fds, count, timeout) < 0 && errno != EINTR)
			return NULL;
		/* Several instances often stop together: one reload serves them all. */
		if (fds[0].revents && !networks->ending)
			poll(NULL, 0, RELOAD_DELAY);
		if (fds[0].revents && read(networks->wake, &woken, sizeof(woken)) < 0)
			continue;
		acl_log_read(networks->server, networks->acl_log);
		pthread_mutex_lock(&networks->lock);
		guard_look(networks);
		for (struct network *at = networks->first; at; at = at->next)
			look_after(networks, at);
		pthread_mutex_unlock(&networks->lock);
	}
}

/* ---- start and end of the daemon ---- */

static int load(struct networks *networks, struct error **error)
{
	cleanup_object_list struct object_list list = {0};
	if (db_object_list(networks->server->db, &db_networks, &list, error) < 0)
		return -1;
	struct network **end = &networks->first;
	for (size_t i = 0; i < list.count; i++) {
		cleanup_error struct error *problem = NULL;
		struct network *network =
			network_new(list.rows[i].name, list.rows[i].config, &problem);
		if (!network) {
			log_event(LOG_LEVEL_ERROR, NULL, "network %s: %s", list.rows[i].name,
				  error_message(problem));
			continue;
		}
		*end = network;
		end = &network->next;
	}
	return forwards_load(networks, error);
}

/* A network whose row is gone but not its files: it was being deleted when a daemon was killed. */
static void drop_strangers(struct networks *networks)
{
	cleanup_free char *path = memory_printf("%s/networks", networks->server->paths.state);
	cleanup_dir DIR *dir = opendir(path);
	struct dirent *entry;
	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.' || *networks_place(networks, entry->d_name))
			continue;
		struct network stranger = {.name = entry->d_name, .dnsmasq_pidfd = -1};
		log_event(LOG_LEVEL_INFO, NULL, "network %s: finishing its deletion",
			  stranger.name);
		network_take_down(networks, &stranger);
		file_remove_tree_at(dirfd(dir), entry->d_name, NULL);
	}
}

static void start_all(struct networks *networks)
{
	for (struct network *at = networks->first; at; at = at->next) {
		cleanup_error struct error *problem = NULL;
		network_bring_up(networks, at, &problem);
		network_set_problem(at, problem);
	}
	drop_strangers(networks);
}

/* What is only in memory. */
static void release(struct networks *networks)
{
	while (networks->first) {
		struct network *network = networks->first;
		networks->first = network->next;
		network_free(network);
	}
	free(networks->rules);
	free(networks->filter_rules);
	dnat_free(networks);
	acls_free(networks->acls);
	json_decref(networks->running);
	json_decref(networks->hwaddrs);
	json_decref(networks->zones);
	json_decref(networks->names);
	close(networks->wake);
	pthread_mutex_destroy(&networks->lock);
	free(networks);
}

struct networks *networks_create(struct server *server, struct error **error)
{
	struct networks *networks = memory_alloc(sizeof(*networks));
	*networks = (struct networks){
		.server = server,
		.running = json_object(),
		.hwaddrs = json_object(),
		.zones = json_object(),
		.names = json_object(),
		.acl_log = -1,
		.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
	};
	pthread_mutex_init(&networks->lock, NULL);
	if (networks->wake < 0 || zones_load(networks, error) < 0 || load(networks, error) < 0 ||
	    !acls_create(networks, error)) {
		error_errno(error, errno, "preparing the networks");
		release(networks);
		return NULL;
	}
	server->networks = networks; /* its parts ask there for others */
	guard_open(networks);
	start_all(networks);
	int problem = pthread_create(&networks->thread, NULL, run_thread, networks);
	if (!problem)
		return networks;
	error_errno(error, problem, "starting the thread of networks");
	free(networks);
	return NULL;
}

void networks_free(struct networks *networks, bool idle)
{
	if (!networks)
		return;
	pthread_mutex_lock(&networks->lock);
	networks->ending = true;
	pthread_mutex_unlock(&networks->lock);
	networks_wake(networks);
	pthread_join(networks->thread, NULL);
	guard_close(networks);
	host_bus_close(networks, idle);
	cleanup_close_fd(&networks->acl_log);
	if (idle) {
		firewall_remove(networks);
		filters_end(networks);
		acls_end(networks);
	}
	for (struct network *at = networks->first; at && idle; at = at->next)
		network_take_down(networks, at);
	release(networks);
}
