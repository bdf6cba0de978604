/* See storage.h: pools, volumes and images as directories. */
#include "storage/storage.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "cleanup.h"
#include "file.h"
#include "memory.h"
#include "storage/internal.h"

static const struct storage_driver *const drivers[] = {&storage_overlay, NULL};

const struct storage_driver *const *storage_drivers(void)
{
	return drivers;
}

const struct storage_driver *storage_driver_find(const char *name)
{
	for (size_t i = 0; drivers[i]; i++)
		if (strcmp(drivers[i]->name, name) == 0)
			return drivers[i];
	return NULL;
}

const char *storage_kind_directory(enum storage_kind kind)
{
	static const char *const names[STORAGE_KIND_COUNT] = {
		[STORAGE_IMAGES] = "images",
		[STORAGE_INSTANCES] = "instances",
		[STORAGE_LAYERS] = "layers",
	};
	return names[kind];
}

char *storage_path(const struct storage *storage, const char *pool, enum storage_kind kind,
		   const char *prefix, const char *name)
{
	return memory_printf("%s/%s/%s/%s%s", storage->root, pool, storage_kind_directory(kind),
			     prefix, name);
}

struct storage *storage_create(const char *state_directory, struct error **error)
{
	struct storage *storage = memory_alloc(sizeof(*storage));
	storage->root = memory_printf("%s/storage-pools", state_directory);
	pthread_mutex_init(&storage->lock, NULL);
	pthread_cond_init(&storage->wake, NULL);
	/* 0700: a user of the host must not reach the set-uid files of an instance. */
	if (file_make_directories(storage->root, 0700, error) == 0 &&
	    storage_reclaimer_start(storage, error) == 0)
		return storage;
	storage_free(storage);
	return NULL;
}

void storage_free(struct storage *storage)
{
	if (!storage)
		return;
	storage_reclaimer_stop(storage);
	pthread_mutex_destroy(&storage->lock);
	pthread_cond_destroy(&storage->wake);
	free(storage->root);
	free(storage);
}

int storage_pool_prepare(struct storage *storage, const char *pool, const char *driver,
			 struct error **error)
{
	const struct storage_driver *functions = storage_driver_find(driver);
	if (!functions)
		return error_set(error, ERROR_UNSUPPORTED, "storage driver \"%s\" is not supported",
				 driver);
	for (int kind = 0; kind < STORAGE_KIND_COUNT; kind++) {
		cleanup_free char *path = memory_printf("%s/%s/%s", storage->root, pool,
							storage_kind_directory(kind));
		if (file_make_directories(path, 0700, error) < 0)
			return -1;
	}
	cleanup_free char *path = memory_printf("%s/%s", storage->root, pool);
	return functions->pool_create(path, error);
}

int storage_make_fresh(const char *path, struct error **error)
{
	if (mkdir(path, 0700) == 0)
		return 0;
	if (errno != EEXIST)
		return error_errno(error, errno, "creating %s", path);
	if (file_remove_tree_at(AT_FDCWD, path, error) < 0)
		return -1;
	return mkdir(path, 0700) < 0 ? error_errno(error, errno, "creating %s", path) : 0;
}

static int fill_volume(const struct storage *storage, const struct storage_driver *driver,
		       const struct volume_request *request, const char *path, struct error **error)
{
	const struct layer_row *above = request->above;
	if (!above)
		return driver->volume_create(path, request->id_base, error);
	cleanup_free char *place = storage_layer_path(storage, above);
	return driver->layer_create(path, place, above->id_base, request->id_base, error);
}

int storage_volume_create(struct storage *storage, const char *driver,
			  const struct volume_request *request, struct error **error)
{
	const struct storage_driver *functions = storage_driver_find(driver);
	cleanup_free char *path =
		storage_path(storage, request->pool, STORAGE_INSTANCES, STORAGE_NEW, request->uuid);
	if (!functions)
		return error_set(error, ERROR_UNSUPPORTED, "storage driver \"%s\" is not supported",
				 driver);
	if (storage_make_fresh(path, error) < 0)
		return -1;
	if (fill_volume(storage, functions, request, path, error) == 0)
		return 0;
	file_remove_tree_at(AT_FDCWD, path, NULL);
	return error_prefix(error, "creating a volume in pool %s", request->pool);
}

int storage_volume_commit(struct storage *storage, const char *pool, const char *uuid,
			  struct error **error)
{
	cleanup_free char *new = storage_path(storage, pool, STORAGE_INSTANCES, STORAGE_NEW, uuid);
	cleanup_free char *path = storage_path(storage, pool, STORAGE_INSTANCES, "", uuid);
	return rename(new, path) < 0 ? error_errno(error, errno, "creating %s", path) : 0;
}

void storage_volume_abort(struct storage *storage, const char *pool, const char *uuid)
{
	cleanup_free char *new = storage_path(storage, pool, STORAGE_INSTANCES, STORAGE_NEW, uuid);
	file_remove_tree_at(AT_FDCWD, new, NULL);
}

char *storage_image_begin(struct storage *storage, const char *pool, const char *token,
			  struct error **error)
{
	char *path = storage_path(storage, pool, STORAGE_IMAGES, STORAGE_NEW, token);
	if (storage_make_fresh(path, error) == 0)
		return path;
	free(path);
	return NULL;
}

int storage_image_commit(struct storage *storage, const char *pool, const char *token,
			 const char *fingerprint, struct error **error)
{
	cleanup_free char *new = storage_path(storage, pool, STORAGE_IMAGES, STORAGE_NEW, token);
	cleanup_free char *path = storage_path(storage, pool, STORAGE_IMAGES, "", fingerprint);
	if (rename(new, path) == 0)
		return 0;
	if (errno != ENOTEMPTY && errno != EEXIST)
		return error_errno(error, errno, "storing image %s", fingerprint);
	storage_image_abort(storage, pool, token);
	return error_set(error, ERROR_EXISTS, "image %s exists already", fingerprint);
}

void storage_image_abort(struct storage *storage, const char *pool, const char *token)
{
	cleanup_free char *new = storage_path(storage, pool, STORAGE_IMAGES, STORAGE_NEW, token);
	file_remove_tree_at(AT_FDCWD, new, NULL);
}

int storage_image_discard(struct storage *storage, const char *pool, const char *fingerprint,
			  struct error **error)
{
	cleanup_free char *path = storage_path(storage, pool, STORAGE_IMAGES, "", fingerprint);
	cleanup_free char *deleted =
		storage_path(storage, pool, STORAGE_IMAGES, STORAGE_DELETED, fingerprint);
	if (rename(path, deleted) < 0 && errno != ENOENT)
		return error_errno(error, errno, "deleting %s", path);
	return 0;
}

bool storage_image_exists(struct storage *storage, const char *pool, const char *fingerprint)
{
	cleanup_free char *path = storage_path(storage, pool, STORAGE_IMAGES, "", fingerprint);
	return access(path, F_OK) == 0;
}

char *storage_image_path(struct storage *storage, const char *pool, const char *fingerprint)
{
	return storage_path(storage, pool, STORAGE_IMAGES, "", fingerprint);
}

int storage_pool_space(struct storage *storage, const char *pool, struct storage_space *space,
		       struct error **error)
{
	cleanup_free char *path = memory_printf("%s/%s", storage->root, pool);
	struct statvfs status;
	if (statvfs(path, &status) < 0)
		return error_errno(error, errno, "looking at pool %s", pool);
	*space = (struct storage_space){
		.total = (uint64_t)status.f_blocks * status.f_frsize,
		.used = (uint64_t)(status.f_blocks - status.f_bfree) * status.f_frsize,
		.inodes_total = status.f_files,
		.inodes_used = status.f_files - status.f_ffree,
	};
	return 0;
}
