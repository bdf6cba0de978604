/* Removes ".del-" directories in a thread of its own, so that deleting answers at once. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "file.h"
#include "log.h"
#include "memory.h"
#include "process.h"
#include "server.h"
#include "storage/internal.h"

static bool stopping(struct storage *storage)
{
	pthread_mutex_lock(&storage->lock);
	bool stop = storage->stopping;
	pthread_mutex_unlock(&storage->lock);
	return stop;
}

static void reclaim_directory(struct storage *storage, const char *path)
{
	cleanup_dir DIR *dir = opendir(path);
	struct dirent *entry;
	while (dir && !stopping(storage) && (entry = readdir(dir))) {
		cleanup_error struct error *error = NULL;
		if (strncmp(entry->d_name, STORAGE_DELETED, strlen(STORAGE_DELETED)) != 0)
			continue;
		cleanup_free char *deleted = memory_printf("%s/%s", path, entry->d_name);
		if (storage_remove(deleted, &error) < 0)
			log_event(LOG_LEVEL_WARNING, NULL, "reclaiming %s: %s", deleted,
				  error_message(error));
	}
}

static size_t count_deleted(const char *path)
{
	size_t count = 0;
	cleanup_dir DIR *dir = opendir(path);
	struct dirent *entry;
	while (dir && (entry = readdir(dir)))
		count += strncmp(entry->d_name, STORAGE_DELETED, strlen(STORAGE_DELETED)) == 0;
	return count;
}

size_t storage_pool_pending(const struct server *server, const char *pool)
{
	const struct storage *storage = server->storage;
	cleanup_layer_list struct layer_list dead = {0};
	size_t count = 0;
	if (db_layers_dead(server->db, &dead, NULL) == 0)
		for (size_t i = 0; i < dead.count; i++)
			count += strcmp(dead.rows[i].pool, pool) == 0;
	for (int kind = 0; kind < STORAGE_KIND_COUNT; kind++) {
		cleanup_free char *path = memory_printf("%s/%s/%s", storage->root, pool,
							storage_kind_directory(kind));
		count += count_deleted(path);
	}
	return count;
}

static void reclaim_all(struct storage *storage)
{
	cleanup_dir DIR *dir = opendir(storage->root);
	struct dirent *pool;
	while (dir && (pool = readdir(dir))) {
		if (pool->d_name[0] == '.' || storage_pool_is_guarded(storage, pool->d_name))
			continue;
		for (int kind = 0; kind < STORAGE_KIND_COUNT; kind++) {
			cleanup_free char *path =
				memory_printf("%s/%s/%s", storage->root, pool->d_name,
					      storage_kind_directory(kind));
			/* A pool that is to be deleted is not in use for this then. */
			pthread_mutex_lock(&storage->reclaim);
			reclaim_directory(storage, path);
			pthread_mutex_unlock(&storage->reclaim);
		}
	}
}

/* A description that still names a layer is written anew before its files go. */
static bool settled(struct storage *storage)
{
	pthread_mutex_lock(&storage->lock);
	bool (*settle)(void *data) = storage->settle;
	void *data = storage->settle_data;
	pthread_mutex_unlock(&storage->lock);
	return !settle || settle(data);
}

static void *reclaimer(void *data)
{
	struct storage *storage = data;
	process_idle_disk(true);
	pthread_mutex_lock(&storage->lock);
	while (!storage->stopping) {
		if (!storage->pending) {
			pthread_cond_wait(&storage->wake, &storage->lock);
			continue;
		}
		storage->pending = false;
		pthread_mutex_unlock(&storage->lock);
		if (settled(storage))
			reclaim_all(storage);
		pthread_mutex_lock(&storage->lock);
	}
	pthread_mutex_unlock(&storage->lock);
	return NULL;
}

int storage_reclaimer_start(struct storage *storage, struct error **error)
{
	int problem = pthread_create(&storage->reclaimer, NULL, reclaimer, storage);
	if (problem)
		return error_errno(error, problem, "starting a thread");
	storage->reclaimer_runs = true;
	return 0;
}

void storage_reclaimer_stop(struct storage *storage)
{
	if (!storage->reclaimer_runs)
		return;
	pthread_mutex_lock(&storage->lock);
	storage->stopping = true;
	pthread_cond_signal(&storage->wake);
	pthread_mutex_unlock(&storage->lock);
	pthread_join(storage->reclaimer, NULL);
	storage->reclaimer_runs = false;
}

void storage_reclaim(struct storage *storage)
{
	pthread_mutex_lock(&storage->lock);
	storage->pending = true;
	pthread_cond_signal(&storage->wake);
	pthread_mutex_unlock(&storage->lock);
}
