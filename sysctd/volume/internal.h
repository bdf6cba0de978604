/* What the files of volume/ share. */
#ifndef SYSCT_VOLUME_INTERNAL_H
#define SYSCT_VOLUME_INTERNAL_H

#include "db/layers.h"
#include "volume/volume.h"

/* A layer that is being made: ".new-TOKEN" until it is committed. */
struct volume_layer {
	char *pool, *directory;
	bool made;
};

void volume_layer_clear(struct volume_layer *layer);
#define cleanup_volume_layer __attribute__((cleanup(volume_layer_clear)))

/**
 * volume_layer_make - a new one, empty or with what the layer @like has (0: none).
 * @config: of the volume that it is for, to whose "size" it is limited later; NULL for one that stays as @like is.
 * volume_layer_store() in a transaction gives it a row, and volume_layer_commit() after that makes it
 * appear; one that is only cleared is removed.
 */
int volume_layer_make(struct server *server, const char *pool, int64_t like, const json_t *config,
		      struct volume_layer *layer, struct error **error);
int volume_layer_store(struct server *server, const struct volume_layer *layer, int64_t *id,
		       struct error **error);
int volume_layer_commit(struct server *server, struct volume_layer *layer, struct error **error);

/* Removes one that got no row; nothing for one that was committed. */
void volume_layer_abort(struct server *server, struct volume_layer *layer);

/* ---- its size (size.c) ---- */

/* Before something is made: ERROR_UNSUPPORTED when the pool cannot keep the "size" of @config. */
int volume_check_size(struct server *server, const char *pool, const json_t *config,
		      struct error **error);

/* With what the pool has for new volumes; a new object. */
json_t *volume_default_config(struct server *server, const char *pool, const json_t *config,
			      struct error **error);

/* Limits one that volume_layer_make() made to the "size" of @config. @must_fit: ERROR_INVALID when there is
 * more in it already. */
int volume_layer_limit(struct server *server, const struct volume_layer *layer,
		       const json_t *config, bool must_fit, struct error **error);

/* The same for one that is stored. */
int volume_resize(struct server *server, const struct volume_row *row, const json_t *config,
		  bool must_fit, struct error **error);

/* Before anything is made; the transaction looks again. */
int volume_check_new(struct server *server, const struct volume_request *request,
		     struct error **error);

/* In a transaction, after something was copied: the volume still has that layer. */
int volume_check_same(struct server *server, const struct volume_row *row, struct error **error);

/* Likewise: nobody deleted one of its snapshots. */
int volume_check_snapshots(struct server *server, const struct volume_snapshot_list *list,
			   struct error **error);

/* @snapshot: NULL for the volume itself. */
void volume_publish(struct server *server, const char *action, const char *pool, const char *name,
		    const char *snapshot);

#endif
