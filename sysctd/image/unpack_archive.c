/*
 * See unpack_archive.h. What libarchive reads is handed to its disk writer
 * entry by entry, after it was checked here. That the names stay below the
 * root is held three times: by the checks here, by the root directory that the
 * caller has made of it, and by the capabilities that he dropped.
 *
 * Names that lead through symbolic links are found by openat2(2) and not by
 * ARCHIVE_EXTRACT_SECURE_SYMLINKS, which opens every directory of every name
 * anew: 13 system calls for a file in a Debian tree where tar makes 5. Here the
 * kernel walks a directory's name once, as long as the files of that directory
 * follow each other and nothing else than files was made in between.
 */
#include "image/unpack_archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cleanup.h"
#include "image/unpack_attributes.h"
#include "memory.h"

struct unpacker {
	struct unpack_input *input;
	const struct unpack_limits *limits;
	const struct unpack_filter *filter;
	struct unpack_counts *counts;
	struct archive *reader;
	struct archive *disk;
	struct unpack_attributes attributes;
	char *parent;	/* directory that was found to be below the root; NULL for none */
	char **dropped; /* names of device nodes, which hard links may mention */
	size_t dropped_count;
};

static la_ssize_t read_callback(struct archive *reader, void *data, const void **buffer)
{
	struct unpack_input *input = data;
	ssize_t count = unpack_input_read(input);
	*buffer = input->buffer;
	if (count < 0)
		archive_set_error(reader, errno, "reading the archive");
	return count;
}

/* A device that is full says so in many places; everything else in libarchive's words. */
static int write_error(struct unpacker *unpacker, const char *path, struct error **error)
{
	int errnum = archive_errno(unpacker->disk);
	const char *text = archive_error_string(unpacker->disk);
	if (errnum == ENOSPC || errnum == EDQUOT) {
		return error_set(error, ERROR_NO_SPACE,
				 "%s: no space left after %llu MiB in %llu files", path,
				 (unsigned long long)(unpacker->counts->bytes >> 20),
				 (unsigned long long)unpacker->counts->entries);
	}
	return error_set(error, ERROR_INVALID, "%s: %s", path, text ? text : strerror(errnum));
}

static int read_error(struct unpacker *unpacker, const char *what, struct error **error)
{
	const char *text = archive_error_string(unpacker->reader);
	return error_set(error, ERROR_INVALID, "%s: %s", what, text ? text : "unknown error");
}

static int open_reader(struct unpacker *unpacker, struct error **error)
{
	struct archive *reader = archive_read_new();
	unpacker->reader = reader;
	if (!reader)
		return error_set(error, ERROR_INTERNAL, "no memory to read the archive");
	/* Those that libarchive has in itself: the others would start programs. */
	archive_read_support_filter_gzip(reader);
	archive_read_support_filter_bzip2(reader);
	archive_read_support_filter_compress(reader);
	archive_read_support_filter_lzma(reader);
	archive_read_support_filter_xz(reader);
	archive_read_support_filter_lz4(reader);
	archive_read_support_filter_zstd(reader);
	archive_read_support_format_tar(reader);
	if (archive_read_open(reader, unpacker->input, NULL, read_callback, NULL) == ARCHIVE_OK)
		return 0;
	if (unpacker->input->bytes == 0)
		return error_set(error, ERROR_INVALID, "the archive is empty");
	return read_error(unpacker, "this is no tar archive", error);
}

static int open_disk(struct unpacker *unpacker, struct error **error)
{
	const int flags = ARCHIVE_EXTRACT_OWNER | ARCHIVE_EXTRACT_PERM | ARCHIVE_EXTRACT_TIME |
			  ARCHIVE_EXTRACT_ACL | ARCHIVE_EXTRACT_XATTR |
			  ARCHIVE_EXTRACT_SECURE_NODOTDOT | ARCHIVE_EXTRACT_SECURE_NOABSOLUTEPATHS;
	unpacker->disk = archive_write_disk_new();
	if (!unpacker->disk || archive_write_disk_set_options(unpacker->disk, flags) != ARCHIVE_OK)
		return error_set(error, ERROR_INTERNAL, "no memory to unpack the archive");
	return 0;
}

/* "./a" and "a" are one name. */
static const char *plain_name(const char *path)
{
	while (path[0] == '.' && path[1] == '/')
		path += 2 + strspn(path + 2, "/");
	return path;
}

static void drop(struct unpacker *unpacker, const char *path)
{
	unpacker->counts->devices_dropped++;
	unpacker->dropped = memory_realloc(unpacker->dropped, (unpacker->dropped_count + 1) *
								      sizeof(*unpacker->dropped));
	unpacker->dropped[unpacker->dropped_count++] = memory_strdup(plain_name(path));
}

static bool is_device(struct unpacker *unpacker, struct archive_entry *entry)
{
	const char *target = archive_entry_hardlink(entry);
	if (!target)
		return archive_entry_filetype(entry) == AE_IFCHR ||
		       archive_entry_filetype(entry) == AE_IFBLK;
	for (size_t i = 0; i < unpacker->dropped_count; i++)
		if (strcmp(unpacker->dropped[i], plain_name(target)) == 0)
			return true;
	return false;
}

static int check_entry(struct unpacker *unpacker, struct archive_entry *entry, const char *path,
		       struct error **error)
{
	int64_t uid = archive_entry_uid(entry);
	int64_t gid = archive_entry_gid(entry);
	uint64_t limit = unpacker->limits->entries;
	if (uid < 0 || uid > UNPACK_MAX_ID || gid < 0 || gid > UNPACK_MAX_ID)
		return error_set(error, ERROR_INVALID,
				 "%s belongs to %lld:%lld; an instance has the ids 0 to %d only",
				 path, (long long)uid, (long long)gid, UNPACK_MAX_ID);
	if (limit && unpacker->counts->entries >= limit)
		return error_set(error, ERROR_INVALID, "the archive has more than %llu files",
				 (unsigned long long)limit);
	return 0;
}

static int refuse_link(const char *path, struct error **error)
{
	return error_set(error, ERROR_INVALID,
			 "%s leads through a symbolic link or out of the root", path);
}

/* Whether the kernel finds @path without a link; what is not there yet is fine. */
static bool is_plain(const char *path)
{
	const struct open_how how = {
		.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
	};
	int fd = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
	if (fd >= 0)
		close(fd);
	return fd >= 0 || errno == ENOENT;
}

/* The directory of @path, known to be right when it was so for the entry before. */
static int check_parent(struct unpacker *unpacker, const char *path, struct error **error)
{
	const char *slash = strrchr(path, '/');
	size_t length = slash ? (size_t)(slash - path) : 0;
	const char *known = unpacker->parent;
	if (length == 0 || (known && strlen(known) == length && strncmp(known, path, length) == 0))
		return 0;
	char *parent = memory_strndup(path, length);
	free(unpacker->parent);
	unpacker->parent = parent;
	return is_plain(parent) ? 0 : refuse_link(path, error);
}

/*
 * Absolute names and ".." are left for libarchive to refuse in its words. A
 * directory that is there as a link would be followed; a file would replace it.
 */
static int check_path(struct unpacker *unpacker, struct archive_entry *entry, const char *path,
		      struct error **error)
{
	const char *target = archive_entry_hardlink(entry);
	bool directory = !target && archive_entry_filetype(entry) == AE_IFDIR;
	cleanup_free char *plain = memory_strdup(path);
	for (size_t end = strlen(plain); end > 1 && plain[end - 1] == '/'; end--)
		plain[end - 1] = '\0';
	if (plain[0] != '/' && check_parent(unpacker, plain, error) < 0)
		return -1;
	if (target && target[0] != '/' && check_parent(unpacker, target, error) < 0)
		return -1;
	if (directory && plain[0] != '/' && !is_plain(plain))
		return refuse_link(path, error);
	if (target || archive_entry_filetype(entry) != AE_IFREG) {
		free(unpacker->parent);
		unpacker->parent = NULL;
	}
	return 0;
}

static int copy_data(struct unpacker *unpacker, const char *path, struct error **error)
{
	const void *block;
	size_t size;
	la_int64_t offset;
	uint64_t limit = unpacker->limits->bytes;
	for (;;) {
		int result = archive_read_data_block(unpacker->reader, &block, &size, &offset);
		if (result == ARCHIVE_EOF)
			return 0;
		if (result < ARCHIVE_WARN)
			return read_error(unpacker, path, error);
		if (limit && unpacker->counts->bytes + size > limit)
			return error_set(error, ERROR_INVALID,
					 "the archive has more than %llu bytes of data",
					 (unsigned long long)limit);
		if (archive_write_data_block(unpacker->disk, block, size, offset) < ARCHIVE_OK)
			return write_error(unpacker, path, error);
		unpacker->counts->bytes += size;
	}
}

static int unpack_entry(struct unpacker *unpacker, struct archive_entry *entry,
			struct error **error)
{
	const char *path = archive_entry_pathname(entry);
	if (!path || !*path)
		return error_set(error, ERROR_INVALID, "the archive has a file without a name");
	if (check_entry(unpacker, entry, path, error) < 0)
		return -1;
	if (is_device(unpacker, entry)) {
		drop(unpacker, path);
		return 0;
	}
	if (check_path(unpacker, entry, path, error) < 0 ||
	    unpack_attributes_take(&unpacker->attributes, entry, path, error) < 0)
		return -1;
	if (archive_write_header(unpacker->disk, entry) != ARCHIVE_OK)
		return write_error(unpacker, path, error);
	unpacker->counts->entries++;
	if (archive_entry_size(entry) > 0 && copy_data(unpacker, path, error) < 0)
		return -1;
	if (archive_write_finish_entry(unpacker->disk) != ARCHIVE_OK)
		return write_error(unpacker, path, error);
	return 0;
}

/* Names that are no UTF-8 come as they are; fields that libarchive does not know are left out. */
static void warn(struct unpacker *unpacker, struct archive_entry *entry)
{
	const char *path = archive_entry_pathname(entry);
	const char *text = archive_error_string(unpacker->reader);
	fprintf(stderr, "warning: %s: %s\n", path ? path : "?", text ? text : "?");
}

static int take_entry(struct unpacker *unpacker, struct archive_entry *entry, struct error **error)
{
	const struct unpack_filter *filter = unpacker->filter;
	int taken = filter ? filter->take(filter->data, unpacker->reader, entry, error) : 1;
	return taken == 1 ? unpack_entry(unpacker, entry, error) : taken;
}

static int unpack_entries(struct unpacker *unpacker, struct error **error)
{
	struct archive_entry *entry;
	for (;;) {
		int result = archive_read_next_header(unpacker->reader, &entry);
		if (result == ARCHIVE_EOF)
			break;
		if (result < ARCHIVE_WARN)
			return read_error(unpacker, "the archive is damaged", error);
		if (result == ARCHIVE_WARN)
			warn(unpacker, entry);
		result = take_entry(unpacker, entry, error);
		if (result < 0)
			return -1;
		if (result == UNPACK_STOP)
			return 0;
	}
	/* Modes and times of directories come last. */
	if (archive_write_close(unpacker->disk) != ARCHIVE_OK)
		return write_error(unpacker, "directories", error);
	if (unpack_attributes_apply(&unpacker->attributes, error) < 0)
		return -1;
	if (unpacker->counts->entries == 0 && !unpacker->filter)
		return error_set(error, ERROR_INVALID, "the archive is empty");
	return 0;
}

int unpack_archive(struct unpack_input *input, const struct unpack_limits *limits,
		   const struct unpack_filter *filter, struct unpack_counts *counts,
		   struct error **error)
{
	struct unpacker unpacker = {
		.input = input,
		.limits = limits,
		.filter = filter,
		.counts = counts,
		.attributes = {.max_id = UNPACK_MAX_ID},
	};
	int result = open_reader(&unpacker, error);
	if (result == 0)
		result = open_disk(&unpacker, error);
	if (result == 0)
		result = unpack_entries(&unpacker, error);
	if (unpacker.disk)
		archive_write_free(unpacker.disk);
	if (unpacker.reader)
		archive_read_free(unpacker.reader);
	for (size_t i = 0; i < unpacker.dropped_count; i++)
		free(unpacker.dropped[i]);
	free(unpacker.dropped);
	free(unpacker.parent);
	counts->attributes_dropped = unpacker.attributes.dropped;
	unpack_attributes_clear(&unpacker.attributes);
	return result;
}
