/*
 * Layers that are only there because others lie above them: with the one above they can become one
 * (instance/merger.c).
 */
#ifndef SYSCT_DB_LAYERS_MERGE_H
#define SYSCT_DB_LAYERS_MERGE_H

#include "db/layers.h"

/**
 * db_layers_mergeable - layers that may be merged with the one below each.
 * That one is named by no instance and no snapshot and has no other above it, both have the same ids, and no
 * instance writes into either. Neither is in the chain of one that is held. The uppermost first.
 */
int db_layers_mergeable(struct db *db, struct layer_list *uppers, struct error **error);

/* Instances that have the layer in their chain, or in that of a snapshot, by their ids. */
struct layer_owners {
	int64_t *ids;
	size_t count;
};

int db_layer_owners(struct db *db, int64_t layer, struct layer_owners *owners,
		    struct error **error);
void layer_owners_clear(struct layer_owners *owners);
#define cleanup_layer_owners __attribute__((cleanup(layer_owners_clear)))

/**
 * db_layers_merge - @merged is in the place of @upper and @lower from now on; they are dead.
 * @merged: its directory; the rest is filled, but its texts are borrowed from @lower.
 * ERROR_BUSY when they may not be merged any more.
 */
int db_layers_merge(struct db *db, const struct layer_row *lower, const struct layer_row *upper,
		    struct layer_row *merged, struct error **error);

#endif
