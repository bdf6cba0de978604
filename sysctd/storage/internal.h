/* What the files of storage/ share. */
#ifndef SYSCT_STORAGE_INTERNAL_H
#define SYSCT_STORAGE_INTERNAL_H

#include <pthread.h>
#include <stdbool.h>
#include <uuid/uuid.h>

#include "storage/storage.h"
#include "strbuf.h"

#define STORAGE_NEW	".new-"
#define STORAGE_DELETED ".del-"
#define STORAGE_MARKER	"pool.json" /* in each pool: its name, driver and configuration */

/* In a pool: what sysctd/recover says of its instances, volumes and images. */
#define STORAGE_DESCRIPTIONS "backups"

enum storage_kind { STORAGE_IMAGES, STORAGE_INSTANCES, STORAGE_LAYERS, STORAGE_KIND_COUNT };

struct storage {
	char *root;		  /* STATE/storage-pools */
	char *disks;		  /* STATE/disks: files that pools are in */
	pthread_mutex_t pools;	  /* held while a pool is made, mounted or removed */
	pthread_mutex_t images;	  /* while an image is copied into another pool */
	pthread_mutex_t reclaim;  /* while something is removed in the background */
	pthread_mutex_t describe; /* while a description is written */
	pthread_mutex_t lock;	  /* of what follows */
	pthread_cond_t wake;
	pthread_t reclaimer;
	bool reclaimer_runs;
	bool pending; /* something may wait to be removed */
	bool stopping;
	json_t *guarded; /* pools: {name: true} */
	/* Waits for what must be done before anything is removed; false: the daemon stops. */
	bool (*settle)(void *data);
	void *settle_data;
};

const char *storage_kind_directory(enum storage_kind kind); /* "images" */

/* ROOT/POOL/KIND/PREFIXNAME; the caller frees it. */
char *storage_path(const struct storage *storage, const char *pool, enum storage_kind kind,
		   const char *prefix, const char *name);

/* ROOT/POOL/layers/.new-TOKEN; the caller frees it. */
char *storage_new_path(const struct storage *storage, const char *pool, const char *directory);

/* [{"path", "base"}]: all of a chain as what can only be read, the image below them. */
json_t *storage_layers_list(struct storage *storage, const struct layer_list *chain,
			    struct error **error);

/* What running instances have mounted, as text; and whether the layer at @path is in it (layers_used.c). */
void storage_read_mounted(const struct server *server, struct strbuf *text);
bool storage_layer_is_mounted(const struct strbuf *mounted, const char *path);

/* A name that nobody has, for ".new-TOKEN". */
void storage_make_token(char token[static UUID_STR_LEN]);

/* The tree of a layer: "rootfs" in the directory of a flat one, else "upper". The caller frees it. */
char *storage_layer_tree(const struct storage *storage, const struct layer_row *layer);

/* What is in the directory @from is copied into the empty directory @to, and is on the disk. */
int storage_copy_tree(const char *from, const char *to, struct error **error);

/* Removes a directory with a tree in it, whatever its driver made that of. Missing is no error. */
int storage_remove(const char *path, struct error **error);

/* Before "rootfs" in the directory @path is looked into: where it is a file system of its own it is mounted, and
 * stays so until the layer or the pool goes. And when nobody can have begun to use it: it can be unmounted. */
int storage_attach(const char *path, struct error **error);
void storage_detach(const char *path);

/* Makes an empty directory, in place of a half made one with the same name. */
int storage_make_fresh(const char *path, struct error **error);

/* What was left in a pool that is there again, before that time. */
void storage_pool_returned(struct server *server, const char *pool, int64_t before);

/* Mounted, checked and with its directories. */
int storage_pool_bring_up(const struct storage *storage, const struct object_row *row,
			  struct error **error);

/* pool.json of what is mounted as the pool, a new reference; NULL: there is none. */
json_t *storage_pool_marker(const struct storage *storage, const char *name);

/* At start: pools that were being made or removed when the daemon died go. */
int storage_pools_repair(struct server *server, struct error **error);

/* Starts and ends the thread of reclaim.c. */
int storage_reclaimer_start(struct storage *storage, struct error **error);
void storage_reclaimer_stop(struct storage *storage);

#endif
