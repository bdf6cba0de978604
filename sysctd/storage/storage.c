/* See storage.h: where things are. */
#include "storage/storage.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "file.h"
#include "memory.h"
#include "storage/internal.h"
#include "storage/project.h"

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
	storage->disks = memory_printf("%s/disks", state_directory);
	pthread_mutex_init(&storage->pools, NULL);
	pthread_mutex_init(&storage->images, NULL);
	pthread_mutex_init(&storage->reclaim, NULL);
	pthread_mutex_init(&storage->describe, NULL);
	pthread_mutex_init(&storage->lock, NULL);
	pthread_cond_init(&storage->wake, NULL);
	storage->guarded = json_object();
	/* 0700: a user of the host must not reach the set-uid files of an instance. */
	if (file_make_directories(storage->root, 0700, error) == 0 &&
	    storage_reclaimer_start(storage, error) == 0)
		return storage;
	storage_free(storage);
	return NULL;
}

void storage_stop(struct storage *storage)
{
	storage_reclaimer_stop(storage);
}

void storage_free(struct storage *storage)
{
	if (!storage)
		return;
	storage_reclaimer_stop(storage);
	pthread_mutex_destroy(&storage->pools);
	pthread_mutex_destroy(&storage->images);
	pthread_mutex_destroy(&storage->reclaim);
	pthread_mutex_destroy(&storage->describe);
	pthread_mutex_destroy(&storage->lock);
	pthread_cond_destroy(&storage->wake);
	json_decref(storage->guarded);
	free(storage->root);
	free(storage->disks);
	free(storage);
}

int storage_make_fresh(const char *path, struct error **error)
{
	if (mkdir(path, 0700) == 0)
		return 0;
	if (errno != EEXIST)
		return error_errno(error, errno, "creating %s", path);
	if (storage_remove(path, error) < 0)
		return -1;
	return mkdir(path, 0700) < 0 ? error_errno(error, errno, "creating %s", path) : 0;
}

static int remove_tree(const char *path, struct error **error)
{
	for (const struct storage_driver *const *at = storage_drivers(); *at; at++)
		if ((*at)->tree_remove && (*at)->tree_remove(path, error) < 0)
			return -1;
	return file_remove_tree_at(AT_FDCWD, path, error);
}

/* What it belongs to, and in @parent where it is; that is the caller's. */
static uint32_t find_project(const char *path, int *parent)
{
	cleanup_close int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	uint32_t project = project_of(fd);
	*parent = project ? openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	return project;
}

int storage_remove(const char *path, struct error **error)
{
	cleanup_close int parent = -1;
	uint32_t project = find_project(path, &parent);
	int result = remove_tree(path, error);
	project_forget(parent, project);
	return result;
}

int storage_attach(const char *path, struct error **error)
{
	for (const struct storage_driver *const *at = storage_drivers(); *at; at++)
		if ((*at)->tree_attach && (*at)->tree_attach(path, error) < 0)
			return -1;
	return 0;
}

void storage_detach(const char *path)
{
	for (const struct storage_driver *const *at = storage_drivers(); *at; at++)
		if ((*at)->tree_detach)
			(*at)->tree_detach(path, NULL);
}
