/* See pack_send.h. */
#include "backup/pack_send.h"

#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/btrfs_tree.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "backup/send_rewrite.h"
#include "cleanup.h"
#include "file.h"
#include "memory.h"

enum { BLOCK = 256 << 10, PIPE_BYTES = 1 << 20 };

struct pack_sends {
	int spool;   /* a file without a name */
	int *inputs; /* of each that is sent, in the order of the entries */
	size_t count, next;
	int *problem; /* shared with the sender: its errno */
};

static bool is_sent(const json_t *entry)
{
	return json_object_get(entry, "send");
}

/* ---- the process that sends ---- */

static int find_root(int fd, uint64_t *id)
{
	struct btrfs_ioctl_ino_lookup_args lookup = {.objectid = BTRFS_FIRST_FREE_OBJECTID};
	if (ioctl(fd, BTRFS_IOC_INO_LOOKUP, &lookup) < 0)
		return -1;
	*id = lookup.treeid;
	return 0;
}

static int send_one(const json_t *entry, int output)
{
	const char *parent = json_string_value(json_object_get(entry, "parent"));
	cleanup_close int fd = open(json_string_value(json_object_get(entry, "send")),
				    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_close int parent_fd =
		parent ? open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	uint64_t root = 0;
	if (fd < 0 || (parent && (parent_fd < 0 || find_root(parent_fd, &root) < 0)))
		return -1;
	__u64 sources[1] = {root};
	struct btrfs_ioctl_send_args arguments = {
		.send_fd = output,
		.clone_sources = sources,
		.clone_sources_count = parent ? 1 : 0,
		.parent_root = root,
	};
	return ioctl(fd, BTRFS_IOC_SEND, &arguments);
}

_Noreturn static void send_all(const struct pack_sends *sends, const json_t *entries,
			       const int *outputs, pid_t parent)
{
	size_t i, number = 0;
	const json_t *entry;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	for (size_t input = 0; input < sends->count; input++)
		close(sends->inputs[input]);
	json_array_foreach (entries, i, entry) {
		if (!is_sent(entry))
			continue;
		if (send_one(entry, outputs[number]) < 0) {
			*sends->problem = errno;
			_exit(1);
		}
		close(outputs[number++]);
	}
	_exit(0);
}

/* ---- starting it ---- */

static int make_pipes(struct pack_sends *sends, const json_t *entries, int *outputs,
		      struct error **error)
{
	size_t i;
	const json_t *entry;
	json_array_foreach (entries, i, entry) {
		int fds[2];
		if (!is_sent(entry))
			continue;
		if (pipe2(fds, O_CLOEXEC) < 0)
			return error_errno(error, errno, "making a pipe");
		fcntl(fds[0], F_SETPIPE_SZ, PIPE_BYTES);
		outputs[sends->count] = fds[1];
		sends->inputs[sends->count++] = fds[0];
	}
	return 0;
}

static int start(struct pack_sends *sends, const json_t *entries, int *outputs,
		 struct error **error)
{
	if (make_pipes(sends, entries, outputs, error) < 0)
		return -1;
	if (sends->count == 0)
		return 0;
	pid_t parent = getpid(), pid = fork();
	if (pid == 0)
		send_all(sends, entries, outputs, parent);
	return pid < 0 ? error_errno(error, errno, "starting a process to send subvolumes") : 0;
}

struct pack_sends *pack_sends_start(const json_t *entries, const char *scratch,
				    struct error **error)
{
	size_t most = json_array_size(entries);
	struct pack_sends *sends = memory_alloc(sizeof(*sends));
	*sends = (struct pack_sends){
		.spool = open(scratch, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600),
		.inputs = memory_alloc((most + 1) * sizeof(int)),
		.problem = mmap(NULL, sizeof(int), PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0),
	};
	cleanup_free int *outputs = memory_alloc((most + 1) * sizeof(int));
	int result = sends->spool < 0 || sends->problem == MAP_FAILED
			     ? error_errno(error, errno, "making a file in %s", scratch)
			     : start(sends, entries, outputs, error);
	for (size_t i = 0; i < sends->count; i++)
		close(outputs[i]);
	if (result == 0)
		return sends;
	pack_sends_free(sends);
	return NULL;
}

void pack_sends_free(struct pack_sends *sends)
{
	for (size_t i = sends->next; i < sends->count; i++)
		close(sends->inputs[i]);
	if (sends->spool >= 0)
		close(sends->spool);
	if (sends->problem != MAP_FAILED)
		munmap(sends->problem, sizeof(int));
	free(sends->inputs);
	free(sends);
}

/* ---- one stream ---- */

static int read_exactly(void *data, void *bytes, size_t length, struct error **error)
{
	const struct pack_sends *sends = data;
	for (size_t done = 0; done < length;) {
		ssize_t count =
			read(sends->inputs[sends->next], (char *)bytes + done, length - done);
		if (count < 0 && errno == EINTR)
			continue;
		if (count <= 0)
			return error_errno(error,
					   count < 0	     ? errno
					   : *sends->problem ? *sends->problem
							     : EPIPE,
					   "sending a subvolume");
		done += (size_t)count;
	}
	return 0;
}

static int spool_out(struct pack_sends *sends, struct strbuf *stream, struct error **error)
{
	if (file_write_all(sends->spool, stream->text, stream->length) < 0)
		return error_errno(error, errno, "writing a stream");
	strbuf_clear(stream);
	return 0;
}

/* Into the file, as LXD has it. */
static int fill_spool(struct pack_sends *sends, const json_t *entry, struct error **error)
{
	struct send_reader reader = {.source = read_exactly, .data = sends};
	cleanup_strbuf struct strbuf stream = {0};
	struct send_command command;
	int more = 1;
	if (ftruncate(sends->spool, 0) < 0 || lseek(sends->spool, 0, SEEK_SET) < 0)
		return error_errno(error, errno, "writing a stream");
	int result = send_read_head(&reader, error);
	send_write_head(&stream);
	while (result == 0 && more > 0) {
		more = send_read(&reader, &command, error);
		result = more < 0 ? -1 : send_rewrite(&stream, &command, entry, error);
		if (result == 0 && (more == 0 || stream.length > BLOCK))
			result = spool_out(sends, &stream, error);
	}
	send_reader_clear(&reader);
	return result;
}

static int write_header(const struct pack_sends *sends, struct archive *writer, const char *path,
			struct error **error)
{
	struct stat status;
	if (fstat(sends->spool, &status) < 0)
		return error_errno(error, errno, "looking at a stream");
	struct archive_entry *header = archive_entry_new();
	archive_entry_set_pathname(header, path);
	archive_entry_set_mode(header, S_IFREG | 0600);
	archive_entry_set_mtime(header, time(NULL), 0);
	archive_entry_set_size(header, status.st_size);
	int result = archive_write_header(writer, header) < ARCHIVE_WARN
			     ? pack_write_error(writer, path, error)
			     : 0;
	archive_entry_free(header);
	return result;
}

static int copy_spool(const struct pack_sends *sends, struct archive *writer, const char *path,
		      uint64_t *bytes, pack_progress progress, struct error **error)
{
	cleanup_free char *block = memory_alloc(BLOCK);
	ssize_t count;
	for (off_t at = 0; (count = pread(sends->spool, block, BLOCK, at)) != 0; at += count) {
		if (count < 0)
			return error_errno(error, errno, "reading a stream");
		if (archive_write_data(writer, block, (size_t)count) < 0)
			return pack_write_error(writer, path, error);
		*bytes += (uint64_t)count;
		progress(*bytes);
	}
	return 0;
}

int pack_sends_write(struct pack_sends *sends, struct archive *writer, const char *path,
		     const json_t *entry, uint64_t *bytes, pack_progress progress,
		     struct error **error)
{
	int result = fill_spool(sends, entry, error);
	close(sends->inputs[sends->next++]);
	if (result < 0 || write_header(sends, writer, path, error) < 0)
		return -1;
	return copy_spool(sends, writer, path, bytes, progress, error);
}
