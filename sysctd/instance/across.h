/* Instances from one pool to another, with their snapshots (storage/transfer.h). */
#ifndef SYSCT_INSTANCE_ACROSS_H
#define SYSCT_INSTANCE_ACROSS_H

#include "db/snapshots.h"
#include "instance/instance.h"
#include "storage/transfer.h"

/**
 * across_add_snapshots - all of the instance's, in the order in which they were taken.
 * @list: filled; number i of it is number i of the transfer's layers.
 */
int across_add_snapshots(struct transfer *transfer, struct instance *instance,
			 struct snapshot_list *list, struct error **error);

/* What it is now, of a single instant if it runs; its lock is held. @directory: as for transfer_add(). */
int across_add_instance(struct transfer *transfer, struct instance *instance, const char *directory,
			struct error **error);

/* The instance @id gets a snapshot as @snapshot is, that keeps @layer. In the transaction of the caller. */
int across_store_snapshot(struct db *db, const struct snapshot_row *snapshot, int64_t id,
			  int64_t layer, struct error **error);

/* The root disk of the row's devices, with the profiles', is in that pool: as a device of its own where a
 * profile says another. */
int across_set_pool(struct server *server, struct instance_row *row, const char *pool,
		    struct error **error);

#endif
