/*
 * A backup in the format of the pool's driver: of each layer that is in it a copy for reading only is made, which
 * the driver does at once, and sent as what differs from the one before. The copies go with the source, and after a crash as all
 * that has no row.
 */
#include <stdlib.h>

#include "backup/internal.h"
#include "cleanup.h"
#include "fault.h"
#include "instance/internal.h"
#include "memory.h"
#include "server.h"
#include "storage/storage.h"

void backup_source_optimize(struct backup_source *source, const struct object_row *pool)
{
	source->driver = memory_strdup(pool->kind);
	source->pool = memory_strdup(pool->name);
}

/* Its tree; the caller frees it. */
static char *freeze(struct backup_source *source, int64_t layer, struct error **error)
{
	struct server *server = source->owner->server;
	cleanup_layer_list struct layer_list chain = {0};
	char token[UUID_STR_LEN];
	instance_make_uuid(token);
	char *directory = storage_layer_directory(token);
	source->frozen = memory_realloc(source->frozen,
					(source->frozen_count + 1) * sizeof(*source->frozen));
	source->frozen[source->frozen_count++] = directory;
	const struct layer_place place = {source->driver, source->pool, directory, 0};
	if (db_layer_chain(server->db, layer, &chain, error) < 0 ||
	    storage_layer_freeze(server->storage, &place, &chain.rows[0], error) < 0)
		return NULL;
	cleanup_free char *pending = storage_pending_directory(token);
	const struct layer_row row = {.pool = source->pool, .directory = pending};
	cleanup_free char *path = storage_layer_path(server->storage, &row);
	return memory_printf("%s/rootfs", path);
}

int backup_source_add_stream(struct backup_source *source, const char *path, const char *name,
			     const char *below, json_t *files, int64_t layer, struct error **error)
{
	cleanup_free char *stream = memory_printf("%s.bin", path);
	char *tree = freeze(source, layer, error);
	if (!tree) {
		json_decref(files);
		return -1;
	}
	json_array_append_new(json_object_get(source->request, "entries"),
			      json_pack("{s:s, s:s, s:s*, s:s, s:s*, s:o*}", "path", stream, "send",
					tree, "parent", source->sent, "name", name, "below", below,
					"files", files));
	free(source->sent);
	source->sent = tree;
	fault_point("backup.frozen");
	return 0;
}

void backup_source_thaw(struct backup_source *source)
{
	for (size_t i = 0; i < source->frozen_count; i++) {
		storage_layer_abort(source->owner->server->storage, source->pool,
				    source->frozen[i]);
		free(source->frozen[i]);
	}
	free(source->frozen);
	free(source->driver);
	free(source->pool);
	free(source->sent);
}
