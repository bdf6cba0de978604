/* See pool_source.h. */
#include "storage/pool_source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "cleanup.h"
#include "file.h"
#include "instance/config_keys_values.h"
#include "memory.h"
#include "storage/loop.h"
#include "storage/pool_config.h"

static const uint64_t gibibyte = 1ULL << 30;

char *pool_path(const struct storage *storage, const char *pool)
{
	return memory_printf("%s/%s", storage->root, pool);
}

/* The file of ours that a pool without a source is in. */
static char *own_file(const struct storage *storage, const char *pool)
{
	return memory_printf("%s/%s.img", storage->disks, pool);
}

void pool_source_find(const struct storage *storage, struct object_row *row)
{
	cleanup_free char *file = own_file(storage, row->name);
	if (!pool_config_get(row->config, "source") && access(file, F_OK) == 0)
		json_object_set_new(row->config, "source", json_string(file));
}

bool pool_is_mounted(const struct storage *storage, const char *pool)
{
	cleanup_free char *path = pool_path(storage, pool);
	struct statx status;
	return statx(AT_FDCWD, path, 0, 0, &status) == 0 &&
	       (status.stx_attributes & STATX_ATTR_MOUNT_ROOT);
}

/* Of what a driver knows that names its sources. */
static bool is_name(const char *source)
{
	return source[0] != '/';
}

/* ---- deciding ---- */

static bool is_within(const char *inner, const char *outer)
{
	size_t length = strlen(outer);
	return strncmp(inner, outer, length) == 0 &&
	       (inner[length] == '/' || inner[length] == '\0' || length == 1);
}

/* What a pool is on, resolved as sources are: those of devices are kept as they were given. */
static char *find_source(const struct object_row *row)
{
	const char *source = pool_config_get(row->config, "source");
	char *resolved = source && !is_name(source) ? realpath(source, NULL) : NULL;
	return resolved || !source ? resolved : memory_strdup(source);
}

static int check_overlap(const struct storage *storage, const char *source,
			 const struct object_list *others, struct error **error)
{
	cleanup_free char *own = memory_printf("%s/..", storage->root);
	cleanup_free char *state = realpath(own, NULL);
	if (!state)
		return error_errno(error, errno, "looking at %s", own);
	if (is_within(source, state) || is_within(state, source))
		return error_set(error, ERROR_INVALID, "%s and sysct's own %s are in each other",
				 source, state);
	for (size_t i = 0; i < others->count; i++) {
		cleanup_free char *other = find_source(&others->rows[i]);
		if (other && (is_within(source, other) || is_within(other, source)))
			return error_set(error, ERROR_INVALID,
					 "%s and %s, where pool \"%s\" is, are in each other",
					 source, other, others->rows[i].name);
	}
	return 0;
}

static int check_empty(const char *source, struct error **error)
{
	cleanup_dir DIR *dir = opendir(source);
	struct dirent *entry;
	if (!dir)
		return error_errno(error, errno, "opening %s", source);
	while ((entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
		    strcmp(entry->d_name, "lost+found") != 0)
			return error_set(error, ERROR_INVALID,
					 "%s is not empty (it has \"%s\"): give an empty directory",
					 source, entry->d_name);
	return 0;
}

/* A fifth of what is free, 5 to 30 GiB. */
static int default_size(const struct storage *storage, uint64_t *size, struct error **error)
{
	struct statvfs status;
	if (statvfs(storage->root, &status) < 0)
		return error_errno(error, errno, "looking at %s", storage->root);
	uint64_t fifth = (uint64_t)status.f_bavail * status.f_frsize / 5;
	*size = fifth < 5 * gibibyte ? 5 * gibibyte : fifth > 30 * gibibyte ? 30 * gibibyte : fifth;
	return 0;
}

static int plan_own(const struct storage *storage, struct object_row *row, struct error **error)
{
	cleanup_free char *file = own_file(storage, row->name);
	uint64_t size = 0;
	if (access(file, F_OK) == 0)
		return error_set(error, ERROR_EXISTS,
				 "%s exists already and belongs to no pool: move it away", file);
	if (!pool_config_get(row->config, "size")) {
		if (default_size(storage, &size, error) < 0)
			return -1;
		cleanup_free char *text =
			memory_printf("%lluGiB", (unsigned long long)(size / gibibyte));
		json_object_set_new(row->config, "size", json_string(text));
	}
	json_object_set_new(row->config, "source", json_string(file));
	return 0;
}

static int check_given(const struct storage_driver *driver, const char *source,
		       struct error **error)
{
	struct stat status;
	if (stat(source, &status) < 0)
		return error_errno(error, errno, "looking at %s", source);
	if (S_ISDIR(status.st_mode) && driver->names_sources)
		return error_set(error, ERROR_INVALID,
				 "%s is a directory, and the driver %s needs a block device, or no "
				 "source at all for a file of sysct's own",
				 source, driver->name);
	if (S_ISDIR(status.st_mode))
		return check_empty(source, error);
	if (!driver->make)
		return error_set(error, ERROR_INVALID, "%s is no directory", source);
	if (S_ISBLK(status.st_mode) || S_ISREG(status.st_mode))
		return 0;
	return error_set(error, ERROR_INVALID,
			 "%s is neither a directory, nor a file, nor a block device", source);
}

static bool is_device(const char *path)
{
	struct stat status;
	return stat(path, &status) == 0 && S_ISBLK(status.st_mode);
}

static int plan_path(const struct storage *storage, const struct storage_driver *driver,
		     const char *given, struct object_row *row, const struct object_list *others,
		     struct error **error)
{
	cleanup_free char *source = realpath(given, NULL);
	if (!source)
		return error_set(error, ERROR_INVALID, "looking at %s: %s", given, strerror(errno));
	if (check_overlap(storage, source, others, error) < 0 ||
	    check_given(driver, source, error) < 0)
		return -1;
	json_object_set_new(row->config, "volatile.initial_source", json_string(given));
	/* /dev/disk/by-uuid/... is the same one after a boot, and /dev/sdb may not be. */
	json_object_set_new(row->config, "source", json_string(is_device(source) ? given : source));
	return 0;
}

int pool_source_plan(const struct storage *storage, struct object_row *row,
		     const struct object_list *others, struct error **error)
{
	const struct storage_driver *driver = storage_driver_find(row->kind, error);
	const char *given = pool_config_get(row->config, "source");
	if (!driver || (driver->plan && driver->plan(row->name, row->config, error) < 0))
		return -1;
	if (!given)
		return driver->make ? plan_own(storage, row, error) : 0;
	if (pool_config_get(row->config, "size"))
		return error_set(
			error, ERROR_INVALID,
			"\"size\" is for pools in a file of sysct's own, without a source");
	if (!is_name(given))
		return plan_path(storage, driver, given, row, others, error);
	json_object_set_new(row->config, "volatile.initial_source", json_string(given));
	return 0;
}

/* ---- making and mounting ---- */

static bool is_own_file(const struct storage *storage, const struct object_row *row)
{
	const char *source = pool_config_get(row->config, "source");
	cleanup_free char *file = own_file(storage, row->name);
	return source && strcmp(source, file) == 0;
}

static int set_size(const char *file, const char *text, int flags, struct error **error)
{
	uint64_t bytes;
	cleanup_close int fd = open(file, O_RDWR | O_CLOEXEC | flags, 0600);
	if (fd < 0)
		return error_errno(error, errno, "opening %s", file);
	if (size_parse(text, &bytes, error) < 0)
		return -1;
	return ftruncate(fd, (off_t)bytes) < 0 ? error_errno(error, errno, "sizing %s", file) : 0;
}

/* Nothing is there: an error of ENOENT. A name is there as long as the driver says so. */
static int look_at(const char *source, struct stat *status, struct error **error)
{
	*status = (struct stat){0};
	if (is_name(source) || stat(source, status) == 0)
		return 0;
	return error_errno(error, errno, "looking at %s", source);
}

static struct storage_source describe(const struct object_row *row, const struct stat *status)
{
	return (struct storage_source){
		.pool = row->name,
		.config = row->config,
		.source = pool_config_get(row->config, "source"),
		.is_file = S_ISREG(status->st_mode),
	};
}

int pool_source_make(const struct storage *storage, const struct object_row *row,
		     struct error **error)
{
	const struct storage_driver *driver = storage_driver_find(row->kind, error);
	const char *source = pool_config_get(row->config, "source");
	const char *wipe_text = pool_config_get(row->config, "source.wipe");
	struct stat status;
	bool wipe = false;
	if (!source || !driver)
		return driver ? 0 : -1;
	if (wipe_text && bool_parse(wipe_text, &wipe, error) < 0)
		return -1;
	if (is_own_file(storage, row) &&
	    (file_make_directories(storage->disks, 0700, error) < 0 ||
	     set_size(source, pool_config_get(row->config, "size"), O_CREAT | O_EXCL, error) < 0))
		return -1;
	if (look_at(source, &status, error) < 0)
		return -1;
	const struct storage_source lies_on = describe(row, &status);
	return S_ISDIR(status.st_mode) ? 0 : driver->make(&lies_on, wipe, error);
}

static int mount_directory(const char *source, const char *path, struct error **error)
{
	if (mount(source, path, NULL, MS_BIND, NULL) < 0)
		return error_errno(error, errno, "mounting %s at %s", source, path);
	return 0;
}

static int mount_file(const struct storage_driver *driver, const struct storage_source *source,
		      const char *path, struct error **error)
{
	cleanup_free char *device = NULL;
	cleanup_close int fd = loop_attach(source->source, &device, error);
	return fd < 0 ? -1 : driver->mount(source, device, path, error);
}

int pool_source_mount(const struct storage *storage, const struct object_row *row,
		      struct error **error)
{
	const struct storage_driver *driver = storage_driver_find(row->kind, error);
	const char *source = pool_config_get(row->config, "source");
	cleanup_free char *path = pool_path(storage, row->name);
	struct stat status;
	if (!driver || file_make_directories(path, 0700, error) < 0)
		return -1;
	if (!source || pool_is_mounted(storage, row->name))
		return 0;
	if (look_at(source, &status, error) < 0)
		return -1;
	const struct storage_source lies_on = describe(row, &status);
	if (S_ISDIR(status.st_mode))
		return mount_directory(source, path, error);
	return lies_on.is_file ? mount_file(driver, &lies_on, path, error)
			       : driver->mount(&lies_on, source, path, error);
}

bool pool_source_is_device(const struct object_row *row)
{
	const char *source = pool_config_get(row->config, "source");
	struct stat status;
	return source && stat(source, &status) == 0 && !S_ISDIR(status.st_mode);
}

static int leave(const struct storage *storage, const struct object_row *row,
		 const struct storage_driver *driver, struct error **error)
{
	cleanup_free char *path = pool_path(storage, row->name);
	if (!pool_is_mounted(storage, row->name))
		return 0;
	if (driver && driver->leave && driver->leave(path, error) < 0)
		return -1;
	return umount2(path, UMOUNT_NOFOLLOW) < 0 ? error_errno(error, errno, "unmounting %s", path)
						  : 0;
}

static int release(const struct object_row *row, const struct storage_driver *driver, bool remove,
		   struct error **error)
{
	struct stat status;
	const char *source = pool_config_get(row->config, "source");
	if (!driver || !driver->release || !source || look_at(source, &status, NULL) < 0)
		return 0;
	const struct storage_source lies_on = describe(row, &status);
	return driver->release(&lies_on, remove, error);
}

int pool_source_unmount(const struct storage *storage, const struct object_row *row, bool remove,
			struct error **error)
{
	const struct storage_driver *driver =
		row->kind ? storage_driver_find(row->kind, NULL) : NULL;
	cleanup_free char *path = pool_path(storage, row->name);
	cleanup_free char *file = own_file(storage, row->name);
	if (leave(storage, row, driver, error) < 0)
		return -1;
	/* What still runs may keep it in use. */
	if (release(row, driver, remove, remove ? error : NULL) < 0)
		return remove ? -1 : 0;
	if (!remove)
		return 0;
	/* What is in it was removed before: it is empty. */
	if (rmdir(path) < 0 && errno != ENOENT)
		return error_errno(error, errno, "removing %s", path);
	if (unlink(file) < 0 && errno != ENOENT)
		return error_errno(error, errno, "removing %s", file);
	return 0;
}

int pool_source_grow(const struct storage *storage, const struct object_row *row,
		     struct error **error)
{
	const struct storage_driver *driver = storage_driver_find(row->kind, error);
	const char *source = pool_config_get(row->config, "source");
	const char *size = pool_config_get(row->config, "size");
	cleanup_free char *path = pool_path(storage, row->name);
	struct stat status;
	uint64_t bytes;
	if (!driver)
		return -1;
	if (!size)
		return is_own_file(storage, row)
			       ? error_set(error, ERROR_INVALID,
					   "\"size\" of a pool in a file of sysct's own cannot be "
					   "unset")
			       : 0;
	if (!is_own_file(storage, row))
		return error_set(error, ERROR_INVALID,
				 "\"size\" is for pools in a file of sysct's own");
	if (size_parse(size, &bytes, error) < 0)
		return -1;
	if (stat(source, &status) < 0)
		return error_errno(error, errno, "looking at %s", source);
	if (bytes < (uint64_t)status.st_size)
		return error_set(
			error, ERROR_INVALID,
			"the pool has %lld bytes and cannot be made smaller: copy what is in "
			"it to another one",
			(long long)status.st_size);
	if (bytes == (uint64_t)status.st_size)
		return 0;
	if (set_size(source, size, 0, error) < 0 || loop_grow(source, error) < 0)
		return -1;
	return driver->grow(path, error);
}
