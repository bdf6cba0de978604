/*
 * Backups of instances and of custom volumes in LXD's format: an archive with what one and its snapshots are,
 * and their files. A backup is either kept, as a row and a file in STATE/backups, or streamed to who asked. That of
 * an instance is of one instant, also while it runs (source.c).
 *
 * Crash rule of the files: ".new-UUID" becomes UUID once its row is stored; backups_repair() makes up
 * for the rename, or removes what has no row.
 */
#ifndef SYSCT_BACKUP_BACKUP_H
#define SYSCT_BACKUP_BACKUP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "db/backups.h"
#include "db/volumes.h"
#include "error.h"

struct instance;
struct operation;
struct server;

/* Whose they are. */
struct backup_owner {
	struct server *server;
	enum backup_kind kind;
	int64_t id;
	struct instance *instance; /* a reference; NULL: it is a volume */
	char *pool, *name;	   /* of a volume */
};

/* To be cleared. */
struct backup_owner backup_owner_of_instance(struct instance *instance);
struct backup_owner backup_owner_of_volume(struct server *server, const struct volume_row *row);
struct backup_owner backup_owner_copy(const struct backup_owner *owner);
void backup_owner_clear(struct backup_owner *owner);
#define cleanup_backup_owner __attribute__((cleanup(backup_owner_clear)))

/* "/1.0/instances/NAME", or that of the volume; the caller frees it. */
char *backup_owner_url(const struct backup_owner *owner);

struct backup_request {
	const char *name;	 /* of one that is kept */
	const char *compression; /* compression.h */
	int64_t expires_at;	 /* 0: never */
	bool only;		 /* without snapshots */
	bool optimized;
};

/* What can be refused before anything is begun. */
int backup_check(const struct backup_owner *owner, const struct backup_request *request,
		 struct error **error);

/* ---- names (names.c) ---- */

struct backup_names *backup_names_create(void);
void backup_names_free(struct backup_names *names);

/**
 * backup_name_reserve - a name that no other backup of @owner gets until backup_name_release().
 * @name: "" for "backup0", or the next one. The caller frees it. ERROR_EXISTS.
 */
char *backup_name_reserve(const struct backup_owner *owner, const char *name, struct error **error);
void backup_name_release(const struct backup_owner *owner, const char *name);

/* ---- those that are kept (store.c) ---- */

/* Makes one and keeps it. @operation: gets the progress, and is asked for cancellation. @made: to be cleared.
 * request->name is reserved. */
int backup_create(const struct backup_owner *owner, const struct backup_request *request,
		  struct operation *operation, struct backup_row *made, struct error **error);
int backup_rename(const struct backup_owner *owner, const char *name, const char *new_name,
		  struct error **error);
int backup_delete(const struct backup_owner *owner, const char *name, struct error **error);

/* Its file, for reading. */
int backup_open(struct server *server, const struct backup_row *row, uint64_t *size,
		struct error **error);

/**
 * backup_stream_open - make one that is read while it is made, and not kept.
 * backup_stream_read() gives bytes, 0 at the end, -1 when it failed, which was logged then. To be
 * used and freed by one thread, since the process dies with the thread that started it.
 */
struct backup_stream *backup_stream_open(const struct backup_owner *owner,
					 const struct backup_request *request,
					 struct error **error);
ssize_t backup_stream_read(struct backup_stream *stream, void *bytes, size_t size);
void backup_stream_free(struct backup_stream *stream);

/* At start, after storage_repair(). */
int backups_repair(struct server *server, struct error **error);

/* Removes files whose rows went with their owner. */
void backups_tidy(struct server *server);

/* Removes those that have expired. */
void backups_expire(struct server *server, int64_t now);

#endif
