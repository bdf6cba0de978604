/* What the files of import share. */
#ifndef SYSCT_BACKUP_IMPORT_INTERNAL_H
#define SYSCT_BACKUP_IMPORT_INTERNAL_H

#include <stdbool.h>
#include <sys/types.h>

#include "backup/import.h"
#include "db/objects.h"
#include "db/snapshots.h"
#include "db/volumes.h"
#include "storage/transfer.h"
#include "strbuf.h"

/* ---- what becomes of it ---- */

/* A tree of the backup. */
struct import_tree {
	char *name;	 /* in it: "container", "snapshots/NAME" */
	char *directory; /* of the layer that it is unpacked into */
	char *given; /* NULL, or the layer that it becomes, which gets its row with the instance */
};

struct import_snapshot {
	struct snapshot_row row;     /* name, description, times */
	struct instance_row content; /* what the instance was */
};

struct import_plan {
	const struct import_kind *kind;
	struct object_row pool;
	struct import_tree *trees; /* the oldest snapshot first, the whole last */
	size_t tree_count;
	uint64_t size;		 /* what a volume is going to be limited to; 0: nothing */
	bool streamed;		 /* they are in the format of the driver of the pool */
	bool shares;		 /* each tree is made of the one before */
	struct transfer *layers; /* of import_layers_share() */
	bool stored;

	/* of an instance */
	struct instance_row row;
	struct import_snapshot *snapshots;
	size_t count;
	bool assigned; /* its NICs have addresses, to be given back */

	/* of a volume */
	struct volume_row volume;
	struct volume_snapshot_list volume_snapshots;
};

struct import_kind {
	/* All that can be refused is refused here, and the trees are named. import_plan_clear() in every
	 * case. */
	int (*plan)(struct import_plan *plan, struct server *server,
		    const struct import_request *request, const json_t *index,
		    struct error **error);
	/* In a transaction: the rows, of the layers first. */
	int (*store)(struct server *server, struct import_plan *plan, struct error **error);
	/* After that, what else has to appear. */
	int (*commit)(struct server *server, struct import_plan *plan, struct error **error);
	/* What was not stored goes. */
	void (*abort)(struct server *server, struct import_plan *plan);
	const char *(*name)(const struct import_plan *plan);
};

extern const struct import_kind import_instance, import_volume;

void import_plan_clear(struct import_plan *plan);

/* What the trees are made of, after the pool is known. */
int import_plan_format(struct import_plan *plan, const json_t *index, struct error **error);

/* Adds one; takes both texts. @given: a layer's directory, or NULL. plan->shares is known. */
void import_plan_add_tree(struct import_plan *plan, char *name, char *given);

/* import_plan.c: an instance's. */
int import_plan_instance(struct import_plan *plan, struct server *server,
			 const struct import_request *request, const json_t *index,
			 struct error **error);

/* The text of @key; "" where there is none. */
const char *import_text(const json_t *object, const char *key);

/* ---- where it is (import_layers.c) ---- */

/* Makes the layers that are unpacked into. Words: room for one that is borrowed and one that is not, then
 * "TREE=DIRECTORY" for each, ended by NULL. */
char **import_layers_make(struct server *server, struct import_plan *plan, struct error **error);
void import_layers_abort(struct server *server, struct import_plan *plan);
void import_words_free(char **words);

/* After they were unpacked: makes each of the one before, so that they share what is the same, and fills
 * plan->layers in the order of the trees. */
int import_layers_share(struct server *server, struct import_plan *plan,
			struct operation *operation, struct error **error);

/* The whole: rows in a transaction, and what appears then. */
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
