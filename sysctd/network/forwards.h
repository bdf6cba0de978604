/*
 * Forwards of networks: an address of the world, whose packets go to instances. The
 * address need not be on the host: it is enough that packets to it come here. The rows
 * say what there is; dnat.c has what follows from them.
 */
#ifndef SYSCT_NETWORK_FORWARDS_H
#define SYSCT_NETWORK_FORWARDS_H

#include "db/parts.h"
#include "error.h"

struct network;
struct networks;
struct server;

/* What the API does. @row: owner (the network), name (the address), description, list (ports),
 * config. Addresses and ports are checked and written as they are always written. On failure
 * everything is as it was. */
int forward_create(struct server *server, struct part_row *row, struct error **error);
int forward_update(struct server *server, struct part_row *row, struct error **error);
int forward_delete(struct server *server, const char *network, const char *address,
		   struct error **error);

/* The rows of the table of keys of a forward, for the reference page: NULL after the last. */
const char *forward_config_key(size_t index, const char **fallback, const char **help);

/* ---- for the manager; its lock is held ---- */

/* At start: what all rows say is noted for the first firewall_apply(). */
int forwards_load(struct networks *networks, struct error **error);

/* A network is about to be this: its subnets must hold the targets that its forwards have and
 * no address that a forward listens on. */
int forwards_check_network(const struct networks *networks, const struct network *network,
			   struct error **error);

/* The network's forwards, before it is deleted; forwards_forget() takes them off when it is. */
int forwards_read(struct networks *networks, const char *network, struct part_list *list,
		  struct error **error);
void forwards_forget(struct networks *networks, const struct part_list *list);

#endif
