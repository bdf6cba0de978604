/*
 * Layers of storage: directories that instances write into, and that snapshots keep below them. A
 * layer is needed while an instance, a snapshot or a layer above it names it; what nobody needs any
 * more is dead from that same transaction on, and its directory is removed after it (storage/layers.c).
 */
#ifndef SYSCT_DB_LAYERS_H
#define SYSCT_DB_LAYERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "db/db.h"
#include "error.h"

struct layer_row {
	int64_t id;
	int64_t parent_id; /* 0: nothing is below it but an image */
	char *pool;
	char *directory; /* below the pool's: "layers/UUID" */
	char *image;	 /* its fingerprint, of the lowest of a chain; NULL: none */
	uint32_t id_base;
	int64_t bytes; /* on the disk, when nobody writes to it; -1: not counted */
	bool flat;     /* a whole tree, not what differs from those below */
};

struct layer_list {
	struct layer_row *rows;
	size_t count;
};

void layer_list_clear(struct layer_list *list);
#define cleanup_layer_list __attribute__((cleanup(layer_list_clear)))

/* @layer: all but the id, which is filled; the pool by its name. */
int db_layer_create(struct db *db, struct layer_row *layer, struct error **error);

/**
 * db_layer_hold - the layer is needed until db_layer_release(), whoever names it.
 * By this process alone: after its end nobody holds anything. To be called in the transaction that makes or
 * finds the layer. Each hold needs a release of its own.
 */
int db_layer_hold(struct db *db, int64_t id, struct error **error);
int db_layer_release(struct db *db, int64_t id, struct error **error);

/* What nobody needs, as a daemon that was killed may leave it, is dead then. */
int db_layers_bury(struct db *db, struct error **error);

/* The layer and those below it, the uppermost first. ERROR_NOT_FOUND when there is none. */
int db_layer_chain(struct db *db, int64_t id, struct layer_list *list, struct error **error);

/**
 * db_layer_recover - a row for a layer that was found in its pool, or the one that it has.
 * @layer: all but the id, which is filled. @written: somebody is to write into it, so nobody else may have
 * it. ERROR_EXISTS when it is used otherwise.
 */
int db_layer_recover(struct db *db, struct layer_row *layer, bool written, struct error **error);

/* Whether a row, dead or not, has that directory. */
int db_layer_known(struct db *db, const char *pool, const char *directory, bool *known,
		   struct error **error);

/* Whether one of the pool lies above the image. */
int db_layers_use_image(struct db *db, const char *pool, const char *fingerprint, bool *used,
			struct error **error);

/* Those that nobody writes to any more and whose bytes are not known. */
int db_layers_uncounted(struct db *db, struct layer_list *list, struct error **error);
int db_layer_set_bytes(struct db *db, int64_t id, int64_t bytes, struct error **error);

/* Dead ones. */
int db_layers_dead(struct db *db, struct layer_list *list, struct error **error);

/* The directory of a dead one is gone; above it there is none but dead ones. */
int db_layer_delete(struct db *db, int64_t id, struct error **error);

#endif
