/* See storage.h: where things are. */
#include "storage/storage.h"

#include <btrfsutil.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <linux/btrfs_tree.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "cleanup.h"
#include "file.h"
#include "memory.h"
#include "storage/internal.h"

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
	if (storage_remove_at(AT_FDCWD, path, error) < 0)
		return -1;
	return mkdir(path, 0700) < 0 ? error_errno(error, errno, "creating %s", path) : 0;
}

static bool is_subvolume(int dirfd, const char *path)
{
	struct statfs system;
	struct stat status;
	cleanup_close int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd >= 0 && fstatfs(fd, &system) == 0 && system.f_type == BTRFS_SUPER_MAGIC &&
	       fstat(fd, &status) == 0 && status.st_ino == BTRFS_FIRST_FREE_OBJECTID;
}

int storage_remove_at(int dirfd, const char *name, struct error **error)
{
	cleanup_free char *tree = memory_printf("%s/rootfs", name);
	if (is_subvolume(dirfd, tree)) {
		cleanup_close int parent =
			openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		enum btrfs_util_error problem = btrfs_util_delete_subvolume_fd(
			parent, "rootfs", BTRFS_UTIL_DELETE_SUBVOLUME_RECURSIVE);
		/* A read-only one that has others in it is left to the slow way. */
		if (problem && errno != ENOENT && errno != EROFS)
			return error_errno(error, errno, "removing %s: %s", tree,
					   btrfs_util_strerror(problem));
	}
	return file_remove_tree_at(dirfd, name, error);
}
