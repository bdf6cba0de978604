/* What the files of backup/ share. */
#ifndef SYSCT_BACKUP_INTERNAL_H
#define SYSCT_BACKUP_INTERNAL_H

#include <jansson.h>
#include <sys/types.h>

#include "backup/backup.h"
#include "db/instances.h"
#include "db/objects.h"
#include "db/snapshots.h"
#include "db/volumes.h"
#include "strbuf.h"

/* STATE/backups, and a file in it; the caller frees them. */
char *backups_directory(const struct server *server);
char *backup_path(const struct server *server, const char *prefix, const char *file);

#define BACKUP_NEW ".new-"

/* Of an instance its name, for the log; NULL for a volume. */
const char *backup_owner_instance(const struct backup_owner *owner);

/* ---- what goes into one (source.c) ---- */

struct backup_source {
	const struct backup_owner *owner; /* borrowed */
	json_t *request;		  /* for sysct-pack */
	int64_t *held;			  /* layers */
	size_t held_count;
	int64_t old_layer;    /* of a stopped instance: what it wrote into before; else 0 */
	int64_t new_layer;    /* and what it has above that for the time being */
	int64_t last_used_at; /* then */
	char *driver, *pool;  /* of one in the format of the driver; else NULL */
	char *sent;	      /* the tree that was added last, of such a one */
	char **frozen;	      /* directories of layers that are only there to be sent */
	size_t frozen_count;
};

/**
 * backup_source_open - of this instant.
 * An instance is held for that only. backup_source_close() in every case.
 */
int backup_source_open(struct backup_source *source, const struct backup_owner *owner,
		       const struct backup_request *request, struct error **error);
void backup_source_close(struct backup_source *source);

/* ---- the parts of that ---- */

/* source_volume.c */
int backup_source_open_volume(struct backup_source *source, const struct backup_request *request,
			      struct error **error);

/* In a transaction: the layer stays until backup_source_close(). After a rollback held_count is 0 again. */
int backup_source_hold(struct backup_source *source, int64_t layer, struct error **error);

/* Begins source->request. */
void backup_source_request(struct backup_source *source, const struct backup_request *request);

/* "DIRECTORY/NAME" with that text, and the tree that the layer and those below it are. */
void backup_source_add_text(json_t *entries, const char *directory, const char *name,
			    const char *text, int mode);
int backup_source_add_tree(json_t *entries, const char *path, struct server *server, int64_t layer,
			   struct error **error);

/* "backup/index.yaml", and what LXD wants beside it in the format of a driver; takes @index. */
int backup_source_add_index(struct backup_source *source, json_t *index, struct error **error);

/* ---- in the format of a driver (source_stream.c) ---- */

/* What follows is so. */
void backup_source_optimize(struct backup_source *source, const struct object_row *pool);

/* The layer as a stream, of what differs from the one before. @path, @name, @below, @files: as in pack.h; takes
 * @files. */
int backup_source_add_stream(struct backup_source *source, const char *path, const char *name,
			     const char *below, json_t *files, int64_t layer, struct error **error);
void backup_source_thaw(struct backup_source *source);

/* ---- index.yaml (index.c, index_volume.c) ---- */

/* Around what is told of the owner; takes @snapshots, an array of names, and @config. */
json_t *backup_index_of(const char *name, const char *type, const struct object_row *pool,
			json_t *snapshots, json_t *config, struct error **error);

json_t *backup_index_volume(const struct volume_row *row, const struct object_row *pool,
			    const struct volume_snapshot_list *snapshots, struct error **error);

struct backup_content {
	const struct instance_row *row;
	const struct object_row *pool;
	const struct snapshot_list *snapshots; /* that go into it */
};

/* As JSON; a new reference. @instance: for its state; NULL leaves that out. */
json_t *backup_index(struct server *server, struct instance *instance,
		     const struct backup_content *content, struct error **error);

/* metadata.yaml beside a tree: LXD looks for templates in it. A new text. */
char *backup_metadata(const char *architecture, const json_t *config, int64_t created_at,
		      struct error **error);

/* ---- sysct-pack (pack_process.c) ---- */

struct pack_process {
	pid_t pid; /* 0: none, or it has ended */
	int pidfd, errors, progress;
	struct strbuf complaint, line;
};

#define PACK_PROCESS_INIT                                                                          \
	{                                                                                          \
		.pidfd = -1, .errors = -1, .progress = -1                                          \
	}

/* Writes to @output, which stays the caller's. pack_process_clear() in every case: it ends it. */
int pack_process_start(struct pack_process *process, const struct server *server,
		       const json_t *request, int output, bool progress, struct error **error);

/* Until it ends. @tell: gets the bytes that were read so far. ERROR_CANCELLED after @cancel_fd was readable. */
int pack_process_wait(struct pack_process *process, int cancel_fd,
		      void (*tell)(void *data, uint64_t bytes), void *data, struct error **error);
void pack_process_clear(struct pack_process *process);

#endif
