/*
 * See instance_network.h. Only the loopback interface exists so far: its IPv4
 * addresses are the local ones of the routing table, its counters are those
 * of /proc/PID/net/dev (proc_pid_net(5)).
 */
#include "api/instance_network.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "file.h"

static char *read_net(pid_t pid, const char *file)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/net/%s", (int)pid, file);
	return file_try_read_at(AT_FDCWD, path);
}

static void add_address(json_t *list, const char *family, const char *address, int prefix,
			const char *scope)
{
	char netmask[8];
	snprintf(netmask, sizeof(netmask), "%d", prefix);
	json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s}", "family", family, "address",
					      address, "netmask", netmask, "scope", scope));
}

/* The kernel gives the interface both addresses when it comes up: the routing
 * table, which is dear to print, is asked where there is no IPv6. */
static void add_ipv4(json_t *list, pid_t pid, bool has_ipv6)
{
	if (has_ipv6) {
		add_address(list, "inet", "127.0.0.1", 8, "local");
		return;
	}
	cleanup_free char *table = read_net(pid, "fib_trie");
	/* The local table comes second and lists an address before "host LOCAL". */
	if (table && strstr(table, "|-- 127.0.0.1\n"))
		add_address(list, "inet", "127.0.0.1", 8, "local");
}

static void add_ipv6(json_t *list, pid_t pid, const char *interface)
{
	cleanup_free char *table = read_net(pid, "if_inet6");
	char *rest = table;
	for (char *line; table && (line = strsep(&rest, "\n"));) {
		char hex[33], name[32], text[INET6_ADDRSTRLEN];
		unsigned int index, prefix, scope, flags;
		unsigned char address[16];
		if (sscanf(line, "%32s %x %x %x %x %31s", hex, &index, &prefix, &scope, &flags,
			   name) != 6 ||
		    strcmp(name, interface) != 0)
			continue;
		for (int i = 0; i < 16; i++)
			sscanf(hex + 2 * i, "%2hhx", &address[i]);
		if (inet_ntop(AF_INET6, address, text, sizeof(text)))
			add_address(list, "inet6", text, (int)prefix,
				    scope == 0x10   ? "local"
				    : scope == 0x20 ? "link"
						    : "global");
	}
}

static json_t *render_counters(const char *numbers)
{
	unsigned long long in[8] = {0}, out[4] = {0};
	sscanf(numbers, "%llu %llu %llu %llu %llu %llu %llu %llu %llu %llu %llu %llu", &in[0],
	       &in[1], &in[2], &in[3], &in[4], &in[5], &in[6], &in[7], &out[0], &out[1], &out[2],
	       &out[3]);
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "bytes_received",
			 (json_int_t)in[0], "packets_received", (json_int_t)in[1],
			 "errors_received", (json_int_t)in[2], "packets_dropped_inbound",
			 (json_int_t)in[3], "bytes_sent", (json_int_t)out[0], "packets_sent",
			 (json_int_t)out[1], "errors_sent", (json_int_t)out[2],
			 "packets_dropped_outbound", (json_int_t)out[3]);
}

static json_t *render_interface(pid_t pid, const char *name, const char *numbers)
{
	json_t *addresses = json_array();
	bool loopback = strcmp(name, "lo") == 0;
	json_t *ipv6 = json_array();
	add_ipv6(ipv6, pid, name);
	if (loopback)
		add_ipv4(addresses, pid, json_array_size(ipv6) > 0);
	json_array_extend(addresses, ipv6);
	json_decref(ipv6);
	const char *state = json_array_size(addresses) ? "up" : "down";
	return json_pack("{s:o, s:o, s:s, s:s, s:i, s:s, s:s}", "addresses", addresses, "counters",
			 render_counters(numbers), "hwaddr", "", "host_name", "", "mtu",
			 loopback ? 65536 : 1500, "state", state, "type",
			 loopback ? "loopback" : "broadcast");
}

json_t *instance_network_render(pid_t pid)
{
	json_t *network = json_object();
	cleanup_free char *table = read_net(pid, "dev");
	char *rest = table;
	for (char *line; table && (line = strsep(&rest, "\n"));) {
		char *colon = strchr(line, ':');
		if (!colon)
			continue;
		*colon = '\0';
		const char *name = line + strspn(line, " ");
		json_object_set_new(network, name, render_interface(pid, name, colon + 1));
	}
	return network;
}
