/*
 * See mounts.h. Everything after mounts_pivot() uses paths inside the
 * instance's own root, so a symbolic link in a hostile image leads nowhere
 * else; what comes from the host was opened before.
 */
#include "mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cleanup.h"
#include "file.h"
#include "memory.h"
#include "strbuf.h"

struct options {
	unsigned long flags; /* MS_* of mount(2) */
	bool bind;
	bool inside;   /* the source of a bind mount is a path of the instance */
	bool optional; /* a source or file system that the host lacks is fine */
	struct strbuf data;
};

static const struct {
	const char *name;
	unsigned long flag;
} flag_names[] = {
	{"ro", MS_RDONLY},
	{"nosuid", MS_NOSUID},
	{"nodev", MS_NODEV},
	{"noexec", MS_NOEXEC},
	{"relatime", MS_RELATIME},
	{"noatime", MS_NOATIME},
	{"strictatime", MS_STRICTATIME},
};

static void take_option(struct options *options, const char *name)
{
	for (size_t i = 0; i < sizeof(flag_names) / sizeof(flag_names[0]); i++)
		if (strcmp(flag_names[i].name, name) == 0) {
			options->flags |= flag_names[i].flag;
			return;
		}
	if (strcmp(name, "bind") == 0 || strcmp(name, "rbind") == 0)
		options->bind = true;
	else if (strcmp(name, "inside") == 0)
		options->inside = true;
	else if (strcmp(name, "optional") == 0)
		options->optional = true;
	else if (strcmp(name, "rw") != 0)
		strbuf_printf(&options->data, "%s%s", options->data.length ? "," : "", name);
}

static struct options parse_options(const json_t *mount)
{
	struct options options = {0};
	size_t i;
	const json_t *item;
	json_array_foreach (json_object_get(mount, "options"), i, item)
		if (json_is_string(item))
			take_option(&options, json_string_value(item));
	return options;
}

static const char *text_of(const json_t *mount, const char *key)
{
	const char *text = json_string_value(json_object_get(mount, key));
	return text ? text : "";
}

int mounts_take_sources(const struct spec *spec, const char *console, struct mount_sources *sources,
			struct error **error)
{
	size_t count = json_array_size(spec->mounts);
	*sources = (struct mount_sources){memory_alloc(count * sizeof(int)), count, -1};
	for (size_t i = 0; i < count; i++)
		sources->fds[i] = -1;
	for (size_t i = 0; i < count; i++) {
		const json_t *mount = json_array_get(spec->mounts, i);
		struct options options = parse_options(mount);
		strbuf_free(&options.data);
		if (!options.bind || options.inside)
			continue;
		sources->fds[i] = open_tree(AT_FDCWD, text_of(mount, "source"),
					    OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
		if (sources->fds[i] < 0 && !(options.optional && errno == ENOENT))
			return error_errno(error, errno, "opening %s for the instance",
					   text_of(mount, "source"));
	}
	if (!console)
		return 0;
	sources->console = open_tree(AT_FDCWD, console, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	return sources->console < 0 ? error_errno(error, errno, "opening console %s", console) : 0;
}

void mounts_sources_free(struct mount_sources *sources)
{
	for (size_t i = 0; i < sources->count; i++)
		cleanup_close_fd(&sources->fds[i]);
	cleanup_close_fd(&sources->console);
	free(sources->fds);
	*sources = (struct mount_sources){.console = -1};
}

int mounts_pivot(struct error **error)
{
	/* Inherited mounts are locked; a copy of our own over the root is not. */
	cleanup_close int root =
		open_tree(AT_FDCWD, ".", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
	if (root < 0 || move_mount(root, "", AT_FDCWD, ".", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return error_errno(error, errno, "binding the root onto itself");
	cleanup_close int old = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (old < 0 || fchdir(root) < 0 || syscall(SYS_pivot_root, ".", ".") < 0)
		return error_errno(error, errno, "pivot_root");
	return steal_fd(&old);
}

int mounts_leave_old_root(int old_root, struct error **error)
{
	if (fchdir(old_root) < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return error_errno(error, errno, "detaching the host's root");
	return 0;
}

static int make_target(const char *path, bool directory, struct error **error)
{
	if (directory)
		return file_make_directories(path, 0755, error);
	cleanup_free char *parent = memory_strdup(path);
	char *slash = strrchr(parent, '/');
	if (slash && slash != parent) {
		*slash = '\0';
		if (file_make_directories(parent, 0755, error) < 0)
			return -1;
	}
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0 && errno != EEXIST && errno != ENXIO && errno != ELOOP)
		return error_errno(error, errno, "creating mount point %s", path);
	cleanup_close_fd(&fd);
	return 0;
}

static int set_readonly(int fd, const char *path, bool readonly, struct error **error)
{
	struct mount_attr attributes = {0};
	if (readonly)
		attributes.attr_set = MOUNT_ATTR_RDONLY;
	else
		attributes.attr_clr = MOUNT_ATTR_RDONLY;
	if (mount_setattr(fd, path, *path ? 0 : AT_EMPTY_PATH, &attributes, sizeof(attributes)) < 0)
		return error_errno(error, errno, "changing %s to %s", path,
				   readonly ? "read-only" : "read-write");
	return 0;
}

static int attach(int source, const char *destination, struct error **error)
{
	struct stat status;
	if (fstat(source, &status) < 0)
		return error_errno(error, errno, "reading the source of %s", destination);
	if (make_target(destination, S_ISDIR(status.st_mode), error) < 0)
		return -1;
	if (move_mount(source, "", AT_FDCWD, destination, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return error_errno(error, errno, "mounting %s", destination);
	return 0;
}

static int make_bind(const json_t *mount, const struct options *options, int source,
		     struct error **error)
{
	const char *destination = text_of(mount, "destination");
	cleanup_close int inside = -1;
	if (options->inside) {
		inside = open_tree(AT_FDCWD, text_of(mount, "source"),
				   OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
		if (inside < 0)
			return options->optional && errno == ENOENT
				       ? 0
				       : error_errno(error, errno, "opening %s",
						     text_of(mount, "source"));
		source = inside;
	}
	if (source < 0)
		return 0;
	if ((options->inside || (options->flags & MS_RDONLY)) &&
	    set_readonly(source, "", options->flags & MS_RDONLY, error) < 0)
		return -1;
	return attach(source, destination, error);
}

static int make_file_system(const json_t *entry, const struct options *options,
			    struct error **error)
{
	const char *destination = text_of(entry, "destination");
	const char *type = text_of(entry, "type");
	/* Read-only concerns this mount: the super block of sysfs is shared with
	 * the writable parts that are bound over it. */
	unsigned long flags = options->flags & ~(unsigned long)MS_RDONLY;
	if (make_target(destination, true, error) < 0)
		return -1;
	if (mount(text_of(entry, "source"), destination, type, flags,
		  options->data.length ? options->data.text : NULL) < 0)
		return options->optional
			       ? 0
			       : error_errno(error, errno, "mounting %s at %s", type, destination);
	return options->flags & MS_RDONLY ? set_readonly(AT_FDCWD, destination, true, error) : 0;
}

static int make_mount(const json_t *entry, int source, struct error **error)
{
	struct options options = parse_options(entry);
	int result = options.bind ? make_bind(entry, &options, source, error)
				  : make_file_system(entry, &options, error);
	strbuf_free(&options.data);
	return result;
}

/* OCI runtime-spec, "Dev symbolic links", and the console. */
static int fill_dev(int console, struct error **error)
{
	static const char *const links[][2] = {
		{"/proc/self/fd", "/dev/fd"},	    {"/proc/self/fd/0", "/dev/stdin"},
		{"/proc/self/fd/1", "/dev/stdout"}, {"/proc/self/fd/2", "/dev/stderr"},
		{"pts/ptmx", "/dev/ptmx"},
	};
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
		if (symlink(links[i][0], links[i][1]) < 0 && errno != EEXIST)
			return error_errno(error, errno, "linking %s", links[i][1]);
	return console < 0 ? 0 : attach(console, "/dev/console", error);
}

static int mask(const char *path, struct error **error)
{
	struct stat status;
	if (lstat(path, &status) < 0)
		return 0;
	int failed = S_ISDIR(status.st_mode) ? mount("none", path, "tmpfs",
						     MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
						     "size=0k,nr_inodes=2,mode=555")
					     : mount("/dev/null", path, NULL, MS_BIND, NULL);
	return failed ? error_errno(error, errno, "masking %s", path) : 0;
}

static int make_readonly(const char *path, struct error **error)
{
	if (mount(path, path, NULL, MS_BIND | MS_REC, NULL) < 0)
		return errno == ENOENT ? 0 : error_errno(error, errno, "binding %s", path);
	return set_readonly(AT_FDCWD, path, true, error);
}

int mounts_make(const struct spec *spec, const struct mount_sources *sources, struct error **error)
{
	size_t i;
	const json_t *item;
	json_array_foreach (spec->mounts, i, item)
		if (make_mount(item, sources->fds[i], error) < 0)
			return -1;
	if (fill_dev(sources->console, error) < 0)
		return -1;
	json_array_foreach (json_object_get(spec->linux_, "maskedPaths"), i, item)
		if (mask(json_string_value(item), error) < 0)
			return -1;
	json_array_foreach (json_object_get(spec->linux_, "readonlyPaths"), i, item)
		if (make_readonly(json_string_value(item), error) < 0)
			return -1;
	return 0;
}
