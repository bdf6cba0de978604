/*
 * Network ACLs: lists of rules for what comes to NICs (ingress) and what leaves
 * them (egress). acl_check.c says which rules there may be, acl_rules.c makes them
 * nftables, acl.c keeps the tables, acl_change.c does what the API wants, acl_log.c reads the log.
 */
#ifndef SYSCT_NETWORK_ACL_H
#define SYSCT_NETWORK_ACL_H

#include <jansson.h>
#include <stdbool.h>

#include "db/objects.h"
#include "error.h"

struct network;
struct networks;
struct server;

/* ---- what there may be (acl_check.c) ---- */

int acl_check_name(const char *name, struct error **error);

/**
 * acl_check_rules - the rules of one direction.
 * @rules: an array of objects of texts; empty values are dropped, a missing state becomes "enabled".
 * Names of ACLs are not looked up.
 */
int acl_check_rules(json_t *rules, const char *direction, struct error **error);

/* Values of security.acls.default.*.action, and of security.acls. */
int acl_check_default(const char *value, struct error **error);
int acl_check_list(const char *value, struct error **error);

/* Whether one of a list with commas is that name. */
bool acl_list_has(const char *list, const char *name);

/* The texts of a list with commas, without blanks; a new array. */
json_t *acl_list_split(const char *list);

/* An address, subnet or range: its family; 0 for what is none. */
int acl_subject_family(const char *subject);

/* ---- what the API does (acl_change.c); on failure everything is as it was ---- */

/* @row: name, description, config; kind: {"ingress": [...], "egress": [...]} as checked. */
int acl_create(struct server *server, struct object_row *row, struct error **error);
int acl_update(struct server *server, const struct object_row *row, struct error **error);
int acl_rename(struct server *server, const char *name, const char *new_name, struct error **error);
int acl_delete(struct server *server, const char *name, struct error **error);

/* ---- the tables (acl.c); the manager's lock is held ---- */

struct acls;

/* Reads the rows; NULL on failure. */
struct acls *acls_create(struct networks *networks, struct error **error);
void acls_free(struct acls *acls);

/* Every name of a list is an ACL, or ERROR_NOT_FOUND. */
int acls_check_names(const struct networks *networks, const char *list, struct error **error);

/* "acls" of a NIC of the spec, from the keys of its device; nothing where it has none. */
void acls_describe(const json_t *device, json_t *nic);

/* The rows changed: they are read again. The tables are not written. */
int acls_reload(struct networks *networks, struct error **error);

/* Both tables from networks->running and the networks' keys, in one transaction. */
int acls_write(struct networks *networks, struct error **error);

/* A running instance has other NICs: only elements change where that is enough. Either may be NULL. */
int acls_change(struct networks *networks, const json_t *old, const json_t *new,
		struct error **error);

/* Somebody changed a table of ours: writes it again. */
void acls_mend(struct networks *networks);

/* The tables go. */
void acls_end(struct networks *networks);

/* ---- the log (acl_log.c) ---- */

/* The group of nflog that rules of this daemon log to. */
unsigned acl_log_group(const struct server *server);

/* A socket that gets what is logged; -1 when there can be none, which is logged. */
int acl_log_open(const struct server *server);

/* Writes what the socket has into the files of the ACLs. */
void acl_log_read(const struct server *server, int fd);

/* All that is kept of an ACL, as lines of JSON; the caller frees it. */
char *acl_log_get(const struct server *server, int64_t id);

/* A starting daemon: logs of ACLs that are gone go. @rows: {name: {"id"}}. */
void acl_log_sweep(const struct server *server, const json_t *rows);
void acl_log_delete(const struct server *server, int64_t id);

#endif
