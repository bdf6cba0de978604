/* Unpacked images: each in the pool that images are kept in, and copied from there where instances need it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "file.h"
#include "image/store.h"
#include "memory.h"
#include "server.h"
#include "storage/internal.h"
#include "storage/tree_size.h"

char *storage_image_begin(struct storage *storage, const char *pool, const char *driver,
			  const char *token, struct error **error)
{
	const struct storage_driver *functions = storage_driver_find(driver, error);
	char *path = storage_path(storage, pool, STORAGE_IMAGES, STORAGE_NEW, token);
	if (functions && storage_make_fresh(path, error) == 0 &&
	    functions->tree_create(path, 0, error) == 0)
		return path;
	storage_remove(path, NULL);
	free(path);
	return NULL;
}

int storage_image_commit(struct storage *storage, const char *pool, const char *token,
			 const char *fingerprint, struct error **error)
{
	cleanup_free char *new = storage_path(storage, pool, STORAGE_IMAGES, STORAGE_NEW, token);
	cleanup_free char *path = storage_path(storage, pool, STORAGE_IMAGES, "", fingerprint);
	storage_detach(new);
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
	storage_remove(new, NULL);
}

int storage_image_discard(struct storage *storage, const char *pool, const char *fingerprint,
			  struct error **error)
{
	/* Some layer may lie above it that is not known yet. */
	if (storage_pool_is_guarded(storage, pool))
		return 0;
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

int64_t storage_image_size(struct storage *storage, const char *pool, const char *fingerprint)
{
	cleanup_free char *path = storage_image_path(storage, pool, fingerprint);
	cleanup_free char *tree = memory_printf("%s/rootfs", path);
	cleanup_free char *note = memory_printf("%s/size", path);
	unsigned long long known = file_read_number_at(AT_FDCWD, note, 0);
	if (known)
		return (int64_t)known;
	int64_t bytes = storage_attach(path, NULL) < 0 ? -1 : tree_size(tree);
	cleanup_free char *text = memory_printf("%lld", (long long)bytes);
	if (bytes > 0)
		file_replace_at(AT_FDCWD, note, text, strlen(text), 0600, false, NULL);
	return bytes;
}

/* With the lock held, so that two launches copy it once. */
static int copy_here(struct server *server, const char *driver, const char *pool,
		     const char *fingerprint, struct error **error)
{
	struct storage *storage = server->storage;
	cleanup_free char *home = storage_image_path(storage, image_pool(server), fingerprint);
	cleanup_free char *source = memory_printf("%s/rootfs", home);
	char token[UUID_STR_LEN];
	if (storage_image_exists(storage, pool, fingerprint))
		return 0;
	if (access(home, F_OK) < 0)
		return error_set(error, ERROR_NOT_FOUND, "image %s is missing from pool %s",
				 fingerprint, image_pool(server));
	storage_make_token(token);
	cleanup_free char *path = storage_image_begin(storage, pool, driver, token, error);
	if (!path)
		return -1;
	cleanup_free char *target = memory_printf("%s/rootfs", path);
	if (storage_attach(home, error) == 0 && storage_copy_tree(source, target, error) == 0)
		return storage_image_commit(storage, pool, token, fingerprint, error);
	storage_image_abort(storage, pool, token);
	return error_prefix(error, "copying image %.12s to pool %s", fingerprint, pool);
}

int storage_image_provide(struct server *server, const char *driver, const char *pool,
			  const char *fingerprint, struct error **error)
{
	struct storage *storage = server->storage;
	const struct storage_driver *functions = storage_driver_find(driver, error);
	if (!functions)
		return -1;
	if (!functions->keeps_images || storage_image_exists(storage, pool, fingerprint))
		return 0;
	pthread_mutex_lock(&storage->images);
	int result = copy_here(server, driver, pool, fingerprint, error);
	pthread_mutex_unlock(&storage->images);
	return result;
}
