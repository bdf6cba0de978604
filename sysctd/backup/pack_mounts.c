/*
 * See pack_mounts.h. Each layer is mounted once, through an id map that brings its ids to 0, whatever
 * number of trees it is in. Everything is a lower layer here, also what an instance wrote last: it is not written to any
 * more. An overlay of lower layers alone needs two (overlayfs.rst): the lowest is an empty directory.
 */
#include "backup/pack_mounts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "image/unpack_confine.h"
#include "runtime/idmap.h"
#include "strbuf.h"

enum { ID_RANGE = 65536, POINT_SIZE = 24 };

struct mounts {
	json_t *points; /* {path of a layer: number} */
	uid_t base;	/* of the user namespace that is kept */
	int user_namespace;
};

static int make_point(char point[static POINT_SIZE], const char *format, size_t number,
		      struct error **error)
{
	snprintf(point, POINT_SIZE, "%s%zu", format, number);
	return mkdir(point, 0755) < 0 ? error_errno(error, errno, "creating %s", point) : 0;
}

/* Files of the ids from @base on, seen as those from 0 on; -1: they are so. */
static int find_map(struct mounts *mounts, uid_t base, int *user_namespace, struct error **error)
{
	*user_namespace = -1;
	if (base == 0)
		return 0;
	if (mounts->user_namespace < 0 || mounts->base != base) {
		cleanup_close_fd(&mounts->user_namespace);
		mounts->user_namespace = idmap_user_namespace(base, 0, ID_RANGE, error);
		mounts->base = base;
	}
	*user_namespace = mounts->user_namespace;
	return *user_namespace < 0 ? -1 : 0;
}

/* The number of the mount point of a layer. */
static int attach_layer(struct mounts *mounts, const json_t *layer, size_t *number,
			struct error **error)
{
	const char *path = json_string_value(json_object_get(layer, "path"));
	uid_t base = (uid_t)json_integer_value(json_object_get(layer, "base"));
	const json_t *known = path ? json_object_get(mounts->points, path) : NULL;
	char point[POINT_SIZE];
	int user_namespace;
	if (!path)
		return error_set(error, ERROR_INVALID, "a layer without a path");
	*number = known ? (size_t)json_integer_value(known) : json_object_size(mounts->points);
	if (known)
		return 0;
	if (find_map(mounts, base, &user_namespace, error) < 0 ||
	    make_point(point, "l", *number, error) < 0 ||
	    idmap_attach(path, point, user_namespace, false, error) < 0)
		return -1;
	json_object_set_new(mounts->points, path, json_integer((json_int_t)*number));
	return 0;
}

static int mount_layers(struct mounts *mounts, const json_t *layers, const char *point,
			struct error **error)
{
	cleanup_strbuf struct strbuf options = {0};
	size_t i;
	const json_t *layer;
	strbuf_append(&options, "redirect_dir=follow,lowerdir=");
	json_array_foreach (layers, i, layer) {
		size_t number = 0;
		if (attach_layer(mounts, layer, &number, error) < 0)
			return -1;
		strbuf_printf(&options, "l%zu:", number);
	}
	strbuf_append(&options, "empty");
	if (mount("overlay", point, "overlay", MS_RDONLY | MS_NODEV | MS_NOSUID | MS_NOEXEC,
		  options.text) < 0)
		return error_errno(error, errno, "mounting %zu layers", json_array_size(layers));
	return 0;
}

/* A whole tree needs nothing below it. */
static int mount_flat(struct mounts *mounts, const char *path, uid_t base, const char *point,
		      struct error **error)
{
	int user_namespace;
	return find_map(mounts, base, &user_namespace, error) < 0
		       ? -1
		       : idmap_attach(path, point, user_namespace, false, error);
}

static int mount_entry(struct mounts *mounts, const json_t *entry, size_t number,
		       struct error **error)
{
	const json_t *layers = json_object_get(entry, "layers");
	const char *flat = json_string_value(json_object_get(entry, "flat"));
	char point[POINT_SIZE];
	if (!layers && !flat)
		return 0;
	if (make_point(point, "t", number, error) < 0)
		return -1;
	return flat ? mount_flat(mounts, flat,
				 (uid_t)json_integer_value(json_object_get(entry, "base")), point,
				 error)
		    : mount_layers(mounts, layers, point, error);
}

static int mount_entries(const json_t *entries, struct error **error)
{
	struct mounts mounts = {.points = json_object(), .user_namespace = -1};
	size_t i;
	const json_t *entry;
	int result = 0;
	json_array_foreach (entries, i, entry)
		if (result == 0)
			result = mount_entry(&mounts, entry, i, error);
	json_decref(mounts.points);
	cleanup_close_fd(&mounts.user_namespace);
	return result;
}

int pack_mounts_make(const json_t *entries, const char *scratch, struct error **error)
{
	static const cap_value_t kept[] = {CAP_DAC_READ_SEARCH};
	if (confine_namespaces(error) < 0)
		return -1;
	if (mount("tmpfs", scratch, "tmpfs", MS_NODEV | MS_NOSUID | MS_NOEXEC, "mode=0700") < 0 ||
	    chdir(scratch) < 0 || mkdir("empty", 0755) < 0)
		return error_errno(error, errno, "mounting over %s", scratch);
	if (mount_entries(entries, error) < 0 || confine_pivot(scratch, error) < 0)
		return -1;
	return confine_capabilities(kept, sizeof(kept) / sizeof(kept[0]), error);
}
