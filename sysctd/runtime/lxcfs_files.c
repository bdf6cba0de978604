/* See lxcfs_files.h. Two system calls for each: a start has some twenty of them. */
#include "lxcfs_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "cleanup.h"
#include "log.h"
#include "memory.h"

static const char *path_of(const json_t *lxcfs, size_t i)
{
	const char *path = json_string_value(json_array_get(json_object_get(lxcfs, "paths"), i));
	return path ? path : "";
}

void lxcfs_files_take(const json_t *lxcfs, struct lxcfs_files *files)
{
	const char *source = json_string_value(json_object_get(lxcfs, "source"));
	if (!source)
		return;
	files->count = json_array_size(json_object_get(lxcfs, "paths"));
	files->trees = memory_alloc(files->count * sizeof(int));
	cleanup_close int directory = open(source, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int problem = 0;
	for (size_t i = 0; i < files->count; i++) {
		/* None is there any more (ENOTCONN): do not ask again for each. */
		files->trees[i] = problem ? -1
					  : open_tree(directory, path_of(lxcfs, i),
						      OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
		if (files->trees[i] < 0 && !problem && errno != ENOENT)
			problem = errno;
	}
	if (problem)
		log_event(LOG_LEVEL_WARNING, NULL, "/proc and /sys show the host's values: %s: %s",
			  source, strerror(problem));
}

void lxcfs_files_free(struct lxcfs_files *files)
{
	for (size_t i = 0; i < files->count; i++)
		cleanup_close_fd(&files->trees[i]);
	free(files->trees);
}

int lxcfs_files_attach(const json_t *lxcfs, const struct lxcfs_files *files, struct error **error)
{
	cleanup_close int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return error_errno(error, errno, "opening the root of the instance");
	for (size_t i = 0; i < files->count; i++)
		if (files->trees[i] >= 0 &&
		    move_mount(files->trees[i], "", root, path_of(lxcfs, i),
			       MOVE_MOUNT_F_EMPTY_PATH) < 0 &&
		    errno != ENOENT)
			return error_errno(error, errno, "mounting /%s", path_of(lxcfs, i));
	return 0;
}
