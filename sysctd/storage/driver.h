/*
 * What the drivers of pools can do: a table of functions each. A layer is a directory below the pool's;
 * in it a stacked one has "upper" and "work", a flat one "rootfs", a whole tree whose ids count from 0.
 */
#ifndef SYSCT_STORAGE_DRIVER_H
#define SYSCT_STORAGE_DRIVER_H

#include <jansson.h>
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

/* What a pool of a driver that makes file systems lies on; members are borrowed. */
struct storage_source {
	const char *pool;
	const json_t *config;
	/* Of "source": a block device, a file, or a name that the driver knows (names_sources). */
	const char *source;
	/* A file of which storage_driver.mount() gets a loop device. */
	bool is_file;
};

/* Bytes of what a pool lies on. */
struct storage_extent {
	uint64_t total, used;
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
	/* Makes the empty tree "rootfs" in the directory @path. @bytes: what it shall hold at the most, for
	 * drivers whose trees cannot be made smaller later; 0: what they have by themselves. */
	int (*tree_create)(const char *path, uint64_t bytes, struct error **error);
	/* Makes "rootfs" in @path from the one in @from, at once; NULL: file by file (tree_copy.h). */
	int (*tree_clone)(const char *from, const char *path, struct error **error);
	/* Makes "rootfs" in @path the same as in @from, for reading only, to be sent; NULL: the driver has no
	 * format of its own for backups. */
	int (*tree_freeze)(const char *from, const char *path, struct error **error);
	/* A directory cannot be a source; what is no path is a name that the driver knows. */
	bool names_sources;
	/* Before a pool is made: what the driver needs is there; adds what was left open to @config.
	 * NULL: nothing. */
	int (*plan)(const char *pool, json_t *config, struct error **error);
	/* For pools on a file of ours or a block device: makes the file system, and mounts it at @path,
	 * @device being the source or the loop device of a file. NULL: the source is a directory. */
	int (*make)(const struct storage_source *source, bool wipe, struct error **error);
	int (*mount)(const struct storage_source *source, const char *device, const char *path,
		     struct error **error);
	/* Beside unmounting @path: before it what is mounted below, and after it what keeps the source
	 * in use; @remove: the pool is no more. NULL: nothing. */
	int (*leave)(const char *path, struct error **error);
	int (*release)(const struct storage_source *source, bool remove, struct error **error);
	/* Of a pool that has just been made on a file or device of its own; NULL: nothing. */
	int (*prepare)(const char *path, struct error **error);
	/* Where trees are file systems of their own; they do nothing and return 0 where "rootfs" in
	 * @path is none of this driver. Mounts it, if it is not yet; it stays until one of the others.
	 * Unmounts it. Removes it: what is left in @path are plain files. NULL: nothing to do. */
	int (*tree_attach)(const char *path, struct error **error);
	int (*tree_detach)(const char *path, struct error **error);
	int (*tree_remove)(const char *path, struct error **error);
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
	/* Of the pool at @path; -1 where it is none of this driver. NULL: as its file system says. */
	int (*space)(const char *path, struct storage_extent *extent);
	/* After the device has grown. */
	int (*grow)(const char *path, struct error **error);
};

extern const struct storage_driver storage_overlay, storage_dir, storage_btrfs, storage_lvm;

/* Drivers by name, ended by NULL. */
const struct storage_driver *const *storage_drivers(void);

/* ERROR_UNSUPPORTED says what is missing, or which there are. */
const struct storage_driver *storage_driver_find(const char *name, struct error **error);

/* An empty "rootfs", root's, 0755, as a plain directory. */
int storage_plain_tree(const char *path, uint64_t bytes, struct error **error);

#endif
