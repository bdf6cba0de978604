/* See tree_copy.h. */
#include "storage/tree_copy.h"

#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <search.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "file.h"
#include "memory.h"
#include "storage/tree_copy_file.h"

enum {
	/* Levels of directories: each takes three descriptors, and part of an operation's stack. */
	DEEPEST = 512,
	/* Of a change so young another one may have the same time: it is looked at again. */
	YOUNG = 50 * 1000000, /* ns */
	MOST_ACL = 64 << 10,
};

/* What the source had at @path in the run before. */
struct seen {
	char *path;
	ino_t inode;
	dev_t device;
	struct timespec changed;
	bool trusted;
	unsigned run;
};

/* An inode by its number; of one with several names, where it was copied to in this run. */
struct linked {
	ino_t inode;
	dev_t device;
	char *path;
};

struct tree_copy {
	int source, target;
	dev_t device;
	uint64_t mount;
	unsigned run;
	void *seen;	     /* tsearch(3) */
	void *links;	     /* of this run */
	void *distrusted;    /* in the next one; by inode, as a file may have other names */
	struct timespec now; /* when the run, or what tree_copy_protect() did for it, began */
	bool protecting;
	bool onto;    /* the target was not empty */
	bool rounded; /* times tell less of the source */
	bool (*watch)(void *data, unsigned long long written);
	void *watch_data;
	unsigned long long written;
};

struct place {
	struct tree_copy *copy;
	int from, to;
	const char *path; /* "" or "a/b/" */
	int depth;
};

/* ---- what is known ---- */

static int compare_seen(const void *left, const void *right)
{
	return strcmp(((const struct seen *)left)->path, ((const struct seen *)right)->path);
}

static int compare_linked(const void *left, const void *right)
{
	const struct linked *a = left, *b = right;
	if (a->inode != b->inode)
		return a->inode < b->inode ? -1 : 1;
	return a->device < b->device ? -1 : a->device > b->device;
}

static void free_seen(void *data)
{
	struct seen *seen = data;
	free(seen->path);
	free(seen);
}

static void free_linked(void *data)
{
	struct linked *linked = data;
	free(linked->path);
	free(linked);
}

static struct seen *find_seen(struct tree_copy *copy, const char *path)
{
	struct seen key = {.path = (char *)path};
	struct seen **found = tfind(&key, &copy->seen, compare_seen);
	return found ? *found : NULL;
}

static long long nanoseconds(const struct timespec *time)
{
	return time->tv_sec * 1000000000LL + time->tv_nsec;
}

/* True when it is as it was in the run before; what was away in that one is not in the target. */
static bool note(struct tree_copy *copy, const char *path, const struct stat *status)
{
	const struct linked key = {.inode = status->st_ino, .device = status->st_dev};
	struct seen *seen = find_seen(copy, path);
	bool same = seen && seen->trusted && seen->run + 1 == copy->run &&
		    seen->inode == status->st_ino && seen->device == status->st_dev &&
		    nanoseconds(&seen->changed) == nanoseconds(&status->st_ctim) &&
		    !tfind(&key, &copy->distrusted, compare_linked);
	if (!seen) {
		seen = memory_alloc(sizeof(*seen));
		seen->path = memory_strdup(path);
		tsearch(seen, &copy->seen, compare_seen);
	}
	seen->inode = status->st_ino;
	seen->device = status->st_dev;
	seen->changed = status->st_ctim;
	seen->trusted = nanoseconds(&status->st_ctim) + YOUNG < nanoseconds(&copy->now);
	seen->run = copy->run;
	return same;
}

/* The path in the target of another name of this file; the first one is noted. */
static const char *other_name(struct tree_copy *copy, const char *path, const struct stat *status)
{
	struct linked key = {.inode = status->st_ino, .device = status->st_dev};
	if (status->st_nlink < 2)
		return NULL;
	struct linked **found = tfind(&key, &copy->links, compare_linked);
	if (found)
		return (*found)->path;
	struct linked *linked = memory_alloc(sizeof(*linked));
	*linked = (struct linked){status->st_ino, status->st_dev, memory_strdup(path)};
	tsearch(linked, &copy->links, compare_linked);
	return NULL;
}

/* ---- one entry ---- */

static int copy_tree(const struct place *place, struct error **error);

static int fail(const struct place *place, const char *name, struct error **error)
{
	return error_errno(error, errno, "copying %s%s", place->path, name);
}

static int remove_target(const struct place *place, const char *name, struct error **error)
{
	if (unlinkat(place->to, name, 0) == 0 || errno == ENOENT)
		return 0;
	return file_remove_tree_at(place->to, name, error);
}

/* 1 when the source is gone, or another by now: the next run looks at it again. Else as fail(). */
static int fail_unless_gone(const struct place *place, const char *name, const struct stat *status,
			    struct error **error)
{
	int number = errno;
	struct stat now;
	if (number == ENOENT || fstatat(place->from, name, &now, AT_SYMLINK_NOFOLLOW) < 0 ||
	    now.st_ino != status->st_ino || now.st_dev != status->st_dev ||
	    nanoseconds(&now.st_ctim) != nanoseconds(&status->st_ctim))
		return 1;
	errno = number;
	return fail(place, name, error);
}

/* 0 when it is made, 1 when the source is gone. */
static int make_entry(const struct place *place, const char *name, const struct stat *status,
		      struct error **error)
{
	if (S_ISREG(status->st_mode))
		return tree_copy_file(place->from, place->to, name, &place->copy->written) < 0
			       ? fail_unless_gone(place, name, status, error)
			       : 0;
	if (S_ISLNK(status->st_mode)) {
		char target[4096];
		ssize_t length = readlinkat(place->from, name, target, sizeof(target) - 1);
		if (length < 0)
			return errno == EINVAL /* no link by now */
				       ? 1
				       : fail_unless_gone(place, name, status, error);
		target[length] = '\0';
		return symlinkat(target, place->to, name) < 0 ? fail(place, name, error) : 0;
	}
	return mknodat(place->to, name, status->st_mode & S_IFMT, status->st_rdev) < 0
		       ? fail(place, name, error)
		       : 0;
}

static bool is_link_to(const struct place *place, const char *name, const char *first)
{
	struct stat left, right;
	return fstatat(place->to, name, &left, AT_SYMLINK_NOFOLLOW) == 0 &&
	       fstatat(place->copy->target, first, &right, AT_SYMLINK_NOFOLLOW) == 0 &&
	       left.st_ino == right.st_ino;
}

/* Of a file that is the same another name may be new, and have been made before this one. */
static int copy_other(const struct place *place, const char *name, const char *path,
		      const struct stat *status, bool same, struct error **error)
{
	const char *first = other_name(place->copy, path, status);
	if (same && (!first || is_link_to(place, name, first)))
		return 0;
	if (remove_target(place, name, error) < 0)
		return -1;
	if (first && linkat(place->copy->target, first, place->to, name, 0) == 0)
		return 0;
	int made = make_entry(place, name, status, error);
	if (made != 0)
		return made < 0 ? -1 : 0;
	if (tree_copy_attributes(place->from, place->to, name, status) < 0)
		return fail_unless_gone(place, name, status, error) < 0
			       ? -1
			       : remove_target(place, name, error);
	return 0;
}

/* A directory that is there already keeps what is in it. */
static int make_directory(const struct place *place, const char *name, struct error **error)
{
	struct stat there;
	if (fstatat(place->to, name, &there, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(there.st_mode))
		return 0;
	if (remove_target(place, name, error) < 0)
		return -1;
	return mkdirat(place->to, name, 0700) < 0 ? fail(place, name, error) : 0;
}

static int copy_directory(const struct place *place, const char *name, const char *path,
			  const struct stat *status, struct error **error)
{
	cleanup_free char *below = memory_printf("%s/", path);
	static const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NOATIME;
	if (place->depth >= DEEPEST)
		return error_set(error, ERROR_UNSUPPORTED,
				 "directories more than %d below each other cannot be copied",
				 DEEPEST);
	cleanup_close int from = openat(place->from, name, flags);
	if (from < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : fail(place, name, error);
	if (make_directory(place, name, error) < 0)
		return -1;
	cleanup_close int to = openat(place->to, name, flags);
	if (to < 0)
		return fail(place, name, error);
	struct place inside = {place->copy, from, to, below, place->depth + 1};
	if (copy_tree(&inside, error) < 0)
		return -1;
	if (place->copy->onto && tree_copy_same(place->from, place->to, name, status))
		return 0;
	if (tree_copy_attributes(place->from, place->to, name, status) < 0 &&
	    fail_unless_gone(place, name, status, error) < 0)
		return -1;
	return 0;
}

/* Another device alone is none: a subvolume of btrfs has one, and each layer of an overlay. */
static bool is_mounted(const struct place *place, const char *name)
{
	struct statx there;
	return statx(place->from, name, AT_SYMLINK_NOFOLLOW, STATX_MNT_ID, &there) == 0 &&
	       there.stx_mnt_id != place->copy->mount;
}

/* The target has it from another run of another copy. */
static bool is_there(const struct place *place, const char *name, const struct stat *status)
{
	return tree_copy_same(place->from, place->to, name, status) &&
	       (!place->copy->rounded || !S_ISREG(status->st_mode) ||
		status->st_mtim.tv_nsec != 0 ||
		tree_copy_same_bytes(place->from, place->to, name, status->st_size));
}

static int copy_entry(const struct place *place, const char *name, struct error **error)
{
	struct stat status;
	cleanup_free char *path = memory_printf("%s%s", place->path, name);
	if (fstatat(place->from, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : fail(place, name, error);
	if (place->copy->watch &&
	    !place->copy->watch(place->copy->watch_data, place->copy->written))
		return error_set(error, ERROR_CANCELLED, "copying was cancelled");
	if (status.st_dev != place->copy->device && is_mounted(place, name))
		return 0;
	bool same = note(place->copy, path, &status);
	if (place->copy->onto && !S_ISDIR(status.st_mode))
		same = same || is_there(place, name, &status);
	return S_ISDIR(status.st_mode) ? copy_directory(place, name, path, &status, error)
				       : copy_other(place, name, path, &status, same, error);
}

/* What the source has no more. */
static int remove_others(const struct place *place, struct error **error)
{
	cleanup_dir DIR *dir = file_open_directory_at(place->to, ".");
	struct dirent *entry;
	if (!dir)
		return fail(place, "", error);
	while ((entry = readdir(dir))) {
		cleanup_free char *path = memory_printf("%s%s", place->path, entry->d_name);
		const struct seen *seen = find_seen(place->copy, path);
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
		    (seen && seen->run == place->copy->run))
			continue;
		if (remove_target(place, entry->d_name, error) < 0)
			return -1;
	}
	return 0;
}

static int copy_tree(const struct place *place, struct error **error)
{
	cleanup_dir DIR *dir = file_open_directory_at(place->from, ".");
	struct dirent *entry;
	if (!dir)
		return errno == ENOENT ? 0 : fail(place, "", error);
	while ((entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
		    copy_entry(place, entry->d_name, error) < 0)
			return -1;
	return place->copy->run > 1 || place->copy->onto ? remove_others(place, error) : 0;
}

/* ---- all of it ---- */

struct tree_copy *tree_copy_new(int source, int target)
{
	struct tree_copy *copy = memory_alloc(sizeof(*copy));
	*copy = (struct tree_copy){.source = source, .target = target};
	return copy;
}

void tree_copy_onto(struct tree_copy *copy)
{
	copy->onto = true;
}

void tree_copy_rounded(struct tree_copy *copy)
{
	copy->rounded = true;
}

void tree_copy_watch(struct tree_copy *copy, bool (*watch)(void *data, unsigned long long written),
		     void *data)
{
	copy->watch = watch;
	copy->watch_data = data;
}

void tree_copy_free(struct tree_copy *copy)
{
	tdestroy(copy->seen, free_seen);
	tdestroy(copy->links, free_linked);
	tdestroy(copy->distrusted, free_linked);
	close(copy->source);
	close(copy->target);
	free(copy);
}

int tree_copy_run(struct tree_copy *copy, struct error **error)
{
	struct stat status;
	struct statx there;
	struct place place = {copy, copy->source, copy->target, "", 0};
	if (fstat(copy->source, &status) < 0 ||
	    statx(copy->source, "", AT_EMPTY_PATH, STATX_MNT_ID, &there) < 0)
		return error_errno(error, errno, "looking at a volume");
	if (!copy->protecting)
		clock_gettime(CLOCK_REALTIME, &copy->now);
	copy->protecting = false;
	copy->device = status.st_dev;
	copy->mount = there.stx_mnt_id;
	copy->run++;
	copy->written = 0;
	int result = copy_tree(&place, error);
	tdestroy(copy->links, free_linked);
	tdestroy(copy->distrusted, free_linked);
	copy->links = copy->distrusted = NULL;
	return result < 0 ? -1 : tree_copy_root(copy->source, copy->target, 0, error);
}

bool tree_copy_can_protect(const struct tree_copy *copy)
{
	struct statfs system;
	return fstatfs(copy->source, &system) == 0 && system.f_type != TMPFS_MAGIC;
}

bool tree_copy_protect(struct tree_copy *copy, const char *path)
{
	struct open_how how = {
		.flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV,
	};
	if (!copy->protecting)
		clock_gettime(CLOCK_REALTIME, &copy->now);
	copy->protecting = true;
	cleanup_close int fd = (int)syscall(SYS_openat2, copy->source, path, &how, sizeof(how));
	return fd < 0 || sync_file_range(fd, 0, 0,
					 SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
						 SYNC_FILE_RANGE_WAIT_AFTER) == 0;
}

void tree_copy_distrust(struct tree_copy *copy, const char *path)
{
	const struct seen *seen = find_seen(copy, path);
	struct linked key = {.inode = seen ? seen->inode : 0, .device = seen ? seen->device : 0};
	if (!seen || tfind(&key, &copy->distrusted, compare_linked))
		return;
	struct linked *linked = memory_alloc(sizeof(*linked));
	*linked = key;
	tsearch(linked, &copy->distrusted, compare_linked);
}

int tree_copy_sync(const struct tree_copy *copy, struct error **error)
{
	return syncfs(copy->target) < 0 ? error_errno(error, errno, "writing to the disk") : 0;
}

unsigned long long tree_copy_written(const struct tree_copy *copy)
{
	return copy->written;
}

/* posix_acl_xattr.h: ids are in the entries of single users and groups. */
static int shift_acl(int target, const char *name, int64_t shift)
{
	char value[MOST_ACL];
	struct posix_acl_xattr_entry entry;
	ssize_t size = fgetxattr(target, name, value, sizeof(value));
	if (size < 0)
		return errno == ENODATA || errno == ENOTSUP ? 0 : -1;
	for (char *at = value + sizeof(struct posix_acl_xattr_header);
	     at + sizeof(entry) <= value + size; at += sizeof(entry)) {
		memcpy(&entry, at, sizeof(entry));
		uint16_t tag = le16toh(entry.e_tag);
		if (tag == ACL_USER || tag == ACL_GROUP)
			entry.e_id = htole32((uint32_t)(le32toh(entry.e_id) + shift));
		memcpy(at, &entry, sizeof(entry));
	}
	return fsetxattr(target, name, value, (size_t)size, 0);
}

int tree_copy_root(int source, int target, int64_t shift, struct error **error)
{
	struct stat status;
	if (fstat(source, &status) < 0)
		return error_errno(error, errno, "looking at the root directory");
	status.st_uid = (uid_t)((int64_t)status.st_uid + shift);
	status.st_gid = (gid_t)((int64_t)status.st_gid + shift);
	if (tree_copy_attributes(source, target, ".", &status) < 0 ||
	    (shift && (shift_acl(target, "system.posix_acl_access", shift) < 0 ||
		       shift_acl(target, "system.posix_acl_default", shift) < 0)))
		return error_errno(error, errno, "copying the root directory");
	return 0;
}
