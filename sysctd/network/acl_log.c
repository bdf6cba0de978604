/*
 * See acl.h: what rules log. The kernel's own log is not written from a network
 * namespace and has everybody's lines, so rules log to a group of nflog, which belongs to this daemon
 * (its number is made of the daemon's name). What is logged while the daemon is away is lost. Rules
 * log so many packets a second at most (acl_rules.c), and a file has an end: then it becomes ".1", and
 * what was there goes.
 *
 * Files: LOG/network-acls/ID, by number so that a new name needs no new file; a line each, the JSON
 * that LXD's client shows.
 */
#include "network/acl.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "file.h"
#include "log.h"
#include "memory.h"
#include "server.h"
#include "strbuf.h"

enum { FILE_MAX = 512 * 1024, COPIED = 128, ICMP4 = 1, ICMP6 = 58, TCP = 6, UDP = 17 };

unsigned acl_log_group(const struct server *server)
{
	uint32_t hash = 2166136261u;
	for (const char *at = server->paths.cgroup; *at; at++)
		hash = (hash ^ (unsigned char)*at) * 16777619u;
	return 1024 + hash % 60000;
}

/* ---- the socket ---- */

struct config_message {
	struct nlmsghdr header;
	struct nfgenmsg family;
	struct nlattr attribute;
	unsigned char value[8];
};

static int configure(int fd, unsigned group, uint16_t type, const void *value, size_t length)
{
	struct config_message message = {
		.header = {.nlmsg_type = NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_CONFIG,
			   .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK},
		.family = {.nfgen_family = AF_UNSPEC, .res_id = htons((uint16_t)group)},
		.attribute = {.nla_type = type, .nla_len = (uint16_t)(NLA_HDRLEN + length)},
	};
	struct {
		struct nlmsghdr header;
		struct nlmsgerr error;
		unsigned char rest[64];
	} answer;
	memcpy(message.value, value, length);
	message.header.nlmsg_len =
		(uint32_t)(offsetof(struct config_message, value) + NLA_ALIGN(length));
	if (send(fd, &message, message.header.nlmsg_len, 0) < 0 ||
	    recv(fd, &answer, sizeof(answer), 0) < (ssize_t)NLMSG_LENGTH(sizeof(int)))
		return -1;
	errno = -answer.error.error;
	return answer.header.nlmsg_type == NLMSG_ERROR && answer.error.error == 0 ? 0 : -1;
}

int acl_log_open(const struct server *server)
{
	struct nfulnl_msg_config_cmd bind_group = {NFULNL_CFG_CMD_BIND};
	struct nfulnl_msg_config_mode mode = {.copy_range = htonl(COPIED),
					      .copy_mode = NFULNL_COPY_PACKET};
	uint32_t at_once = htonl(1), timeout = htonl(1);
	unsigned group = acl_log_group(server);
	struct timeval patience = {.tv_sec = 1};
	cleanup_close int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0 &&
	    configure(fd, group, NFULA_CFG_CMD, &bind_group, sizeof(bind_group)) == 0 &&
	    configure(fd, group, NFULA_CFG_MODE, &mode, sizeof(mode)) == 0 &&
	    configure(fd, group, NFULA_CFG_QTHRESH, &at_once, sizeof(at_once)) == 0 &&
	    configure(fd, group, NFULA_CFG_TIMEOUT, &timeout, sizeof(timeout)) == 0 &&
	    fcntl(fd, F_SETFL, O_NONBLOCK) == 0)
		return steal_fd(&fd);
	log_event(LOG_LEVEL_WARNING, NULL, "network ACLs log nothing (is nfnetlink_log there?): %s",
		  strerror(errno));
	return -1;
}

/* ---- a packet ---- */

struct packet {
	const char *prefix;
	const unsigned char *bytes;
	size_t length;
};

static void take_attributes(const unsigned char *at, size_t left, struct packet *packet)
{
	while (left >= NLA_HDRLEN) {
		struct nlattr attribute;
		memcpy(&attribute, at, sizeof(attribute));
		size_t length = attribute.nla_len;
		if (length < NLA_HDRLEN || length > left)
			return;
		const unsigned char *value = at + NLA_HDRLEN;
		if ((attribute.nla_type & NLA_TYPE_MASK) == NFULA_PREFIX && length > NLA_HDRLEN &&
		    value[length - NLA_HDRLEN - 1] == '\0')
			packet->prefix = (const char *)value;
		if ((attribute.nla_type & NLA_TYPE_MASK) == NFULA_PAYLOAD) {
			packet->bytes = value;
			packet->length = length - NLA_HDRLEN;
		}
		length = NLA_ALIGN(length);
		if (length > left)
			return;
		at += length;
		left -= length;
	}
}

static void add_port(json_t *line, const char *key, const unsigned char *at)
{
	json_object_set_new(line, key, json_sprintf("%d", at[0] << 8 | at[1]));
}

static void describe_transport(json_t *line, int protocol, const unsigned char *at, size_t left)
{
	bool icmp = protocol == ICMP4 || protocol == ICMP6;
	const char *name = protocol == TCP     ? "tcp"
			   : protocol == UDP   ? "udp"
			   : protocol == ICMP4 ? "icmp4"
			   : protocol == ICMP6 ? "icmp6"
					       : NULL;
	json_object_set_new(line, "proto", name ? json_string(name) : json_sprintf("%d", protocol));
	if ((protocol == TCP || protocol == UDP) && left >= 4) {
		add_port(line, "src_port", at);
		add_port(line, "dst_port", at + 2);
	} else if (icmp && left >= 2) {
		json_object_set_new(line, "icmp_type", json_sprintf("%d", at[0]));
		json_object_set_new(line, "icmp_code", json_sprintf("%d", at[1]));
	}
}

static void describe_addresses(json_t *line, int family, const unsigned char *source,
			       const unsigned char *destination)
{
	char text[INET6_ADDRSTRLEN];
	if (inet_ntop(family, source, text, sizeof(text)))
		json_object_set_new(line, "src", json_string(text));
	if (inet_ntop(family, destination, text, sizeof(text)))
		json_object_set_new(line, "dst", json_string(text));
}

/* Later fragments have no ports; behind IPv6's extension headers none are looked for. */
static void describe(json_t *line, const struct packet *packet)
{
	const unsigned char *ip = packet->bytes;
	size_t length = packet->length, head = length ? (size_t)(ip[0] & 15) * 4 : 0;
	if (length >= 20 && ip[0] >> 4 == 4 && head >= 20 && head <= length) {
		bool later = ((ip[6] & 0x1f) << 8 | ip[7]) != 0;
		describe_addresses(line, AF_INET, ip + 12, ip + 16);
		describe_transport(line, ip[9], ip + head, later ? 0 : length - head);
	} else if (length >= 40 && ip[0] >> 4 == 6) {
		describe_addresses(line, AF_INET6, ip + 8, ip + 24);
		describe_transport(line, ip[6], ip + 40, length - 40);
	}
}

/* ---- the files ---- */

static char *path_of(const struct server *server, int64_t id, const char *suffix)
{
	return memory_printf("%s/network-acls/%lld%s", server->paths.log, (long long)id, suffix);
}

static void append(const struct server *server, int64_t id, const char *text)
{
	cleanup_free char *path = path_of(server, id, "");
	cleanup_free char *directory = memory_printf("%s/network-acls", server->paths.log);
	struct stat status;
	if (stat(path, &status) == 0 && status.st_size >= FILE_MAX) {
		cleanup_free char *old = path_of(server, id, ".1");
		rename(path, old);
	}
	file_make_directories(directory, 0700, NULL);
	cleanup_close int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0 || file_write_all(fd, text, strlen(text)) < 0)
		log_event(LOG_LEVEL_WARNING, NULL, "writing %s: %s", path, strerror(errno));
}

static void add_time(json_t *line)
{
	struct timespec now;
	struct tm utc;
	char text[32];
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &utc);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc);
	json_object_set_new(line, "time", json_sprintf("%s.%03ldZ", text, now.tv_nsec / 1000000));
}

/* The prefix is "sysct ID[,ID...] DIRECTION ACTION ". */
static void write_line(const struct server *server, const struct packet *packet)
{
	char ids[128], direction[16], action[16];
	if (!packet->prefix || !packet->bytes ||
	    sscanf(packet->prefix, "sysct %127s %15s %15s", ids, direction, action) != 3)
		return;
	json_t *line = json_object();
	add_time(line);
	describe(line, packet);
	json_object_set_new(line, "direction", json_string(direction));
	json_object_set_new(line, "action", json_string(action));
	cleanup_free char *text = json_dumps(line, JSON_COMPACT);
	cleanup_free char *whole = memory_printf("%s\n", text);
	json_decref(line);
	char *rest = ids;
	for (char *id; (id = strsep(&rest, ","));)
		if (*id)
			append(server, strtoll(id, NULL, 10), whole);
}

void acl_log_read(const struct server *server, int fd)
{
	enum { MOST = 256, BODY = NLMSG_LENGTH(sizeof(struct nfgenmsg)) };
	_Alignas(struct nlmsghdr) unsigned char bytes[16384];
	for (int i = 0; i < MOST; i++) {
		ssize_t count = recv(fd, bytes, sizeof(bytes), 0);
		if (count <= 0)
			return;
		size_t length = (size_t)count;
		const struct nlmsghdr *message = (const struct nlmsghdr *)(const void *)bytes;
		for (; NLMSG_OK(message, length); message = NLMSG_NEXT(message, length)) {
			struct packet packet = {0};
			if (message->nlmsg_type != (NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET) ||
			    message->nlmsg_len < BODY)
				continue;
			take_attributes((const unsigned char *)message + BODY,
					message->nlmsg_len - BODY, &packet);
			write_line(server, &packet);
		}
	}
}

char *acl_log_get(const struct server *server, int64_t id)
{
	cleanup_strbuf struct strbuf text = {0};
	static const char *const suffixes[] = {".1", ""};
	for (int i = 0; i < 2; i++) {
		cleanup_free char *path = path_of(server, id, suffixes[i]);
		cleanup_free char *content = file_try_read_at(AT_FDCWD, path);
		if (content)
			strbuf_append(&text, content);
	}
	return strbuf_steal(&text);
}

void acl_log_delete(const struct server *server, int64_t id)
{
	static const char *const suffixes[] = {".1", ""};
	for (int i = 0; i < 2; i++) {
		cleanup_free char *path = path_of(server, id, suffixes[i]);
		unlink(path);
	}
}

static bool has_id(const json_t *rows, long long id)
{
	const char *name;
	json_t *row;
	json_object_foreach ((json_t *)rows, name, row)
		if (json_integer_value(json_object_get(row, "id")) == id)
			return true;
	return false;
}

void acl_log_sweep(const struct server *server, const json_t *rows)
{
	cleanup_free char *path = memory_printf("%s/network-acls", server->paths.log);
	cleanup_dir DIR *dir = opendir(path);
	struct dirent *entry;
	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.' && !has_id(rows, strtoll(entry->d_name, NULL, 10)))
			unlinkat(dirfd(dir), entry->d_name, 0);
}
