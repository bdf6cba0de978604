/*
 * What belongs to a named thing and is kept alike: forwards of a network, records of
 * a zone. Each has a name there, a description, a list (JSON) and a configuration.
 * A table of SQL says which; the code is the same.
 */
#ifndef SYSCT_DB_PARTS_H
#define SYSCT_DB_PARTS_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "db/db.h"
#include "error.h"

struct part_row {
	int64_t id;
	char *owner; /* the network, the zone */
	char *name;
	char *description;
	json_t *list; /* ports of a forward, entries of a record */
	json_t *config;
};

struct part_list {
	struct part_row *rows;
	size_t count;
};

void part_row_clear(struct part_row *row);
void part_list_clear(struct part_list *list);
#define cleanup_part_row  __attribute__((cleanup(part_row_clear)))
#define cleanup_part_list __attribute__((cleanup(part_list_clear)))

/* ?1 is the owner's name and ?2 the part's; NULL is any. */
struct part_table {
	const char *title, *owner_title;
	const char *select, *select_config; /* the configuration of all */
	const char *find;		    /* one that has the name already */
	const char *insert, *update, *delete;
	const char *delete_config, *insert_config;
};

extern const struct part_table db_forwards, db_records;

/* @owner NULL: those of all. Ordered by owner and name. */
int db_part_list(struct db *db, const struct part_table *table, const char *owner,
		 struct part_list *list, struct error **error);
int db_part_get(struct db *db, const struct part_table *table, const char *owner, const char *name,
		struct part_row *row, struct error **error);

/* Fills row->id. ERROR_EXISTS; ERROR_NOT_FOUND without the owner. */
int db_part_create(struct db *db, const struct part_table *table, struct part_row *row,
		   struct error **error);

/* Stores description, list and config of the part row->id. */
int db_part_update(struct db *db, const struct part_table *table, const struct part_row *row,
		   struct error **error);
int db_part_delete(struct db *db, const struct part_table *table, const char *owner,
		   const char *name, struct error **error);

#endif
