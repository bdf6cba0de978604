/*
 * See pack_tree.h. The tree is walked with the working directory in it, and with a list of names for each level instead
 * of a descriptor or a stack frame, so that depth costs neither. That ".." leads back is because nobody moves anything.
 */
#include "backup/pack_tree.h"

#include <archive_entry.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "backup/pack_links.h"
#include "cleanup.h"
#include "memory.h"
#include "strbuf.h"

enum { BUFFER_SIZE = 1 << 20, VALUE_SIZE = 65536 /* XATTR_SIZE_MAX */ };

/* A directory that is being read. */
struct level {
	char **names;
	size_t count, next;
	size_t prefix; /* length of the path before its name was added */
};

struct packer {
	struct archive *writer;
	struct archive_entry *entry;
	struct pack_links links;
	struct strbuf path; /* in the archive, of what is written */
	struct level *levels;
	size_t depth;
	char *buffer, *zeros;
	char *list, *value; /* of extended attributes */
	uint64_t *bytes;
	pack_progress progress;
};

int pack_write_error(struct archive *writer, const char *path, struct error **error)
{
	int errnum = archive_errno(writer);
	const char *text = archive_error_string(writer);
	if (errnum == ENOSPC || errnum == EDQUOT || errnum == EFBIG)
		return error_errno(error, errnum, "writing the backup");
	return error_set(error, ERROR_INTERNAL, "writing %s into the backup: %s", path,
			 text ? text : strerror(errnum));
}

static int fail(struct packer *packer, const char *what, struct error **error)
{
	return error_errno(error, errno, "%s %s", what, packer->path.text);
}

/* ---- attributes ---- */

static bool is_kept(const char *name)
{
	return strncmp(name, "user.", 5) == 0 || strcmp(name, "security.capability") == 0 ||
	       strcmp(name, "system.posix_acl_access") == 0 ||
	       strcmp(name, "system.posix_acl_default") == 0;
}

static int add_attributes(struct packer *packer, const char *name, struct error **error)
{
	ssize_t length = llistxattr(name, packer->list, VALUE_SIZE);
	if (length < 0)
		return errno == ENOTSUP ? 0 : fail(packer, "listing the attributes of", error);
	for (const char *at = packer->list; at < packer->list + length; at += strlen(at) + 1) {
		if (!is_kept(at))
			continue;
		ssize_t size = lgetxattr(name, at, packer->value, VALUE_SIZE);
		if (size < 0)
			return fail(packer, "reading an attribute of", error);
		archive_entry_xattr_add_entry(packer->entry, at, packer->value, (size_t)size);
	}
	return 0;
}

/* ---- contents ---- */

static int write_data(struct packer *packer, const char *bytes, size_t length, struct error **error)
{
	if (archive_write_data(packer->writer, bytes, length) < 0)
		return pack_write_error(packer->writer, packer->path.text, error);
	*packer->bytes += length;
	packer->progress(*packer->bytes);
	return 0;
}

static int write_hole(struct packer *packer, int64_t length, struct error **error)
{
	while (length > 0) {
		size_t piece = length > BUFFER_SIZE ? BUFFER_SIZE : (size_t)length;
		if (archive_write_data(packer->writer, packer->zeros, piece) < 0)
			return pack_write_error(packer->writer, packer->path.text, error);
		length -= (int64_t)piece;
	}
	return 0;
}

static int write_extent(struct packer *packer, int fd, int64_t at, int64_t end,
			struct error **error)
{
	while (at < end) {
		size_t piece = end - at > BUFFER_SIZE ? BUFFER_SIZE : (size_t)(end - at);
		ssize_t count = pread(fd, packer->buffer, piece, at);
		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			return fail(packer, "reading", error);
		if (count == 0)
			return error_set(error, ERROR_INTERNAL, "%s became shorter meanwhile",
					 packer->path.text);
		if (write_data(packer, packer->buffer, (size_t)count, error) < 0)
			return -1;
		at += count;
	}
	return 0;
}

/* libarchive wants the whole file, and leaves out itself what the list of extents does not name. */
static int write_contents(struct packer *packer, int fd, int64_t size, struct error **error)
{
	la_int64_t offset, length;
	int64_t at = 0;
	int extents = archive_entry_sparse_reset(packer->entry);
	if (extents == 0)
		return write_extent(packer, fd, 0, size, error);
	while (archive_entry_sparse_next(packer->entry, &offset, &length) == ARCHIVE_OK) {
		if (write_hole(packer, offset - at, error) < 0 ||
		    write_extent(packer, fd, offset, offset + length, error) < 0)
			return -1;
		at = offset + length;
	}
	return write_hole(packer, size - at, error);
}

/* Where the data is, of a file that has fewer blocks than bytes. */
static int add_extents(struct packer *packer, int fd, const struct stat *status,
		       struct error **error)
{
	if ((int64_t)status->st_blocks * 512 >= status->st_size)
		return 0;
	int64_t at = 0;
	size_t count = 0;
	while (at < status->st_size) {
		int64_t data = lseek(fd, at, SEEK_DATA);
		if (data < 0 && errno == ENXIO)
			break;
		int64_t hole = data < 0 ? -1 : lseek(fd, data, SEEK_HOLE);
		if (hole < 0)
			return fail(packer, "looking for holes in", error);
		hole = hole > status->st_size ? status->st_size : hole;
		archive_entry_sparse_add_entry(packer->entry, data, hole - data);
		count++;
		at = hole;
	}
	if (count == 0)
		archive_entry_sparse_add_entry(packer->entry, 0, 0);
	return 0;
}

/* ---- files ---- */

static int write_header(struct packer *packer, struct error **error)
{
	/* A warning is a name that is no UTF-8, which is kept as it is. */
	if (archive_write_header(packer->writer, packer->entry) < ARCHIVE_WARN)
		return pack_write_error(packer->writer, packer->path.text, error);
	return 0;
}

static int pack_regular(struct packer *packer, const char *name, const struct stat *status,
			struct error **error)
{
	cleanup_close int fd = open(name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return fail(packer, "opening", error);
	if (add_extents(packer, fd, status, error) < 0 || write_header(packer, error) < 0)
		return -1;
	return status->st_size > 0 ? write_contents(packer, fd, status->st_size, error) : 0;
}

static int add_target(struct packer *packer, const char *name, struct error **error)
{
	ssize_t length = readlink(name, packer->value, VALUE_SIZE - 1);
	if (length < 0)
		return fail(packer, "reading the link", error);
	packer->value[length] = '\0';
	archive_entry_set_symlink(packer->entry, packer->value);
	return 0;
}

/* Another name of a file that is in the archive already. */
static int pack_link(struct packer *packer, const char *target, struct error **error)
{
	archive_entry_set_hardlink(packer->entry, target);
	archive_entry_unset_size(packer->entry);
	return write_header(packer, error);
}

static int pack_file(struct packer *packer, const char *name, const struct stat *status,
		     struct error **error)
{
	const char *path = packer->path.text;
	archive_entry_clear(packer->entry);
	archive_entry_copy_stat(packer->entry, status);
	archive_entry_set_pathname(packer->entry, path);
	if (!S_ISDIR(status->st_mode) && status->st_nlink > 1) {
		const char *target = pack_links_find(&packer->links, status, path);
		if (target)
			return pack_link(packer, target, error);
	}
	if (S_ISLNK(status->st_mode))
		return add_target(packer, name, error) < 0 ? -1 : write_header(packer, error);
	if (add_attributes(packer, name, error) < 0)
		return -1;
	return S_ISREG(status->st_mode) ? pack_regular(packer, name, status, error)
					: write_header(packer, error);
}

/* ---- the walk ---- */

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void read_names(DIR *directory, struct level *level)
{
	const struct dirent *entry;
	while ((entry = readdir(directory))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if ((level->count & (level->count + 1)) == 0)
			level->names = memory_realloc(level->names, (2 * level->count + 2) *
									    sizeof(*level->names));
		level->names[level->count++] = memory_strdup(entry->d_name);
	}
	if (level->count)
		qsort(level->names, level->count, sizeof(*level->names), compare_names);
}

static int enter(struct packer *packer, const char *name, size_t prefix, struct error **error)
{
	cleanup_close int fd = open(name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fchdir(fd) < 0)
		return fail(packer, "opening", error);
	cleanup_dir DIR *directory = fdopendir(fd);
	if (!directory)
		return fail(packer, "reading", error);
	steal_fd(&fd);
	packer->levels =
		memory_realloc(packer->levels, (packer->depth + 1) * sizeof(*packer->levels));
	struct level *level = &packer->levels[packer->depth++];
	*level = (struct level){.prefix = prefix};
	read_names(directory, level);
	return 0;
}

static void cut_path(struct packer *packer, size_t length)
{
	packer->path.length = length;
	packer->path.text[length] = '\0';
}

static int leave(struct packer *packer, struct error **error)
{
	struct level *level = &packer->levels[--packer->depth];
	free(level->names);
	cut_path(packer, level->prefix);
	if (packer->depth > 0 && chdir("..") < 0)
		return fail(packer, "going back to", error);
	return 0;
}

static int visit(struct packer *packer, const char *name, struct error **error)
{
	struct stat status;
	size_t prefix = packer->path.length;
	strbuf_printf(&packer->path, "/%s", name);
	if (lstat(name, &status) < 0)
		return fail(packer, "looking at", error);
	if (!S_ISSOCK(status.st_mode) && pack_file(packer, name, &status, error) < 0)
		return -1;
	if (S_ISDIR(status.st_mode))
		return enter(packer, name, prefix, error);
	cut_path(packer, prefix);
	return 0;
}

static int walk(struct packer *packer, const char *root, struct error **error)
{
	struct stat status;
	if (lstat(root, &status) < 0)
		return fail(packer, "looking at", error);
	if (pack_file(packer, root, &status, error) < 0 ||
	    enter(packer, root, packer->path.length, error) < 0)
		return -1;
	while (packer->depth > 0) {
		struct level *level = &packer->levels[packer->depth - 1];
		if (level->next == level->count) {
			if (leave(packer, error) < 0)
				return -1;
			continue;
		}
		cleanup_free char *name = level->names[level->next++];
		if (visit(packer, name, error) < 0)
			return -1;
	}
	return 0;
}

static void clear(struct packer *packer)
{
	for (size_t i = 0; i < packer->depth; i++) {
		struct level *level = &packer->levels[i];
		while (level->next < level->count)
			free(level->names[level->next++]);
		free(level->names);
	}
	free(packer->levels);
	free(packer->buffer);
	free(packer->zeros);
	free(packer->list);
	free(packer->value);
	strbuf_free(&packer->path);
	pack_links_clear(&packer->links);
	archive_entry_free(packer->entry);
}

int pack_tree(struct archive *writer, const char *root, const char *prefix, uint64_t *bytes,
	      pack_progress progress, struct error **error)
{
	struct packer packer = {
		.writer = writer,
		.entry = archive_entry_new(),
		.buffer = memory_alloc(BUFFER_SIZE),
		.zeros = memory_alloc(BUFFER_SIZE),
		.list = memory_alloc(VALUE_SIZE),
		.value = memory_alloc(VALUE_SIZE),
		.bytes = bytes,
		.progress = progress,
	};
	strbuf_append(&packer.path, prefix);
	int result = walk(&packer, root, error);
	clear(&packer);
	return result;
}
