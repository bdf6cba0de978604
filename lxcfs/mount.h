/* Making the mount, once in its life. */
#ifndef SYSCT_LXCFS_MOUNT_H
#define SYSCT_LXCFS_MOUNT_H

#include "error.h"

/**
 * mount_make - mount FUSE at a directory, which is made when it is missing.
 * A mount whose server has died is taken away first; one that works is refused (ERROR_EXISTS).
 * Returns the descriptor of /dev/fuse, which the caller keeps open.
 */
int mount_make(const char *mountpoint, struct error **error);

#endif
