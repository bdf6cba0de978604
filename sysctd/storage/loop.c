/* See loop.h. */
#include "storage/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cleanup.h"
#include "file.h"
#include "memory.h"

enum { TRIES = 100 };

/* Another process may have taken the device between the two: EBUSY. */
static int configure(int control, int backing, char **path)
{
	struct loop_config config = {
		.fd = (__u32)backing,
		.info.lo_flags = LO_FLAGS_AUTOCLEAR,
	};
	int number = ioctl(control, LOOP_CTL_GET_FREE);
	if (number < 0)
		return -1;
	*path = memory_printf("/dev/loop%d", number);
	int device = open(*path, O_RDWR | O_CLOEXEC);
	if (device >= 0 && ioctl(device, LOOP_CONFIGURE, &config) == 0)
		return device;
	int problem = errno;
	if (device >= 0)
		close(device);
	free(*path);
	*path = NULL;
	errno = problem;
	return -1;
}

/* Opened, since it may end otherwise. */
static int find(const char *file, char **device)
{
	/* The kernel names it without links. */
	cleanup_free char *path = realpath(file, NULL);
	cleanup_dir DIR *dir = path ? opendir("/sys/block") : NULL;
	struct dirent *entry;
	while (dir && (entry = readdir(dir))) {
		cleanup_free char *name =
			memory_printf("/sys/block/%s/loop/backing_file", entry->d_name);
		cleanup_free char *backing = file_try_read_at(AT_FDCWD, name);
		if (!backing)
			continue;
		backing[strcspn(backing, "\n")] = '\0';
		if (strcmp(backing, path) != 0)
			continue;
		cleanup_free char *found = memory_printf("/dev/%s", entry->d_name);
		int fd = open(found, O_RDWR | O_CLOEXEC);
		if (fd >= 0)
			*device = steal_pointer(&found);
		return fd;
	}
	return -1;
}

char *loop_find(const char *file)
{
	char *device = NULL;
	cleanup_close int fd = find(file, &device);
	return fd < 0 ? NULL : device;
}

int loop_attach(const char *file, char **device, struct error **error)
{
	cleanup_close int backing = open(file, O_RDWR | O_CLOEXEC);
	if (backing < 0)
		return error_errno(error, errno, "opening %s", file);
	cleanup_close int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	if (control < 0)
		return error_errno(error, errno, "opening /dev/loop-control");
	int fd = find(file, device);
	for (int i = 0; i < TRIES && fd < 0; i++) {
		fd = configure(control, backing, device);
		if (fd < 0 && errno != EBUSY)
			break;
	}
	return fd < 0 ? error_errno(error, errno, "making a loop device of %s", file) : fd;
}

int loop_grow(const char *file, struct error **error)
{
	cleanup_free char *device = NULL;
	cleanup_close int fd = find(file, &device);
	if (fd < 0)
		return error_set(error, ERROR_INTERNAL, "there is no loop device of %s", file);
	if (ioctl(fd, LOOP_SET_CAPACITY) < 0)
		return error_errno(error, errno, "growing the loop device of %s", file);
	return 0;
}
