/*
 * The overlay driver: images are read-only lower layers, shared and idmapped;
 * a volume is an upper and a work directory that belong to the instance's
 * ids. Works on any file system that overlayfs accepts as an upper.
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

static json_t *describe(const char *volume_path, const char *image_path)
{
	cleanup_free char *lower = memory_printf("%s/rootfs", image_path);
	cleanup_free char *upper = memory_printf("%s/upper", volume_path);
	cleanup_free char *work = memory_printf("%s/work", volume_path);
	return json_pack("{s:s, s:[{s:s, s:i}], s:s, s:s, s:{s:s}}", "driver", "overlay", "lower",
			 "path", lower, "base", 0, "upper", upper, "work", work, "options",
			 "redirect_dir", "on");
}

const struct storage_driver storage_overlay = {
	.name = "overlay",
	.help = "read-only image layers below a writable layer, on any file system",
	.pool_create = pool_create,
	.volume_create = volume_create,
	.describe = describe,
};
