/*
 * Zones: domains that the dnsmasq of a network answers for, because the network names them
 * (dns.zone.forward, dns.zone.reverse.*). They hold the names of instances of all networks
 * that name them, and records.
 */
#ifndef SYSCT_NETWORK_ZONES_H
#define SYSCT_NETWORK_ZONES_H

#include "db/objects.h"
#include "db/parts.h"
#include "error.h"
#include "network/network.h"
#include "strbuf.h"

struct networks;
struct server;

/* What the API does. On failure everything is as it was. */
int zone_create(struct server *server, struct object_row *row, struct error **error);
int zone_update(struct server *server, const struct object_row *row, struct error **error);
int zone_delete(struct server *server, const char *name, struct error **error);

/* @row: owner (the zone), name, description, list (entries), config. */
int zone_record_create(struct server *server, struct part_row *row, struct error **error);
int zone_record_update(struct server *server, struct part_row *row, struct error **error);
int zone_record_delete(struct server *server, const char *zone, const char *name,
		       struct error **error);

/* The rows of the table of keys of a zone, for the reference page: NULL after the last. */
const char *zone_config_key(size_t index, const char **fallback, const char **help);

/* ---- for the manager; its lock is held ---- */

/* Reads all zones into networks->zones. */
int zones_load(struct networks *networks, struct error **error);

/* The zones that a network names are there, and fit. */
int zones_check_network(const struct networks *networks, const json_t *config,
			struct error **error);

typedef void (*visit_zone)(const char *zone, void *data);

/* Those that it names for forward names. */
void zones_each_forward(const struct network *network, visit_zone visit, void *data);

/* Whether the network names one for forward names; or for reverse names of a family. */
bool zones_forward(const struct network *network);
bool zones_reverse(const struct network *network);

/* Whether zones that it names have records. */
bool zones_have_records(const struct networks *networks, const struct network *network);

/* Lines of dnsmasq.conf. */
void zones_write_config(const struct networks *networks, const struct network *network,
			struct strbuf *config);

/* records.d/records of a network, when it says something else than before: then true. */
bool zones_write_records(const struct networks *networks, const struct network *network,
			 const char *directory);

/* hosts(5) lines of an instance @name with the address @address in the network @in, for the
 * dnsmasq of @network. */
void zones_add_hosts(const struct networks *networks, const struct network *network,
		     const struct network *in, const char *name, const char *address,
		     struct strbuf *hosts);

#endif
