/*
 * Pools and what lies in them. A pool is a directory below
 * STATE/storage-pools; a driver is a table of functions. Directories are
 * named by image fingerprint and instance UUID, so that a rename touches only
 * the database.
 *
 * Crash rule: a thing is made as ".new-ID" and taken away as ".del-ID"; only a
 * rename makes it appear or disappear. Before the one its row is committed, and before
 * the other its row says that it is dead. storage_repair() finishes or removes
 * what a dead daemon left half done.
 */
#ifndef SYSCT_STORAGE_STORAGE_H
#define SYSCT_STORAGE_STORAGE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "db/layers.h"
#include "error.h"
#include "storage/tree_copy.h"

struct server;
struct storage;

/* What a pool of one driver can do (storage/overlay.c). */
struct storage_driver {
	const char *name;
	const char *help;
	/* Checks that @pool_path can be used, and prepares it. */
	int (*pool_create)(const char *pool_path, struct error **error);
	/* Fills the empty directory @path with a volume for an instance whose root is @id_base. */
	int (*volume_create)(const char *path, uint32_t id_base, struct error **error);
	/* Fills the empty directory @path with a layer that nothing was written into, for an instance
	 * whose root is @id_base, in place of the one at @place, which was written with @place_base:
	 * its root directory has the same owner, mode and attributes. */
	int (*layer_create)(const char *path, const char *place, uint32_t place_base,
			    uint32_t id_base, struct error **error);
	/* A copy of the layer at @path into the new directory @target, which is made. */
	struct tree_copy *(*layer_copy)(const char *path, const char *target, struct error **error);
	/* "sysct.rootfs" of the runtime's spec: what the monitor mounts, the uppermost layer and
	 * the image (NULL: none); and one more layer above the image and those that were added before. */
	json_t *(*describe)(const char *layer_path, const char *image_path);
	void (*describe_below)(json_t *rootfs, const char *layer_path, uint32_t id_base);
};

extern const struct storage_driver storage_overlay;
const struct storage_driver *storage_driver_find(const char *name);

/* Drivers by name, ended by NULL. */
const struct storage_driver *const *storage_drivers(void);

struct storage *storage_create(const char *state_directory, struct error **error);
void storage_free(struct storage *storage);

/* Makes the directories of a pool, and checks that its driver works there. Safe to repeat. */
int storage_pool_prepare(struct storage *storage, const char *pool, const char *driver,
			 struct error **error);

/* ---- instances' root volumes ---- */

struct volume_request {
	const char *pool;
	const char *uuid;
	uint32_t id_base;
	const struct layer_row *above; /* the layer that it begins with; NULL: the image */
};

/* Makes ".new-UUID": the first layer of an instance. storage_volume_commit() makes it appear,
 * storage_volume_abort() removes it. */
int storage_volume_create(struct storage *storage, const char *driver,
			  const struct volume_request *request, struct error **error);
int storage_volume_commit(struct storage *storage, const char *pool, const char *uuid,
			  struct error **error);
void storage_volume_abort(struct storage *storage, const char *pool, const char *uuid);

/* ---- layers, below the directory "layers" of a pool ---- */

/* "layers/TOKEN", as rows have it; the caller frees it. */
char *storage_layer_directory(const char *token);

/**
 * storage_layer_create - ".new-TOKEN": a layer to write into in place of @like, above it or beside it.
 * storage_layer_commit() makes it appear, storage_layer_abort() removes it. After a crash
 * storage_repair() does one or the other, by whether there is a row.
 */
int storage_layer_create(struct storage *storage, const char *driver, const struct layer_row *like,
			 const char *token, struct error **error);
int storage_layer_commit(struct storage *storage, const char *pool, const char *token,
			 struct error **error);
void storage_layer_abort(struct storage *storage, const char *pool, const char *token);

/* As storage_layer_create(), to be filled by tree_copy_run() with what @source has. */
struct tree_copy *storage_layer_copy(struct storage *storage, const char *driver,
				     const struct layer_row *source, const char *token,
				     struct error **error);

/* "sysct.rootfs" for the layers of @chain, the uppermost first, above the image. */
json_t *storage_layers_describe(struct storage *storage, const char *driver,
				const struct layer_list *chain, const char *fingerprint,
				struct error **error);

/* Directories of dead layers become ".del-TOKEN", which storage_reclaim() removes, and their rows go. */
int storage_layers_sweep(struct server *server, struct error **error);

/* The same after a change that is stored already: what cannot go now goes at the next time. */
void storage_tidy(struct server *server);

/* ---- unpacked images ---- */

/* An empty directory ".new-TOKEN" to unpack into; the caller frees the path. */
char *storage_image_begin(struct storage *storage, const char *pool, const char *token,
			  struct error **error);

/* Makes it appear as the image @fingerprint. ERROR_EXISTS when that is there already (it is removed then). */
int storage_image_commit(struct storage *storage, const char *pool, const char *token,
			 const char *fingerprint, struct error **error);
void storage_image_abort(struct storage *storage, const char *pool, const char *token);
int storage_image_discard(struct storage *storage, const char *pool, const char *fingerprint,
			  struct error **error);
bool storage_image_exists(struct storage *storage, const char *pool, const char *fingerprint);

/* Directory of an image (its tree is in "rootfs" below it); the caller frees it. */
char *storage_image_path(struct storage *storage, const char *pool, const char *fingerprint);

/* ---- the pool as a whole ---- */

/* Bytes of the file system below a pool. */
struct storage_space {
	uint64_t total, used;
	uint64_t inodes_total, inodes_used;
};
int storage_pool_space(struct storage *storage, const char *pool, struct storage_space *space,
		       struct error **error);

/**
 * storage_repair - after a start: bring directories and rows together.
 * ".new-" without a row is removed, with one it is committed; ".del-" is
 * removed and takes its row along. A volume that no row knows is left alone
 * and logged: it is somebody's data.
 */
int storage_repair(struct server *server, struct error **error);

/* Wakes the thread that removes ".del-" directories, with the lowest I/O priority. */
void storage_reclaim(struct storage *storage);

#endif
