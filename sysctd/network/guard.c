/*
 * What somebody else does to our networks is noticed by the kernel's own
 * messages (rtnetlink(7), nftables' multicast group) and put right: a bridge that
 * was deleted, tables that were flushed or changed. Our own changes come as messages too; they
 * are told apart by looking whether something is wrong.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cleanup.h"
#include "links.h"
#include "log.h"
#include "memory.h"
#include "network/addresses.h"
#include "network/host_bus.h"
#include "network/host_side.h"
#include "network/manager.h"
#include "network/nftables.h"
#include "runtime/nics.h"
#include "server.h"

static int listen_to(int protocol, int group)
{
	struct sockaddr_nl address = {.nl_family = AF_NETLINK};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
	if (fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
	    setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) == 0)
		return fd;
	log_event(LOG_LEVEL_WARNING, NULL,
		  "changes that others make to networks are not noticed: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

/* Bridges tell of every port in turn for a while after one came: only deletions shall wake us. */
static void filter_deletions(int fd)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, offsetof(struct nlmsghdr, nlmsg_type)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_DELLINK), 0, 1),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};
	if (fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

void guard_open(struct networks *networks)
{
	networks->link_events = listen_to(NETLINK_ROUTE, RTNLGRP_LINK);
	filter_deletions(networks->link_events);
	networks->rule_events = listen_to(NETLINK_NETFILTER, NFNLGRP_NFTABLES);
}

void guard_close(struct networks *networks)
{
	cleanup_close_fd(&networks->link_events);
	cleanup_close_fd(&networks->rule_events);
}

/* Reads all that is there; true when a message matters, or when some were lost. */
static bool drain(int fd, bool (*matters)(const struct nlmsghdr *message))
{
	_Alignas(struct nlmsghdr) unsigned char bytes[16384];
	bool result = false;
	for (;;) {
		ssize_t count = recv(fd, bytes, sizeof(bytes), 0);
		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			return result || errno == ENOBUFS;
		size_t length = (size_t)count;
		const struct nlmsghdr *message = (const struct nlmsghdr *)(const void *)bytes;
		for (; NLMSG_OK(message, length); message = NLMSG_NEXT(message, length))
			result = result || matters(message);
	}
}

static bool is_deleted_link(const struct nlmsghdr *message)
{
	return message->nlmsg_type == RTM_DELLINK;
}

/* Elements of sets are not looked at: they come and go with instances. A new chain may be
 * a neighbour's that drops what we forward. */
static bool is_of_interest(const struct nlmsghdr *message)
{
	switch (message->nlmsg_type & 0xff) {
	case NFT_MSG_NEWCHAIN:
	case NFT_MSG_DELTABLE:
	case NFT_MSG_DELCHAIN:
	case NFT_MSG_DELRULE:
	case NFT_MSG_DELSET:
		return true;
	default:
		return false;
	}
}

static void rejoin(struct netlink *netlink, const json_t *nic)
{
	if (link_set_master(netlink, nic_value(nic, "host_name"), nic_value(nic, "bridge"), NULL) ==
	    0)
		nics_adjust(nic, NULL);
}

void guard_rejoin(const struct networks *networks, const char *bridge)
{
	networks_each_port(networks, bridge, rejoin);
}

static void mend_bridge(struct networks *networks, struct network *network)
{
	cleanup_error struct error *error = NULL;
	if (link_exists(network->name))
		return;
	log_event(LOG_LEVEL_WARNING, NULL,
		  "network %s: somebody deleted the bridge; making it again", network->name);
	if (bridge_up(network, &error) == 0) {
		host_bus_touch(networks);
		host_side_mend(networks, network->name);
		guard_rejoin(networks, network->name);
		dnsmasq_up(networks->server, network, true, &error);
	}
	network_set_problem(network, error);
}

static bool differs(const char *family, const char *table, const char *wanted)
{
	cleanup_free char *what = memory_printf("table %s %s", family, table);
	cleanup_free char *found = nftables_list(what, false);
	return wanted && (!found || strcmp(found, wanted) != 0);
}

static void mend_rules(struct networks *networks)
{
	cleanup_error struct error *error = NULL;
	const char *table = networks->server->paths.cgroup;
	bool firewall = differs("inet", table, networks->rules);
	bool filters = networks->filtering && differs("bridge", table, networks->filter_rules);
	if (!firewall && !filters)
		return;
	log_event(LOG_LEVEL_WARNING, NULL,
		  "somebody changed the table %s of nftables; writing it again", table);
	if ((firewall && firewall_apply(networks, &error) < 0) ||
	    (filters && filters_write(networks, &error) < 0))
		log_event(LOG_LEVEL_ERROR, NULL, "%s", error_message(error));
}

void guard_look(struct networks *networks)
{
	if (networks->link_events >= 0 && drain(networks->link_events, is_deleted_link))
		for (struct network *at = networks->first; at; at = at->next)
			mend_bridge(networks, at);
	if (networks->rule_events >= 0 && drain(networks->rule_events, is_of_interest)) {
		mend_rules(networks);
		acls_mend(networks);
		neighbours_admit(networks);
	}
}
