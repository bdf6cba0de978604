/*
 * Quota groups of btrfs (btrfs-quota(8)): each subvolume has one, 0/ID, which knows what it refers to and
 * what is its alone. The figures are of the last transaction that was committed.
 */
#include <btrfsutil.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/btrfs_tree.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cleanup.h"
#include "memory.h"
#include "storage/btrfs_quota.h"

enum { BUFFER = 4096 };

int btrfs_quota_enable(const char *path, struct error **error)
{
	struct btrfs_ioctl_quota_ctl_args arguments = {.cmd = BTRFS_QUOTA_CTL_ENABLE};
	cleanup_close int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, BTRFS_IOC_QUOTA_CTL, &arguments) < 0)
		return error_errno(error, errno, "enabling quotas at %s", path);
	/* Of a file system that has something already the figures are made anew. */
	return ioctl(fd, BTRFS_IOC_QUOTA_RESCAN_WAIT) < 0
		       ? error_errno(error, errno, "counting what is at %s", path)
		       : 0;
}

/* By the directory around the subvolume: by itself it fails when the subvolume is full. */
static int set_limit(int directory, uint64_t id, uint64_t bytes)
{
	struct btrfs_ioctl_qgroup_limit_args arguments = {
		.qgroupid = id,
		.lim = {.flags = BTRFS_QGROUP_LIMIT_MAX_RFER,
			.max_rfer = bytes ? bytes : UINT64_MAX},
	};
	return ioctl(directory, BTRFS_IOC_QGROUP_LIMIT, &arguments);
}

int btrfs_quota_limit(const char *path, uint64_t bytes, struct error **error)
{
	uint64_t id;
	cleanup_free char *tree = memory_printf("%s/rootfs", path);
	cleanup_close int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || btrfs_util_subvolume_id(tree, &id) != BTRFS_UTIL_OK)
		return error_errno(error, errno, "opening %s", tree);
	if (set_limit(fd, id, bytes) == 0)
		return 0;
	/* Quotas are off: nothing is limited. */
	bool off = errno == ENOTCONN || errno == EINVAL || errno == ENOENT;
	if (off && bytes == 0)
		return 0;
	if (off && btrfs_quota_enable(path, error) < 0)
		return -1;
	if (off && set_limit(fd, id, bytes) == 0)
		return 0;
	return error_errno(error, errno, "limiting %s", tree);
}

/* The item (0, QGROUP_INFO, 0/ID) of the quota tree; -1 where there is none. */
static int search(int fd, uint64_t id, struct btrfs_qgroup_info_item *item)
{
	union {
		struct btrfs_ioctl_search_args_v2 arguments;
		char bytes[sizeof(struct btrfs_ioctl_search_args_v2) + BUFFER];
	} search = {.arguments = {
			    .key = {.tree_id = BTRFS_QUOTA_TREE_OBJECTID,
				    .min_type = BTRFS_QGROUP_INFO_KEY,
				    .max_type = BTRFS_QGROUP_INFO_KEY,
				    .min_offset = id,
				    .max_offset = id,
				    .max_transid = UINT64_MAX,
				    .nr_items = 1},
			    .buf_size = BUFFER,
		    }};
	const char *found = (const char *)search.arguments.buf;
	struct btrfs_ioctl_search_header header;
	if (ioctl(fd, BTRFS_IOC_TREE_SEARCH_V2, &search.arguments) < 0 ||
	    search.arguments.key.nr_items == 0)
		return -1;
	memcpy(&header, found, sizeof(header));
	if (header.len < sizeof(*item) || header.offset != id)
		return -1;
	memcpy(item, found + sizeof(header), sizeof(*item));
	return 0;
}

int btrfs_quota_usage(const char *path, int64_t *own, int64_t *all)
{
	struct btrfs_qgroup_info_item item;
	uint64_t id;
	cleanup_free char *tree = memory_printf("%s/rootfs", path);
	cleanup_close int fd = open(tree, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || btrfs_util_subvolume_id_fd(fd, &id) != BTRFS_UTIL_OK ||
	    search(fd, id, &item) < 0)
		return -1;
	*all = (int64_t)le64toh(item.rfer);
	*own = (int64_t)le64toh(item.excl);
	return 0;
}
