/* See unpack_received.h. */
#include "backup/unpack_received.h"

#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "backup/unpack_ids.h"
#include "cleanup.h"
#include "file.h"
#include "memory.h"

enum { MOST_ID = 65535, ATTRIBUTE_MOST = 64 << 10 };

static const int directory_flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

/* ---- paths ---- */

int received_find(int root, const char *path, struct received_place *place, struct error **error)
{
	const char *slash = strrchr(path, '/');
	cleanup_free char *parent = slash ? memory_strndup(path, (size_t)(slash - path)) : NULL;
	struct open_how how = {
		.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	place->name = slash ? slash + 1 : path;
	if (strcmp(place->name, "..") == 0 || strcmp(place->name, ".") == 0 ||
	    (slash && (!*place->name || slash == path)))
		return error_set(error, ERROR_INVALID, "a stream has the path %s", path);
	if (!*place->name)
		place->name = ".";
	place->directory =
		(int)syscall(SYS_openat2, root, parent ? parent : ".", &how, sizeof(how));
	return place->directory < 0 ? error_errno(error, errno, "finding %s", path) : 0;
}

void received_leave(struct received_place *place)
{
	close(place->directory);
}

static int find(const struct received_tree *tree, const struct send_command *command,
		enum send_attribute attribute, struct received_place *place, struct error **error)
{
	const char *path = send_text(command, attribute, error);
	return path ? received_find(tree->root, path, place, error) : -1;
}

static int fail(const struct send_command *command, const char *what, struct error **error)
{
	return error_errno(error, errno, "%s %s", what, command->values[SEND_A_PATH].bytes);
}

/* ---- making files ---- */

/* A whiteout of an overlay in the instance is one, too; other devices are not for containers. */
static int make_node(const struct received_place *place, const struct send_command *command,
		     struct error **error)
{
	uint64_t mode = command->kind == SEND_MKFIFO ? S_IFIFO : S_IFSOCK, device = 0;
	if (command->kind == SEND_MKNOD && (send_number(command, SEND_A_MODE, &mode, error) < 0 ||
					    send_number(command, SEND_A_RDEV, &device, error) < 0))
		return -1;
	if (S_ISBLK(mode) || device != 0)
		return error_set(error, ERROR_UNSUPPORTED,
				 "it has a device node, %s: export it without --optimized-storage",
				 command->values[SEND_A_PATH].bytes);
	return mknodat(place->directory, place->name, (mode_t)(mode & S_IFMT) | 0600, 0) < 0
		       ? fail(command, "creating", error)
		       : 0;
}

static int make(const struct received_place *place, const struct send_command *command,
		struct error **error)
{
	const char *target;
	int result;
	if (command->kind == SEND_MKFILE)
		result = mknodat(place->directory, place->name, S_IFREG | 0600, 0);
	else if (command->kind == SEND_MKDIR)
		result = mkdirat(place->directory, place->name, 0700);
	else if (command->kind != SEND_SYMLINK)
		return make_node(place, command, error);
	else if ((target = send_text(command, SEND_A_PATH_LINK, error)))
		result = symlinkat(target, place->directory, place->name);
	else
		return -1;
	return result < 0 ? fail(command, "creating", error) : 0;
}

/* RENAME has the new name in PATH_TO, LINK the old one in PATH_LINK. */
static int make_name(const struct received_tree *tree, const struct received_place *place,
		     const struct send_command *command, struct error **error)
{
	bool renames = command->kind == SEND_RENAME;
	struct received_place other;
	if (find(tree, command, renames ? SEND_A_PATH_TO : SEND_A_PATH_LINK, &other, error) < 0)
		return -1;
	int result =
		renames ? renameat(place->directory, place->name, other.directory, other.name)
			: linkat(other.directory, other.name, place->directory, place->name, 0);
	if (result < 0)
		result = fail(command, renames ? "renaming" : "linking", error);
	received_leave(&other);
	return result;
}

static int remove_name(const struct received_place *place, const struct send_command *command,
		       struct error **error)
{
	return unlinkat(place->directory, place->name,
			command->kind == SEND_RMDIR ? AT_REMOVEDIR : 0) < 0
		       ? fail(command, "removing", error)
		       : 0;
}

/* ---- attributes ---- */

static bool is_wanted(const struct received_tree *tree, const char *path)
{
	size_t length = strlen(tree->wanted);
	return strncmp(path, tree->wanted, length) == 0 &&
	       (!length || path[length] == '\0' || path[length] == '/');
}

/* The kernel takes set-user-ID bits away then, and a stream does not bring back what has not changed. */
static int set_owner(const struct received_place *place, uid_t uid, gid_t gid)
{
	struct stat status;
	if (fstatat(place->directory, place->name, &status, AT_SYMLINK_NOFOLLOW) < 0 ||
	    fchownat(place->directory, place->name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	return S_ISREG(status.st_mode) && status.st_mode & (S_ISUID | S_ISGID)
		       ? fchmodat(place->directory, place->name, status.st_mode & 07777, 0)
		       : 0;
}

/* What LXD has beside the container's files belongs to the host. */
static int change_owner(const struct received_tree *tree, const struct received_place *place,
			const struct send_command *command, struct error **error)
{
	const char *path = command->values[SEND_A_PATH].bytes;
	uint64_t uid, gid;
	if (send_number(command, SEND_A_UID, &uid, error) < 0 ||
	    send_number(command, SEND_A_GID, &gid, error) < 0)
		return -1;
	int64_t new_uid = unpack_ids_uid(tree->map, (int64_t)uid);
	int64_t new_gid = unpack_ids_gid(tree->map, (int64_t)gid);
	bool known = new_uid >= 0 && new_uid <= MOST_ID && new_gid >= 0 && new_gid <= MOST_ID;
	if (!known && is_wanted(tree, path))
		return error_set(error, ERROR_INVALID,
				 "%s belongs to %" PRIu64 ":%" PRIu64
				 ", which the container cannot have",
				 path, uid, gid);
	return set_owner(place, known ? (uid_t)new_uid : 0, known ? (gid_t)new_gid : 0) < 0
		       ? fail(command, "changing the owner of", error)
		       : 0;
}

static int change_mode(const struct received_place *place, const struct send_command *command,
		       struct error **error)
{
	uint64_t mode;
	struct stat status;
	if (send_number(command, SEND_A_MODE, &mode, error) < 0)
		return -1;
	if (fstatat(place->directory, place->name, &status, AT_SYMLINK_NOFOLLOW) < 0 ||
	    (!S_ISLNK(status.st_mode) &&
	     fchmodat(place->directory, place->name, (mode_t)mode & 07777, 0) < 0))
		return fail(command, "changing the mode of", error);
	return 0;
}

/* 64 bits of seconds, 32 of nanoseconds. */
static struct timespec time_of(const struct send_value *value)
{
	uint64_t seconds = 0;
	uint32_t nanoseconds = 0;
	if (!value->bytes || value->length != sizeof(seconds) + sizeof(nanoseconds))
		return (struct timespec){.tv_nsec = UTIME_OMIT};
	memcpy(&seconds, value->bytes, sizeof(seconds));
	memcpy(&nanoseconds, value->bytes + sizeof(seconds), sizeof(nanoseconds));
	return (struct timespec){(time_t)le64toh(seconds), (long)le32toh(nanoseconds)};
}

static int change_times(const struct received_place *place, const struct send_command *command,
			struct error **error)
{
	const struct timespec times[2] = {time_of(&command->values[SEND_A_ATIME]),
					  time_of(&command->values[SEND_A_MTIME])};
	return utimensat(place->directory, place->name, times, AT_SYMLINK_NOFOLLOW) < 0
		       ? fail(command, "changing the times of", error)
		       : 0;
}

/* The same that archives keep; links and sockets have none of these. */
static int change_attribute(const struct received_tree *tree, const struct received_place *place,
			    const struct send_command *command, struct error **error)
{
	const char *name = send_text(command, SEND_A_XATTR_NAME, error);
	const struct send_value *data = &command->values[SEND_A_XATTR_DATA];
	if (!name)
		return -1;
	if (strncmp(name, "user.", 5) != 0 && strcmp(name, "security.capability") != 0 &&
	    strncmp(name, "system.posix_acl_", strlen("system.posix_acl_")) != 0)
		return 0;
	cleanup_close int fd = openat(place->directory, place->name,
				      O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return errno == ELOOP || errno == ENXIO ? 0 : fail(command, "opening", error);
	if (command->kind == SEND_REMOVE_XATTR)
		return fremovexattr(fd, name) < 0 && errno != ENODATA
			       ? fail(command, "removing an attribute of", error)
			       : 0;
	cleanup_free char *value = memory_alloc(data->length + 1);
	memcpy(value, data->bytes ? data->bytes : "", data->length);
	size_t size = unpack_ids_attribute(tree->map, name, value, data->length);
	return fsetxattr(fd, name, value, size, 0) < 0
		       ? fail(command, "setting an attribute of", error)
		       : 0;
}

static int change_at(const struct received_tree *tree, const struct received_place *place,
		     const struct send_command *command, struct error **error)
{
	switch (command->kind) {
	case SEND_MKFILE:
	case SEND_MKDIR:
	case SEND_MKNOD:
	case SEND_MKFIFO:
	case SEND_MKSOCK:
	case SEND_SYMLINK:
		return make(place, command, error);
	case SEND_RENAME:
	case SEND_LINK:
		return make_name(tree, place, command, error);
	case SEND_UNLINK:
	case SEND_RMDIR:
		return remove_name(place, command, error);
	case SEND_SET_XATTR:
	case SEND_REMOVE_XATTR:
		return change_attribute(tree, place, command, error);
	case SEND_CHMOD:
		return change_mode(place, command, error);
	case SEND_CHOWN:
		return change_owner(tree, place, command, error);
	case SEND_UTIMES:
		return change_times(place, command, error);
	default:
		return error_set(error, ERROR_UNSUPPORTED,
				 "the stream of a subvolume has a command that is not known: %d",
				 (int)command->kind);
	}
}

int received_change(const struct received_tree *tree, const struct send_command *command,
		    struct error **error)
{
	struct received_place place;
	if (find(tree, command, SEND_A_PATH, &place, error) < 0)
		return -1;
	int result = change_at(tree, &place, command, error);
	received_leave(&place);
	return result;
}

/* ---- the end ---- */

static bool is_dot(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static int keep_only(int root, const char *name, struct error **error)
{
	cleanup_dir DIR *dir = file_open_directory_at(root, ".");
	const struct dirent *entry;
	if (!dir)
		return error_errno(error, errno, "reading a subvolume");
	while ((entry = readdir(dir)))
		if (!is_dot(entry->d_name) && strcmp(entry->d_name, name) != 0 &&
		    unlinkat(root, entry->d_name, 0) < 0 &&
		    file_remove_tree_at(root, entry->d_name, error) < 0)
			return -1;
	return 0;
}

/* A name that is not in the directory, so that nothing meets when all of it moves up. */
static int set_aside(int root, const char *name, char aside[static 32], struct error **error)
{
	cleanup_close int inside = openat(root, name, directory_flags);
	struct stat status;
	unsigned number = 0;
	if (inside < 0)
		return error_errno(error, errno, "opening %s", name);
	do
		snprintf(aside, 32, ".received-%u", number++);
	while (fstatat(inside, aside, &status, AT_SYMLINK_NOFOLLOW) == 0);
	return renameat(root, name, root, aside) < 0
		       ? error_errno(error, errno, "renaming %s", name)
		       : 0;
}

static int move_up(int inside, int root, struct error **error)
{
	cleanup_dir DIR *dir = file_open_directory_at(inside, ".");
	const struct dirent *entry;
	if (!dir)
		return error_errno(error, errno, "reading a subvolume");
	while ((entry = readdir(dir)))
		if (!is_dot(entry->d_name) &&
		    renameat(inside, entry->d_name, root, entry->d_name) < 0)
			return error_errno(error, errno, "moving %s", entry->d_name);
	return 0;
}

static int copy_xattrs(int from, int to)
{
	cleanup_free char *names = memory_alloc(ATTRIBUTE_MOST);
	cleanup_free char *value = memory_alloc(ATTRIBUTE_MOST);
	ssize_t length = flistxattr(from, names, ATTRIBUTE_MOST);
	for (const char *name = names; name < names + length; name += strlen(name) + 1) {
		ssize_t size = fgetxattr(from, name, value, ATTRIBUTE_MOST);
		if (size < 0 || fsetxattr(to, name, value, (size_t)size, 0) < 0)
			return -1;
	}
	return length < 0 ? -1 : 0;
}

static int become(int root, int inside, const struct stat *status)
{
	const struct timespec times[2] = {status->st_atim, status->st_mtim};
	if (fchown(root, status->st_uid, status->st_gid) < 0 ||
	    fchmod(root, status->st_mode & 07777) < 0 || copy_xattrs(inside, root) < 0)
		return -1;
	return futimens(root, times);
}

int received_lift(int root, const char *name, struct error **error)
{
	char aside[32];
	struct stat status;
	if (keep_only(root, name, error) < 0 || set_aside(root, name, aside, error) < 0)
		return -1;
	cleanup_close int inside = openat(root, aside, directory_flags);
	if (inside < 0 || fstat(inside, &status) < 0)
		return error_errno(error, errno, "opening %s", name);
	if (move_up(inside, root, error) < 0)
		return -1;
	if (unlinkat(root, aside, AT_REMOVEDIR) < 0 || become(root, inside, &status) < 0)
		return error_errno(error, errno, "replacing the root of a subvolume");
	return 0;
}
