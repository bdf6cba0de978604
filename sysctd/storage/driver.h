/*
 * What the drivers of pools can do: a table of functions each. A layer is a directory below the pool's;
 * in it a stacked one has "upper" and "work", a flat one "rootfs", a whole tree whose ids count from 0.
 */
#ifndef SYSCT_STORAGE_DRIVER_H
#define SYSCT_STORAGE_DRIVER_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"

/* Layers that lie above others (storage/overlay.c). */
struct storage_stack {
	/* Fills the empty directory @path with a layer for an instance whose root is @id_base, above
	 * the tree @place, an image's or an older layer's, which was written with @place_base: its root
	 * directory has the same owner, mode and attributes. */
	int (*above)(const char *path, const char *place, uint32_t place_base, uint32_t id_base,
		     struct error **error);
};

struct storage_driver {
	const char *name;
	const char *help;
	/* NULL: what instances write into is flat. */
	const struct storage_stack *stack;
	/* Whether the pool has images of its own; else trees are copied from where images are. */
	bool keeps_images;
	/* Whether the directory, which is there and mounted, can be a pool. */
	int (*check)(const char *path, struct error **error);
	/* Makes the empty tree "rootfs" in the directory @path. */
	int (*tree_create)(const char *path, struct error **error);
	/* Makes "rootfs" in @path from the one in @from, at once; NULL: file by file (tree_copy.h). */
	int (*tree_clone)(const char *from, const char *path, struct error **error);
	/* Makes "rootfs" in @path the same as in @from, for reading only, to be sent; NULL: the driver has no
	 * format of its own for backups. */
	int (*tree_freeze)(const char *from, const char *path, struct error **error);
	/* For pools on a file of ours or a block device: makes the file system, and mounts it. NULL:
	 * the source is a directory. */
	int (*make)(const char *device, const char *options, bool wipe, struct error **error);
	int (*mount)(const char *device, const char *path, const char *options,
		     struct error **error);
	/* Of a pool that has just been made on a file or device of its own; NULL: nothing. */
	int (*prepare)(const char *path, struct error **error);
	/* Bytes of the layer in @path, and of what is counted with it: what it has alone, and all that a
	 * limit counts. -1: nobody knows without walking through it. */
	int (*usage)(const char *path, int64_t *own, int64_t *all);
	/* Of the directory of a new layer, in which there are no more than empty directories: what is made in
	 * it is counted, together with what is in the layer's directory @with, or alone where that is NULL,
	 * whatever it was before. NULL: nothing is to be done for it. */
	int (*count)(const char *path, const char *with, struct error **error);
	/* Whether the two are counted together. NULL: none are. */
	bool (*together)(const char *path, const char *other);
	/* Whether layers of the pool at @path can be limited, ERROR_UNSUPPORTED says what is missing.
	 * NULL: always. */
	int (*check_limit)(const char *path, struct error **error);
	/* The most bytes that the layer in @path, and what is counted with it, may have, 0 for no limit. */
	int (*limit)(const char *path, uint64_t bytes, struct error **error);
	/* After the device has grown. */
	int (*grow)(const char *path, struct error **error);
};

extern const struct storage_driver storage_overlay, storage_dir, storage_btrfs;

/* Drivers by name, ended by NULL. */
const struct storage_driver *const *storage_drivers(void);

/* ERROR_UNSUPPORTED says what is missing, or which there are. */
const struct storage_driver *storage_driver_find(const char *name, struct error **error);

/* An empty "rootfs", root's, 0755, as a plain directory. */
int storage_plain_tree(const char *path, struct error **error);

#endif
