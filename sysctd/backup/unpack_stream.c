/*
 * See unpack_stream.h. Files are made where the stream says and moved from there (it makes each under a number first),
 * so a subvolume is received whole; what is not wanted of it goes at the end. No path leads out of
 * the subvolume or through a symbolic link.
 */
#include "backup/unpack_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup/send_stream.h"
#include "backup/unpack_received.h"
#include "cleanup.h"
#include "memory.h"

#define SUBVOLUME "rootfs"

struct received {
	char *tree;
	int root; /* of its subvolume */
	char uuid[SEND_UUID];
};

struct unpack_streams {
	char *root;
	struct received *received;
	size_t count;
};

struct unpack_streams *unpack_streams_new(const char *root)
{
	struct unpack_streams *streams = memory_alloc(sizeof(*streams));
	*streams = (struct unpack_streams){.root = memory_strdup(root)};
	return streams;
}

void unpack_streams_free(struct unpack_streams *streams)
{
	if (!streams)
		return;
	for (size_t i = 0; i < streams->count; i++) {
		free(streams->received[i].tree);
		if (streams->received[i].root >= 0)
			close(streams->received[i].root);
	}
	free(streams->received);
	free(streams->root);
	free(streams);
}

/* ---- subvolumes ---- */

static const struct received *find(const struct unpack_streams *streams,
				   const struct send_command *command)
{
	const struct send_value *uuid = &command->values[SEND_A_CLONE_UUID];
	for (size_t i = 0; uuid->bytes && uuid->length == SEND_UUID && i < streams->count; i++)
		if (memcmp(streams->received[i].uuid, uuid->bytes, SEND_UUID) == 0)
			return &streams->received[i];
	return NULL;
}

static int make_subvolume(const char *tree, int parent, struct error **error)
{
	struct btrfs_ioctl_vol_args_v2 arguments = {.fd = parent, .name = SUBVOLUME};
	cleanup_close int directory = open(tree, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (directory < 0)
		return error_errno(error, errno, "opening %s", tree);
	if (ioctl(directory, parent < 0 ? BTRFS_IOC_SUBVOL_CREATE_V2 : BTRFS_IOC_SNAP_CREATE_V2,
		  &arguments) < 0)
		return error_errno(error, errno, "creating a subvolume in %s", tree);
	int root = openat(directory, SUBVOLUME, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return root < 0 ? error_errno(error, errno, "opening a subvolume in %s", tree) : root;
}

/* The first command: a new one, or one that begins as another that was received. */
static int begin(struct unpack_streams *streams, const char *tree,
		 const struct send_command *command, struct error **error)
{
	const struct send_value *uuid = &command->values[SEND_A_UUID];
	const struct received *parent = NULL;
	if ((command->kind != SEND_SUBVOL && command->kind != SEND_SNAPSHOT) || !uuid->bytes ||
	    uuid->length != SEND_UUID)
		return error_set(error, ERROR_INVALID,
				 "the stream of %s does not begin with a subvolume", tree);
	if (command->kind == SEND_SNAPSHOT && !(parent = find(streams, command)))
		return error_set(error, ERROR_INVALID,
				 "the stream of %s needs another one, which is not before it",
				 tree);
	int root = make_subvolume(tree, parent ? parent->root : -1, error);
	if (root < 0)
		return -1;
	streams->received = memory_realloc(streams->received,
					   (streams->count + 1) * sizeof(*streams->received));
	struct received *received = &streams->received[streams->count++];
	*received = (struct received){.tree = memory_strdup(tree), .root = root};
	memcpy(received->uuid, uuid->bytes, SEND_UUID);
	return 0;
}

/* ---- data ---- */

static int open_file(int root, const char *path, int flags, struct error **error)
{
	struct received_place place;
	if (received_find(root, path, &place, error) < 0)
		return -1;
	int fd = openat(place.directory, place.name,
			flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		error_errno(error, errno, "opening %s", path);
	received_leave(&place);
	return fd;
}

/* Shared where the file system can do that for these; else copied. */
static int clone_range(int from, int to, uint64_t from_offset, uint64_t offset, uint64_t length)
{
	struct file_clone_range range = {from, from_offset, length, offset};
	if (ioctl(to, FICLONERANGE, &range) == 0)
		return 0;
	off_t in = (off_t)from_offset, out = (off_t)offset;
	while (length > 0) {
		ssize_t count = copy_file_range(from, &in, to, &out, length, 0);
		if (count <= 0)
			return -1;
		length -= (uint64_t)count;
	}
	return 0;
}

static int clone_data(const struct unpack_streams *streams, int fd,
		      const struct send_command *command, struct error **error)
{
	const struct received *source = find(streams, command);
	const char *path = send_text(command, SEND_A_CLONE_PATH, error);
	uint64_t from, to, length;
	if (!path || send_number(command, SEND_A_CLONE_OFFSET, &from, error) < 0 ||
	    send_number(command, SEND_A_FILE_OFFSET, &to, error) < 0 ||
	    send_number(command, SEND_A_CLONE_LENGTH, &length, error) < 0)
		return -1;
	if (!source)
		return error_set(error, ERROR_INVALID,
				 "a stream shares with another one, which is not before it");
	cleanup_close int other = open_file(source->root, path, O_RDONLY, error);
	if (other < 0)
		return -1;
	return clone_range(other, fd, from, to, length) < 0
		       ? error_errno(error, errno, "copying %s", path)
		       : 0;
}

static int write_data(int fd, const char *path, const struct send_command *command,
		      struct error **error)
{
	const struct send_value *data = &command->values[SEND_A_DATA];
	uint64_t offset;
	if (send_number(command, SEND_A_FILE_OFFSET, &offset, error) < 0)
		return -1;
	for (size_t done = 0; done < data->length;) {
		ssize_t count =
			pwrite(fd, data->bytes + done, data->length - done, (off_t)(offset + done));
		if (count < 0 && errno != EINTR)
			return error_errno(error, errno, "writing %s", path);
		done += count > 0 ? (size_t)count : 0;
	}
	return 0;
}

static int truncate_file(int fd, const char *path, const struct send_command *command,
			 struct error **error)
{
	uint64_t size;
	if (send_number(command, SEND_A_SIZE, &size, error) < 0)
		return -1;
	return ftruncate(fd, (off_t)size) < 0 ? error_errno(error, errno, "writing %s", path) : 0;
}

/* ---- the whole ---- */

struct receiving {
	struct unpack_streams *streams;
	struct received_tree tree;
	char *path; /* of the file that is open: many commands write to one */
	int fd;
};

static void close_file(struct receiving *receiving)
{
	free(receiving->path);
	receiving->path = NULL;
	cleanup_close_fd(&receiving->fd);
	receiving->fd = -1;
}

static int change_data(struct receiving *receiving, const struct send_command *command,
		       struct error **error)
{
	const char *path = send_text(command, SEND_A_PATH, error);
	if (!path)
		return -1;
	if (!receiving->path || strcmp(receiving->path, path) != 0) {
		close_file(receiving);
		receiving->fd = open_file(receiving->tree.root, path, O_RDWR, error);
		if (receiving->fd < 0)
			return -1;
		receiving->path = memory_strdup(path);
	}
	if (command->kind == SEND_WRITE)
		return write_data(receiving->fd, path, command, error);
	return command->kind == SEND_CLONE
		       ? clone_data(receiving->streams, receiving->fd, command, error)
		       : truncate_file(receiving->fd, path, command, error);
}

static int apply(struct receiving *receiving, const struct send_command *command,
		 struct error **error)
{
	switch (command->kind) {
	case SEND_WRITE:
	case SEND_CLONE:
	case SEND_TRUNCATE:
		return change_data(receiving, command, error);
	default:
		close_file(receiving);
		return received_change(&receiving->tree, command, error);
	}
}

static int read_archive(void *data, void *bytes, size_t length, struct error **error)
{
	for (size_t done = 0; done < length;) {
		la_ssize_t count = archive_read_data(data, (char *)bytes + done, length - done);
		if (count <= 0)
			return error_set(error, ERROR_INVALID, "the stream of a subvolume %s",
					 count < 0 ? archive_error_string(data) : "was cut off");
		done += (size_t)count;
	}
	return 0;
}

static int receive(struct receiving *receiving, struct send_reader *reader, const char *tree,
		   struct error **error)
{
	struct unpack_streams *streams = receiving->streams;
	struct send_command command;
	int more;
	if (send_read_head(reader, error) < 0 || send_read(reader, &command, error) < 0 ||
	    begin(streams, tree, &command, error) < 0)
		return -1;
	receiving->tree.root = streams->received[streams->count - 1].root;
	while ((more = send_read(reader, &command, error)) > 0)
		if (apply(receiving, &command, error) < 0)
			return -1;
	return more;
}

int unpack_stream(struct unpack_streams *streams, const char *tree, const json_t *map,
		  struct archive *reader, struct error **error)
{
	struct receiving receiving = {
		.streams = streams,
		.tree = {.map = map, .wanted = streams->root},
		.fd = -1,
	};
	struct send_reader stream = {.source = read_archive, .data = reader};
	int result = receive(&receiving, &stream, tree, error);
	close_file(&receiving);
	send_reader_clear(&stream);
	return result;
}

int unpack_streams_finish(struct unpack_streams *streams, struct error **error)
{
	for (size_t i = 0; i < streams->count; i++) {
		const struct received *one = &streams->received[i];
		if (*streams->root && received_lift(one->root, streams->root, error) < 0)
			return error_prefix(error, "%s", one->tree);
	}
	return 0;
}
