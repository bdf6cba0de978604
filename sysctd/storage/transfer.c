/* See transfer.h. */
#include "storage/transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "memory.h"
#include "operation.h"
#include "server.h"
#include "storage/internal.h"
#include "storage/view.h"

struct made {
	struct layer_row row; /* the directory as it is named in the end */
	bool given;	      /* its row is the caller's */
	bool committed;
	int below; /* so many layers */
};

/* Like MOST_LAYERS of branch.c: what comes then begins anew. */
enum { MOST_BELOW = 200 };

struct transfer {
	struct server *server;
	const struct object_row *pool;
	struct operation *operation;
	struct made *made;
	int count, base;	    /* so many of them were there before */
	unsigned long long written; /* of those before */
	bool rounded;
};

struct transfer *transfer_new(struct server *server, const struct object_row *pool,
			      struct operation *operation)
{
	struct transfer *transfer = memory_alloc(sizeof(*transfer));
	*transfer = (struct transfer){.server = server, .pool = pool, .operation = operation};
	return transfer;
}

void transfer_free(struct transfer *transfer)
{
	for (int i = transfer->count; i-- > 0;) {
		struct made *made = &transfer->made[i];
		if (!made->committed)
			storage_layer_abort(transfer->server->storage, transfer->pool->name,
					    made->row.directory);
		free(made->row.directory);
		free(made->row.image);
	}
	free(transfer->made);
	free(transfer);
}

/* ---- copying ---- */

static bool watch(void *data, unsigned long long written)
{
	struct transfer *transfer = data;
	if (!transfer->operation)
		return true;
	cleanup_free char *text =
		memory_printf("%.1f MB", (double)(transfer->written + written) / 1e6);
	operation_progress(transfer->operation, "copy", -1, text);
	return !operation_cancelled(transfer->operation);
}

/* What @source shows into @target; takes both. */
static int copy(struct transfer *transfer, int source, int target, bool onto, struct error **error)
{
	cleanup_tree_copy struct tree_copy *tree = tree_copy_new(source, target);
	if (onto)
		tree_copy_onto(tree);
	if (transfer->rounded)
		tree_copy_rounded(tree);
	tree_copy_watch(tree, watch, transfer);
	if (tree_copy_run(tree, error) < 0)
		return -1;
	transfer->written += tree_copy_written(tree);
	return tree_copy_sync(tree, error);
}

/* The row of one that is not committed yet, with the name that it has until then; the caller frees that. */
static struct layer_row pending(const struct made *made)
{
	struct layer_row row = made->row;
	if (made->committed) {
		row.directory = memory_strdup(row.directory);
		return row;
	}
	const char *name = strrchr(row.directory, '/') + 1;
	row.directory = memory_printf("%.*s" STORAGE_NEW "%s", (int)(name - row.directory),
				      row.directory, name);
	return row;
}

void transfer_base(struct transfer *transfer, const struct layer_list *chain)
{
	transfer->made = memory_alloc(chain->count * sizeof(*transfer->made));
	transfer->count = transfer->base = (int)chain->count;
	for (size_t i = 0; i < chain->count; i++) {
		struct made *made = &transfer->made[chain->count - 1 - i];
		*made = (struct made){.row = chain->rows[i],
				      .given = true,
				      .committed = true,
				      .below = (int)(chain->count - 1 - i)};
		made->row.pool = transfer->pool->name;
		made->row.directory = memory_strdup(chain->rows[i].directory);
		made->row.image = chain->rows[i].image ? memory_strdup(chain->rows[i].image) : NULL;
	}
}

static struct made *add(struct transfer *transfer, const char *directory)
{
	transfer->made = memory_realloc(transfer->made,
					(size_t)(transfer->count + 1) * sizeof(*transfer->made));
	struct made *made = &transfer->made[transfer->count++];
	*made = (struct made){
		.row.pool = transfer->pool->name,
		.row.directory =
			directory ? memory_strdup(directory) : storage_new_layer_directory(),
		.given = directory,
	};
	return made;
}

void transfer_adopt(struct transfer *transfer, const char *directory, bool given)
{
	struct made *made = add(transfer, directory);
	made->given = given;
	made->row.flat = true;
}

void transfer_rounded(struct transfer *transfer)
{
	transfer->rounded = true;
}

static int open_tree_of(struct transfer *transfer, const struct made *made, struct error **error)
{
	cleanup_free char *path = storage_new_path(transfer->server->storage, transfer->pool->name,
						   made->row.directory);
	cleanup_free char *tree = memory_printf("%s/rootfs", path);
	if (storage_attach(path, error) < 0)
		return -1;
	int fd = open(tree, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? error_errno(error, errno, "opening %s", tree) : fd;
}

/* The layers that were made before, and the view through a new one above them. */
static int open_above(struct transfer *transfer, const struct made *made, struct error **error)
{
	struct storage *storage = transfer->server->storage;
	cleanup_free char *path =
		storage_new_path(storage, transfer->pool->name, made->row.directory);
	size_t count = (size_t)made->below;
	struct layer_list chain = {memory_alloc(count * sizeof(struct layer_row)), count};
	for (size_t i = 0; i < count; i++)
		chain.rows[i] = pending(made - 1 - i);
	int fd = storage_view_open_above(storage, &chain, path, error);
	for (size_t i = 0; i < count; i++)
		free(chain.rows[i].directory);
	free(chain.rows);
	return fd;
}

/* Makes it, and opens its tree; *onto: it has what the one before has. */
static int make(struct transfer *transfer, struct made *made, bool *onto, struct error **error)
{
	struct storage *storage = transfer->server->storage;
	const struct layer_place place = {transfer->pool->kind, transfer->pool->name,
					  made->row.directory, 0};
	bool stacks = storage_stacks(place.driver);
	bool first = made == transfer->made || (stacks && made[-1].below + 1 >= MOST_BELOW);
	*onto = !first && (stacks || storage_clones(place.driver));
	made->row.flat = first || !stacks;
	made->below = made->row.flat ? 0 : made[-1].below + 1;
	if (!*onto)
		return storage_layer_empty(storage, &place, error) < 0
			       ? -1
			       : open_tree_of(transfer, made, error);
	struct layer_row before = pending(made - 1);
	int result = stacks ? storage_layer_above(storage, &place, &before, 0, error)
			    : storage_layer_clone(storage, &place, &before, error);
	free(before.directory);
	if (result < 0)
		return -1;
	return stacks ? open_above(transfer, made, error) : open_tree_of(transfer, made, error);
}

int transfer_add(struct transfer *transfer, const struct layer_list *chain, const char *directory,
		 struct error **error)
{
	bool onto = false;
	struct made *made = add(transfer, directory);
	int source = storage_view_open(transfer->server->storage, chain, error);
	if (source < 0)
		return -1;
	int target = make(transfer, made, &onto, error);
	if (target >= 0)
		return copy(transfer, source, target, onto, error);
	close(source);
	return -1;
}

int transfer_above(struct transfer *transfer, const char *directory, uint32_t id_base,
		   struct error **error)
{
	const struct layer_place place = {transfer->pool->kind, transfer->pool->name, directory, 0};
	struct layer_row below = pending(&transfer->made[transfer->count - 1]);
	int result = storage_layer_above(transfer->server->storage, &place, &below, id_base, error);
	free(below.directory);
	return result;
}

/* ---- keeping ---- */

int transfer_store(struct transfer *transfer, struct error **error)
{
	for (int i = transfer->base; i < transfer->count; i++) {
		struct layer_row *row = &transfer->made[i].row;
		row->parent_id = row->flat ? 0 : transfer->made[i - 1].row.id;
		if (!transfer->made[i].given &&
		    db_layer_create(transfer->server->db, row, error) < 0)
			return -1;
	}
	return 0;
}

const struct layer_row *transfer_layer(const struct transfer *transfer, int index)
{
	return &transfer->made[index < 0 ? transfer->count - 1 : transfer->base + index].row;
}

int transfer_commit(struct transfer *transfer, struct error **error)
{
	int result = 0;
	for (int i = transfer->base; i < transfer->count; i++) {
		struct made *made = &transfer->made[i];
		/* A row says that it is there: what fails here is made up for at the next start. */
		made->committed = true;
		if (storage_layer_commit(transfer->server->storage, transfer->pool->name,
					 made->row.directory, result < 0 ? NULL : error) < 0)
			result = -1;
	}
	return result;
}
