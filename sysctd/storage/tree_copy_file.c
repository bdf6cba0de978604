/* See tree_copy_file.h. */
#include "storage/tree_copy_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "cleanup.h"
#include "file.h"
#include "memory.h"

enum { BUFFER = 64 << 10, NAMES = 64 << 10, CHUNK = 4 << 20 };

/* ---- bytes ---- */

static int write_all(int to, const char *data, size_t length, off_t offset)
{
	while (length > 0) {
		ssize_t count = pwrite(to, data, length, offset);
		if (count < 0)
			return -1;
		data += count;
		length -= (size_t)count;
		offset += count;
	}
	return 0;
}

static ssize_t copy_by_hand(int from, int to, off_t offset, size_t length)
{
	char buffer[BUFFER];
	size_t done = 0;
	while (done < length) {
		size_t wanted = length - done < BUFFER ? length - done : BUFFER;
		ssize_t count = pread(from, buffer, wanted, offset + (off_t)done);
		if (count < 0 || write_all(to, buffer, (size_t)count, offset + (off_t)done) < 0)
			return -1;
		if (count == 0)
			break;
		done += (size_t)count;
	}
	return (ssize_t)done;
}

/* copy_file_range(2) cannot do it between most file systems. */
static ssize_t copy_some(int from, int to, off_t offset, size_t length)
{
	off_t in = offset, out = offset;
	ssize_t count = copy_file_range(from, &in, to, &out, length, 0);
	bool final = count >= 0 || errno == ENOSPC || errno == EDQUOT || errno == EIO;
	return final ? count : copy_by_hand(from, to, offset, length);
}

/* What is copied is waited for on the disk in the end: it begins to be written while more is read. By one
 * call, and written at the end, 1 GiB took three times as long on ext4. */
static int copy_range(int from, int to, off_t offset, off_t end)
{
	off_t begun = offset;
	while (offset < end) {
		size_t wanted = end - offset < CHUNK ? (size_t)(end - offset) : CHUNK;
		ssize_t count = copy_some(from, to, offset, wanted);
		if (count <= 0)
			return (int)count; /* 0: it became shorter */
		offset += count;
		if (offset - begun >= CHUNK) {
			sync_file_range(to, begun, offset - begun, SYNC_FILE_RANGE_WRITE);
			begun = offset;
		}
	}
	return 0;
}

/* lseek(2), SEEK_DATA: ENXIO says that only a hole is left. */
static int copy_data(int from, int to, off_t size, unsigned long long *written)
{
	for (off_t start = 0, end; start < size; start = end) {
		start = lseek(from, start, SEEK_DATA);
		if (start < 0)
			return errno == ENXIO ? 0 : -1;
		end = lseek(from, start, SEEK_HOLE);
		if (end < 0 && errno == ENXIO) /* it became shorter */
			return 0;
		if (end < 0 || copy_range(from, to, start, end) < 0)
			return -1;
		*written += (unsigned long long)(end - start);
	}
	return 0;
}

int tree_copy_file(int from, int to, const char *name, unsigned long long *written)
{
	struct stat status;
	cleanup_close int source =
		openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOATIME | O_CLOEXEC);
	bool is_other = source < 0 && (errno == ELOOP || errno == ENXIO);
	if (!is_other && (source < 0 || fstat(source, &status) < 0))
		return -1;
	if (is_other || !S_ISREG(status.st_mode)) { /* a link, a socket or the like by now */
		errno = ENOENT;
		return -1;
	}
	cleanup_close int target =
		openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (target < 0)
		return -1;
	if (ioctl(target, FICLONE, source) == 0)
		return 0;
	if (copy_data(source, target, status.st_size, written) < 0)
		return -1;
	return ftruncate(target, status.st_size); /* it may end with a hole */
}

static ssize_t read_block(int fd, char *block, off_t offset)
{
	size_t length = 0;
	ssize_t count = 1;
	while (length < BUFFER && count > 0) {
		count = pread(fd, block + length, BUFFER - length, offset + (off_t)length);
		if (count < 0 && errno == EINTR)
			count = 1;
		else if (count > 0)
			length += (size_t)count;
	}
	return count < 0 ? -1 : (ssize_t)length;
}

static off_t data_after(int fd, off_t at, off_t size)
{
	off_t found = lseek(fd, at, SEEK_DATA);
	if (found < 0)
		return errno == ENXIO ? size : at; /* a file system that cannot tell */
	return found;
}

/* The next data of either; @size where both have holes only. */
static off_t next_data(int left, int right, off_t at, off_t size)
{
	off_t first = data_after(left, at, size), second = data_after(right, at, size);
	return first < second ? first : second;
}

bool tree_copy_same_bytes(int from, int to, const char *name, off_t size)
{
	static const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
	cleanup_close int source = openat(from, name, flags);
	cleanup_close int target = openat(to, name, flags);
	if (source < 0 || target < 0)
		return false;
	cleanup_free char *blocks = memory_alloc(2 * BUFFER);
	for (off_t at = 0; (at = next_data(source, target, at, size)) < size;) {
		ssize_t count = read_block(source, blocks, at);
		if (count <= 0 || read_block(target, blocks + BUFFER, at) != count ||
		    memcmp(blocks, blocks + BUFFER, (size_t)count) != 0)
			return false;
		at += count;
	}
	return true;
}

/* ---- attributes ---- */

/* What ties an upper to the lower and the index that it was written over. */
static bool is_tie(const char *attribute)
{
	static const char *const ties[] = {"trusted.overlay.origin", "trusted.overlay.nlink",
					   "trusted.overlay.uuid", "trusted.overlay.impure"};
	for (size_t i = 0; i < sizeof(ties) / sizeof(ties[0]); i++)
		if (strcmp(attribute, ties[i]) == 0)
			return true;
	return false;
}

/* Names that end with NUL each; most files have none. */
static int list_attributes(const char *path, char **names, ssize_t *length)
{
	*names = NULL;
	*length = llistxattr(path, NULL, 0);
	if (*length > 0) {
		*names = memory_alloc(NAMES);
		*length = llistxattr(path, *names, NAMES);
	}
	if (*length < 0 && errno == ENOTSUP)
		*length = 0;
	return *length < 0 ? -1 : 0;
}

static int remove_others(const char *path, const char *wanted, ssize_t length)
{
	ssize_t there;
	cleanup_free char *names = NULL;
	if (list_attributes(path, &names, &there) < 0)
		return -1;
	for (const char *name = names; name < names + there; name += strlen(name) + 1) {
		const char *at = wanted;
		while (at < wanted + length && strcmp(at, name) != 0)
			at += strlen(at) + 1;
		if (at >= wanted + length && lremovexattr(path, name) < 0 && errno != ENODATA)
			return -1;
	}
	return 0;
}

static int copy_attribute(const char *from, const char *to, const char *name, char *value)
{
	ssize_t size = lgetxattr(from, name, value, NAMES);
	if (size < 0)
		return errno == ENODATA ? 0 : -1;
	return lsetxattr(to, name, value, (size_t)size, 0);
}

static int copy_xattrs(const char *from, const char *to)
{
	ssize_t length;
	cleanup_free char *names = NULL;
	if (list_attributes(from, &names, &length) < 0 || remove_others(to, names, length) < 0)
		return -1;
	cleanup_free char *value = length ? memory_alloc(NAMES) : NULL;
	for (const char *name = names; name < names + length; name += strlen(name) + 1)
		if (!is_tie(name) && copy_attribute(from, to, name, value) < 0)
			return -1;
	return 0;
}

static bool same_attribute(const char *from, const char *to, const char *name, char *values)
{
	ssize_t size = lgetxattr(from, name, values, NAMES);
	return size >= 0 && lgetxattr(to, name, values + NAMES, NAMES) == size &&
	       memcmp(values, values + NAMES, (size_t)size) == 0;
}

static bool same_xattrs(const char *from, const char *to)
{
	ssize_t length, other_length, count = 0, other_count = 0;
	cleanup_free char *names = NULL, *others = NULL;
	if (list_attributes(from, &names, &length) < 0 ||
	    list_attributes(to, &others, &other_length) < 0)
		return false;
	if (length == 0 || other_length == 0)
		return length == other_length;
	cleanup_free char *values = memory_alloc(2 * NAMES);
	for (const char *name = names; name < names + length; name += strlen(name) + 1, count++)
		if (!same_attribute(from, to, name, values))
			return false;
	for (const char *name = others; name < others + other_length; name += strlen(name) + 1)
		other_count++;
	return count == other_count;
}

static bool same_link(int from, int to, const char *name)
{
	char left[4096], right[4096];
	ssize_t length = readlinkat(from, name, left, sizeof(left));
	return length >= 0 && readlinkat(to, name, right, sizeof(right)) == length &&
	       memcmp(left, right, (size_t)length) == 0;
}

bool tree_copy_same(int from, int to, const char *name, const struct stat *status)
{
	struct stat there;
	if (fstatat(to, name, &there, AT_SYMLINK_NOFOLLOW) < 0 ||
	    there.st_mode != status->st_mode || there.st_uid != status->st_uid ||
	    there.st_gid != status->st_gid || there.st_rdev != status->st_rdev ||
	    there.st_mtim.tv_sec != status->st_mtim.tv_sec ||
	    there.st_mtim.tv_nsec != status->st_mtim.tv_nsec)
		return false;
	if (!S_ISDIR(status->st_mode) &&
	    (there.st_size != status->st_size || there.st_nlink != status->st_nlink))
		return false;
	if (S_ISLNK(status->st_mode) && !same_link(from, to, name))
		return false;
	cleanup_free char *source = memory_printf("/proc/self/fd/%d/%s", from, name);
	cleanup_free char *target = memory_printf("/proc/self/fd/%d/%s", to, name);
	return same_xattrs(source, target);
}

int tree_copy_attributes(int from, int to, const char *name, const struct stat *status)
{
	cleanup_free char *source = memory_printf("/proc/self/fd/%d/%s", from, name);
	cleanup_free char *target = memory_printf("/proc/self/fd/%d/%s", to, name);
	const struct timespec times[2] = {status->st_atim, status->st_mtim};
	/* A change of the owner takes the set-user-ID bit and capabilities away: it comes first. */
	if (fchownat(to, name, status->st_uid, status->st_gid, AT_SYMLINK_NOFOLLOW) < 0 ||
	    (!S_ISLNK(status->st_mode) && fchmodat(to, name, status->st_mode & 07777, 0) < 0) ||
	    copy_xattrs(source, target) < 0)
		return -1;
	return utimensat(to, name, times, AT_SYMLINK_NOFOLLOW);
}
