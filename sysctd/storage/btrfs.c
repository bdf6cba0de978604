/*
 * The btrfs driver: a tree is a subvolume, and a copy of it a snapshot, which costs the same however large
 * it is. Subvolumes that an instance has made in its own are part of it (btrfs(5), "user_subvol_rm_allowed").
 */
#include <btrfsutil.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/btrfs_tree.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "cleanup.h"
#include "image/command.h"
#include "memory.h"
#include "storage/btrfs_quota.h"
#include "storage/driver.h"
#include "storage/pool_config.h"

enum { MKFS_TIMEOUT = 600000, MOST_OPTIONS = 16 };

static int fail(enum btrfs_util_error problem, struct error **error, const char *what,
		const char *path)
{
	int errnum = errno;
	error_set(error, errnum == ENOSPC ? ERROR_NO_SPACE : ERROR_INTERNAL, "%s %s: %s: %s", what,
		  path, btrfs_util_strerror(problem), strerror(errnum));
	return error_set_errnum(error, errnum);
}

static int check(const char *path, struct error **error)
{
	struct statfs status;
	if (statfs(path, &status) < 0)
		return error_errno(error, errno, "looking at %s", path);
	if (status.f_type == BTRFS_SUPER_MAGIC)
		return 0;
	return error_set(error, ERROR_INVALID,
			 "%s is not on btrfs: give a directory that is, a block device, or no "
			 "source at all for a file of sysct's own",
			 path);
}

static int tree_create(const char *path, uint64_t bytes, struct error **error)
{
	(void)bytes;
	cleanup_free char *tree = memory_printf("%s/rootfs", path);
	enum btrfs_util_error problem = btrfs_util_create_subvolume(tree, 0, NULL, NULL);
	return problem ? fail(problem, error, "creating subvolume", tree) : 0;
}

static int tree_clone(const char *from, const char *path, struct error **error)
{
	cleanup_free char *source = memory_printf("%s/rootfs", from);
	cleanup_free char *tree = memory_printf("%s/rootfs", path);
	enum btrfs_util_error problem = btrfs_util_create_snapshot(
		source, tree, BTRFS_UTIL_CREATE_SNAPSHOT_RECURSIVE, NULL, NULL);
	return problem ? fail(problem, error, "copying to subvolume", tree) : 0;
}

/* A subvolume inside would be an empty directory in what is sent. */
static int check_alone(const char *tree, struct error **error)
{
	struct btrfs_util_subvolume_iterator *iterator;
	cleanup_free char *path = NULL;
	enum btrfs_util_error problem = btrfs_util_create_subvolume_iterator(tree, 0, 0, &iterator);
	if (problem)
		return fail(problem, error, "looking for subvolumes in", tree);
	problem = btrfs_util_subvolume_iterator_next(iterator, &path, NULL);
	btrfs_util_destroy_subvolume_iterator(iterator);
	if (problem == BTRFS_UTIL_ERROR_STOP_ITERATION)
		return 0;
	if (problem)
		return fail(problem, error, "looking for subvolumes in", tree);
	return error_set(error, ERROR_UNSUPPORTED,
			 "it has a subvolume of its own, /%s: export it without "
			 "--optimized-storage",
			 path);
}

static int tree_freeze(const char *from, const char *path, struct error **error)
{
	cleanup_free char *source = memory_printf("%s/rootfs", from);
	cleanup_free char *tree = memory_printf("%s/rootfs", path);
	if (check_alone(source, error) < 0)
		return -1;
	enum btrfs_util_error problem = btrfs_util_create_snapshot(
		source, tree, BTRFS_UTIL_CREATE_SNAPSHOT_READ_ONLY, NULL, NULL);
	return problem ? fail(problem, error, "copying to subvolume", tree) : 0;
}

static bool is_subvolume(const char *path)
{
	struct statfs system;
	struct stat status;
	cleanup_close int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd >= 0 && fstatfs(fd, &system) == 0 && system.f_type == BTRFS_SUPER_MAGIC &&
	       fstat(fd, &status) == 0 && status.st_ino == BTRFS_FIRST_FREE_OBJECTID;
}

static int tree_remove(const char *path, struct error **error)
{
	cleanup_free char *tree = memory_printf("%s/rootfs", path);
	if (!is_subvolume(tree))
		return 0;
	cleanup_close int parent = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	enum btrfs_util_error problem = btrfs_util_delete_subvolume_fd(
		parent, "rootfs", BTRFS_UTIL_DELETE_SUBVOLUME_RECURSIVE);
	/* A read-only one that has others in it is left to the slow way. */
	if (problem && errno != ENOENT && errno != EROFS)
		return error_errno(error, errno, "removing %s: %s", tree,
				   btrfs_util_strerror(problem));
	return 0;
}

/* "-m single" as several words. */
static void add_words(const char **arguments, size_t *count, char *words)
{
	for (char *word; (word = strsep(&words, " ")) && *count < MOST_OPTIONS;)
		if (*word)
			arguments[(*count)++] = word;
}

static int make(const struct storage_source *source, bool wipe, struct error **error)
{
	cleanup_command_output struct command_output output = {0};
	const char *options = pool_config_get(source->config, "btrfs.create_options");
	cleanup_free char *words = memory_strdup(options ? options : "");
	const char *arguments[MOST_OPTIONS + 2] = {"/usr/bin/env", "mkfs.btrfs", "-q"};
	size_t count = 3;
	if (wipe)
		arguments[count++] = "-f";
	add_words(arguments, &count, words);
	arguments[count] = source->source;
	if (command_capture(arguments, MKFS_TIMEOUT, &output, error) < 0)
		return -1;
	if (output.status == 127)
		return error_set(error, ERROR_UNSUPPORTED,
				 "mkfs.btrfs is missing: install btrfs-progs");
	if (output.status == 0)
		return 0;
	cleanup_free char *line = command_last_line(output.err.text ? output.err.text : "");
	return error_set(error, ERROR_INVALID, "making a file system on %s: %s%s", source->source,
			 line ? line : "mkfs.btrfs failed",
			 wipe ? "" : " (source.wipe=true overwrites what is there)");
}

/* What instances free inside is freed in a file, too. */
static int mount_device(const struct storage_source *source, const char *device, const char *path,
			struct error **error)
{
	const char *options = pool_config_get(source->config, "btrfs.mount_options");
	cleanup_free char *all = memory_printf("user_subvol_rm_allowed%s%s%s",
					       source->is_file ? ",discard=async" : "",
					       options ? "," : "", options ? options : "");
	if (mount(device, path, "btrfs", 0, all) < 0)
		return error_errno(error, errno, "mounting %s", device);
	return 0;
}

/* To the size of its device. */
static int grow(const char *path, struct error **error)
{
	struct btrfs_ioctl_vol_args arguments = {.name = "max"};
	cleanup_close int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, BTRFS_IOC_RESIZE, &arguments) < 0)
		return error_errno(error, errno, "resizing the file system at %s", path);
	return 0;
}

const struct storage_driver storage_btrfs = {
	.name = "btrfs",
	.help = "subvolumes and their snapshots, on btrfs",
	.keeps_images = true,
	.check = check,
	.tree_create = tree_create,
	.tree_clone = tree_clone,
	.tree_freeze = tree_freeze,
	.tree_remove = tree_remove,
	.make = make,
	.mount = mount_device,
	.prepare = btrfs_quota_enable,
	.usage = btrfs_quota_usage,
	.limit = btrfs_quota_limit,
	.grow = grow,
};
