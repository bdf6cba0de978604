/*
 * Pools and what lies in them. A pool is a directory below
 * STATE/storage-pools; a driver is a table of functions. Directories are
 * named by image fingerprint and instance UUID, so that a rename touches only
 * the database.
 *
 * Crash rule: a thing is made as ".new-ID" and taken away as ".del-ID"; only a
 * rename makes it appear or disappear. storage_repair() finishes or removes
 * what a dead daemon left half done.
 */
#ifndef SYSCT_STORAGE_STORAGE_H
#define SYSCT_STORAGE_STORAGE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "error.h"

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
	/* "sysct.rootfs" of the runtime's spec: what the monitor mounts. */
	json_t *(*describe)(const char *volume_path, const char *image_path);
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

/* Makes ".new-UUID". storage_volume_commit() makes it appear, storage_volume_abort() removes it. */
int storage_volume_create(struct storage *storage, const char *pool, const char *driver,
			  const char *uuid, uint32_t id_base, struct error **error);
int storage_volume_commit(struct storage *storage, const char *pool, const char *uuid,
			  struct error **error);
void storage_volume_abort(struct storage *storage, const char *pool, const char *uuid);

/* Renames it to ".del-UUID"; storage_reclaim() removes the bytes in the background. Missing is fine. */
int storage_volume_discard(struct storage *storage, const char *pool, const char *uuid,
			   struct error **error);
bool storage_volume_exists(struct storage *storage, const char *pool, const char *uuid);

/* "sysct.rootfs" of an instance made from image @fingerprint. */
json_t *storage_volume_describe(struct storage *storage, const char *pool, const char *driver,
				const char *uuid, const char *fingerprint, struct error **error);

/* Path of a file beside the volume's data (backup.yaml); the caller frees it. */
char *storage_volume_path(struct storage *storage, const char *pool, const char *uuid);

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
