/*
 * The dir driver: whole trees, copied file by file; their blocks are shared where the file system can
 * (ioctl_ficlone(2): btrfs, and xfs as it is made today). Works on every file system that Linux has owners
 * and idmapped mounts on.
 */
#include <fcntl.h>
#include <errno.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "memory.h"
#include "storage/driver.h"
#include "storage/project.h"

int storage_plain_tree(const char *path, uint64_t bytes, struct error **error)
{
	(void)bytes;
	cleanup_free char *tree = memory_printf("%s/rootfs", path);
	if (mkdir(tree, 0755) < 0)
		return error_errno(error, errno, "creating %s", tree);
	return 0;
}

static int check(const char *path, struct error **error)
{
	return access(path, W_OK) < 0 ? error_errno(error, errno, "writing to %s", path) : 0;
}

const struct storage_driver storage_dir = {
	.name = "dir",
	.help = "plain directories that are copied whole, on any file system",
	.check = check,
	.tree_create = storage_plain_tree,
	.usage = project_usage,
	.count = project_begin,
	.together = project_same,
	.check_limit = project_check,
	.limit = project_limit,
};
