/* Layers of volumes, between ".new-TOKEN" and their row (internal.h). */
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "db/objects.h"
#include "fault.h"
#include "memory.h"
#include "server.h"
#include "storage/pool_space.h"
#include "storage/storage.h"
#include "volume/internal.h"

void volume_layer_clear(struct volume_layer *layer)
{
	free(layer->pool);
	free(layer->directory);
	*layer = (struct volume_layer){0};
}

/* From another pool file by file, whatever the driver could do inside of one. */
static int copy_across(struct storage *storage, const struct layer_place *place,
		       const struct layer_row *source, struct error **error)
{
	cleanup_tree_copy struct tree_copy *copy =
		storage_layer_copy(storage, place, source, error);
	if (!copy)
		return -1;
	if (tree_copy_run(copy, error) == 0 && tree_copy_sync(copy, error) == 0)
		return 0;
	storage_layer_abort(storage, place->pool, place->directory);
	return -1;
}

static int fill(struct server *server, const struct layer_place *place, int64_t like,
		struct error **error)
{
	cleanup_layer_list struct layer_list source = {0};
	if (like == 0)
		return storage_layer_empty(server->storage, place, error);
	if (db_layer_chain(server->db, like, &source, error) < 0 ||
	    storage_pool_require(server, source.rows[0].pool, error) < 0)
		return -1;
	return strcmp(source.rows[0].pool, place->pool) == 0
		       ? storage_layer_duplicate(server->storage, place, &source.rows[0], error)
		       : copy_across(server->storage, place, &source.rows[0], error);
}

int volume_layer_make(struct server *server, const char *pool, int64_t like, const json_t *config,
		      struct volume_layer *layer, struct error **error)
{
	cleanup_object_row struct object_row row = {0};
	uint64_t size = 0;
	if ((config && volume_size(config, &size, error) < 0) ||
	    db_object_get(server->db, &db_pools, pool, &row, error) < 0 ||
	    storage_pool_require(server, pool, error) < 0)
		return -1;
	*layer = (struct volume_layer){memory_strdup(pool), storage_new_layer_directory(), false};
	const struct layer_place place = {row.kind, layer->pool, layer->directory, size};
	cleanup_space struct space space = space_of_pool(server->storage, pool);
	if (fill(server, &place, like, error) < 0) {
		if (space_is_short(error))
			space_explain(&space, like ? "the copy" : "the volume",
				      like ? space_for_layer(server, like, false) : -1, error);
		return -1;
	}
	layer->made = true;
	fault_point("volume.layer");
	return 0;
}

int volume_layer_store(struct server *server, const struct volume_layer *layer, int64_t *id,
		       struct error **error)
{
	struct layer_row row = {
		.pool = layer->pool,
		.directory = layer->directory,
		.flat = true,
	};
	if (db_layer_create(server->db, &row, error) < 0)
		return -1;
	*id = row.id;
	return 0;
}

int volume_layer_commit(struct server *server, struct volume_layer *layer, struct error **error)
{
	fault_point("volume.committed");
	layer->made = false;
	return storage_layer_commit(server->storage, layer->pool, layer->directory, error);
}

void volume_layer_abort(struct server *server, struct volume_layer *layer)
{
	if (layer->made)
		storage_layer_abort(server->storage, layer->pool, layer->directory);
	layer->made = false;
}
