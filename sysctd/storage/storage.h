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
	uint64_t size;	       /* of a flat one: what it is going to be limited to, 0 for nothing */
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

/* The same for an instance that wrote into @with until now: both are kept to its size together. */
int storage_layer_instead(struct storage *storage, const struct layer_place *place,
			  const struct layer_row *below, const struct layer_row *with,
			  uint32_t id_base, struct error **error);

/* An empty flat one. */
int storage_layer_empty(struct storage *storage, const struct layer_place *place,
			struct error **error);

/* One that is to be filled by tree_copy_run() with what @source has, beside it. */
struct tree_copy *storage_layer_copy(struct storage *storage, const struct layer_place *place,
				     const struct layer_row *source, struct error **error);

/* The same at once, where storage_clones(). */
int storage_layer_clone(struct storage *storage, const struct layer_place *place,
			const struct layer_row *source, struct error **error);

/* Whether backups can be in a format of the driver's own, and what that needs: one that is there for reading only,
 * and goes by storage_layer_abort(); and a directory for one, to receive into. */
bool storage_sends(const char *driver);
int storage_layer_freeze(struct storage *storage, const struct layer_place *place,
			 const struct layer_row *source, struct error **error);
int storage_layer_bare(struct storage *storage, const struct layer_place *place,
		       struct error **error);

/* Whichever of the two, to the end, of one that nobody writes to; it is on the disk then. */
int storage_layer_duplicate(struct storage *storage, const struct layer_place *place,
			    const struct layer_row *source, struct error **error);

/* ---- limits of what is written into (limit.c) ---- */

/* Whether what is in the pool can be kept to a size. ERROR_UNSUPPORTED says what is missing. */
int storage_check_limit(struct server *server, const char *pool, struct error **error);

/**
 * storage_limit - what is written into the uppermost layer of @chain is kept to a size.
 * What lies below it counts, too, but for an image that others share.
 * @bytes: 0 for no limit; one that there is more of already lets nobody write any more.
 */
int storage_limit(struct server *server, const struct layer_list *chain, uint64_t bytes,
		  struct error **error);

/* ERROR_INVALID when there is more already than @bytes; of what is not counted nobody knows. */
int storage_check_fits(struct server *server, const struct layer_list *chain, uint64_t bytes,
		       struct error **error);

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

/* Has that done in the background, after a change that is stored already, and what is only there because of
 * a layer above it merged (instance/merger.h). */
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

/* Bytes of an image's tree on the disk, counted when it is asked for the first time; -1: it cannot be. */
int64_t storage_image_size(struct storage *storage, const char *pool, const char *fingerprint);

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
size_t storage_pool_pending(const struct server *server, const char *pool);

int storage_pool_space(struct storage *storage, const char *pool, struct storage_space *space,
		       struct error **error);

/* ---- what a lost database has left (sysctd/recover) ---- */

/* The directory in a pool with descriptions of what lies there; the caller frees it. */
char *storage_descriptions(const struct storage *storage, const char *pool);

/* A file in it is written, or removed with @text NULL, unless the pool is not available: a pool that is to be
 * deleted is not in use for that then. *written: whether it is there now. */
int storage_describe(struct storage *storage, const char *pool, const char *path, const char *text,
		     bool *written, struct error **error);

/* Whether nothing is removed that is not known: somebody's, who is to be recovered, may need it. */
void storage_pool_guard(struct storage *storage, const char *pool, bool guard);
bool storage_pool_is_guarded(struct storage *storage, const char *pool);
bool storage_any_guarded(struct storage *storage);

/* Before ".del-" directories are removed, @settle is called, and may wait; false: not now. */
void storage_reclaim_after(struct storage *storage, bool (*settle)(void *data), void *data);

/* What storage_pool_attach() did, to be undone. */
struct pool_attachment {
	bool mounted, made; /* a mount, the directory for it */
};

/**
 * storage_pool_attach - a pool that no row knows is mounted in its place.
 * @row: its name, and what is known of its driver ("" for nothing) and source; the rest is filled, as it says
 * of itself. storage_pool_detach() undoes it, unless it is taken. On failure nothing is changed.
 */
int storage_pool_attach(struct server *server, struct object_row *row,
			struct pool_attachment *attachment, struct error **error);
void storage_pool_detach(struct server *server, const struct object_row *row,
			 const struct pool_attachment *attachment);

/* Makes a row of it. */
int storage_pool_take(struct server *server, struct object_row *row, struct error **error);

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
