/*
 * Things with a name, a kind, a description and a configuration that instances
 * and profiles use: storage pools, networks and network ACLs. A table of SQL
 * says which; the code is the same.
 */
#ifndef SYSCT_DB_OBJECTS_H
#define SYSCT_DB_OBJECTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "db/db.h"
#include "error.h"

struct object_row {
	int64_t id;
	char *name;
	char *kind; /* a pool's driver, a network's type, the rules of an ACL as JSON */
	char *description;
	json_t *config;		   /* {key: value} */
	json_t *used_by_instances; /* [name]; both filled when read */
	json_t *used_by_profiles;  /* [name] */
	json_t *used_by_networks;  /* [name] */
	json_t *used_by_acls;	   /* [name] */
};

struct object_list {
	struct object_row *rows;
	size_t count;
};

void object_row_clear(struct object_row *row);
void object_list_clear(struct object_list *list);
#define cleanup_object_row  __attribute__((cleanup(object_row_clear)))
#define cleanup_object_list __attribute__((cleanup(object_list_clear)))

enum { OBJECT_MAPS = 5 };

/* The SQL of one kind of things. The maps are configuration, instances, profiles, networks, ACLs;
 * NULL: they use no such thing. */
struct object_table {
	const char *noun, *title; /* "network", "Network" */
	const char *user;	  /* what used_by_instances names; NULL: "instance" */
	const char *select_all, *select_one;
	const char *maps_all[OBJECT_MAPS], *maps_one[OBJECT_MAPS];
	const char *find, *insert, *update, *rename, *delete;
	const char *delete_config, *insert_config;
	bool kind_changes; /* update has it as ?3 */
};

extern const struct object_table db_pools, db_networks, db_zones, db_network_acls;

/* Fills row->id; ERROR_EXISTS. */
int db_object_create(struct db *db, const struct object_table *table, struct object_row *row,
		     struct error **error);
int db_object_get(struct db *db, const struct object_table *table, const char *name,
		  struct object_row *row, struct error **error);
int db_object_list(struct db *db, const struct object_table *table, struct object_list *list,
		   struct error **error);

/* Stores description and config for the thing row->id, and a kind that may change. */
int db_object_update(struct db *db, const struct object_table *table, const struct object_row *row,
		     struct error **error);

/* ERROR_BUSY, naming the users, while there are some. */
int db_object_rename(struct db *db, const struct object_table *table, const char *name,
		     const char *new_name, struct error **error);
int db_object_delete(struct db *db, const struct object_table *table, const char *name,
		     struct error **error);

#endif
