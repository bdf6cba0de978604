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
#include "storage/storage.h"

static int pool_create(const char *pool_path, struct error **error)
{
	struct statfs status;
	if (strpbrk(pool_path, ",:\\"))
		return error_set(
			error, ERROR_INVALID,
			"%s: the overlay driver needs a path without \",\", \":\" and \"\\\"",
			pool_path);
	if (statfs(pool_path, &status) < 0)
		return error_errno(error, errno, "looking at %s", pool_path);
	if (status.f_type == OVERLAYFS_SUPER_MAGIC)
		return error_set(error, ERROR_UNSUPPORTED,
				 "%s is on an overlay, which cannot be the upper of another: "
				 "put it on another file system",
				 pool_path);
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

static int volume_create(const char *path, uint32_t id_base, struct error **error)
{
	cleanup_close int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (directory < 0)
		return error_errno(error, errno, "opening %s", path);
	/* The root directory of the instance is the upper's own. */
	if (make_owned(directory, "upper", id_base, 0755, error) < 0)
		return -1;
	return make_owned(directory, "work", 0, 0700, error);
}

static int open_directory(const char *path, const char *name, struct error **error)
{
	cleanup_free char *whole = memory_printf("%s/%s", path, name);
	int fd = open(whole, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? error_errno(error, errno, "opening %s", whole) : fd;
}

static int layer_create(const char *path, const char *place, uint32_t place_base, uint32_t id_base,
			struct error **error)
{
	if (volume_create(path, id_base, error) < 0)
		return -1;
	cleanup_close int old = open_directory(place, "upper", error);
	cleanup_close int new = old < 0 ? -1 : open_directory(path, "upper", error);
	return new < 0 ? -1 : tree_copy_root(old, new, (int64_t)id_base - place_base, error);
}

static struct tree_copy *layer_copy(const char *path, const char *target, struct error **error)
{
	cleanup_close int from = open_directory(path, "upper", error);
	cleanup_close int to = from < 0 ? -1 : open_directory(target, "upper", error);
	return to < 0 ? NULL : tree_copy_new(steal_fd(&from), steal_fd(&to));
}

static json_t *describe(const char *layer_path, const char *image_path)
{
	cleanup_free char *upper = memory_printf("%s/upper", layer_path);
	cleanup_free char *work = memory_printf("%s/work", layer_path);
	json_t *lower = json_array();
	if (image_path) {
		cleanup_free char *path = memory_printf("%s/rootfs", image_path);
		json_array_append_new(lower, json_pack("{s:s, s:i}", "path", path, "base", 0));
	}
	return json_pack("{s:s, s:o, s:s, s:s, s:{s:s}}", "driver", "overlay", "lower", lower,
			 "upper", upper, "work", work, "options", "redirect_dir", "on");
}

/* overlayfs.rst, "Multiple lower layers": the first of the list is the uppermost. */
static void describe_below(json_t *rootfs, const char *layer_path, uint32_t id_base)
{
	cleanup_free char *path = memory_printf("%s/upper", layer_path);
	json_array_insert_new(json_object_get(rootfs, "lower"), 0,
			      json_pack("{s:s, s:I}", "path", path, "base", (json_int_t)id_base));
}

const struct storage_driver storage_overlay = {
	.name = "overlay",
	.help = "read-only image layers below a writable layer, on any file system",
	.pool_create = pool_create,
	.volume_create = volume_create,
	.layer_create = layer_create,
	.layer_copy = layer_copy,
	.describe = describe,
	.describe_below = describe_below,
};
