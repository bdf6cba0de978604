/* What the files of storage/ share. */
#ifndef SYSCT_STORAGE_INTERNAL_H
#define SYSCT_STORAGE_INTERNAL_H

#include <pthread.h>
#include <stdbool.h>

#include "storage/storage.h"

#define STORAGE_NEW	".new-"
#define STORAGE_DELETED ".del-"

enum storage_kind { STORAGE_IMAGES, STORAGE_INSTANCES, STORAGE_LAYERS, STORAGE_KIND_COUNT };

struct storage {
	char *root; /* STATE/storage-pools */
	pthread_mutex_t lock;
	pthread_cond_t wake;
	pthread_t reclaimer;
	bool reclaimer_runs;
	bool pending; /* something may wait to be removed */
	bool stopping;
};

const char *storage_kind_directory(enum storage_kind kind); /* "images" */

/* ROOT/POOL/KIND/PREFIXNAME; the caller frees it. */
char *storage_path(const struct storage *storage, const char *pool, enum storage_kind kind,
		   const char *prefix, const char *name);

/* The caller frees it. */
char *storage_layer_path(const struct storage *storage, const struct layer_row *layer);

/* Makes an empty directory, in place of a half made one with the same name. */
int storage_make_fresh(const char *path, struct error **error);

/* Starts and ends the thread of reclaim.c. */
int storage_reclaimer_start(struct storage *storage, struct error **error);
void storage_reclaimer_stop(struct storage *storage);

#endif
