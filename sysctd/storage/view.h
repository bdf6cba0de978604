/* What an instance sees of its layers, for the daemon: one tree, whose ids count from 0. */
#ifndef SYSCT_STORAGE_VIEW_H
#define SYSCT_STORAGE_VIEW_H

#include "db/layers.h"
#include "error.h"

struct storage;

/**
 * storage_view_open - a descriptor of the root directory.
 * @chain: the uppermost layer first. Nothing is mounted that others could see, and all goes with the
 * descriptor, which the caller closes. Nobody may write to the layers meanwhile.
 */
int storage_view_open(struct storage *storage, const struct layer_list *chain,
		      struct error **error);

/**
 * storage_view_open_above - the same, and what is written to it becomes a layer above @chain.
 * @path: of a new layer of the overlay driver, whose ids count from 0.
 */
int storage_view_open_above(struct storage *storage, const struct layer_list *chain,
			    const char *path, struct error **error);

#endif
