/*
 * When the database is lost. Each pool has a description of every instance, custom volume and image that
 * lies in it, as YAML in backups/DATABASE/ (DATABASE: db_identity()):
 *
 *   instance-UUID.yaml, custom-NAME.yaml    as LXD's backup.yaml; what LXD has no field for is in "sysct"
 *   image-FINGERPRINT.yaml                  an image, in the pool that images are kept in
 *   pools.yaml                              all pools there are
 *
 * They are written behind the changes, by a thread of its own: after a crash the old or the new one is there,
 * and the next start brings all up to date. What a description names is removed only after a newer one is
 * written (storage_reclaim_after()). Descriptions of a database that is not ours guard their pool:
 * nothing is removed there that is not known (storage_pool_guard()).
 */
#ifndef SYSCT_RECOVER_RECOVER_H
#define SYSCT_RECOVER_RECOVER_H

#include <jansson.h>
#include <stdbool.h>

#include "error.h"

struct recovery;
struct server;

/* Notices changes from now on; before storage_repair(). */
struct recovery *recovery_create(struct server *server, struct error **error);

/* Starts the thread, which begins with all there is. */
int recovery_start(struct recovery *recovery, struct error **error);

/* Writes what is left to be written, and ends the thread. */
void recovery_stop(struct recovery *recovery);
void recovery_free(struct recovery *recovery);

/* A pool is at hand that was not: whether it has something of another database, and all it shall have. */
void recovery_examine(struct server *server, const char *pool);

/* Looks for lost instances in all pools that can be found, known or not. */
void recovery_search(struct server *server);

/* Whether an instance of that name was found by recovery_examine() or recovery_search(). */
bool recovery_is_lost(struct server *server, const char *name);

/* ERROR_BUSY for the name of a lost instance that runs. */
int recovery_check_name(struct server *server, const char *name, struct error **error);

/**
 * recovery_validate - what is found in pools that the database does not know.
 * @pools: [{name, driver, config}]; of those that the database knows the name is enough. @search: also in all
 * others that it knows, or that can be found. Returns {"UnknownVolumes", "DependencyErrors"} as LXD does, and of ours
 * {"Pools", "Problems"}.
 */
json_t *recovery_validate(struct server *server, const json_t *pools, bool search,
			  struct error **error);

/**
 * recovery_import - makes rows of it, each in a transaction of its own.
 * Returns {"Recovered": [{type, name, pool}], "Failed": [{type, name, pool, problem}]}, and "Problems".
 */
json_t *recovery_import(struct server *server, const json_t *pools, bool search,
			struct error **error);

#endif
