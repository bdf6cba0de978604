/*
 * Managed networks: a bridge of the host each, with its addresses, dnsmasq for
 * DHCP, router advertisements and names, and rules of nftables. The rows of the
 * database say what there is; everything else is made from them, and made again
 * by a starting daemon where it is missing.
 *
 * Files of a network: STATE/networks/NAME/ has dnsmasq.conf, leases, and in
 * hosts.d and dhcp.d a file for each NIC of a running instance (names.c).
 */
#ifndef SYSCT_NETWORK_NETWORK_H
#define SYSCT_NETWORK_NETWORK_H

#include <jansson.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/types.h>

#include "db/objects.h"
#include "error.h"
#include "network/subnet.h"

struct server;

#define NETWORK_DEFAULT "sysctbr0"

/* One network while the daemon runs; guarded by the manager's lock. */
struct network {
	struct network *next;
	char *name;
	json_t *config;		  /* with the defaults of network_config_get() left out */
	struct subnet ipv4, ipv6; /* family 0 where it has none */
	json_t *taken;		  /* {IPv4 address: UUID} of instances, running or not */
	char *problem;		  /* why it does not work; NULL when it does */
	pid_t dnsmasq;		  /* 0: none is needed, or it does not run */
	int dnsmasq_pidfd;
	long long mended_at; /* when it was last started again, ms, CLOCK_MONOTONIC */
	bool stale;	     /* a file was removed: dnsmasq must read them again */
};

struct networks;

/* ---- the manager (networks.c) ---- */

/* Reads the rows and brings every network up; one that fails is logged and keeps its problem. */
struct networks *networks_create(struct server *server, struct error **error);

/* @idle: no instance runs: bridges, rules and dnsmasq go too, else they stay for the next daemon. */
void networks_free(struct networks *networks, bool idle);

/* The first start of all: NETWORK_DEFAULT and a NIC on it in the profile "default". */
void networks_seed(struct server *server);

/* With the lock held from here to networks_release(); NULL with ERROR_NOT_FOUND, lock free. */
struct network *networks_find(struct server *server, const char *name, struct error **error);
void networks_release(struct server *server);

/* What the API does. On failure everything is as it was. @row: name, type, config, description. */
int network_create(struct server *server, struct object_row *row, struct error **error);
int network_update(struct server *server, const struct object_row *row, struct error **error);
int network_rename(struct server *server, const char *name, const char *new_name,
		   struct error **error);
int network_delete(struct server *server, const char *name, struct error **error);

/* Directory of its files; the caller frees it. */
char *network_directory(const struct server *server, const char *name);

/* ---- configuration (config.c) ---- */

/* Every key and value; an empty value is an unset key. "auto" becomes an address. */
int network_config_check(json_t *config, bool new, struct error **error);

/* The value of a key or its default; NULL when there is neither. */
const char *network_config_get(const json_t *config, const char *key);
bool network_config_bool(const json_t *config, const char *key);

/* The rows of the table, for the reference page: NULL after the last. */
const char *network_config_key(size_t index, const char **fallback, const char **help);

/* "FIRST-LAST[,FIRST-LAST...]", which must lie in @subnet. @visit may be NULL. */
int network_ranges_parse(const char *text, const struct subnet *subnet,
			 void (*visit)(const struct address *first, const struct address *last,
				       void *data),
			 void *data, struct error **error);

/* ---- the parts (bridge.c, firewall.c, dnsmasq.c); the manager's lock is held ---- */

int bridge_up(const struct network *network, struct error **error);
int bridge_change(const struct network *old, const struct network *new, struct error **error);
void bridge_down(const struct network *network);

/* The MAC address that it has. */
void bridge_hwaddr(const struct network *network, uint8_t address[6]);

/* Finds the one that runs, or starts it; again where its configuration is another by now, or
 * with @restart. Files that it reads without that are written, and the network is stale. */
int dnsmasq_up(const struct server *server, struct network *network, bool restart,
	       struct error **error);
void dnsmasq_down(const struct server *server, struct network *network);
void dnsmasq_reload(struct network *network);

#endif
