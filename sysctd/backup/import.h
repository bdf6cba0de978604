/*
 * An instance or a custom volume from a backup that arrives as a stream. A first process reads until it has
 * index.yaml, which decides whether it is wanted and where its trees go; a second one gets all from the beginning, and
 * unpacks. What has come until then is kept in memory.
 *
 * Crash rule: each tree is a layer of its own (".new-TOKEN") until the transaction that makes what it is
 * of, as for any other layer (storage.h).
 */
#ifndef SYSCT_BACKUP_IMPORT_H
#define SYSCT_BACKUP_IMPORT_H

#include <jansson.h>
#include <stddef.h>

#include "db/backups.h"
#include "error.h"

struct operation;
struct server;

struct import_request {
	enum backup_kind kind;
	const char *name;      /* NULL: the backup's */
	const char *pool;      /* NULL: the backup's, or that of the profile "default" */
	const json_t *devices; /* laid over the backup's; of type "none": left out */
	const json_t *config;  /* likewise; empty: left out */
};

/* To be used by one thread until import_end(), since processes die with the thread that started them. */
struct import *import_begin(struct server *server, const struct import_request *request,
			    struct error **error);
int import_write(struct import *import, const void *bytes, size_t length, struct error **error);

/* The stream is at its end, and the files are on the disk. */
int import_end(struct import *import, struct error **error);

/* Then: its name and pool, and making it. @operation: gets the progress, and may cancel. */
const char *import_name(const struct import *import);
const char *import_pool(const struct import *import);
int import_store(struct import *import, struct operation *operation, struct error **error);

/* Ends it; what was not stored goes. */
void import_free(struct import *import);

#endif
