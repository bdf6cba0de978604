/* Custom volumes of storage pools, and their snapshots: each is a flat layer (db/layers.h) with a name. */
#ifndef SYSCT_DB_VOLUMES_H
#define SYSCT_DB_VOLUMES_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "db/db.h"
#include "error.h"

struct volume_row {
	int64_t id;
	char *pool;
	char *name;
	char *description;
	int64_t created_at;
	int64_t layer_id;
	json_t *config; /* {key: value} */
};

struct volume_list {
	struct volume_row *rows;
	size_t count;
};

void volume_row_clear(struct volume_row *row);
void volume_list_clear(struct volume_list *list);
#define cleanup_volume_row  __attribute__((cleanup(volume_row_clear)))
#define cleanup_volume_list __attribute__((cleanup(volume_list_clear)))

/* @pool NULL: those of all. Ordered by pool and name. */
int db_volume_list(struct db *db, const char *pool, struct volume_list *list, struct error **error);
int db_volume_get(struct db *db, const char *pool, const char *name, struct volume_row *row,
		  struct error **error);

/* All but the id, which is filled. ERROR_EXISTS; ERROR_NOT_FOUND without the pool. */
int db_volume_create(struct db *db, struct volume_row *row, struct error **error);

/* Stores description, config and layer_id of the volume row->id; a layer that nobody needs is dead. */
int db_volume_update(struct db *db, const struct volume_row *row, struct error **error);

/* Another name, pool and layer for the volume row->id. ERROR_EXISTS. */
int db_volume_move(struct db *db, const struct volume_row *row, const char *pool, const char *name,
		   int64_t layer_id, struct error **error);

/* With its snapshots. */
int db_volume_delete(struct db *db, int64_t id, struct error **error);

/* ---- snapshots ---- */

struct volume_snapshot_row {
	int64_t id;
	int64_t volume_id;
	char *name;
	char *description;
	int64_t created_at;
	int64_t expires_at; /* 0: never */
	int64_t layer_id;
	json_t *config; /* of the volume at that time */
};

struct volume_snapshot_list {
	struct volume_snapshot_row *rows;
	size_t count;
};

void volume_snapshot_row_clear(struct volume_snapshot_row *row);
void volume_snapshot_list_clear(struct volume_snapshot_list *list);
#define cleanup_volume_snapshot_row  __attribute__((cleanup(volume_snapshot_row_clear)))
#define cleanup_volume_snapshot_list __attribute__((cleanup(volume_snapshot_list_clear)))

/* In the order in which they were taken. */
int db_volume_snapshot_list(struct db *db, int64_t volume_id, struct volume_snapshot_list *list,
			    struct error **error);
int db_volume_snapshot_get(struct db *db, int64_t volume_id, const char *name,
			   struct volume_snapshot_row *row, struct error **error);

/* All but the id, which is filled. ERROR_EXISTS. */
int db_volume_snapshot_create(struct db *db, struct volume_snapshot_row *row, struct error **error);

/* Stores name, description, expires_at and layer_id of the snapshot row->id. ERROR_EXISTS. */
int db_volume_snapshot_update(struct db *db, const struct volume_snapshot_row *row,
			      struct error **error);

/* The earliest time after @after at which one expires; 0: none does. */
int db_volume_snapshot_next_expiry(struct db *db, int64_t after, int64_t *time,
				   struct error **error);
int db_volume_snapshot_delete(struct db *db, int64_t id, struct error **error);

#endif
