/*
 * What the files of the driver lvm share. A pool has a volume group and in it
 *   - a small plain volume, FILES, whose file system is mounted where the pool is: "pool.json", the directories
 *     of layers and images. Not thin: it can be written to, and things removed, when the thin pool is full;
 *   - a thin pool;
 *   - in that a thin volume with a file system for each tree, to be mounted at "rootfs". The file LVM_NOTE beside
 *     that names it, and is there before the volume and until after: a crash leaves none that nobody knows.
 * All of them have the tag "sysct.POOL", and so has a volume group that was made for the pool: only what has it
 * is ever removed.
 */
#ifndef SYSCT_STORAGE_LVM_H
#define SYSCT_STORAGE_LVM_H

#include <jansson.h>
#include <stdint.h>

#include "error.h"
#include "storage/driver.h"
#include "strbuf.h"

#define LVM_NOTE "lvm.volume"

struct lvm_pool {
	char *tag;
	char *group, *thin_pool, *files;
	char *device; /* the group lies on this alone; NULL: on whatever the host has */
	char *filesystem, *options;
	uint64_t volume_size;
};

void lvm_pool_clear(struct lvm_pool *pool);
#define cleanup_lvm_pool __attribute__((cleanup(lvm_pool_clear)))

/* ---- the pool's configuration (lvm_config.c) ---- */

/* See driver.h. */
int lvm_plan(const char *name, json_t *config, struct error **error);

/* Of a pool with this configuration, which lvm_plan() has completed. */
int lvm_pool_configure(const char *name, const json_t *config, struct lvm_pool *pool,
		       struct error **error);

/* Of the pool that the tree in the directory @tree is in, or which is mounted at @path. ERROR_NOT_FOUND: it is
 * none of this driver. */
int lvm_pool_of_tree(const char *tree, struct lvm_pool *pool, struct error **error);
int lvm_pool_at(const char *path, struct lvm_pool *pool, struct error **error);

/* ---- LVM's programs (lvm_command.c) ---- */

enum { LVM_MOST_WORDS = 16 };

/**
 * lvm_run - one command of LVM, which sees the pool's device alone, asks nothing and waits for no udev.
 * @words: the command and its arguments, at most LVM_MOST_WORDS, ended by NULL.
 * @out: what it prints; may be NULL.
 */
int lvm_run(const struct lvm_pool *pool, const char *const *words, struct strbuf *out,
	    struct error **error);

bool lvm_has_volume(const struct lvm_pool *pool, const char *volume);

/* Another program, of which @package is to be installed where it is missing. */
int lvm_run_program(const char *const *words, const char *package, struct error **error);

/* Whether there is what the driver needs: kernel and programs. ERROR_UNSUPPORTED names what is missing. */
int lvm_check_host(struct error **error);

/* "/dev/mapper/..."; the caller frees it. */
char *lvm_device(const struct lvm_pool *pool, const char *volume);

/* Mounts a volume by "noatime,data=ordered"; no error when that is mounted there already. */
int lvm_mount_volume(const struct lvm_pool *pool, const char *volume, const char *filesystem,
		     const char *options, const char *path, struct error **error);

/* Whether something is mounted at @path. */
bool lvm_is_mounted(const char *path);

/* ---- pools (lvm_pool.c); see driver.h ---- */

int lvm_make(const struct storage_source *source, bool wipe, struct error **error);
int lvm_mount(const struct storage_source *source, const char *device, const char *path,
	      struct error **error);
int lvm_leave(const char *path, struct error **error);
int lvm_release(const struct storage_source *source, bool remove, struct error **error);
int lvm_space(const char *path, struct storage_extent *extent);
int lvm_grow(const char *path, struct error **error);

/* Whether the thin pool can take more; ERROR_NO_SPACE. */
int lvm_check_room(const struct lvm_pool *pool, struct error **error);

#endif
