/* After a start, or when a pool is back: directories and rows agree again (the crash rule of storage.h). */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "db/layers.h"
#include "db/objects.h"
#include "file.h"
#include "log.h"
#include "memory.h"
#include "recover/recover.h"
#include "server.h"
#include "storage/internal.h"

static const struct instance_row *find_uuid(const struct instance_list *list, const char *uuid)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->rows[i].uuid, uuid) == 0)
			return &list->rows[i];
	return NULL;
}

/* One that was being made before that time, not one that is being made now. 0: nobody makes any. */
static bool is_left(DIR *dir, const char *name, int64_t before)
{
	struct stat status;
	return before == 0 ||
	       (fstatat(dirfd(dir), name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
		status.st_ctim.tv_sec * 1000000000LL + status.st_ctim.tv_nsec < before);
}

static bool has_prefix(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

static int repair_new(struct server *server, const char *pool, const char *uuid,
		      const struct instance_row *row, struct error **error)
{
	cleanup_free char *directory = storage_instance_directory(uuid);
	if (row) {
		log_event(LOG_LEVEL_INFO, row->name, "finishing the creation of its volume");
		return storage_layer_commit(server->storage, pool, directory, error);
	}
	if (storage_pool_is_guarded(server->storage, pool))
		return 0;
	log_event(LOG_LEVEL_INFO, NULL, "removing half made volume %s", uuid);
	storage_layer_abort(server->storage, pool, directory);
	return 0;
}

/* Of a daemon before schema version 5, which renamed first. */
static int repair_deleted(struct server *server, const struct instance_row *row,
			  struct error **error)
{
	if (!row)
		return 0;
	log_event(LOG_LEVEL_INFO, row->name, "finishing its deletion");
	return db_instance_delete(server->db, row->id, error);
}

static int repair_volume(struct server *server, const char *pool, const char *name,
			 const struct instance_list *list, struct error **error)
{
	if (has_prefix(name, STORAGE_NEW)) {
		const char *uuid = name + strlen(STORAGE_NEW);
		return repair_new(server, pool, uuid, find_uuid(list, uuid), error);
	}
	if (has_prefix(name, STORAGE_DELETED))
		return repair_deleted(server, find_uuid(list, name + strlen(STORAGE_DELETED)),
				      error);
	if (name[0] != '.' && !find_uuid(list, name))
		log_event(LOG_LEVEL_WARNING, NULL,
			  "volume %s in pool %s belongs to no instance of the database; left alone",
			  name, pool);
	return 0;
}

static int repair_volumes(struct server *server, const char *pool, const struct instance_list *list,
			  int64_t before, struct error **error)
{
	cleanup_free char *path = storage_path(server->storage, pool, STORAGE_INSTANCES, "", "");
	cleanup_dir DIR *dir = opendir(path);
	struct dirent *entry;
	while (dir && (entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
		    is_left(dir, entry->d_name, before) &&
		    repair_volume(server, pool, entry->d_name, list, error) < 0)
			return -1;
	return 0;
}

/* ".new-" of a row that was committed, or of one that was not. */
static int repair_layer(struct server *server, const char *pool, const char *name,
			struct error **error)
{
	bool is_new = has_prefix(name, STORAGE_NEW), known;
	const char *token = is_new ? name + strlen(STORAGE_NEW) : name;
	cleanup_free char *directory = storage_layer_directory(token);
	if (!is_new && name[0] == '.')
		return 0;
	if (db_layer_known(server->db, pool, directory, &known, error) < 0)
		return -1;
	if (is_new && known)
		return storage_layer_commit(server->storage, pool, directory, error);
	if (is_new && !storage_pool_is_guarded(server->storage, pool))
		storage_layer_abort(server->storage, pool, directory);
	else if (!is_new && !known)
		log_event(LOG_LEVEL_WARNING, NULL,
			  "layer %s in pool %s belongs to nothing in the database; left alone",
			  name, pool);
	return 0;
}

static int repair_layers(struct server *server, const char *pool, int64_t before,
			 struct error **error)
{
	cleanup_free char *path = storage_path(server->storage, pool, STORAGE_LAYERS, "", "");
	cleanup_dir DIR *dir = opendir(path);
	struct dirent *entry;
	while (dir && (entry = readdir(dir)))
		if (is_left(dir, entry->d_name, before) &&
		    repair_layer(server, pool, entry->d_name, error) < 0)
			return -1;
	return 0;
}

/* After a loss of power the directory of a layer that was just made may be gone, where the file system
 * does not keep the order; then nothing that was written into it is left either. */
static int repair_top(struct server *server, const struct object_row *pool,
		      const struct instance_row *row, struct error **error)
{
	cleanup_layer_list struct layer_list chain = {0};
	if (strcmp(row->pool, pool->name) != 0)
		return 0;
	if (db_layer_chain(server->db, row->layer_id, &chain, error) < 0)
		return -1;
	const struct layer_row *top = &chain.rows[0];
	cleanup_free char *path = storage_layer_path(server->storage, top);
	const struct layer_place place = {pool->kind, pool->name, top->directory, 0};
	if (chain.count < 2 || access(path, F_OK) == 0)
		return 0;
	log_event(
		LOG_LEVEL_WARNING, row->name,
		"the layer above its last snapshot is gone, as after a loss of power: an empty one "
		"takes its place");
	if (storage_layer_above(server->storage, &place, &chain.rows[1], top->id_base, error) < 0)
		return -1;
	return storage_layer_commit(server->storage, pool->name, top->directory, error);
}

static void repair_tops(struct server *server, const struct object_row *pool,
			const struct instance_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		cleanup_error struct error *problem = NULL;
		if (repair_top(server, pool, &list->rows[i], &problem) < 0)
			log_event(LOG_LEVEL_ERROR, list->rows[i].name, "%s",
				  error_message(problem));
	}
}

static void repair_images(struct server *server, const char *pool, int64_t before)
{
	cleanup_free char *path = storage_path(server->storage, pool, STORAGE_IMAGES, "", "");
	cleanup_dir DIR *dir = opendir(path);
	struct dirent *entry;
	while (dir && !storage_pool_is_guarded(server->storage, pool) && (entry = readdir(dir)))
		if (has_prefix(entry->d_name, STORAGE_NEW) && is_left(dir, entry->d_name, before))
			storage_image_abort(server->storage, pool,
					    entry->d_name + strlen(STORAGE_NEW));
}

static int repair_pool(struct server *server, const char *pool, const struct instance_list *list,
		       int64_t before, struct error **error)
{
	recovery_examine(server, pool);
	repair_images(server, pool, before);
	return repair_volumes(server, pool, list, before, error) < 0
		       ? -1
		       : repair_layers(server, pool, before, error);
}

void storage_pool_returned(struct server *server, const char *pool, int64_t before)
{
	cleanup_instance_list struct instance_list list = {0};
	cleanup_error struct error *error = NULL;
	if (db_instance_list(server->db, &list, &error) < 0 ||
	    repair_pool(server, pool, &list, before, &error) < 0)
		log_event(LOG_LEVEL_WARNING, NULL, "looking through pool %s: %s", pool,
			  error_message(error));
	storage_reclaim(server->storage);
}

static bool has_row(const struct object_list *pools, const char *name)
{
	for (size_t i = 0; i < pools->count; i++)
		if (strcmp(pools->rows[i].name, name) == 0)
			return true;
	return false;
}

/* Pools of a lost database may be mounted still. */
static void guard_strangers(struct storage *storage, const struct object_list *pools)
{
	cleanup_dir DIR *dir = opendir(storage->root);
	struct dirent *entry;
	while (dir && (entry = readdir(dir))) {
		cleanup_free char *descriptions = storage_descriptions(storage, entry->d_name);
		if (entry->d_name[0] != '.' && !has_row(pools, entry->d_name) &&
		    access(descriptions, F_OK) == 0)
			storage_pool_guard(storage, entry->d_name, true);
	}
}

int storage_repair(struct server *server, struct error **error)
{
	cleanup_object_list struct object_list pools = {0};
	cleanup_instance_list struct instance_list list = {0};
	if (storage_pools_repair(server, error) < 0 ||
	    db_object_list(server->db, &db_pools, &pools, error) < 0 ||
	    db_instance_list(server->db, &list, error) < 0)
		return -1;
	guard_strangers(server->storage, &pools);
	for (size_t i = 0; i < pools.count; i++) {
		const struct object_row *pool = &pools.rows[i];
		if (!storage_pool_available(server->storage, pool->name))
			continue;
		if (repair_pool(server, pool->name, &list, 0, error) < 0)
			return -1;
		repair_tops(server, pool, &list);
	}
	storage_reclaim(server->storage);
	return storage_layers_sweep(server, error);
}
