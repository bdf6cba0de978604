/*
 * The dnsmasq of a network. It makes a daemon of itself, under a user of its
 * own, and outlives sysctd, which finds it again by its pid file and holds it
 * by pidfd; networks.c starts another when it dies. Options: dnsmasq(8).
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "file.h"
#include "log.h"
#include "memory.h"
#include "network/network.h"
#include "network/zones.h"
#include "process.h"
#include "runtime/cgroup.h"
#include "server.h"
#include "strbuf.h"

#define PROGRAM "/usr/sbin/dnsmasq"

enum { STOP_TIMEOUT = 2000 };

static bool has_dhcp(const struct network *network)
{
	return network->ipv4.address.family && network_config_bool(network->config, "ipv4.dhcp");
}

static bool advertises(const struct network *network)
{
	return network->ipv6.address.family && network_config_bool(network->config, "ipv6.ra");
}

struct ranges {
	struct strbuf *text;
	const char *expiry;
	int prefix;
};

static void add_range(const struct address *first, const struct address *last, void *data)
{
	const struct ranges *ranges = data;
	char from[ADDRESS_TEXT], to[ADDRESS_TEXT];
	address_format(first, from);
	address_format(last, to);
	if (first->family == AF_INET6)
		strbuf_printf(ranges->text, "dhcp-range=%s,%s,%d,%s\n", from, to, ranges->prefix,
			      ranges->expiry);
	else
		strbuf_printf(ranges->text, "dhcp-range=%s,%s,%s\n", from, to, ranges->expiry);
}

static void add_dhcp4(struct strbuf *text, const struct network *network)
{
	const json_t *config = network->config;
	const char *gateway = network_config_get(config, "ipv4.dhcp.gateway");
	const char *list = network_config_get(config, "ipv4.dhcp.ranges");
	const char *routes = network_config_get(config, "ipv4.dhcp.routes");
	struct ranges ranges = {text, network_config_get(config, "ipv4.dhcp.expiry"), 0};
	struct address network_address = subnet_network(&network->ipv4);
	struct address first = address_plus(&network_address, 1);
	struct address last = subnet_last(&network->ipv4);
	last.bytes[3]--; /* the broadcast address is odd */
	if (!has_dhcp(network))
		return;
	if (list)
		network_ranges_parse(list, &network->ipv4, add_range, &ranges, NULL);
	else
		add_range(&first, &last, &ranges);
	strbuf_append(text, "dhcp-authoritative\ndhcp-rapid-commit\nno-ping\n");
	if (gateway)
		strbuf_printf(text, "dhcp-option-force=3%s%s\n",
			      strcmp(gateway, "none") == 0 ? "" : ",",
			      strcmp(gateway, "none") == 0 ? "" : gateway);
	if (routes)
		strbuf_printf(text, "dhcp-option-force=121,%s\n", routes);
	strbuf_printf(text, "dhcp-option=option:mtu,%s\n",
		      network_config_get(config, "bridge.mtu"));
}

static void add_dhcp6(struct strbuf *text, const struct network *network)
{
	const json_t *config = network->config;
	const char *list = network_config_get(config, "ipv6.dhcp.ranges");
	const char *expiry = network_config_get(config, "ipv6.dhcp.expiry");
	bool stateful = network_config_bool(config, "ipv6.dhcp.stateful");
	struct ranges ranges = {text, expiry, network->ipv6.prefix};
	if (!network->ipv6.address.family)
		return;
	if (advertises(network))
		strbuf_append(text, "enable-ra\n");
	if (stateful && network_config_bool(config, "ipv6.dhcp")) {
		struct address first = subnet_network(&network->ipv6);
		struct address last = subnet_last(&network->ipv6);
		first = address_plus(&first, 2);
		if (list)
			network_ranges_parse(list, &network->ipv6, add_range, &ranges, NULL);
		else
			add_range(&first, &last, &ranges);
	} else if (advertises(network)) {
		strbuf_printf(text, "dhcp-range=::,constructor:%s,%s\n", network->name,
			      network_config_bool(config, "ipv6.dhcp") ? "ra-stateless"
								       : "ra-only");
	}
}

static void add_list(struct strbuf *text, const char *option, const char *list, int family)
{
	cleanup_free char *copy = memory_strdup(list);
	struct address address;
	char *rest = copy;
	bool any = false;
	for (char *one; (one = strsep(&rest, ","));) {
		if (family != AF_UNSPEC && !address_parse(family, one, &address))
			continue;
		strbuf_printf(text, family == AF_INET6 ? "%s[%s]" : "%s%s", any ? "," : option,
			      one);
		any = true;
	}
	if (any)
		strbuf_append(text, "\n");
}

static void add_dns(struct strbuf *text, const struct server *server, const struct network *network)
{
	const json_t *config = network->config;
	const char *mode = network_config_get(config, "dns.mode");
	const char *domain = network_config_get(config, "dns.domain");
	const char *servers = network_config_get(config, "dns.nameservers");
	const char *search = network_config_get(config, "dns.search");
	cleanup_free char *directory = network_directory(server, network->name);
	strbuf_printf(text, "domain=%s\nlocal=/%s/\ninterface-name=_gateway.%s,%s\n", domain,
		      domain, domain, network->name);
	if (strcmp(mode, "dynamic") != 0)
		strbuf_append(text, "dhcp-ignore-names\n");
	/* Read from the last to the first: an address has the reverse name of its instance. */
	if (zones_forward(network) || zones_reverse(network))
		strbuf_printf(text, "hostsdir=%s/records.d\n", directory);
	if (strcmp(mode, "managed") == 0 || zones_forward(network))
		strbuf_printf(text, "hostsdir=%s/hosts.d\n", directory);
	if (servers) {
		add_list(text, "dhcp-option=option:dns-server,", servers, AF_INET);
		add_list(text, "dhcp-option=option6:dns-server,", servers, AF_INET6);
	}
	if (search) {
		add_list(text, "dhcp-option=option:domain-search,", search, AF_UNSPEC);
		add_list(text, "dhcp-option=option6:domain-search,", search, AF_UNSPEC);
	}
}

static char *make_configuration(const struct server *server, const struct network *network)
{
	struct strbuf text = {0};
	const char *raw = network_config_get(network->config, "raw.dnsmasq");
	cleanup_free char *directory = network_directory(server, network->name);
	strbuf_printf(&text,
		      "# Made by sysctd for the network %s; changes are lost.\n"
		      "user=dnsmasq\ngroup=nogroup\ninterface=%s\nexcept-interface=lo\n"
		      "bind-interfaces\nno-hosts\nbogus-priv\nno-negcache\n"
		      "quiet-dhcp\nquiet-dhcp6\nquiet-ra\n"
		      "dhcp-leasefile=%s/leases\ndhcp-hostsdir=%s/dhcp.d\n",
		      network->name, network->name, directory, directory);
	add_dns(&text, server, network);
	zones_write_config(server->networks, network, &text);
	add_dhcp4(&text, network);
	add_dhcp6(&text, network);
	if (raw)
		strbuf_printf(&text, "%s\n", raw);
	return strbuf_steal(&text);
}

/* Its user must get to the files: a private directory above them would make it deaf. */
static int check_reachable(const char *directory, struct error **error)
{
	cleanup_free char *path = memory_strdup(directory);
	for (char *slash; (slash = strrchr(path, '/')) && slash != path; *slash = '\0') {
		struct stat status;
		if (stat(path, &status) == 0 && !(status.st_mode & S_IXOTH))
			return error_set(error, ERROR_PERMISSION,
					 "the user of dnsmasq cannot pass %s: chmod o+x %s", path,
					 path);
	}
	return 0;
}

static int make_files(const struct server *server, const struct network *network,
		      const char *directory, struct error **error)
{
	cleanup_free char *hosts = memory_printf("%s/hosts.d", directory);
	cleanup_free char *dhcp = memory_printf("%s/dhcp.d", directory);
	cleanup_free char *records = memory_printf("%s/records.d", directory);
	cleanup_free char *path = memory_printf("%s/dnsmasq.conf", directory);
	cleanup_free char *text = make_configuration(server, network);
	if (file_make_directories(directory, 0755, error) < 0 ||
	    file_make_directories(hosts, 0755, error) < 0 ||
	    file_make_directories(dhcp, 0755, error) < 0 ||
	    file_make_directories(records, 0755, error) < 0 || check_reachable(hosts, error) < 0)
		return -1;
	zones_write_records(server->networks, network, directory);
	return file_replace_at(AT_FDCWD, path, text, strlen(text), 0644, false, error);
}

static int explain(int status, char *text, struct error **error)
{
	text[strcspn(text, "\n")] = '\0';
	if (status == 0)
		return 0;
	const char *reason = strncmp(text, "dnsmasq: ", 9) == 0 ? text + 9 : text;
	return error_set(error, ERROR_INTERNAL, "dnsmasq does not start: %s",
			 *reason ? reason : "it says nothing");
}

/* dnsmasq returns when it serves, or says why it does not. */
static int spawn(const char *directory, struct error **error)
{
	cleanup_free char *configuration = memory_printf("--conf-file=%s/dnsmasq.conf", directory);
	cleanup_free char *pid_file = memory_printf("--pid-file=%s/pid", directory);
	char *arguments[] = {(char *)"dnsmasq", configuration, pid_file, NULL};
	char text[512];
	int pipes[2], status = 0;
	pid_t pid;
	if (pipe2(pipes, O_CLOEXEC) < 0)
		return error_errno(error, errno, "making a pipe");
	int problem = process_spawn(PROGRAM, arguments, pipes[1], pipes[1], &pid);
	close(pipes[1]);
	/* As a daemon it keeps no output, so that the end of this comes. */
	ssize_t length = problem ? 0 : file_read_all(pipes[0], text, sizeof(text) - 1);
	close(pipes[0]);
	if (problem == ENOENT)
		return error_set(error, ERROR_UNSUPPORTED,
				 PROGRAM " is missing: apt-get install dnsmasq-base");
	if (problem)
		return error_errno(error, problem, "running " PROGRAM);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	text[length > 0 ? length : 0] = '\0';
	return explain(status, text, error);
}

/* Out of the daemon's service, which systemd may end without it. */
static void leave_service(const struct server *server, pid_t pid)
{
	char text[16];
	cleanup_close int monitors = cgroup_open_monitors(server->paths.cgroup, NULL);
	snprintf(text, sizeof(text), "%d", (int)pid);
	if (monitors >= 0)
		file_poke_at(monitors, "cgroup.procs", text, NULL);
}

/* A pid may be somebody else's by now: it must have our configuration in its command line. */
static bool find(const struct server *server, struct network *network)
{
	cleanup_free char *directory = network_directory(server, network->name);
	cleanup_free char *pid_path = memory_printf("%s/pid", directory);
	cleanup_free char *wanted = memory_printf("--conf-file=%s/dnsmasq.conf", directory);
	pid_t pid = (pid_t)file_read_number_at(AT_FDCWD, pid_path, 0);
	cleanup_close int pidfd = pid > 0 ? process_pidfd_open(pid) : -1;
	cleanup_free char *command_path = memory_printf("/proc/%d/cmdline", (int)pid);
	size_t length = 0;
	cleanup_free char *command =
		pidfd < 0 ? NULL : file_read_at(AT_FDCWD, command_path, &length, NULL);
	if (!command || !memmem(command, length, wanted, strlen(wanted)))
		return false;
	network->dnsmasq = pid;
	network->dnsmasq_pidfd = steal_fd(&pidfd);
	return true;
}

void dnsmasq_down(const struct server *server, struct network *network)
{
	if (network->dnsmasq_pidfd < 0 && !find(server, network))
		return;
	process_pidfd_signal(network->dnsmasq_pidfd, SIGTERM);
	if (!process_pidfd_wait(network->dnsmasq_pidfd, STOP_TIMEOUT)) {
		process_pidfd_signal(network->dnsmasq_pidfd, SIGKILL);
		process_pidfd_wait(network->dnsmasq_pidfd, STOP_TIMEOUT);
	}
	cleanup_close_fd(&network->dnsmasq_pidfd);
	network->dnsmasq_pidfd = -1;
	network->dnsmasq = 0;
}

/* The one that runs goes on, unless its configuration has changed since it was started. */
static bool goes_on(const struct server *server, struct network *network, const char *directory)
{
	if (network->dnsmasq_pidfd < 0 && !find(server, network))
		return false;
	cleanup_free char *path = memory_printf("%s/dnsmasq.conf", directory);
	cleanup_free char *text = make_configuration(server, network);
	cleanup_free char *old = file_try_read_at(AT_FDCWD, path);
	if (!old || strcmp(old, text) != 0)
		return false;
	if (zones_write_records(server->networks, network, directory))
		network->stale = true;
	return true;
}

int dnsmasq_up(const struct server *server, struct network *network, bool restart,
	       struct error **error)
{
	cleanup_free char *directory = network_directory(server, network->name);
	if (!restart && goes_on(server, network, directory))
		return 0;
	dnsmasq_down(server, network);
	if (!network->ipv4.address.family && !network->ipv6.address.family)
		return 0;
	if (make_files(server, network, directory, error) < 0 || spawn(directory, error) < 0)
		return -1;
	if (!find(server, network))
		return error_set(error, ERROR_INTERNAL, "dnsmasq of %s ended at once",
				 network->name);
	leave_service(server, network->dnsmasq);
	return 0;
}

/* SIGHUP: all files are read anew, and what is gone is forgotten. Clients do not notice. */
void dnsmasq_reload(struct network *network)
{
	network->stale = false;
	if (network->dnsmasq_pidfd >= 0)
		process_pidfd_signal(network->dnsmasq_pidfd, SIGHUP);
}
