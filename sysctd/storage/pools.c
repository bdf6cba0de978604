/*
 * Making pools, changing and removing them, and having them at hand. While one is made or removed there is
 * the note ".pool-NAME" beside it, with what the pool is to be or was: after a crash the row decides whether
 * it stays. A file "pool.json" in it says what it is; without that file its disk is not there.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "cleanup.h"
#include "db/images.h"
#include "fault.h"
#include "file.h"
#include "image/store.h"
#include "log.h"
#include "memory.h"
#include "server.h"
#include "storage/internal.h"
#include "storage/pool_config.h"
#include "storage/pool_source.h"
#include "volume/volume.h"

#define NOTE ".pool-"

static char *note_path(const struct storage *storage, const char *pool)
{
	return memory_printf("%s/" NOTE "%s", storage->root, pool);
}

/* What a pool is, as a file of its own. */
static int write_description(const struct object_row *row, const char *path, struct error **error)
{
	json_t *content = json_pack("{s:s, s:s, s:s, s:O}", "name", row->name, "driver", row->kind,
				    "description", row->description ? row->description : "",
				    "config", row->config);
	cleanup_free char *text = json_dumps(content, JSON_INDENT(2) | JSON_SORT_KEYS);
	json_decref(content);
	return file_replace_at(AT_FDCWD, path, text, strlen(text), 0600, true, error);
}

static int write_note(const struct storage *storage, const struct object_row *row,
		      struct error **error)
{
	cleanup_free char *note = note_path(storage, row->name);
	return write_description(row, note, error);
}

/* One that an older daemon wrote is empty: the name is all there is. */
static void read_note(const struct storage *storage, const char *pool, struct object_row *row)
{
	cleanup_free char *note = note_path(storage, pool);
	cleanup_free char *text = file_try_read_at(AT_FDCWD, note);
	json_t *content = text ? json_loads(text, 0, NULL) : NULL;
	const char *driver = json_string_value(json_object_get(content, "driver"));
	json_t *config = json_object_get(content, "config");
	row->name = memory_strdup(pool);
	row->kind = driver ? memory_strdup(driver) : NULL;
	row->config = json_is_object(config) ? json_incref(config) : json_object();
	json_decref(content);
}

static void remove_note(const struct storage *storage, const char *pool)
{
	cleanup_free char *note = note_path(storage, pool);
	unlink(note);
}

static int write_marker(const struct storage *storage, const struct object_row *row,
			struct error **error)
{
	cleanup_free char *path = memory_printf("%s/%s/" STORAGE_MARKER, storage->root, row->name);
	return write_description(row, path, error);
}

json_t *storage_pool_marker(const struct storage *storage, const char *name)
{
	cleanup_free char *path = memory_printf("%s/%s/" STORAGE_MARKER, storage->root, name);
	cleanup_free char *text = file_try_read_at(AT_FDCWD, path);
	return text ? json_loads(text, 0, NULL) : NULL;
}

bool storage_pool_available(const struct storage *storage, const char *name)
{
	json_t *marker = storage_pool_marker(storage, name);
	/* Another pool may be where this one was. */
	const char *found = json_string_value(json_object_get(marker, "name"));
	bool same = found && strcmp(found, name) == 0;
	json_decref(marker);
	return same;
}

static int make_kinds(const struct storage *storage, const char *pool, struct error **error)
{
	for (int kind = 0; kind < STORAGE_KIND_COUNT; kind++) {
		cleanup_free char *path = memory_printf("%s/%s/%s", storage->root, pool,
							storage_kind_directory(kind));
		if (file_make_directories(path, 0700, error) < 0)
			return -1;
	}
	return 0;
}

int storage_pool_bring_up(const struct storage *storage, const struct object_row *row,
			  struct error **error)
{
	const struct storage_driver *driver = storage_driver_find(row->kind, error);
	cleanup_free char *path = pool_path(storage, row->name);
	if (!driver || pool_source_mount(storage, row, error) < 0 ||
	    driver->check(path, error) < 0 || make_kinds(storage, row->name, error) < 0)
		return -1;
	return write_marker(storage, row, error);
}

/* ---- having them ---- */

static int mount_again(struct storage *storage, const struct object_row *row, struct error **error)
{
	const char *source = pool_config_get(row->config, "source");
	cleanup_free char *path = pool_path(storage, row->name);
	if (pool_source_mount(storage, row, error) < 0)
		return -1;
	if (storage_pool_available(storage, row->name))
		return 0;
	/* Its disk would have the marker: this is another one, or the bare place of the mount. */
	pool_source_unmount(storage, row, false, NULL);
	return error_set(error, ERROR_INTERNAL, "what is at %s is not this pool",
			 source ? source : path);
}

static int require_locked(struct server *server, const char *name, struct error **error)
{
	cleanup_object_row struct object_row row = {0};
	int64_t before = db_now();
	if (db_object_get(server->db, &db_pools, name, &row, error) < 0)
		return -1;
	if (mount_again(server->storage, &row, error) == 0) {
		storage_pool_returned(server, name, before);
		return 0;
	}
	/* "Not found" is for what the daemon does not know, such as an instance. */
	if (error && *error)
		(*error)->kind = ERROR_INTERNAL;
	return error_prefix(error, "storage pool \"%s\" is not available", name);
}

int storage_pool_require(struct server *server, const char *name, struct error **error)
{
	if (storage_pool_available(server->storage, name))
		return 0;
	pthread_mutex_lock(&server->storage->pools);
	int result = require_locked(server, name, error);
	pthread_mutex_unlock(&server->storage->pools);
	return result;
}

/* ---- removing ---- */

/* Of one directory of layers: what was being made or removed. Others are somebody's. */
static int empty_kind(const struct storage *storage, const char *pool, enum storage_kind kind,
		      struct error **error)
{
	cleanup_free char *path =
		memory_printf("%s/%s/%s", storage->root, pool, storage_kind_directory(kind));
	cleanup_dir DIR *dir = opendir(path);
	struct dirent *entry;
	while (dir && (entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (kind != STORAGE_IMAGES && entry->d_name[0] != '.')
			return error_set(error, ERROR_BUSY,
					 "pool \"%s\" has %s/%s, which no instance and no volume "
					 "knows: move it away if it is somebody's, or remove it",
					 pool, storage_kind_directory(kind), entry->d_name);
		cleanup_free char *left = memory_printf("%s/%s", path, entry->d_name);
		if (storage_remove(left, error) < 0)
			return -1;
	}
	return 0;
}

static int empty_pool(const struct storage *storage, const char *pool, struct error **error)
{
	static const enum storage_kind order[] = {STORAGE_INSTANCES, STORAGE_LAYERS,
						  STORAGE_IMAGES};
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		if (empty_kind(storage, pool, order[i], error) < 0)
			return -1;
	return 0;
}

static int take_down(const struct storage *storage, const struct object_row *row,
		     struct error **error)
{
	const char *pool = row->name;
	cleanup_free char *marker = memory_printf("%s/%s/" STORAGE_MARKER, storage->root, pool);
	cleanup_free char *descriptions = storage_descriptions(storage, pool);
	/* Of what is not there a read-only file system says otherwise. */
	if (empty_pool(storage, pool, error) < 0 ||
	    (access(descriptions, F_OK) == 0 &&
	     file_remove_tree_at(AT_FDCWD, descriptions, error) < 0))
		return -1;
	unlink(marker);
	for (int kind = 0; kind < STORAGE_KIND_COUNT; kind++) {
		cleanup_free char *path = memory_printf("%s/%s/%s", storage->root, pool,
							storage_kind_directory(kind));
		rmdir(path);
	}
	if (pool_source_unmount(storage, row, true, error) < 0)
		return -1;
	remove_note(storage, pool);
	return 0;
}

static int check_unused(struct server *server, const char *name, struct error **error)
{
	cleanup_image_list struct image_list images = {0};
	if (strcmp(name, image_pool(server)) != 0)
		return 0;
	if (db_image_list(server->db, &images, error) < 0)
		return -1;
	return images.count == 0
		       ? 0
		       : error_set(error, ERROR_BUSY,
				   "storage pool \"%s\" is where images are kept: delete them "
				   "first (%zu)",
				   name, images.count);
}

static int check_unguarded(struct storage *storage, const char *name, struct error **error)
{
	if (!storage_pool_is_guarded(storage, name))
		return 0;
	return error_set(error, ERROR_BUSY,
			 "storage pool \"%s\" has things of a lost database: 'sysct admin recover' "
			 "tells which, and brings them back",
			 name);
}

/* Rows of what was deleted while the disk was not there, which stays with what is on it. */
static int forget_dead(struct server *server, const char *pool, struct error **error)
{
	cleanup_layer_list struct layer_list dead = {0};
	if (db_layers_dead(server->db, &dead, error) < 0)
		return -1;
	for (size_t i = 0; i < dead.count; i++)
		if (strcmp(dead.rows[i].pool, pool) == 0 &&
		    db_layer_delete(server->db, dead.rows[i].id, error) < 0)
			return -1;
	return 0;
}

/* Users are told of by the deletion of the row, which says more. */
static int delete_row(struct server *server, const char *name, struct error **error)
{
	struct storage *storage = server->storage;
	bool available = storage_pool_available(storage, name);
	if (volumes_check_none(server, name, error) < 0 ||
	    (!available && forget_dead(server, name, error) < 0) ||
	    db_object_delete(server->db, &db_pools, name, error) < 0)
		return -1;
	if (!available)
		return 0;
	return empty_kind(storage, name, STORAGE_INSTANCES, error) < 0
		       ? -1
		       : empty_kind(storage, name, STORAGE_LAYERS, error);
}

static int delete_noted(struct server *server, const char *name, struct error **error)
{
	if (db_begin(server->db, DB_DURABLE, error) < 0)
		return -1;
	if (delete_row(server, name, error) == 0)
		return db_commit(server->db, error);
	db_rollback(server->db);
	return -1;
}

static int delete_locked(struct server *server, const char *name, struct error **error)
{
	struct storage *storage = server->storage;
	cleanup_object_row struct object_row row = {0};
	/* One that is back is emptied, too. */
	if (!storage_pool_available(storage, name))
		require_locked(server, name, NULL);
	if (check_unguarded(storage, name, error) < 0 || check_unused(server, name, error) < 0 ||
	    storage_layers_sweep(server, error) < 0 ||
	    db_object_get(server->db, &db_pools, name, &row, error) < 0 ||
	    write_note(storage, &row, error) < 0)
		return -1;
	fault_point("pool.leaving");
	if (delete_noted(server, name, error) < 0) {
		remove_note(storage, name);
		return -1;
	}
	fault_point("pool.deleted");
	cleanup_error struct error *problem = NULL;
	if (take_down(storage, &row, &problem) < 0)
		log_event(LOG_LEVEL_WARNING, NULL,
			  "pool %s is deleted, and the next start tries again what failed: %s",
			  name, error_message(problem));
	return 0;
}

int storage_pool_delete(struct server *server, const char *name, struct error **error)
{
	pthread_mutex_lock(&server->storage->pools);
	pthread_mutex_lock(&server->storage->reclaim);
	pthread_mutex_lock(&server->storage->describe);
	int result = delete_locked(server, name, error);
	pthread_mutex_unlock(&server->storage->describe);
	pthread_mutex_unlock(&server->storage->reclaim);
	pthread_mutex_unlock(&server->storage->pools);
	return result;
}

/* ---- making and changing ---- */

/* Not a file system that others use, too. */
static int prepare(struct storage *storage, const struct object_row *row, struct error **error)
{
	const struct storage_driver *driver = storage_driver_find(row->kind, error);
	cleanup_free char *path = pool_path(storage, row->name);
	if (!driver)
		return -1;
	return driver->prepare && pool_source_is_device(row) ? driver->prepare(path, error) : 0;
}

static int check_volume_size(const struct storage *storage, const struct object_row *row,
			     struct error **error)
{
	const struct storage_driver *driver = storage_driver_find(row->kind, error);
	cleanup_free char *path = pool_path(storage, row->name);
	if (!driver || !pool_config_get(row->config, "volume.size") || !driver->check_limit)
		return driver ? 0 : -1;
	return driver->check_limit(path, error) < 0
		       ? error_prefix(error, "pool \"%s\" cannot keep volumes to a \"volume.size\"",
				      row->name)
		       : 0;
}

static int create_noted(struct server *server, struct object_row *row, struct error **error)
{
	struct storage *storage = server->storage;
	if (pool_source_make(storage, row, error) < 0)
		return -1;
	json_object_del(row->config, "source.wipe");
	fault_point("pool.made");
	if (storage_pool_bring_up(storage, row, error) < 0 || prepare(storage, row, error) < 0 ||
	    check_volume_size(storage, row, error) < 0)
		return -1;
	fault_point("pool.up");
	return db_object_create(server->db, &db_pools, row, error);
}

static int create_locked(struct server *server, struct object_row *row, struct error **error)
{
	struct storage *storage = server->storage;
	cleanup_object_list struct object_list others = {0};
	cleanup_free char *note = note_path(storage, row->name);
	cleanup_free char *path = pool_path(storage, row->name);
	if (db_object_list(server->db, &db_pools, &others, error) < 0)
		return -1;
	for (size_t i = 0; i < others.count; i++)
		if (strcmp(others.rows[i].name, row->name) == 0)
			return error_set(error, ERROR_EXISTS, "storage pool \"%s\" already exists",
					 row->name);
	if (access(note, F_OK) == 0 || access(path, F_OK) == 0)
		return error_set(error, ERROR_BUSY,
				 "%s is left of a pool that is no more: restart sysctd, which "
				 "removes it, move it away, or, if the database was lost, bring it "
				 "back by 'sysct admin recover'",
				 path);
	if (pool_source_plan(storage, row, &others, error) < 0 ||
	    write_note(storage, row, error) < 0)
		return -1;
	fault_point("pool.noted");
	if (create_noted(server, row, error) == 0) {
		remove_note(storage, row->name);
		return 0;
	}
	cleanup_error struct error *problem = NULL;
	if (take_down(storage, row, &problem) < 0)
		log_event(LOG_LEVEL_WARNING, NULL, "removing half made pool %s: %s", row->name,
			  error_message(problem));
	return -1;
}

int storage_pool_create(struct server *server, struct object_row *row, struct error **error)
{
	const struct storage_driver *driver = storage_driver_find(row->kind, error);
	if (!driver || pool_check_name(row->name, error) < 0 ||
	    pool_config_check(driver, row->config, error) < 0)
		return -1;
	pthread_mutex_lock(&server->storage->pools);
	int result = create_locked(server, row, error);
	pthread_mutex_unlock(&server->storage->pools);
	return result;
}

static int update_locked(struct server *server, const struct object_row *row, struct error **error)
{
	struct storage *storage = server->storage;
	cleanup_object_row struct object_row old = {0};
	const struct storage_driver *driver = storage_driver_find(row->kind, error);
	if (!driver || db_object_get(server->db, &db_pools, row->name, &old, error) < 0 ||
	    pool_config_check_change(driver, old.config, row->config, error) < 0 ||
	    check_volume_size(storage, row, error) < 0 ||
	    pool_source_grow(storage, row, error) < 0 ||
	    db_object_update(server->db, &db_pools, row, error) < 0)
		return -1;
	return write_marker(storage, row, error);
}

int storage_pool_update(struct server *server, const struct object_row *row, struct error **error)
{
	if (storage_pool_require(server, row->name, error) < 0)
		return -1;
	pthread_mutex_lock(&server->storage->pools);
	int result = update_locked(server, row, error);
	pthread_mutex_unlock(&server->storage->pools);
	return result;
}

/* ---- all of them ---- */

int storage_pool_space(struct storage *storage, const char *pool, struct storage_space *space,
		       struct error **error)
{
	cleanup_free char *path = pool_path(storage, pool);
	struct statvfs status;
	if (statvfs(path, &status) < 0)
		return error_errno(error, errno, "looking at pool %s", pool);
	struct storage_extent extent = {
		.total = (uint64_t)status.f_blocks * status.f_frsize,
		.used = (uint64_t)(status.f_blocks - status.f_bfree) * status.f_frsize,
	};
	for (const struct storage_driver *const *at = storage_drivers(); *at; at++)
		if ((*at)->space && (*at)->space(path, &extent) == 0)
			break;
	*space = (struct storage_space){
		.total = extent.total,
		.used = extent.used,
		.inodes_total = status.f_files,
		.inodes_used = status.f_files - status.f_ffree,
	};
	return 0;
}

static void repair_note(struct server *server, const char *pool)
{
	cleanup_error struct error *error = NULL;
	cleanup_object_row struct object_row row = {0}, noted = {0};
	if (db_object_get(server->db, &db_pools, pool, &row, NULL) == 0) {
		remove_note(server->storage, pool);
		return;
	}
	log_event(LOG_LEVEL_INFO, NULL, "removing half made or half removed pool %s", pool);
	read_note(server->storage, pool, &noted);
	if (take_down(server->storage, &noted, &error) < 0)
		log_event(LOG_LEVEL_WARNING, NULL, "removing pool %s: %s", pool,
			  error_message(error));
}

static void bring_up_all(struct server *server, const struct object_list *pools)
{
	for (size_t i = 0; i < pools->count; i++) {
		cleanup_error struct error *error = NULL;
		const struct object_row *row = &pools->rows[i];
		/* One of sysct's own has nothing that could be missing. */
		bool own = !pool_config_get(row->config, "source");
		if ((own ? storage_pool_bring_up(server->storage, row, &error)
			 : storage_pool_require(server, row->name, &error)) < 0)
			log_event(LOG_LEVEL_ERROR, NULL, "pool %s: %s", row->name,
				  error_message(error));
	}
}

int storage_pools_repair(struct server *server, struct error **error)
{
	cleanup_object_list struct object_list pools = {0};
	cleanup_dir DIR *dir = opendir(server->storage->root);
	struct dirent *entry;
	if (db_object_list(server->db, &db_pools, &pools, error) < 0)
		return -1;
	while (dir && (entry = readdir(dir)))
		if (strncmp(entry->d_name, NOTE, strlen(NOTE)) == 0)
			repair_note(server, entry->d_name + strlen(NOTE));
	bring_up_all(server, &pools);
	return 0;
}

void storage_pools_unmount(struct server *server)
{
	cleanup_object_list struct object_list pools = {0};
	if (db_object_list(server->db, &db_pools, &pools, NULL) < 0)
		return;
	for (size_t i = 0; i < pools.count; i++)
		pool_source_unmount(server->storage, &pools.rows[i], false, NULL);
}
