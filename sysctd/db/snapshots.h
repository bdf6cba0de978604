/* Snapshots of instances: a layer that is kept, and what the instance was at that time. */
#ifndef SYSCT_DB_SNAPSHOTS_H
#define SYSCT_DB_SNAPSHOTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "db/db.h"
#include "db/instances.h"
#include "error.h"

struct snapshot_row {
	int64_t id;
	int64_t instance_id;
	char *name;
	char *description;
	int64_t created_at;
	int64_t expires_at; /* 0: never */
	int64_t layer_id;
	int64_t bytes; /* on the disk, of that layer alone; -1: not counted yet */
	/* Of the instance at that time. */
	char *architecture;
	bool ephemeral;
	json_t *config, *devices, *profiles;
};

struct snapshot_list {
	struct snapshot_row *rows;
	size_t count;
};

void snapshot_row_clear(struct snapshot_row *row);
void snapshot_list_clear(struct snapshot_list *list);
#define cleanup_snapshot_row  __attribute__((cleanup(snapshot_row_clear)))
#define cleanup_snapshot_list __attribute__((cleanup(snapshot_list_clear)))

/* Of one instance (by id; 0: of all), in the order in which they were taken. Rows with the same configuration
 * share it: it is not to be changed in place. */
int db_snapshot_list(struct db *db, int64_t instance_id, struct snapshot_list *list,
		     struct error **error);

/* Of all instances, without what they hold (config, devices, profiles, architecture are NULL). */
int db_snapshot_list_names(struct db *db, struct snapshot_list *list, struct error **error);
int db_snapshot_get(struct db *db, int64_t instance_id, const char *name, struct snapshot_row *row,
		    struct error **error);

/**
 * db_snapshot_create - @snapshot: name, description, both times and layer_id; the rest is the
 * instance's as @instance has it. id is filled. ERROR_EXISTS.
 */
int db_snapshot_create(struct db *db, struct snapshot_row *snapshot,
		       const struct instance_row *instance, struct error **error);

/* The instance @to gets snapshots that keep the same as those of @from. */
int db_snapshots_copy(struct db *db, int64_t from, int64_t to, struct error **error);

/* Stores description and expires_at of the snapshot row->id. */
int db_snapshot_update(struct db *db, const struct snapshot_row *row, struct error **error);

/* Whether any instance, profile or volume has snapshots.schedule. */
int db_snapshot_any_schedule(struct db *db, bool *any, struct error **error);

/* The earliest time after @after at which one expires; 0: none does. */
int db_snapshot_next_expiry(struct db *db, int64_t after, int64_t *time, struct error **error);
int db_snapshot_rename(struct db *db, const struct snapshot_row *snapshot, const char *name,
		       struct error **error);

/* Layers that nobody else needs are dead then. */
int db_snapshot_delete(struct db *db, int64_t id, struct error **error);

#endif
