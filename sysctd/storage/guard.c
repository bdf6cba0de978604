/*
 * Pools in which things of a lost database lie (sysctd/recover): nothing is removed there that
 * these may need, until they are recovered.
 */
#include <string.h>

#include "cleanup.h"
#include "memory.h"
#include "storage/internal.h"

char *storage_descriptions(const struct storage *storage, const char *pool)
{
	return memory_printf("%s/%s/" STORAGE_DESCRIPTIONS, storage->root, pool);
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
