/* See layer_lookup.h. */
#include "storage/layer_lookup.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "cleanup.h"
#include "memory.h"

#define XATTR_WHITEOUT "trusted.overlay.whiteout"
#define METACOPY       "trusted.overlay.metacopy"

static int fail(const char *name, struct error **error)
{
	return error_errno(error, errno, "looking at %s in a layer", name);
}

/* The value as a text, NULL where there is none; -1 with errno. */
static int read_attribute(int directory, const char *name, const char *attribute, char **value)
{
	char text[4096];
	cleanup_free char *path = memory_printf("/proc/self/fd/%d/%s", directory, name);
	ssize_t size = lgetxattr(path, attribute, text, sizeof(text));
	*value = size < 0 ? NULL : memory_strndup(text, (size_t)size);
	return size < 0 && errno != ENODATA && errno != ENOTSUP ? -1 : 0;
}

static int has_attribute(int directory, const char *name, const char *attribute)
{
	cleanup_free char *value = NULL;
	return read_attribute(directory, name, attribute, &value) < 0 ? -1 : value != NULL;
}

int layer_entry(int directory, const char *name, struct stat *status, struct error **error)
{
	if (fstatat(directory, name, status, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? LAYER_NOTHING : fail(name, error);
	if (S_ISDIR(status->st_mode))
		return LAYER_DIRECTORY;
	if (S_ISCHR(status->st_mode) && status->st_rdev == makedev(0, 0))
		return LAYER_WHITEOUT;
	if (!S_ISREG(status->st_mode) || status->st_size != 0)
		return LAYER_OTHER;
	int whiteout = has_attribute(directory, name, XATTR_WHITEOUT);
	return whiteout < 0 ? fail(name, error) : whiteout ? LAYER_WHITEOUT : LAYER_OTHER;
}

int layer_check_data(int directory, const char *name, struct error **error)
{
	int metacopy = has_attribute(directory, name, METACOPY);
	if (metacopy < 0)
		return fail(name, error);
	return metacopy ? error_set(error, ERROR_UNSUPPORTED,
				    "%s has its data in a layer below (metacopy)", name)
			: 0;
}

void layer_below_clear(struct layer_below *below)
{
	cleanup_close_fd(&below->lower);
	free(below->rest);
	*below = (struct layer_below){-1, NULL};
}

char *layer_join(const char *path, const char *name)
{
	return path ? memory_printf("%s/%s", path, name) : NULL;
}

/* "y" hides what is below; "x" only says that there are whiteouts of the other kind inside. */
static int is_opaque(int directory, const char *name)
{
	cleanup_free char *value = NULL;
	if (read_attribute(directory, name, LAYER_OPAQUE, &value) < 0)
		return -1;
	return value && value[0] == 'y';
}

/* What the attributes of a directory of the lower layer say of the rest, where @name in @from is it. */
static int set_rest(const struct layer_below *from, const char *name, struct layer_below *to,
		    struct error **error)
{
	cleanup_free char *redirect = NULL;
	int opaque = is_opaque(from->lower, name);
	if (opaque < 0 || read_attribute(from->lower, name, LAYER_REDIRECT, &redirect) < 0)
		return fail(name, error);
	if (opaque)
		return 0;
	if (redirect && redirect[0] == '/')
		to->rest = steal_pointer(&redirect);
	else
		to->rest = layer_join(from->rest, redirect ? redirect : name);
	return 0;
}

int layer_step(const struct layer_below *from, const char *name, struct layer_below *to,
	       struct error **error)
{
	struct stat status;
	*to = (struct layer_below){-1, NULL};
	int entry =
		from->lower < 0 ? LAYER_NOTHING : layer_entry(from->lower, name, &status, error);
	if (entry < 0)
		return -1;
	if (entry == LAYER_NOTHING)
		to->rest = layer_join(from->rest, name);
	if (entry != LAYER_DIRECTORY)
		return 0;
	to->lower = openat(from->lower, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (to->lower < 0)
		return fail(name, error);
	if (set_rest(from, name, to, error) == 0)
		return 0;
	layer_below_clear(to);
	return -1;
}

/* An absolute redirect: each part of the path may be redirected or opaque itself. */
static int walk(int root, char *path, struct layer_below *to, struct error **error)
{
	*to = (struct layer_below){fcntl(root, F_DUPFD_CLOEXEC, 0), memory_strdup("")};
	if (to->lower < 0)
		return fail("/", error);
	for (char *part; (part = strsep(&path, "/"));) {
		struct layer_below next;
		if (!*part)
			continue;
		int result = layer_step(to, part, &next, error);
		layer_below_clear(to);
		if (result < 0)
			return -1;
		*to = next;
	}
	return 0;
}

int layer_continue(int root, int upper, const char *name, const struct layer_below *from,
		   struct layer_below *to, struct error **error)
{
	cleanup_free char *redirect = NULL;
	*to = (struct layer_below){-1, NULL};
	int opaque = is_opaque(upper, name);
	if (opaque < 0 || read_attribute(upper, name, LAYER_REDIRECT, &redirect) < 0)
		return fail(name, error);
	if (opaque)
		return 0;
	if (redirect && redirect[0] == '/')
		return walk(root, redirect, to, error);
	return layer_step(from, redirect ? redirect : name, to, error);
}
