/* Layers inside a transaction of others. Internal to sysctd/db. */
#ifndef SYSCT_DB_LAYERS_INTERNAL_H
#define SYSCT_DB_LAYERS_INTERNAL_H

#include "db/layers.h"
#include "db/query.h"

int layer_create(struct connection *connection, struct layer_row *layer, struct error **error);

/* After something named a layer for the last time: marks those that nobody needs as dead. */
int layers_bury(struct connection *connection, struct error **error);

#endif
