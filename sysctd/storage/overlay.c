/*
 * The overlay driver: images are read-only lower layers, shared and idmapped;
 * a layer of an instance is an upper and a work directory that belong to the instance's
 * ids. The uppermost one is written into; those that snapshots keep are lower layers, like
 * the image. Works on any file system that overlayfs accepts as an upper.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <linux/magic.h>
#include <unistd.h>

#include "cleanup.h"
#include "memory.h"
#include "storage/driver.h"
#include "storage/project.h"
#include "storage/tree_copy.h"

static int check(const char *path, struct error **error)
{
	struct statfs status;
	if (strpbrk(path, ",:\\"))
		return error_set(
			error, ERROR_INVALID,
			"%s: the overlay driver needs a path without \",\", \":\" and \"\\\"",
			path);
	if (statfs(path, &status) < 0)
		return error_errno(error, errno, "looking at %s", path);
	if (status.f_type == OVERLAYFS_SUPER_MAGIC)
		return error_set(error, ERROR_UNSUPPORTED,
				 "%s is on an overlay, which cannot be the upper of another: "
				 "put it on another file system",
				 path);
	return 0;
}

static int make_owned(int directory, const char *name, uid_t owner, mode_t mode,
		      struct error **error)
{
	if (mkdirat(directory, name, mode) < 0 ||
	    fchownat(directory, name, owner, owner, AT_SYMLINK_NOFOLLOW) < 0)
		return error_errno(error, errno, "creating %s", name);
	return 0;
}

static int make_empty(const char *path, uint32_t id_base, struct error **error)
{
	cleanup_close int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (directory < 0)
		return error_errno(error, errno, "opening %s", path);
	/* The root directory of the instance is the upper's own. */
	if (make_owned(directory, "upper", id_base, 0755, error) < 0)
		return -1;
	return make_owned(directory, "work", 0, 0700, error);
}

static int above(const char *path, const char *place, uint32_t place_base, uint32_t id_base,
		 struct error **error)
{
	if (make_empty(path, id_base, error) < 0)
		return -1;
	cleanup_free char *upper = memory_printf("%s/upper", path);
	cleanup_close int old = open(place, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	cleanup_close int new = open(upper, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (old < 0 || new < 0)
		return error_errno(error, errno, "opening %s", old < 0 ? place : upper);
	return tree_copy_root(old, new, (int64_t)id_base - place_base, error);
}

static const struct storage_stack stack = {above};

const struct storage_driver storage_overlay = {
	.name = "overlay",
	.help = "layers above read-only images, on any file system that can be an upper",
	.stack = &stack,
	.keeps_images = true,
	.check = check,
	.tree_create = storage_plain_tree,
	.usage = project_usage,
	.count = project_begin,
	.together = project_same,
	.check_limit = project_check,
	.limit = project_limit,
};
