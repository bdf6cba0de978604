/* What a pool lies on: a directory of sysct's own or of somebody else's, a file of ours, a block device. */
#ifndef SYSCT_STORAGE_POOL_SOURCE_H
#define SYSCT_STORAGE_POOL_SOURCE_H

#include <stdbool.h>

#include "db/objects.h"
#include "error.h"
#include "storage/internal.h"

/**
 * pool_source_plan - decides what a new pool lies on, and checks that it may.
 * Completes row->config ("source", "size"). Nothing is made yet.
 * @others: all pools there are.
 */
int pool_source_plan(const struct storage *storage, struct object_row *row,
		     const struct object_list *others, struct error **error);

/* row->config "source" of a pool that is in a file of sysct's own, when it has none and the file is there. */
void pool_source_find(const struct storage *storage, struct object_row *row);

/* Makes the file or the file system of a new pool, as pool_source_plan() decided. */
int pool_source_make(const struct storage *storage, const struct object_row *row,
		     struct error **error);

/* Mounts it at ROOT/POOL, if it is not there yet; of a directory of sysct's own, that is made. */
int pool_source_mount(const struct storage *storage, const struct object_row *row,
		      struct error **error);

/* Takes it away from there; @remove: also a directory or a file of sysct's own, and what a driver made on
 * the source. */
int pool_source_unmount(const struct storage *storage, const struct object_row *row, bool remove,
			struct error **error);

/* A file or a block device, not a directory. */
bool pool_source_is_device(const struct object_row *row);

/* To the size of the configuration. */
int pool_source_grow(const struct storage *storage, const struct object_row *row,
		     struct error **error);

/* ROOT/POOL; the caller frees it. */
char *pool_path(const struct storage *storage, const char *pool);

/* Whether something is mounted there. */
bool pool_is_mounted(const struct storage *storage, const char *pool);

#endif
