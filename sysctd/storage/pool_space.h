/* What space_explain() tells of pools. */
#ifndef SYSCT_STORAGE_POOL_SPACE_H
#define SYSCT_STORAGE_POOL_SPACE_H

#include "space.h"

struct server;
struct storage;

struct space space_of_pool(const struct storage *storage, const char *pool);

/* Bytes of what a layer shows; @own: of that layer alone. -1: they cannot be counted. */
int64_t space_for_layer(struct server *server, int64_t layer_id, bool own);

#endif
