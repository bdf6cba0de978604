/* See file.h. */
#include "file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/btrfs_tree.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "memory.h"
#include "strbuf.h"

static char *read_open_file(int fd, size_t *length)
{
	cleanup_strbuf struct strbuf text = {0};
	char chunk[4096];
	for (;;) {
		ssize_t count = read(fd, chunk, sizeof(chunk));
		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			return NULL;
		if (count == 0)
			break;
		strbuf_append_bytes(&text, chunk, (size_t)count);
	}
	if (length)
		*length = text.length;
	return strbuf_steal(&text);
}

char *file_try_read_at(int dirfd, const char *path)
{
	cleanup_close int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? NULL : read_open_file(fd, NULL);
}

char *file_read_at(int dirfd, const char *path, size_t *length, struct error **error)
{
	cleanup_close int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);
	char *text = fd < 0 ? NULL : read_open_file(fd, length);
	if (!text)
		error_errno(error, errno, "reading %s", path);
	return text;
}

unsigned long long file_read_number_at(int dirfd, const char *path, unsigned long long fallback)
{
	cleanup_close int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);
	char text[64];
	ssize_t count = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (count <= 0)
		return fallback;
	text[count] = '\0';
	char *end;
	errno = 0;
	unsigned long long value = strtoull(text, &end, 10);
	return end == text || errno ? fallback : value;
}

int file_poke_at(int dirfd, const char *path, const char *text, struct error **error)
{
	cleanup_close int fd = openat(dirfd, path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return error_errno(error, errno, "opening %s", path);
	size_t length = strlen(text);
	ssize_t count = write(fd, text, length);
	if (count != (ssize_t)length)
		return error_errno(error, count < 0 ? errno : EIO, "writing \"%s\" to %s", text,
				   path);
	return 0;
}

static int write_temporary(int dirfd, const char *path, const void *bytes, size_t length,
			   mode_t mode, bool durable)
{
	cleanup_close int fd =
		openat(dirfd, path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, mode);
	if (fd < 0 || file_write_all(fd, bytes, length) < 0)
		return -1;
	return durable ? fsync(fd) : 0;
}

static void sync_parent(int dirfd, const char *path)
{
	cleanup_free char *parent = memory_strdup(path);
	char *slash = strrchr(parent, '/');
	if (slash)
		*slash = '\0';
	cleanup_close int fd = openat(dirfd, slash ? (slash == parent ? "/" : parent) : ".",
				      O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0)
		fsync(fd);
}

int file_replace_at(int dirfd, const char *path, const void *bytes, size_t length, mode_t mode,
		    bool durable, struct error **error)
{
	cleanup_free char *temporary = memory_printf("%s.tmp", path);
	if (write_temporary(dirfd, temporary, bytes, length, mode, durable) < 0 ||
	    renameat(dirfd, temporary, dirfd, path) < 0) {
		error_errno(error, errno, "writing %s", path);
		unlinkat(dirfd, temporary, 0);
		return -1;
	}
	if (durable)
		sync_parent(dirfd, path);
	return 0;
}

int file_make_directories(const char *path, mode_t mode, struct error **error)
{
	if (mkdir(path, mode) == 0 || errno == EEXIST)
		return 0;
	cleanup_free char *copy = memory_strdup(path);
	for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(copy, mode) < 0 && errno != EEXIST)
			return error_errno(error, errno, "creating directory %s", copy);
		*slash = '/';
	}
	if (mkdir(path, mode) < 0 && errno != EEXIST)
		return error_errno(error, errno, "creating directory %s", path);
	return 0;
}

DIR *file_open_directory_at(int dirfd, const char *path)
{
	int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir)
		cleanup_close_fd(&fd);
	return dir;
}

/*
 * A tree may be deeper than a stack and a process' descriptors reach: what is deep is moved to its top.
 * Directories cannot be moved out of a subvolume of btrfs, so each has a top of its own; a subvolume can.
 */
struct removal {
	int top;
	int level;	      /* subvolumes above it */
	struct removal *home; /* of the whole tree */
	bool moved;
};

enum { DEEPEST = 64, MOST_LEVELS = 4 };

static int move_up(struct removal *removal, int parent, const char *name)
{
	char new[32];
	snprintf(new, sizeof(new), ".%08x%08x", arc4random(), arc4random());
	removal->moved = true;
	return renameat(parent, name, removal->top, new);
}

static bool is_subvolume(int fd, const struct statx *status, uint64_t *flags)
{
	return status->stx_ino == BTRFS_FIRST_FREE_OBJECTID &&
	       ioctl(fd, BTRFS_IOC_SUBVOL_GETFLAGS, flags) == 0;
}

/* A mount is no part of the tree; a subvolume is, also a read-only one. */
static int enter(int parent, const char *name, bool *subvolume)
{
	struct statx status;
	uint64_t flags = 0;
	cleanup_close int child =
		openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (child < 0 || statx(child, "", AT_EMPTY_PATH, STATX_INO, &status) < 0)
		return -1;
	if (status.stx_attributes & STATX_ATTR_MOUNT_ROOT) {
		errno = EBUSY;
		return -1;
	}
	*subvolume = is_subvolume(child, &status, &flags);
	if (flags & BTRFS_SUBVOL_RDONLY) {
		flags &= ~(uint64_t)BTRFS_SUBVOL_RDONLY;
		if (ioctl(child, BTRFS_IOC_SUBVOL_SETFLAGS, &flags) < 0)
			return -1;
	}
	return steal_fd(&child);
}

static int remove_entries(struct removal *removal, int fd, int depth);

/* Again while something was moved up. */
static int remove_all(struct removal *removal)
{
	do {
		int again = openat(removal->top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		removal->moved = false;
		if (again < 0 || remove_entries(removal, again, 0) < 0)
			return -1;
	} while (removal->moved);
	return 0;
}

/* -1 with errno; ENOTDIR: it is no directory. */
static int remove_directory(struct removal *removal, int parent, const char *name, int depth)
{
	bool subvolume;
	if (depth >= DEEPEST)
		return move_up(removal, parent, name);
	cleanup_close int child = enter(parent, name, &subvolume);
	if (child < 0)
		return -1;
	if (subvolume && removal->level >= MOST_LEVELS)
		return move_up(removal->home, parent, name);
	struct removal inner = {child, removal->level + 1, removal->home, false};
	if ((subvolume ? remove_all(&inner) : remove_entries(removal, steal_fd(&child), depth)) < 0)
		return -1;
	return unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -1 : 0;
}

static int remove_entry(struct removal *removal, int parent, const struct dirent *entry, int depth)
{
	struct stat status;
	bool directory = entry->d_type == DT_DIR;
	if (entry->d_type == DT_UNKNOWN)
		directory = fstatat(parent, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
			    S_ISDIR(status.st_mode);
	if (directory)
		return remove_directory(removal, parent, entry->d_name, depth + 1);
	return unlinkat(parent, entry->d_name, 0) < 0 && errno != ENOENT ? -1 : 0;
}

static int remove_entries(struct removal *removal, int fd, int depth)
{
	cleanup_dir DIR *dir = fdopendir(fd);
	struct dirent *entry;
	if (!dir) {
		close(fd);
		return -1;
	}
	while (errno = 0, (entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
		    remove_entry(removal, dirfd(dir), entry, depth) < 0)
			return -1;
	return errno ? -1 : 0;
}

int file_remove_tree_at(int dirfd, const char *path, struct error **error)
{
	if (unlinkat(dirfd, path, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return error_errno(error, errno, "removing %s", path);
	cleanup_close int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct removal removal = {.top = fd, .home = &removal};
	if (fd < 0 || remove_all(&removal) < 0 ||
	    (unlinkat(dirfd, path, AT_REMOVEDIR) < 0 && errno != ENOENT))
		return error_errno(error, errno, "removing %s", path);
	return 0;
}

int file_write_all(int fd, const void *bytes, size_t length)
{
	const char *at = bytes;
	while (length > 0) {
		ssize_t count = write(fd, at, length);
		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			return -1;
		at += count;
		length -= (size_t)count;
	}
	return 0;
}

ssize_t file_read_all(int fd, void *bytes, size_t length)
{
	size_t done = 0;
	while (done < length) {
		ssize_t count = read(fd, (char *)bytes + done, length - done);
		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			return -1;
		if (count == 0)
			break;
		done += (size_t)count;
	}
	return (ssize_t)done;
}
