/* The instance's root file system, mounted in the monitor's mount namespace. */
#ifndef SYSCT_ROOTFS_H
#define SYSCT_ROOTFS_H

#include "error.h"
#include "spec.h"

#define ROOTFS_DIRECTORY "rootfs" /* below the monitor's working directory */

/**
 * rootfs_mount - mount what spec->rootfs describes at ROOTFS_DIRECTORY.
 * @user_namespace: that of the instance, whose map brings unshifted layers
 * (base 0) to the instance's ids; layers with another base get one of their own.
 * Runs as real root, so that overlayfs may use trusted.* attributes.
 */
int rootfs_mount(const struct spec *spec, int user_namespace, struct error **error);

/* Takes everything down again, for a reboot. */
void rootfs_unmount(void);

#endif
