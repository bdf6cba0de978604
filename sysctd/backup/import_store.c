/*
 * The layers of an import, and the transaction that makes an instance of them. The tree of a snapshot is a
 * flat layer that it keeps. That of the instance is below an empty layer of its own where the driver stacks;
 * else the instance writes into it.
 */
#include <stdlib.h>
#include <string.h>

#include "backup/import_internal.h"
#include "cleanup.h"
#include "fault.h"
#include "memory.h"
#include "server.h"
#include "storage/storage.h"

/* "layers/TOKEN", or the instance's own; the caller frees it. */
static char *container_directory(const struct import_plan *plan)
{
	return plan->row.flat_layer ? storage_instance_directory(plan->row.uuid)
				    : storage_layer_directory(plan->token);
}

/* Where it is as long as it has no row. */
static char *new_tree(struct server *server, const struct import_plan *plan, const char *directory)
{
	const char *name = strrchr(directory, '/') + 1;
	cleanup_free char *new =
		memory_printf("%.*s.new-%s", (int)(name - directory), directory, name);
	const struct layer_row layer = {.pool = plan->pool.name, .directory = new};
	return storage_layer_path(server->storage, &layer);
}

static char *make_tree(struct server *server, const struct import_plan *plan, const char *tree,
		       const char *directory, struct error **error)
{
	const struct layer_place place = {plan->pool.kind, plan->pool.name, directory};
	if (storage_layer_empty(server->storage, &place, error) < 0)
		return NULL;
	cleanup_free char *path = new_tree(server, plan, directory);
	return memory_printf("%s=%s/rootfs", tree, path);
}

void import_words_free(char **words)
{
	free(words[0]);
	for (char **at = words + 1; *at; at++)
		free(*at);
	free(words);
}

static int make_trees(struct server *server, const struct import_plan *plan, char **words,
		      struct error **error)
{
	cleanup_free char *own = container_directory(plan);
	*words = make_tree(server, plan, "container", own, error);
	for (size_t i = 0; *words && i < plan->count; i++) {
		const struct import_snapshot *snapshot = &plan->snapshots[i];
		cleanup_free char *directory = storage_layer_directory(snapshot->token);
		cleanup_free char *tree = memory_printf("snapshots/%s", snapshot->row.name);
		*++words = make_tree(server, plan, tree, directory, error);
	}
	return *words ? 0 : -1;
}

char **import_layers_make(struct server *server, struct import_plan *plan, struct error **error)
{
	char **words = memory_alloc((plan->count + 3) * sizeof(*words));
	if (make_trees(server, plan, words + 1, error) == 0)
		return words;
	import_layers_abort(server, plan);
	import_words_free(words);
	return NULL;
}

void import_layers_abort(struct server *server, const struct import_plan *plan)
{
	const char *pool = plan->pool.name;
	cleanup_free char *own = container_directory(plan);
	cleanup_free char *volume = storage_instance_directory(plan->row.uuid);
	storage_layer_abort(server->storage, pool, own);
	if (!plan->row.flat_layer)
		storage_layer_abort(server->storage, pool, volume);
	for (size_t i = 0; i < plan->count; i++) {
		cleanup_free char *directory = storage_layer_directory(plan->snapshots[i].token);
		storage_layer_abort(server->storage, pool, directory);
	}
}

/* ---- the transaction ---- */

static int create_layer(struct server *server, const struct import_plan *plan, const char *token,
			int64_t *id, struct error **error)
{
	cleanup_free char *directory = storage_layer_directory(token);
	struct layer_row layer = {
		.pool = plan->pool.name,
		.directory = directory,
		.flat = true,
	};
	if (db_layer_create(server->db, &layer, error) < 0)
		return -1;
	*id = layer.id;
	return 0;
}

static int store_snapshots(struct server *server, struct import_plan *plan, struct error **error)
{
	for (size_t i = 0; i < plan->count; i++) {
		struct import_snapshot *snapshot = &plan->snapshots[i];
		snapshot->content.id = plan->row.id;
		if (create_layer(server, plan, snapshot->token, &snapshot->row.layer_id, error) <
			    0 ||
		    db_snapshot_create(server->db, &snapshot->row, &snapshot->content, error) < 0)
			return -1;
	}
	return 0;
}

/* An empty layer for the instance to write into. */
static int make_volume(struct server *server, const struct import_plan *plan, struct error **error)
{
	cleanup_free char *below = memory_printf("layers/.new-%s", plan->token);
	cleanup_free char *directory = storage_instance_directory(plan->row.uuid);
	const struct layer_row layer = {.pool = plan->pool.name, .directory = below, .flat = true};
	const struct layer_place place = {plan->pool.kind, plan->pool.name, directory};
	return storage_layer_above(server->storage, &place, &layer, plan->row.id_base, error);
}

static int store_rows(struct server *server, struct import_plan *plan, struct error **error)
{
	struct instance_row *row = &plan->row;
	if (!row->flat_layer &&
	    create_layer(server, plan, plan->token, &row->parent_layer, error) < 0)
		return -1;
	if (db_instance_create(server->db, row, &server->ids, error) < 0 ||
	    store_snapshots(server, plan, error) < 0)
		return -1;
	return row->flat_layer ? 0 : make_volume(server, plan, error);
}

/* All is stored by now: what is left is to rename, which storage_repair() makes up for. */
static int commit(struct server *server, const struct import_plan *plan, struct error **error)
{
	const char *pool = plan->pool.name;
	cleanup_free char *own = container_directory(plan);
	cleanup_free char *volume = storage_instance_directory(plan->row.uuid);
	int result = storage_layer_commit(server->storage, pool, own, error);
	if (!plan->row.flat_layer && storage_layer_commit(server->storage, pool, volume, error) < 0)
		result = -1;
	for (size_t i = 0; i < plan->count; i++) {
		cleanup_free char *directory = storage_layer_directory(plan->snapshots[i].token);
		if (storage_layer_commit(server->storage, pool, directory, error) < 0)
			result = -1;
	}
	return result;
}

int import_plan_store(struct server *server, struct import_plan *plan, struct error **error)
{
	if (db_begin(server->db, DB_DURABLE, error) < 0)
		return -1;
	if (store_rows(server, plan, error) < 0) {
		db_rollback(server->db);
		return -1;
	}
	fault_point("import.volume");
	if (db_commit(server->db, error) < 0)
		return -1;
	fault_point("import.committed");
	return commit(server, plan, error);
}
