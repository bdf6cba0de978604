#include "lxcfs/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "cleanup.h"
#include "file.h"

#ifndef FUSE_SUPER_MAGIC
#define FUSE_SUPER_MAGIC 0x65735546
#endif

static int make_room(const char *mountpoint, struct error **error)
{
	struct statfs file_system;
	/* Not stat(2), which the kernel may answer itself. */
	if (statfs(mountpoint, &file_system) < 0 && errno == ENOTCONN &&
	    umount2(mountpoint, MNT_DETACH) < 0)
		return error_errno(error, errno, "unmounting %s, whose server has died",
				   mountpoint);
	if (file_make_directories(mountpoint, 0755, error) < 0)
		return -1;
	if (statfs(mountpoint, &file_system) < 0)
		return error_errno(error, errno, "looking at %s", mountpoint);
	if (file_system.f_type == FUSE_SUPER_MAGIC)
		return error_set(
			error, ERROR_EXISTS,
			"%s is mounted already: send SIGHUP to its sysct-lxcfs for an upgrade, "
			"or unmount it",
			mountpoint);
	return 0;
}

int mount_make(const char *mountpoint, struct error **error)
{
	char options[128];
	if (make_room(mountpoint, error) < 0)
		return -1;
	cleanup_close int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return error_errno(
			error, errno,
			"opening /dev/fuse (modprobe fuse, or give this container the device)");
	/* With default_permissions the kernel refuses what modes forbid, without asking. */
	snprintf(options, sizeof(options),
		 "fd=%d,rootmode=40555,user_id=0,group_id=0,allow_other,default_permissions", fd);
	if (mount("lxcfs", mountpoint, "fuse.lxcfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, options) < 0)
		return error_errno(error, errno, "mounting FUSE at %s", mountpoint);
	return steal_fd(&fd);
}
