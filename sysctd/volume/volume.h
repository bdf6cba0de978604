/*
 * Custom volumes: trees of files that have a name in a storage pool and outlive instances, which get them as
 * devices of type disk. A volume, and each snapshot of one, is a flat layer whose ids count from 0; every
 * instance sees them as its own. The crash rule is that of storage/storage.h.
 */
#ifndef SYSCT_VOLUME_VOLUME_H
#define SYSCT_VOLUME_VOLUME_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "db/volumes.h"
#include "error.h"

struct server;

int volume_check_name(const char *name, struct error **error);

/* Its configuration: "user.*", "snapshots.*" and keys whose meaning is always so (config.c). */
int volume_check_config(const json_t *config, struct error **error);

/* The most bytes that one with this configuration may have; 0: any. */
int volume_size(const json_t *config, uint64_t *bytes, struct error **error);

/* After a start: all that are there have their limits, as their rows say. */
void volumes_limit(struct server *server);

/* Members are borrowed. */
struct volume_request {
	const char *pool, *name;
	const char *description; /* NULL: of a copy its source's */
	const json_t *config;	 /* NULL: of a copy its source's */
};

int volume_create(struct server *server, const struct volume_request *request,
		  struct error **error);

struct volume_copy_request {
	struct volume_request target;
	const char *pool, *name; /* what is copied */
	const char *snapshot;	 /* of it; NULL: what it has now */
	bool snapshots;		 /* its snapshots, too */
};

/* What is written to the source meanwhile may be in the copy or not. */
int volume_copy(struct server *server, const struct volume_copy_request *request,
		struct error **error);

/* Description and config of a row that was read. */
int volume_update(struct server *server, const struct volume_row *row, struct error **error);

/* One that nobody uses, with its snapshots; ERROR_BUSY names the users. */
int volume_delete(struct server *server, const char *pool, const char *name, struct error **error);

/* Another name, another pool or both, for one that nobody uses. */
int volume_move(struct server *server, const char *pool, const char *name, const char *new_pool,
		const char *new_name, struct error **error);

/* ---- snapshots (snapshots.c) ---- */

struct volume_snapshot_request {
	const char *pool, *volume;
	const char *name; /* NULL or "": by snapshots.pattern */
	const char *description;
	int64_t expires_at; /* 0: never; -1: as the configuration says */
	bool replace;
	bool scheduled; /* by the clock */
};

/* @taken: filled with what was stored. */
int volume_snapshot(struct server *server, const struct volume_snapshot_request *request,
		    struct volume_snapshot_row *taken, struct error **error);

/* Name, description and expires_at of a row that was read; @name: what it was called. */
int volume_snapshot_update(struct server *server, const struct volume_row *volume,
			   const struct volume_snapshot_row *row, const char *name,
			   struct error **error);
int volume_snapshot_delete(struct server *server, const struct volume_row *volume, const char *name,
			   struct error **error);

/* The volume has again what the snapshot keeps. ERROR_BUSY while a running instance has it. */
int volume_restore(struct server *server, const char *pool, const char *name, const char *snapshot,
		   struct error **error);

/* ---- who has one (users.c) ---- */

/* Names of instances, whose profiles count, and of profiles; new arrays. */
int volume_users(struct server *server, const char *pool, const char *name, json_t **instances,
		 json_t **profiles, struct error **error);

/* ERROR_BUSY, naming them, when there are some; @running: only instances that run count. */
int volume_check_unused(struct server *server, const char *pool, const char *name, bool running,
			struct error **error);

/* Splits the "VOLUME/SUB/PATH" of a device; the caller frees the name. @sub: "" when there is none. */
char *volume_of_source(const char *source, const char **sub);

/* The tree of files of a volume; the caller frees it. */
char *volume_path(struct server *server, const char *pool, const char *name, struct error **error);

/* Bytes that the files of a volume take, as counted some seconds before at most (storage/usage.h). */
int volume_usage(struct server *server, const struct volume_row *row, uint64_t *bytes,
		 struct error **error);

/* Pools of the database that has volumes: ERROR_BUSY names them. */
int volumes_check_none(struct server *server, const char *pool, struct error **error);

#endif
