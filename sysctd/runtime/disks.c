/* See disks.h. */
#include "disks.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cleanup.h"
#include "file.h"
#include "memory.h"

enum { MOST_STACKED = 1000, TRIES = 3 };

static const char *text(const json_t *disk, const char *key)
{
	const char *value = json_string_value(json_object_get(disk, key));
	return value ? value : "";
}

static bool is_true(const json_t *disk, const char *key)
{
	return json_is_true(json_object_get(disk, key));
}

static int name_device(const json_t *disk, struct error **error)
{
	return error_prefix(error, "device \"%s\"", text(disk, "device"));
}

static int open_strictly(int directory, const char *path, __u64 flags)
{
	struct open_how how = {
		.flags = flags | O_PATH | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	return (int)syscall(SYS_openat2, directory, path, &how, sizeof(how));
}

/* ---- the source ---- */

static int check_kind(int fd, const char *source, struct error **error)
{
	struct stat status;
	if (fstat(fd, &status) < 0)
		return error_errno(error, errno, "reading source %s", source);
	if (S_ISBLK(status.st_mode) || S_ISCHR(status.st_mode))
		return error_set(error, ERROR_UNSUPPORTED,
				 "source %s is a device: mount it on the host, and give the "
				 "directory that it is mounted at",
				 source);
	return 0;
}

/* -1 without an error when it is missing and may be. */
static int open_source(const json_t *disk, struct error **error)
{
	const char *source = text(disk, "source"), *sub = text(disk, "sub");
	cleanup_close int fd = open(source, O_PATH | O_CLOEXEC);
	if (fd >= 0 && *sub) {
		int below = open_strictly(fd, sub, 0);
		int problem = errno;
		cleanup_close_fd(&fd);
		fd = below;
		errno = problem;
	}
	if (fd < 0 && errno == ENOENT && is_true(disk, "optional"))
		return -1;
	if (fd < 0 && errno == ENOENT)
		return error_set(error, ERROR_NOT_FOUND,
				 "source %s%s%s is missing: make it, or set required=false", source,
				 *sub ? "/" : "", sub);
	if (fd < 0 && errno == ELOOP && *sub)
		return error_set(
			error, ERROR_INVALID,
			"there is a symbolic link in %s, which is not followed in a volume", sub);
	if (fd < 0)
		return error_errno(error, errno, "opening source %s%s%s", source, *sub ? "/" : "",
				   sub);
	return check_kind(fd, source, error) < 0 ? -1 : steal_fd(&fd);
}

static int shift_problem(const json_t *disk, int problem, struct error **error)
{
	if (problem == EINVAL || problem == EPERM)
		return error_set(error, ERROR_UNSUPPORTED,
				 "the file system of %s%s cannot be mounted with shifted ids: set "
				 "shift=false, and give the files to ids of the instance",
				 text(disk, "source"),
				 is_true(disk, "recursive") ? ", or one mounted below it," : "");
	return error_errno(error, problem, "shifting the ids of %s", text(disk, "source"));
}

/* Devices of the host are none in an instance; suid bits work, as they do in its root. */
static int set_attributes(const json_t *disk, int tree, const struct disk_context *context,
			  struct error **error)
{
	struct mount_attr attributes = {.attr_set = MOUNT_ATTR_NODEV};
	bool slave = strcmp(text(disk, "propagation"), "slave") == 0;
	unsigned int flags = AT_EMPTY_PATH | (is_true(disk, "recursive") ? AT_RECURSIVE : 0);
	attributes.propagation = slave ? MS_SLAVE : MS_PRIVATE;
	if (is_true(disk, "readonly"))
		attributes.attr_set |= MOUNT_ATTR_RDONLY;
	if (mount_setattr(tree, "", flags, &attributes, sizeof(attributes)) < 0)
		return error_errno(error, errno, "setting up the mount of %s",
				   text(disk, "source"));
	if (!is_true(disk, "shift"))
		return 0;
	attributes = (struct mount_attr){.attr_set = MOUNT_ATTR_IDMAP,
					 .userns_fd = (__u64)context->user_namespace};
	if (mount_setattr(tree, "", flags, &attributes, sizeof(attributes)) < 0)
		return shift_problem(disk, errno, error);
	return 0;
}

static int make_bind(const json_t *disk, const struct disk_context *context, struct error **error)
{
	cleanup_close int source = open_source(disk, error);
	if (source < 0)
		return -1;
	unsigned int flags = is_true(disk, "recursive") ? AT_RECURSIVE : 0;
	cleanup_close int tree =
		open_tree(source, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | flags);
	if (tree < 0)
		return error_errno(error, errno, "binding %s", text(disk, "source"));
	return set_attributes(disk, tree, context, error) < 0 ? -1 : steal_fd(&tree);
}

/* Of the host's user namespace: the instance can use it, but not mount it again with another size. */
static int make_tmpfs(const json_t *disk, const struct disk_context *context, struct error **error)
{
	char uid[24], gid[24], size[24];
	const json_t *wanted = json_object_get(disk, "size");
	snprintf(uid, sizeof(uid), "%u", context->root_uid);
	snprintf(gid, sizeof(gid), "%u", context->root_gid);
	snprintf(size, sizeof(size), "%lld", (long long)json_integer_value(wanted));
	cleanup_close int maker = fsopen("tmpfs", FSOPEN_CLOEXEC);
	if (maker < 0 || fsconfig(maker, FSCONFIG_SET_STRING, "uid", uid, 0) < 0 ||
	    fsconfig(maker, FSCONFIG_SET_STRING, "gid", gid, 0) < 0 ||
	    (wanted && fsconfig(maker, FSCONFIG_SET_STRING, "size", size, 0) < 0) ||
	    fsconfig(maker, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return error_errno(error, errno, "making a tmpfs");
	int tree = fsmount(maker, FSMOUNT_CLOEXEC,
			   MOUNT_ATTR_NODEV |
				   (is_true(disk, "readonly") ? (unsigned)MOUNT_ATTR_RDONLY : 0));
	return tree < 0 ? error_errno(error, errno, "mounting a tmpfs") : tree;
}

/* ---- the stage ---- */

static void place_of(size_t number, char *place, size_t room)
{
	snprintf(place, room, "disks/%zu", number);
}

/* What a mount was on in another namespace may be removed here. */
static int make_place(const char *place, int tree, struct error **error)
{
	struct stat status;
	if (fstat(tree, &status) < 0)
		return error_errno(error, errno, "reading a mount");
	if (S_ISDIR(status.st_mode))
		return mkdir(place, 0700) < 0 ? error_errno(error, errno, "creating %s", place) : 0;
	cleanup_close int fd = open(place, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	return fd < 0 ? error_errno(error, errno, "creating %s", place) : 0;
}

static int clear_place(const char *place, struct error **error)
{
	if (mkdir("disks", 0700) < 0 && errno != EEXIST)
		return error_errno(error, errno, "creating a place for disks");
	if (unlink(place) < 0 && errno != ENOENT && rmdir(place) < 0)
		return error_errno(error, errno, "clearing %s", place);
	return 0;
}

static int put(int tree, size_t number, struct error **error)
{
	char place[32];
	place_of(number, place, sizeof(place));
	if (clear_place(place, error) < 0)
		return -1;
	if (tree < 0)
		return 0;
	if (make_place(place, tree, error) < 0)
		return -1;
	if (move_mount(tree, "", AT_FDCWD, place, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return error_errno(error, errno, "mounting at %s", place);
	return 0;
}

static int make_tree(const json_t *disk, const struct disk_context *context, int *tree,
		     struct error **error)
{
	struct error *problem = NULL;
	*tree = strcmp(text(disk, "source"), "tmpfs:") == 0 ? make_tmpfs(disk, context, &problem)
							    : make_bind(disk, context, &problem);
	if (!problem)
		return 0;
	error_move(error, problem);
	return name_device(disk, error);
}

/* In the mount namespace of the host as it is now: ours is what it was when the instance started. */
static int make_trees(const json_t *disks, const struct disk_context *context, int *trees,
		      struct error **error)
{
	cleanup_close int own = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	cleanup_close int directory = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int result = 0;
	if (own < 0 || directory < 0 || setns(context->host_mounts, CLONE_NEWNS) < 0)
		return error_errno(error, errno, "entering the mount namespace of the host");
	for (size_t i = 0; result == 0 && i < json_array_size(disks); i++)
		result = make_tree(json_array_get(disks, i), context, &trees[i], error);
	/* The working directory goes with the namespace. */
	if (setns(own, CLONE_NEWNS) < 0 || fchdir(directory) < 0)
		return error_errno(error, errno, "returning to the own mount namespace");
	return result;
}

int disks_stage(const json_t *disks, const struct disk_context *context, struct error **error)
{
	size_t count = json_array_size(disks);
	if (count == 0)
		return 0;
	cleanup_free int *trees = memory_alloc(count * sizeof(int));
	for (size_t i = 0; i < count; i++)
		trees[i] = -1;
	int result = make_trees(disks, context, trees, error);
	for (size_t i = 0; i < count; i++) {
		if (result == 0 && put(trees[i], i, error) < 0)
			result = name_device(json_array_get(disks, i), error);
		cleanup_close_fd(&trees[i]);
	}
	if (result < 0)
		disks_unstage(disks);
	return result;
}

void disks_unstage(const json_t *disks)
{
	for (size_t i = 0; i < json_array_size(disks); i++) {
		char place[32];
		place_of(i, place, sizeof(place));
		umount2(place, MNT_DETACH);
		if (unlink(place) < 0)
			rmdir(place);
	}
}

int disk_take(const json_t *disk, size_t number, int *tree, struct error **error)
{
	char place[32];
	place_of(number, place, sizeof(place));
	*tree = open_tree(AT_FDCWD, place, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
	if (*tree >= 0 || errno == ENOENT)
		return 0;
	error_errno(error, errno, "taking the mount of %s", text(disk, "source"));
	return name_device(disk, error);
}

/* ---- in the instance ---- */

static int point_problem(int problem, const char *path, struct error **error)
{
	if (problem == ELOOP)
		return error_set(error, ERROR_INVALID,
				 "there is a symbolic link in %s in the instance: give the path "
				 "that it leads to",
				 path);
	if (problem == ENOTDIR)
		return error_set(error, ERROR_INVALID,
				 "in the instance, a part of %s is no directory", path);
	return error_errno(error, problem, "mount point %s in the instance", path);
}

static int make_part(int at, const char *name, bool directory)
{
	if (directory)
		return mkdirat(at, name, 0755);
	cleanup_close int fd =
		openat(at, name, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0644);
	return fd < 0 ? -1 : 0;
}

/* One part of a path, made when it is missing; somebody in the instance may race with us. */
static int open_part(int at, const char *name, bool directory)
{
	int fd = -1;
	for (int i = 0; i < TRIES; i++) {
		fd = open_strictly(at, name, directory ? O_DIRECTORY : 0);
		if (fd >= 0 || errno != ENOENT)
			break;
		if (make_part(at, name, directory) < 0 && errno != EEXIST)
			break;
	}
	return fd;
}

static int open_point(const char *path, bool directory, struct error **error)
{
	cleanup_free char *copy = memory_strdup(path);
	char *rest = copy, *name;
	cleanup_close int at = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	while (at >= 0 && (name = strsep(&rest, "/"))) {
		if (!*name)
			continue;
		int next = open_part(at, name, rest || directory);
		int problem = errno;
		cleanup_close_fd(&at);
		at = next;
		errno = problem;
	}
	return at < 0 ? point_problem(errno, path, error) : steal_fd(&at);
}

static int attach(const char *path, int tree, struct error **error)
{
	struct stat source, target;
	if (fstat(tree, &source) < 0)
		return error_errno(error, errno, "reading the source");
	cleanup_close int point = open_point(path, S_ISDIR(source.st_mode), error);
	if (point < 0)
		return -1;
	if (fstat(point, &target) == 0 && S_ISDIR(target.st_mode) && !S_ISDIR(source.st_mode))
		return error_set(error, ERROR_INVALID,
				 "%s is a directory in the instance, and the source is a file",
				 path);
	if (move_mount(tree, "", point, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return error_errno(error, errno, "mounting at %s in the instance", path);
	return 0;
}

int disk_attach(const json_t *disk, int tree, struct error **error)
{
	return attach(text(disk, "path"), tree, error) < 0 ? name_device(disk, error) : 0;
}

/* ---- finding it again ---- */

/* "\\040" and the like in the fields of mountinfo. */
static void unescape(char *field)
{
	char *to = field;
	for (const char *from = field; *from; to++) {
		if (from[0] == '\\' && from[1] && from[2] && from[3]) {
			*to = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0'));
			from += 4;
		} else {
			*to = *from++;
		}
	}
	*to = '\0';
}

/* The line of mountinfo: "ID PARENT DEVICE ROOT PATH ...". @device NULL: any, since ids are used again. */
static bool find_mount(int proc, const char *id, const char *device, char **found_device,
		       char **found_path)
{
	cleanup_free char *all = file_try_read_at(proc, "mountinfo");
	char *rest = all;
	for (char *line; rest && (line = strsep(&rest, "\n"));) {
		char *fields[5] = {NULL};
		for (size_t i = 0; i < 5 && line; i++)
			fields[i] = strsep(&line, " ");
		if (!fields[4] || strcmp(fields[0], id) != 0 ||
		    (device && strcmp(fields[2], device) != 0))
			continue;
		unescape(fields[4]);
		*found_device = memory_strdup(fields[2]);
		*found_path = memory_strdup(fields[4]);
		return true;
	}
	return false;
}

char *disk_mark(int tree, int proc)
{
	struct statx status = {0};
	cleanup_free char *device = NULL, *path = NULL;
	if (tree < 0 || statx(tree, "", AT_EMPTY_PATH, STATX_MNT_ID, &status) < 0)
		return memory_strdup("");
	cleanup_free char *id = memory_printf("%llu", (unsigned long long)status.stx_mnt_id);
	return find_mount(proc, id, NULL, &device, &path) ? memory_printf("%s %s", id, device)
							  : steal_pointer(&id);
}

int disk_detach(const json_t *disk, const char *mark, int proc, struct error **error)
{
	cleanup_free char *id = memory_strdup(mark);
	char *device = strchr(id, ' ');
	if (device)
		*device++ = '\0';
	/* What the instance has mounted over it goes first: umount(2) takes the topmost. */
	for (int i = 0; i < MOST_STACKED; i++) {
		cleanup_free char *unused = NULL, *path = NULL;
		if (!find_mount(proc, id, device, &unused, &path))
			return 0;
		if (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
			continue;
		error_set(error, ERROR_BUSY,
			  "the instance has hidden it, at %s, below another mount (%s): unmount "
			  "that, or stop the instance",
			  path, strerror(errno));
		return name_device(disk, error);
	}
	error_set(error, ERROR_BUSY, "there are too many mounts over %s", text(disk, "path"));
	return name_device(disk, error);
}
