/* How much of a pool instances and snapshots take. */
#ifndef SYSCT_STORAGE_USAGE_H
#define SYSCT_STORAGE_USAGE_H

#include <stdint.h>

#include "error.h"

struct server;
struct usage_counter;

/* Bytes on the disk; -1: not counted yet. */
struct storage_usage {
	int64_t own;	/* of it alone: what its deletion frees */
	int64_t shared; /* of what is below it, with others */
};

/* A thread that counts with the lowest priority. */
struct usage_counter *usage_counter_create(struct server *server, struct error **error);
void usage_counter_free(struct usage_counter *counter);

/* Layers may have been closed by a snapshot, or be new: they are counted soon.
 * Nothing happens for NULL. */
void usage_wake(struct usage_counter *counter);

/**
 * storage_usage - of a layer.
 * Trees are not walked for it, but for the first question about one that is written to; later ones are
 * told what was counted at most some seconds before, and have it counted again.
 * @wait: whether that first time may be waited for.
 */
struct storage_usage storage_usage(struct server *server, int64_t layer_id, bool wait);

#endif
