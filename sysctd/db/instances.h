/* Instances, their configuration, devices, profiles and id ranges. */
#ifndef SYSCT_DB_INSTANCES_H
#define SYSCT_DB_INSTANCES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "db/db.h"
#include "error.h"

enum instance_power { INSTANCE_POWER_STOPPED, INSTANCE_POWER_RUNNING, INSTANCE_POWER_COUNT };

/* "STOPPED", "RUNNING", as in volatile.last_state.power; NULL and -1 for others. */
const char *instance_power_to_string(enum instance_power power);
int instance_power_from_string(const char *name);

/* The ids that instances may be given, from /etc/subuid and /etc/subgid. */
struct id_pool {
	uint32_t base;
	uint32_t count;
};

struct instance_row {
	int64_t id;
	char *uuid;
	char *name;
	char *description;
	char *architecture;
	bool ephemeral;
	int64_t created_at;
	int64_t last_used_at;
	char *image; /* fingerprint, or NULL; the image may be gone */
	int64_t pool_id;
	char *pool;	  /* name of that pool */
	uint32_t id_base; /* first host id of the range */
	uint32_t id_count;
	int64_t layer_id;     /* the layer of storage that it writes into */
	int64_t parent_layer; /* of a new one: what that layer is above; 0: the image */
	bool flat_layer;      /* of a new one: it is above nothing (db/layers.h) */
	enum instance_power last_power;
	json_t *config;	  /* {key: value} */
	json_t *devices;  /* {device: {key: value}} */
	json_t *profiles; /* [name], in the order they apply */
};

struct instance_list {
	struct instance_row *rows;
	size_t count;
};

/* Release what the row or list holds; zero-initialised is fine. */
void instance_row_clear(struct instance_row *row);
void instance_list_clear(struct instance_list *list);
#define cleanup_instance_row  __attribute__((cleanup(instance_row_clear)))
#define cleanup_instance_list __attribute__((cleanup(instance_list_clear)))

/**
 * db_instance_create - a new instance, with the lowest free id range.
 * @row: uuid, name, architecture and pool (or pool_id) are needed; id_count 0 is
 * 65536; created_at 0 is now; config, devices, profiles NULL are empty. id, pool,
 * pool_id, id_base, id_count, created_at and layer_id are filled: it has a layer of its own
 * in "instances/UUID".
 * Fails with ERROR_EXISTS, ERROR_NOT_FOUND (pool or profile), ERROR_NO_SPACE (ids).
 */
int db_instance_create(struct db *db, struct instance_row *row, const struct id_pool *ids,
		       struct error **error);

/**
 * db_instance_recover - the row of one whose layers are there (db_layer_recover()).
 * @row: as for db_instance_create(); and layer_id, and id_base with id_count, which it gets again when
 * they are free. Else it gets others, which *moved says. ERROR_EXISTS for its name or its uuid.
 */
int db_instance_recover(struct db *db, struct instance_row *row, const struct id_pool *ids,
			bool *moved, struct error **error);

/* Fill a row (clear it after use); ERROR_NOT_FOUND. */
int db_instance_get(struct db *db, const char *name, struct instance_row *row,
		    struct error **error);
int db_instance_get_by_id(struct db *db, int64_t id, struct instance_row *row,
			  struct error **error);

/* All instances by name, whole. */
int db_instance_list(struct db *db, struct instance_list *list, struct error **error);

/**
 * db_instance_update - store description, ephemeral, config, devices and profiles
 * of @row for the instance row->id; other fields are left alone. A NULL map is empty.
 */
int db_instance_update(struct db *db, const struct instance_row *row, struct error **error);

int db_instance_rename(struct db *db, int64_t id, const char *name, struct error **error);

/* Also gives the id range back: its processes must be gone before. Layers that nobody needs any
 * more are dead then (layers.h). */
int db_instance_delete(struct db *db, int64_t id, struct error **error);

/**
 * db_instance_set_layer - from now on it writes into the layer @layer_id. What nobody needs any
 * more of those before is dead then.
 */
int db_instance_set_layer(struct db *db, int64_t id, int64_t layer_id, struct error **error);

/* The layer that it writes into; 0: there is none. */
int db_instance_layer(struct db *db, int64_t id, int64_t *layer_id, struct error **error);

/* A snapshot that keeps another layer. */
struct snapshot_layer {
	int64_t snapshot_id, layer_id;
};

/* It is in another pool now, and so are the layers of its snapshots. */
int db_instance_move(struct db *db, int64_t id, const char *pool, int64_t layer_id,
		     const struct snapshot_layer *snapshots, size_t count, struct error **error);

/* Facts that a power cut may take back: one small write without a sync. */
int db_instance_touch(struct db *db, int64_t id, int64_t last_used_at, struct error **error);
int db_instance_set_power(struct db *db, int64_t id, enum instance_power power,
			  struct error **error);

/**
 * db_instance_set_key - set one configuration key, or unset it with @value NULL.
 * @durability: DB_VOLATILE for volatile.* keys that the daemon can find again.
 */
int db_instance_set_key(struct db *db, int64_t id, const char *key, const char *value,
			enum db_durability durability, struct error **error);

#endif
