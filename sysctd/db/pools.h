/* Storage pools. */
#ifndef SYSCT_DB_POOLS_H
#define SYSCT_DB_POOLS_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "db/db.h"
#include "error.h"

struct pool_row {
	int64_t id;
	char *name;
	char *driver;
	char *description;
	json_t *config;		   /* {key: value} */
	json_t *used_by_instances; /* [name]; both filled when read */
	json_t *used_by_profiles;  /* [name] of those whose root disk is in it */
};

struct pool_list {
	struct pool_row *rows;
	size_t count;
};

void pool_row_clear(struct pool_row *row);
void pool_list_clear(struct pool_list *list);
#define cleanup_pool_row  __attribute__((cleanup(pool_row_clear)))
#define cleanup_pool_list __attribute__((cleanup(pool_list_clear)))

/* Fills row->id; ERROR_EXISTS. */
int db_pool_create(struct db *db, struct pool_row *row, struct error **error);
int db_pool_get(struct db *db, const char *name, struct pool_row *row, struct error **error);
int db_pool_list(struct db *db, struct pool_list *list, struct error **error);

/* Stores description and config for the pool row->id. */
int db_pool_update(struct db *db, const struct pool_row *row, struct error **error);

/* ERROR_BUSY, naming the users, while there are some. */
int db_pool_delete(struct db *db, const char *name, struct error **error);

#endif
