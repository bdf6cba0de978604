/*
 * Pools in which things of a lost database lie (sysctd/recover): nothing is removed there that
 * these may need, until they are recovered.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "file.h"
#include "memory.h"
#include "storage/internal.h"

char *storage_descriptions(const struct storage *storage, const char *pool)
{
	return memory_printf("%s/%s/" STORAGE_DESCRIPTIONS, storage->root, pool);
}

static int replace(const char *path, const char *text, struct error **error)
{
	cleanup_free char *old = text ? file_try_read_at(AT_FDCWD, path) : NULL;
	cleanup_free char *directory = memory_strdup(path);
	*strrchr(directory, '/') = '\0';
	if (!text)
		return unlink(path) < 0 && errno != ENOENT
			       ? error_errno(error, errno, "removing %s", path)
			       : 0;
	if (old && strcmp(old, text) == 0)
		return 0;
	return file_make_directories(directory, 0700, error) < 0
		       ? -1
		       : file_replace_at(AT_FDCWD, path, text, strlen(text), 0600, true, error);
}

int storage_describe(struct storage *storage, const char *pool, const char *path, const char *text,
		     bool *written, struct error **error)
{
	int result = 0;
	pthread_mutex_lock(&storage->describe);
	bool available = storage_pool_available(storage, pool);
	if (available)
		result = replace(path, text, error);
	pthread_mutex_unlock(&storage->describe);
	*written = available && text && result == 0;
	return result;
}

void storage_pool_guard(struct storage *storage, const char *pool, bool guard)
{
	pthread_mutex_lock(&storage->lock);
	if (guard)
		json_object_set_new(storage->guarded, pool, json_true());
	else
		json_object_del(storage->guarded, pool);
	pthread_mutex_unlock(&storage->lock);
}

bool storage_pool_is_guarded(struct storage *storage, const char *pool)
{
	pthread_mutex_lock(&storage->lock);
	bool guarded = json_object_get(storage->guarded, pool);
	pthread_mutex_unlock(&storage->lock);
	return guarded;
}

bool storage_any_guarded(struct storage *storage)
{
	pthread_mutex_lock(&storage->lock);
	bool any = json_object_size(storage->guarded) > 0;
	pthread_mutex_unlock(&storage->lock);
	return any;
}

void storage_reclaim_after(struct storage *storage, bool (*settle)(void *data), void *data)
{
	pthread_mutex_lock(&storage->lock);
	storage->settle = settle;
	storage->settle_data = data;
	pthread_mutex_unlock(&storage->lock);
}
