/* Ranges of host ids for instances. Internal to sysctd/db. */
#ifndef SYSCT_DB_ID_RANGES_H
#define SYSCT_DB_ID_RANGES_H

#include "db/instances.h"
#include "db/query.h"
#include "error.h"

/* Gives @instance_id the lowest free range of @count ids; ERROR_NO_SPACE. In a transaction. */
int id_range_take(struct connection *connection, int64_t instance_id, const struct id_pool *pool,
		  uint32_t count, uint32_t *base, struct error **error);

/* The same for the very range that begins at @base; 0 when it is not free, else 1. In a transaction. */
int id_range_claim(struct connection *connection, int64_t instance_id, const struct id_pool *pool,
		   uint32_t base, uint32_t count, struct error **error);

/* Gives the range of an instance back, if it has one. In a transaction. */
int id_range_give(struct connection *connection, int64_t instance_id, struct error **error);

#endif
