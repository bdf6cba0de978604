/*
 * A point in the life of an instance's files that others may build on: a layer that nobody writes into
 * any more. Of a stopped instance it is the layer that it wrote into, and the instance gets an empty one
 * above; of one that runs, of one over very many layers, or of a driver that does not stack, it is a copy
 * beside, of a single instant (snapshot_copy.c). What is where is decided by the transaction alone.
 */
#ifndef SYSCT_INSTANCE_BRANCH_H
#define SYSCT_INSTANCE_BRANCH_H

#include <uuid/uuid.h>

#include "db/layers.h"
#include "db/objects.h"
#include "instance/instance.h"

struct branch {
	struct instance *instance; /* its operation lock is held */
	struct instance_row row;
	struct object_row pool;
	struct layer_list chain; /* from its uppermost layer down */
	char token[UUID_STR_LEN];
	bool running;
	bool beside; /* a copy is made */
	bool flat;   /* the driver does not stack */
};

void branch_clear(struct branch *branch);
#define cleanup_branch __attribute__((cleanup(branch_clear)))

/* What the instance is now: its rows, and how a copy is made. branch_begin() begins with it. */
int branch_look(struct branch *branch, struct error **error);

/* Makes the new layer as ".new-TOKEN". Then branch_commit(), or branch_abort(). */
int branch_begin(struct branch *branch, struct error **error);

/* In the transaction of the caller. @layer: the id of the one to build on. */
int branch_store(struct branch *branch, int64_t *layer, struct error **error);

/* After the transaction. */
int branch_commit(struct branch *branch, struct error **error);
void branch_abort(struct branch *branch);

#endif
