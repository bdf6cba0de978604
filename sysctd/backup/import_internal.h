/* What the files of import share. */
#ifndef SYSCT_BACKUP_IMPORT_INTERNAL_H
#define SYSCT_BACKUP_IMPORT_INTERNAL_H

#include <stdbool.h>
#include <sys/types.h>
#include <uuid/uuid.h>

#include "backup/import.h"
#include "db/objects.h"
#include "db/snapshots.h"
#include "strbuf.h"

/* ---- what becomes of it (import_plan.c) ---- */

struct import_snapshot {
	struct snapshot_row row;     /* name, description, times */
	struct instance_row content; /* what the instance was */
	char token[UUID_STR_LEN];    /* of its layer */
};

struct import_plan {
	struct instance_row row;
	struct object_row pool;
	struct import_snapshot *snapshots;
	size_t count;
	char token[UUID_STR_LEN]; /* of the layer below the instance's, where the driver stacks */
	bool assigned;		  /* its NICs have addresses, to be given back */
};

/* All that can be refused is refused here. import_plan_clear() in every case. */
int import_plan_make(struct import_plan *plan, struct server *server,
		     const struct import_request *request, const json_t *index,
		     struct error **error);
void import_plan_clear(struct import_plan *plan);

/* ---- where it is (import_store.c) ---- */

/* Makes the layers that are unpacked into; "TREE=DIRECTORY" for each, ended by NULL. */
char **import_layers_make(struct server *server, struct import_plan *plan, struct error **error);
void import_layers_abort(struct server *server, const struct import_plan *plan);
void import_words_free(char **words);

/* Makes rows of them. */
int import_plan_store(struct server *server, struct import_plan *plan, struct error **error);

/* ---- sysct-unpack-backup (unpack_process.c) ---- */

struct unpack_process {
	pid_t pid; /* 0: none, or it has ended */
	int input, output, errors;
	bool deaf; /* it has closed its input */
	struct strbuf answer, complaint;
};

#define UNPACK_PROCESS_INIT                                                                        \
	{                                                                                          \
		.input = -1, .output = -1, .errors = -1                                            \
	}

/* @words: of its command line, after the program; ended by NULL. */
int unpack_process_start(struct unpack_process *process, const struct server *server,
			 char *const *words, struct error **error);

/* Hands bytes on; those that come after it is deaf are dropped. */
int unpack_process_write(struct unpack_process *process, const void *bytes, size_t length,
			 struct error **error);

/* The end of its input, and of itself. */
int unpack_process_end(struct unpack_process *process, struct error **error);
void unpack_process_clear(struct unpack_process *process);

#endif
