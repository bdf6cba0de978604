/* See rootfs.h. DESIGN section 5 has the facts behind each step. */
#include "rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
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

/* The user namespace of the layer before: those of one instance have one base. */
struct shift {
	uid_t base;
	int fd;
};

static int shift_to(struct shift *shift, uid_t base, uid_t root, struct error **error)
{
	if (shift->fd >= 0 && shift->base == base)
		return 0;
	cleanup_close_fd(&shift->fd);
	*shift = (struct shift){base, idmap_user_namespace(base, root, ID_RANGE, error)};
	return shift->fd < 0 ? -1 : 0;
}

static int attach_layer(const struct spec *spec, const json_t *layer, const char *point,
			int user_namespace, struct shift *shift, bool writable,
			struct error **error)
{
	const char *path = text_of(layer, "path");
	uid_t base = (uid_t)json_integer_value(json_object_get(layer, "base"));
	if (!path)
		return error_set(error, ERROR_INVALID, "a layer without a path");
	if (make_point(point, error) < 0)
		return -1;
	if (base == 0)
		return idmap_attach(path, point, user_namespace, writable, error);
	if (base == spec->root_uid) /* its own, kept by a snapshot */
		return idmap_attach(path, point, -1, writable, error);
	return shift_to(shift, base, spec->root_uid, error) < 0
		       ? -1
		       : idmap_attach(path, point, shift->fd, writable, error);
}

/* "l0:l1:…", relative to the working directory, so that no name needs escaping. */
static int attach_layers(const struct spec *spec, int user_namespace, struct strbuf *lower,
			 struct error **error)
{
	const json_t *layers = json_object_get(spec->rootfs, "lower");
	size_t i;
	const json_t *layer;
	struct shift shift = {0, -1};
	int result = 0;
	json_array_foreach (layers, i, layer) {
		char point[24];
		snprintf(point, sizeof(point), "l%zu", i);
		if (i >= MAX_LAYERS)
			result = error_set(error, ERROR_UNSUPPORTED, "more than %d layers",
					   MAX_LAYERS);
		else
			result = attach_layer(spec, layer, point, user_namespace, &shift, false,
					      error);
		if (result < 0)
			break;
		strbuf_printf(lower, "%s%s", i ? ":" : "", point);
	}
	cleanup_close_fd(&shift.fd);
	if (result < 0)
		return -1;
	return lower->length ? 0 : error_set(error, ERROR_INVALID, "no layers");
}

/* By descriptor: the path may be long, and the instance need not read it in its mountinfo. */
static int add_directory(struct strbuf *options, const char *key, const char *path, int *fd,
			 struct error **error)
{
	if (!path)
		return 0;
	*fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	strbuf_printf(options, ",%s=/proc/self/fd/%d", key, *fd);
	return *fd < 0 ? error_errno(error, errno, "opening %s", path) : 0;
}

/* Where it cannot make the directory that it needs, the kernel mounts an overlay that can only be read
 * (fs/overlayfs/super.c, ovl_make_workdir()). */
static int check_writable(const struct spec *spec, int work, struct error **error)
{
	struct statvfs status;
	if (statvfs(ROOTFS_DIRECTORY, &status) < 0)
		return error_errno(error, errno, "looking at the overlay of %s", spec->name);
	if (!(status.f_flag & ST_RDONLY))
		return 0;
	/* Why, the kernel does not say. */
	int result = mkdirat(work, "try", 0700);
	int errnum = result < 0 ? errno : EROFS;
	unlinkat(work, "try", AT_REMOVEDIR);
	umount2(ROOTFS_DIRECTORY, MNT_DETACH);
	return error_errno(error, errnum, "mounting the overlay of %s to be written to",
			   spec->name);
}

/* By mount(2), which takes a page of options: fsconfig(2) takes 255 bytes, and many layers have more. */
static int mount_overlay(const struct spec *spec, const char *lower, struct error **error)
{
	cleanup_strbuf struct strbuf options = {0};
	cleanup_close int upper = -1, work = -1;
	const json_t *value;
	const char *key;
	strbuf_printf(&options, "lowerdir=%s", lower);
	if (add_directory(&options, "upperdir", text_of(spec->rootfs, "upper"), &upper, error) <
		    0 ||
	    add_directory(&options, "workdir", text_of(spec->rootfs, "work"), &work, error) < 0)
		return -1;
	json_object_foreach ((json_t *)json_object_get(spec->rootfs, "options"), key, value)
		strbuf_printf(&options, ",%s=%s", key, json_string_value(value));
	if (mount("overlay", ROOTFS_DIRECTORY, "overlay", MS_NODEV, options.text) < 0)
		return error_errno(error, errno, "mounting the overlay of %s", spec->name);
	return check_writable(spec, work, error);
}

/* A whole tree, which needs nothing below it. */
static int mount_tree(const struct spec *spec, int user_namespace, struct error **error)
{
	struct shift shift = {0, -1};
	int result = attach_layer(spec, spec->rootfs, ROOTFS_DIRECTORY, user_namespace, &shift,
				  true, error);
	cleanup_close_fd(&shift.fd);
	return result;
}

int rootfs_mount(const struct spec *spec, int user_namespace, struct error **error)
{
	cleanup_strbuf struct strbuf lower = {0};
	const char *driver = text_of(spec->rootfs, "driver");
	if (driver && strcmp(driver, "bind") == 0)
		return mount_tree(spec, user_namespace, error);
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
		char point[24];
		snprintf(point, sizeof(point), "l%zu", i);
		if (umount2(point, MNT_DETACH) < 0)
			return;
	}
}
