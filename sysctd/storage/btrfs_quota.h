/* Quotas of btrfs, for its driver (storage/driver.h). */
#ifndef SYSCT_STORAGE_BTRFS_QUOTA_H
#define SYSCT_STORAGE_BTRFS_QUOTA_H

#include <stdint.h>

#include "error.h"

/* For the whole file system at @path; what is there already is counted before it returns. */
int btrfs_quota_enable(const char *path, struct error **error);

/* Of the subvolume "rootfs" in @path: the most bytes it may refer to; 0: no limit. */
int btrfs_quota_limit(const char *path, uint64_t bytes, struct error **error);

/* Bytes that only "rootfs" in @path has, and all that it refers to; -1 where quotas are off. */
int btrfs_quota_usage(const char *path, int64_t *own, int64_t *all);

#endif
