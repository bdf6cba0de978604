/*
 * Rules of ACLs as text for nft(8), the same for the table of the family bridge
 * (NICs) and the one of the family inet (what is routed). Internal to acl*.c.
 */
#ifndef SYSCT_NETWORK_ACL_RULES_H
#define SYSCT_NETWORK_ACL_RULES_H

#include <jansson.h>
#include <stdbool.h>

#include "strbuf.h"

/* On a packet that is to be rejected, from the bridge to the host's IP that answers it. */
#define ACL_REFUSED "0x53796301"

struct acl_writing {
	struct strbuf *text;
	const json_t *rows; /* {name: {"id", "ingress", "egress"}} */
	bool bridge;
	unsigned group; /* of nflog */
};

/* A list of ACLs with its default in one direction: what a chain of its own is made for. */
struct acl_list {
	const char *direction; /* "ingress", "egress" */
	const char *action;    /* for what no rule matches */
	bool logged;
	const json_t *names;
};

/* Appends the names of the ACLs that the rules of an ACL have as source or destination. */
void acl_rules_subjects(const json_t *row, json_t *names);

/* The chains of the rules of one ACL, in both directions. */
void acl_rules_write(const struct acl_writing *writing, const json_t *row);

/* The chain @name of a list: the order is drop, reject, allow, the default. */
void acl_rules_write_list(const struct acl_writing *writing, const char *name,
			  const struct acl_list *list);

#endif
