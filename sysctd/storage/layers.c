/* Layers as directories: making, copying, mounting and taking them away (db/layers.h says who needs which). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "db/layers.h"
#include "fault.h"
#include "file.h"
#include "log.h"
#include "memory.h"
#include "server.h"
#include "storage/internal.h"

char *storage_layer_directory(const char *token)
{
	return memory_printf("%s/%s", storage_kind_directory(STORAGE_LAYERS), token);
}

char *storage_layer_path(const struct storage *storage, const struct layer_row *layer)
{
	return memory_printf("%s/%s/%s", storage->root, layer->pool, layer->directory);
}

static const struct storage_driver *find_driver(const char *name, struct error **error)
{
	const struct storage_driver *driver = storage_driver_find(name);
	if (!driver)
		error_set(error, ERROR_UNSUPPORTED, "storage driver \"%s\" is not supported", name);
	return driver;
}

int storage_layer_create(struct storage *storage, const char *driver, const struct layer_row *like,
			 const char *token, struct error **error)
{
	const struct storage_driver *functions = find_driver(driver, error);
	cleanup_free char *place = storage_layer_path(storage, like);
	cleanup_free char *path =
		storage_path(storage, like->pool, STORAGE_LAYERS, STORAGE_NEW, token);
	if (!functions || storage_make_fresh(path, error) < 0)
		return -1;
	if (functions->layer_create(path, place, like->id_base, like->id_base, error) == 0)
		return 0;
	file_remove_tree_at(AT_FDCWD, path, NULL);
	return error_prefix(error, "creating a layer in pool %s", like->pool);
}

struct tree_copy *storage_layer_copy(struct storage *storage, const char *driver,
				     const struct layer_row *source, const char *token,
				     struct error **error)
{
	const struct storage_driver *functions = find_driver(driver, error);
	cleanup_free char *from = storage_layer_path(storage, source);
	cleanup_free char *to =
		storage_path(storage, source->pool, STORAGE_LAYERS, STORAGE_NEW, token);
	return functions ? functions->layer_copy(from, to, error) : NULL;
}

int storage_layer_commit(struct storage *storage, const char *pool, const char *token,
			 struct error **error)
{
	cleanup_free char *new = storage_path(storage, pool, STORAGE_LAYERS, STORAGE_NEW, token);
	cleanup_free char *path = storage_path(storage, pool, STORAGE_LAYERS, "", token);
	return rename(new, path) < 0 ? error_errno(error, errno, "creating %s", path) : 0;
}

void storage_layer_abort(struct storage *storage, const char *pool, const char *token)
{
	cleanup_free char *new = storage_path(storage, pool, STORAGE_LAYERS, STORAGE_NEW, token);
	file_remove_tree_at(AT_FDCWD, new, NULL);
}

json_t *storage_layers_describe(struct storage *storage, const char *driver,
				const struct layer_list *chain, const char *fingerprint,
				struct error **error)
{
	const struct storage_driver *functions = find_driver(driver, error);
	const struct layer_row *top = &chain->rows[0];
	cleanup_free char *path = storage_layer_path(storage, top);
	if (!functions)
		return NULL;
	if (access(path, F_OK) < 0) {
		error_set(error, ERROR_NOT_FOUND, "the root volume is missing from pool %s (%s)",
			  top->pool, top->directory);
		return NULL;
	}
	/* Nothing is below the lowest layer of what was imported. */
	if (chain->count > 1 && !chain->rows[chain->count - 1].image)
		fingerprint = NULL;
	else if (!fingerprint || !storage_image_exists(storage, top->pool, fingerprint)) {
		error_set(error, ERROR_NOT_FOUND, "image %s is missing from pool %s",
			  fingerprint ? fingerprint : "", top->pool);
		return NULL;
	}
	cleanup_free char *image =
		fingerprint ? storage_image_path(storage, top->pool, fingerprint) : NULL;
	json_t *rootfs = functions->describe(path, image);
	for (size_t i = chain->count; i-- > 1;) {
		cleanup_free char *below = storage_layer_path(storage, &chain->rows[i]);
		functions->describe_below(rootfs, below, chain->rows[i].id_base);
	}
	return rootfs;
}

/* ---- taking away ---- */

static int discard(struct storage *storage, const struct layer_row *layer, struct error **error)
{
	cleanup_free char *path = storage_layer_path(storage, layer);
	cleanup_free char *deleted =
		storage_path(storage, layer->pool, STORAGE_LAYERS, STORAGE_DELETED,
			     strrchr(layer->directory, '/') + 1);
	if (rename(path, deleted) < 0 && errno != ENOENT)
		return error_errno(error, errno, "deleting %s", path);
	return 0;
}

int storage_layers_sweep(struct server *server, struct error **error)
{
	cleanup_layer_list struct layer_list dead = {0};
	if (db_layers_dead(server->db, &dead, error) < 0)
		return -1;
	for (size_t i = 0; i < dead.count; i++) {
		if (discard(server->storage, &dead.rows[i], error) < 0)
			return -1;
		fault_point("layers.discarded");
		if (db_layer_delete(server->db, dead.rows[i].id, error) < 0)
			return -1;
	}
	if (dead.count)
		storage_reclaim(server->storage);
	return 0;
}

void storage_tidy(struct server *server)
{
	cleanup_error struct error *error = NULL;
	if (storage_layers_sweep(server, &error) < 0)
		log_event(LOG_LEVEL_WARNING, NULL, "removing what was deleted: %s",
			  error_message(error));
}
