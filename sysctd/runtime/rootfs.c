/* See rootfs.h. DESIGN section 5 has the facts behind each step. */
#include "rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "idmap.h"
#include "strbuf.h"

enum { ID_RANGE = 65536, MAX_LAYERS = 500 };

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static int make_point(const char *path, struct error **error)
{
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return error_errno(error, errno, "creating mount point %s", path);
	return 0;
}

static int attach_layer(const struct spec *spec, const json_t *layer, const char *point,
			int user_namespace, struct error **error)
{
	const char *path = text_of(layer, "path");
	uid_t base = (uid_t)json_integer_value(json_object_get(layer, "base"));
	if (!path)
		return error_set(error, ERROR_INVALID, "a layer without a path");
	if (make_point(point, error) < 0)
		return -1;
	if (base == 0)
		return idmap_attach(path, point, user_namespace, error);
	cleanup_close int own = idmap_user_namespace(base, spec->root_uid, ID_RANGE, error);
	return own < 0 ? -1 : idmap_attach(path, point, own, error);
}

/* "l0:l1:…", relative to the working directory, so that no name needs escaping. */
static int attach_layers(const struct spec *spec, int user_namespace, struct strbuf *lower,
			 struct error **error)
{
	const json_t *layers = json_object_get(spec->rootfs, "lower");
	size_t i;
	const json_t *layer;
	json_array_foreach (layers, i, layer) {
		char point[16];
		snprintf(point, sizeof(point), "l%zu", i);
		if (i >= MAX_LAYERS)
			return error_set(error, ERROR_UNSUPPORTED, "more than %d layers",
					 MAX_LAYERS);
		if (attach_layer(spec, layer, point, user_namespace, error) < 0)
			return -1;
		strbuf_printf(lower, "%s%s", i ? ":" : "", point);
	}
	return lower->length ? 0 : error_set(error, ERROR_INVALID, "no layers");
}

static int set_option(int context, const char *key, const char *value, struct error **error)
{
	if (value && fsconfig(context, FSCONFIG_SET_STRING, key, value, 0) < 0)
		return error_errno(error, errno, "overlay option %s=%s", key, value);
	return 0;
}

/* By descriptor: fsconfig(2) takes 255 bytes, and the instance need not read our paths in its mountinfo. */
static int set_directory(int context, const char *key, const char *path, int *fd,
			 struct error **error)
{
	char name[32];
	*fd = path ? open(path, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	if (path && *fd < 0)
		return error_errno(error, errno, "opening %s", path);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", *fd);
	return set_option(context, key, path ? name : NULL, error);
}

static int mount_overlay(const struct spec *spec, const char *lower, struct error **error)
{
	cleanup_close int context = fsopen("overlay", FSOPEN_CLOEXEC);
	cleanup_close int upper = -1, work = -1;
	if (context < 0)
		return error_errno(error, errno, "opening the overlay file system");
	if (set_option(context, "lowerdir", lower, error) < 0 ||
	    set_directory(context, "upperdir", text_of(spec->rootfs, "upper"), &upper, error) < 0 ||
	    set_directory(context, "workdir", text_of(spec->rootfs, "work"), &work, error) < 0)
		return -1;
	const json_t *value;
	const char *key;
	json_object_foreach ((json_t *)json_object_get(spec->rootfs, "options"), key, value)
		if (set_option(context, key, json_string_value(value), error) < 0)
			return -1;
	if (fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return error_errno(error, errno, "creating the overlay of %s", spec->name);
	cleanup_close int mounted = fsmount(context, FSMOUNT_CLOEXEC, MOUNT_ATTR_NODEV);
	if (mounted < 0 ||
	    move_mount(mounted, "", AT_FDCWD, ROOTFS_DIRECTORY, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return error_errno(error, errno, "mounting the overlay of %s", spec->name);
	return 0;
}

int rootfs_mount(const struct spec *spec, int user_namespace, struct error **error)
{
	cleanup_strbuf struct strbuf lower = {0};
	const char *driver = text_of(spec->rootfs, "driver");
	if (!driver || strcmp(driver, "overlay") != 0)
		return error_set(error, ERROR_UNSUPPORTED, "root file system driver \"%s\"",
				 driver ? driver : "");
	if (make_point(ROOTFS_DIRECTORY, error) < 0 ||
	    attach_layers(spec, user_namespace, &lower, error) < 0)
		return -1;
	return mount_overlay(spec, lower.text, error);
}

void rootfs_unmount(void)
{
	umount2(ROOTFS_DIRECTORY, MNT_DETACH);
	for (size_t i = 0; i < MAX_LAYERS; i++) {
		char point[16];
		snprintf(point, sizeof(point), "l%zu", i);
		if (umount2(point, MNT_DETACH) < 0)
			return;
	}
}
