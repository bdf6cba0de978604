/* What the files about the tables of ACLs share. Internal to acl*.c. */
#ifndef SYSCT_NETWORK_ACL_STATE_H
#define SYSCT_NETWORK_ACL_STATE_H

#include <jansson.h>
#include <stdbool.h>

#include "strbuf.h"

struct network;
struct networks;

struct acls {
	char *table;	   /* name of both */
	json_t *rows;	   /* {name: {"id", "ingress", "egress"}} */
	json_t *lists;	   /* {key of a list: name of its chain} that the tables have */
	json_t *subjects;  /* {name: true} of ACLs whose sets the tables have */
	bool bridge, inet; /* which table is there */
	bool ended;	   /* none is, and none of a daemon before us */
	char *bridge_rules, *inet_rules; /* as they were written */
};

/* The chain of what acls_describe() gave, in one direction; NULL where there is none yet. */
const char *acls_chain(const struct acls *acls, const json_t *described, const char *direction);

/* The network of a NIC of the spec; NULL: it is in a bridge of the host. */
const struct network *acls_network(struct networks *networks, const json_t *nic);

/* "add" or "delete" the elements that NICs have in the tables (acl_elements.c). */
void acls_write_elements(struct networks *networks, struct strbuf *text, const char *verb,
			 const json_t *nics);

/* The names of a NIC's ACLs and of its network's as the keys of a new object. */
json_t *acls_memberships(const json_t *nic, const struct network *network);

#endif
