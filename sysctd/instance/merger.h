/*
 * Layers are looked after in the background, by a thread with the lowest I/O priority, which sleeps until
 * some have changed. What nobody needs any more is removed, so that who deletes does not wait for it. And
 * chains are kept short: a layer that is only there because one lies above it becomes one with that
 * (db/layers_merge.h, storage/layer_merge.h).
 *
 * Nobody notices a merge. Who reads a chain of layers holds the operation lock of an instance that the chain is
 * of, or of one whose snapshot it is, or holds the layer itself (db_layer_hold()). All of these locks are
 * held for the moment in which the new layer takes the place of the two, chains of which a layer is held
 * are left alone, and what a running instance has mounted stays until it has ended.
 */
#ifndef SYSCT_INSTANCE_MERGER_H
#define SYSCT_INSTANCE_MERGER_H

#include "error.h"

struct merger;
struct server;

struct merger *merger_create(struct server *server, struct error **error);

/* Ends the thread, soon. */
void merger_stop(struct merger *merger);
void merger_free(struct merger *merger);

/* Layers have changed, or an instance has stopped. NULL is fine. */
void merger_wake(struct merger *merger);

#endif
