/*
 * The files of an instance and of its snapshots as layers of another pool, whatever the drivers: what one
 * shows is copied, and of the next what differs, so that they share in the new pool what they can.
 */
#ifndef SYSCT_STORAGE_TRANSFER_H
#define SYSCT_STORAGE_TRANSFER_H

#include "db/layers.h"
#include "db/objects.h"
#include "error.h"

struct operation;
struct server;
struct transfer;

/* @pool: to copy to. @operation: gets the progress and may cancel; NULL is fine. Both are borrowed. */
struct transfer *transfer_new(struct server *server, const struct object_row *pool,
			      struct operation *operation);

/* Before any is added: layers that are in the pool already, and that the next one is to share with. */
void transfer_base(struct transfer *transfer, const struct layer_list *chain);

/**
 * transfer_add - a layer with what the layers of @chain show, on the disk.
 * @directory: NULL: one of its own, which gets a row; else the row is the caller's ("instances/UUID").
 */
int transfer_add(struct transfer *transfer, const struct layer_list *chain, const char *directory,
		 struct error **error);

/* A flat layer that is there already as ".new-", and that the next one is to share with; it is committed, and goes
 * when it is not, like those that were added. @given: its row is the caller's. */
void transfer_adopt(struct transfer *transfer, const char *directory, bool given);

/* Times of the sources may have been rounded: tree_copy_rounded(). */
void transfer_rounded(struct transfer *transfer);

/* An empty layer above the last one, of a driver that stacks, for an instance; it is the caller's, as
 * after storage_layer_above(). */
int transfer_above(struct transfer *transfer, const char *directory, uint32_t id_base,
		   struct error **error);

/* In the transaction of the caller: the rows. */
int transfer_store(struct transfer *transfer, struct error **error);

/* Of the layer that was added as number @index, after transfer_store(). The last is @index -1. */
const struct layer_row *transfer_layer(const struct transfer *transfer, int index);

/* After the transaction. */
int transfer_commit(struct transfer *transfer, struct error **error);

/* Removes what was made and not committed. */
void transfer_free(struct transfer *transfer);

static inline void cleanup_transfer_pointer(struct transfer **transfer)
{
	if (*transfer)
		transfer_free(*transfer);
}
#define cleanup_transfer __attribute__((cleanup(cleanup_transfer_pointer)))

#endif
