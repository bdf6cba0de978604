/*
 * Backups of instances in LXD's format: an archive with what the instance and its snapshots are, and their
 * files. A backup is either kept, as a row and a file in STATE/backups, or streamed to who asked. Both are of one
 * instant, also while the instance runs (source.c).
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
#include "error.h"

struct instance;
struct operation;
struct server;

struct backup_request {
	const char *name;	 /* "" or NULL: "backup0" or the next free number */
	const char *compression; /* compression.h */
	int64_t expires_at;	 /* 0: never */
	bool instance_only;	 /* without snapshots */
	bool optimized;
};

/* What can be refused before anything is begun. */
int backup_check(struct instance *instance, const struct backup_request *request,
		 struct error **error);

/* Makes one and keeps it. @operation: gets the progress, and is asked for cancellation. @made: to be cleared. */
int backup_create(struct instance *instance, const struct backup_request *request,
		  struct operation *operation, struct backup_row *made, struct error **error);
int backup_rename(struct instance *instance, const char *name, const char *new_name,
		  struct error **error);
int backup_delete(struct instance *instance, const char *name, struct error **error);

/* Its file, for reading. */
int backup_open(struct server *server, const struct backup_row *row, uint64_t *size,
		struct error **error);

/**
 * backup_stream_open - make one that is read while it is made, and not kept.
 * backup_stream_read() gives bytes, 0 at the end, -1 when it failed, which was logged then. To be
 * used and freed by one thread, since the process dies with the thread that started it.
 */
struct backup_stream *backup_stream_open(struct instance *instance,
					 const struct backup_request *request,
					 struct error **error);
ssize_t backup_stream_read(struct backup_stream *stream, void *bytes, size_t size);
void backup_stream_free(struct backup_stream *stream);

/* At start, after storage_repair(). */
int backups_repair(struct server *server, struct error **error);

/* Removes files whose rows went with their instance. */
void backups_tidy(struct server *server);

/* Removes those that have expired. */
void backups_expire(struct server *server, int64_t now);

#endif
