/* Layers inside a transaction of others. Internal to sysctd/db. */
#ifndef SYSCT_DB_LAYERS_INTERNAL_H
#define SYSCT_DB_LAYERS_INTERNAL_H

#include "db/layers.h"
#include "db/query.h"

#define SELECT_LAYERS                                                                              \
	"SELECT l.id, l.parent_id, p.name, l.directory, l.id_base, l.image, l.flat, l.bytes"       \
	" FROM storage_layers l"                                                                   \
	" JOIN storage_pools p ON p.id = l.pool_id"

/* Rows of SELECT_LAYERS. */
int layers_read(struct db *db, const char *sql, const struct value *values, size_t count,
		struct layer_list *list, struct error **error);

int layer_create(struct connection *connection, struct layer_row *layer, struct error **error);

/* After something named a layer for the last time: marks those that nobody needs as dead. */
int layers_bury(struct connection *connection, struct error **error);

#endif
