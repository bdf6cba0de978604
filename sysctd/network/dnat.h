/*
 * Addresses and ports of the host that lead to instances (DNAT): what forwards of
 * networks and proxy devices with nat=true say. Each owner has a list of its own;
 * firewall.c writes them all with the table, and a change of one owner costs only
 * its own elements. The manager's lock is held in all of this.
 */
#ifndef SYSCT_NETWORK_DNAT_H
#define SYSCT_NETWORK_DNAT_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "network/subnet.h"
#include "strbuf.h"

struct networks;

struct dnat {
	int protocol;		       /* IPPROTO_TCP, IPPROTO_UDP; 0: all packets to the address */
	struct address listen, target; /* of one family */
	uint16_t listen_first, listen_last;
	uint16_t target_first, target_last; /* as many as are listened on, or one for all */
};

/**
 * dnat_set - what @owner has is this, and no more what it had before.
 * @owner: for messages and to find it again: "forward 192.0.2.1".
 * All or nothing, in one transaction: connections there are go on. ERROR_EXISTS names the owner
 * of what is taken already, or of what @entries say twice.
 */
int dnat_set(struct networks *networks, const char *owner, const struct dnat *entries, size_t count,
	     struct error **error);

/* One more for @owner. */
int dnat_add(struct networks *networks, const char *owner, const struct dnat *entry,
	     struct error **error);

/* All that @owner has. Nothing when it has nothing. */
void dnat_remove(struct networks *networks, const char *owner);

/* What dnat_set() checks, alone. */
int dnat_check(const struct networks *networks, const char *owner, const struct dnat *entries,
	       size_t count, struct error **error);

/* dnat_set() for a start, where firewall_apply() follows: notes them, unchecked. */
void dnat_note(struct networks *networks, const char *owner, const struct dnat *entries,
	       size_t count);

/* NICs of an instance, which is about to run: "hairpin" for those that entries lead to. Where
 * bridged packets are filtered as routed ones (br_netfilter), what an instance sends to itself
 * that way goes back into the port it came from. */
void dnat_mark_hairpins(const struct networks *networks, json_t *nics);

/* For firewall.c: maps and chains, inside the table; rules of its chain of the hook postrouting;
 * the elements, behind the table. */
void dnat_write_chains(struct strbuf *rules);
void dnat_write_postrouting(struct strbuf *rules);
void dnat_write_elements(struct strbuf *rules, const struct networks *networks);

/* The end of the daemon. */
void dnat_free(struct networks *networks);

#endif
