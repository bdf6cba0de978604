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
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "db/layers.h"
#include "db/objects.h"
#include "error.h"
#include "storage/driver.h"
#include "storage/tree_copy.h"

struct server;
struct storage;

struct storage *storage_create(const char *state_directory, struct error **error);
/* Ends what it does in the background. */
void storage_stop(struct storage *storage);
void storage_free(struct storage *storage);

/* ---- layers, and among them what instances write into ---- */

/* Where a layer is made; members are borrowed. */
struct layer_place {
	const char *driver;
	const char *pool;
	const char *directory; /* as rows have it: of the following two */
};

/* "layers/TOKEN" and "instances/UUID"; the caller frees them. */
char *storage_layer_directory(const char *token);
char *storage_new_layer_directory(void); /* with a token that nobody has */
char *storage_instance_directory(const char *uuid);

/* That of "layers/TOKEN" until storage_layer_commit(), to be read from. */
char *storage_pending_directory(const char *token);

/* Whether layers of the driver lie above each other; else each is flat. */
bool storage_stacks(const char *driver);

/* Whether one is copied at once (storage_layer_clone()), and not file by file. */
bool storage_clones(const char *driver);

/**
 * storage_layer_first - the first layer of an instance, above the image or with a copy of it.
 * Like all that make one it makes ".new-NAME": storage_layer_commit() makes it appear, and
 * storage_layer_abort() removes it. After a crash storage_repair() does one or the other, by whether
 * there is a row.
 * @id_base: of the instance; without meaning for a flat one.
 */
int storage_layer_first(struct server *server, const struct layer_place *place, uint32_t id_base,
			const char *fingerprint, struct error **error);

/* An empty one above @below, of a driver that stacks. */
int storage_layer_above(struct storage *storage, const struct layer_place *place,
			const struct layer_row *below, uint32_t id_base, struct error **error);

/* An empty flat one. */
int storage_layer_empty(struct storage *storage, const struct layer_place *place,
			struct error **error);

/* One that is to be filled by tree_copy_run() with what @source has, beside it. */
struct tree_copy *storage_layer_copy(struct storage *storage, const struct layer_place *place,
				     const struct layer_row *source, struct error **error);

/* The same at once, where storage_clones(). */
int storage_layer_clone(struct storage *storage, const struct layer_place *place,
			const struct layer_row *source, struct error **error);

/* Whichever of the two, to the end, of one that nobody writes to; it is on the disk then. */
int storage_layer_duplicate(struct storage *storage, const struct layer_place *place,
			    const struct layer_row *source, struct error **error);

/* Whether a flat layer of the driver can be kept to a size, and that: in bytes, 0 for no limit. */
bool storage_can_limit(const char *driver);
int storage_layer_limit(struct storage *storage, const char *driver, const struct layer_row *layer,
			uint64_t bytes, struct error **error);

/* One that means what @upper above @lower does, both stacked and on the same ids; nobody writes into them.
 * @stop, ERROR_UNSUPPORTED: see layer_merge.h. */
int storage_layers_merge(struct storage *storage, const struct layer_place *place,
			 const struct layer_row *lower, const struct layer_row *upper,
			 const atomic_bool *stop, struct error **error);

int storage_layer_commit(struct storage *storage, const char *pool, const char *directory,
			 struct error **error);
void storage_layer_abort(struct storage *storage, const char *pool, const char *directory);

/* Directory of a layer; "rootfs" below it is the tree of a flat one. The caller frees it. */
char *storage_layer_path(const struct storage *storage, const struct layer_row *layer);

/* Before the tree of one that is committed is looked into (internal.h, storage_attach()). */
int storage_layer_attach(const struct storage *storage, const struct layer_row *layer,
			 struct error **error);

/* The same of the one that an instance, whose lock is held, is about to write into. A file system of its own is
 * mounted anew: one that has met an error of its device, as in a full pool, is whole only then. */
int storage_layer_use(const struct storage *storage, const struct layer_row *layer,
		      struct error **error);

/* "sysct.rootfs" for the layers of @chain, the uppermost first. */
json_t *storage_layers_describe(struct storage *storage, const struct layer_list *chain,
				struct error **error);

/* Directories of dead layers become ".del-TOKEN", which storage_reclaim() removes, and their rows go; but
 * those that a running instance has mounted stay until it has ended (layers_used.c). */
int storage_layers_sweep(struct server *server, struct error **error);

/* The same after a change that is stored already: what cannot go now goes at the next time. What is only
 * there because of a layer above it is merged in the background then. */
void storage_tidy(struct server *server);

/* ---- unpacked images ---- */

/* A directory ".new-TOKEN" to unpack below, with an empty "rootfs"; the caller frees the path. */
char *storage_image_begin(struct storage *storage, const char *pool, const char *driver,
			  const char *token, struct error **error);

/* Makes it appear as the image @fingerprint. ERROR_EXISTS when that is there already (it is removed then). */
int storage_image_commit(struct storage *storage, const char *pool, const char *token,
			 const char *fingerprint, struct error **error);
void storage_image_abort(struct storage *storage, const char *pool, const char *token);
int storage_image_discard(struct storage *storage, const char *pool, const char *fingerprint,
			  struct error **error);
bool storage_image_exists(struct storage *storage, const char *pool, const char *fingerprint);

/* Directory of an image (its tree is in "rootfs" below it); the caller frees it. */
char *storage_image_path(struct storage *storage, const char *pool, const char *fingerprint);

/**
 * storage_image_provide - the image is in the pool, copied from the one that images are kept in.
 * ERROR_NOT_FOUND when it is in neither.
 */
int storage_image_provide(struct server *server, const char *driver, const char *pool,
			  const char *fingerprint, struct error **error);

/* ---- the pool as a whole (pools.c) ---- */

/**
 * storage_pool_create - the pool and its row.
 * @row: kind and configuration as they were asked for; what was decided is added. On failure
 * nothing is left.
 */
int storage_pool_create(struct server *server, struct object_row *row, struct error **error);

/* A changed configuration, also a larger size. */
int storage_pool_update(struct server *server, const struct object_row *row, struct error **error);

/* One that nobody uses; a directory or a device that it was on stays, empty. */
int storage_pool_delete(struct server *server, const char *name, struct error **error);

/* Whether it can be used now; else it is mounted again, where that is possible. */
int storage_pool_require(struct server *server, const char *name, struct error **error);
bool storage_pool_available(const struct storage *storage, const char *name);

/* When nothing runs any more: what was mounted for pools goes; the next start mounts it again. */
void storage_pools_unmount(struct server *server);

/* Bytes of the file system below a pool. */
struct storage_space {
	uint64_t total, used;
	uint64_t inodes_total, inodes_used;
};
/* How many trees of the pool wait to be removed. */
size_t storage_pool_pending(const struct storage *storage, const char *pool);

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
