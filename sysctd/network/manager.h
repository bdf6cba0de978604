/* What the files of network/ know of the manager (networks.c). */
#ifndef SYSCT_NETWORK_MANAGER_H
#define SYSCT_NETWORK_MANAGER_H

#include "netlink.h"
#include "network/acl.h"
#include "network/network.h"

struct networks {
	struct server *server;
	pthread_mutex_t lock; /* guards all of it; never held while an instance is waited for */
	struct network *first;
	json_t *running;	      /* {UUID: nics of the spec} of running instances */
	bool filtering;		      /* the table of filters.c is there */
	char *rules, *filter_rules;   /* both tables as they were written; NULL: none */
	int link_events, rule_events; /* of guard.c */
	struct dnat_owner *dnat;      /* of dnat.c */
	json_t *zones;		      /* of zones.c */
	json_t *names;		      /* {UUID: name} of running instances */
	struct acls *acls;	      /* of acl.c */
	int acl_log;		      /* of acl_log.c; -1: none */
	bool swept;		      /* running has all that ran before this daemon */
	json_t *hwaddrs;	      /* {MAC: "UUID DEVICE"} of all NICs */
	struct host_bus *bus;	      /* of host_bus.c; NULL where there is none */
	bool bus_stale;		      /* bridges have changed since it was told */
	pthread_t thread;
	int wake; /* eventfd: something to look after, or the end */
	bool ending;
};

/* ---- one network (networks.c); the manager's lock is held, or it is in no list yet ---- */

/* Where the network of that name is in the list; NULL is there, at the end, when there is none. */
struct network **networks_place(struct networks *networks, const char *name);

/* From a configuration that network_config_check() let pass. */
struct network *network_new(const char *name, const json_t *config, struct error **error);
void network_free(struct network *network);

/* Bridge and dnsmasq. A part that is there already is taken as it is. */
int network_bring_up(struct networks *networks, struct network *network, struct error **error);
void network_take_down(struct networks *networks, struct network *network);

/* Why it does not work, for everybody who asks; NULL: it works. */
void network_set_problem(struct network *network, const struct error *error);

/* ---- the manager ---- */

/* Takes the lock without a network; networks_release() gives it back. */
void networks_hold(struct server *server);

/* Calls @visit, with a socket of the host's, for each running NIC that belongs into the bridge. */
void networks_each_port(const struct networks *networks, const char *bridge,
			void (*visit)(struct netlink *netlink, const json_t *nic));

/* dnsmasq forgets the lease of a MAC address, and the name with it (release.c). */
void network_release_lease(const struct network *network, const char *hwaddr, const char *ipv4);

/* ---- filters and limits of NICs (filters.c); the lock is held ---- */

/* The whole table, from networks->running. */
int filters_write(struct networks *networks, struct error **error);

/* An instance is about to run with these NICs; it does not run any more. */
int filters_add(struct networks *networks, const char *uuid, const json_t *nics,
		struct error **error);
void filters_remove(struct networks *networks, const char *uuid);

/* No NIC is filtered: the table goes. */
void filters_end(struct networks *networks);

/* ---- changes by others (guard.c) ---- */

void guard_open(struct networks *networks);
void guard_close(struct networks *networks);

/* After an event, with the lock held: puts right what is wrong. */
void guard_look(struct networks *networks);

/* Puts the running NICs that belong into a bridge into it; nothing for those that are. */
void guard_rejoin(const struct networks *networks, const char *bridge);

/* The table of nftables(8) of this daemon from all networks, in one transaction (firewall.c). */
int firewall_apply(struct networks *networks, struct error **error);
void firewall_remove(struct networks *networks);

/* ---- rules of others that drop what we forward (neighbours.c) ---- */

/* Docker and others: lets the packets of all networks pass there. There already is fine. */
void neighbours_admit(const struct networks *networks);

/* A network goes, and what let it pass with it. */
void neighbours_dismiss(const struct networks *networks, const char *name);

/* Milliseconds of CLOCK_MONOTONIC. */
long long networks_now(void);

/* The addresses that a NIC has in its managed network; "" where it has none. */
struct nic_addresses {
	char ipv4[ADDRESS_TEXT], ipv6[ADDRESS_TEXT];
};

/* False when it is in no managed network (names.c). */
bool nic_addresses(const struct networks *networks, const json_t *nic,
		   struct nic_addresses *addresses);

/* The files of names of running instances, where they say something else by now (names.c). */
void names_rewrite(struct networks *networks);

/* Something was made stale: the thread reloads it soon. */
void networks_wake(struct networks *networks);

#endif
