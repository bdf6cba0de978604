#include "lxcfs/server.h"

#define FUSE_USE_VERSION 312
#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "cleanup.h"
#include "lxcfs/buffer.h"
#include "lxcfs/readers.h"
#include "lxcfs/snapshots.h"
#include "lxcfs/tree.h"
#include "memory.h"

/* Seconds; names and attributes of files never change. */
#define FOR_EVER 86400.0

/*
 * sendfile(2) and splice(2) go through the page cache even where a file is opened for direct reads (fs/fuse/file.c,
 * fuse_splice_read(), Linux 6.5): with the size 0 they would find an empty file. busybox cat uses them.
 * With any other size the kernel asks; see on_read().
 */
enum { APPARENT_SIZE = 4096 };

enum { HANDLES_OF_A_WORKER = 40 /* bits */ };

struct server {
	struct host *host;
	struct fuse_session *session;
	struct snapshots *snapshots;
	struct instances *instances;
	struct readers *readers;
	struct timespec start;
	_Atomic uint64_t next_handle;
};

static struct server *server_of(fuse_req_t request)
{
	return fuse_req_userdata(request);
}

/* Of the process that asks; NULL: the host. The caller drops the reference. */
static struct instance *reader_of(fuse_req_t request)
{
	struct server *server = server_of(request);
	struct instance *instance = readers_instance(server->readers, fuse_req_ctx(request)->pid);
	struct moment now;
	if (instance) {
		host_now(server->host, &now);
		instance->last_read = now.boottime;
	}
	return instance;
}

static void release_instance(struct instance **instance)
{
	if (*instance)
		instance_unref(*instance);
}

#define cleanup_instance __attribute__((cleanup(release_instance)))

/* ---- names and attributes ---- */

static void fill(const struct server *server, const struct node *node, unsigned number,
		 struct stat *status)
{
	*status = (struct stat){.st_ino = tree_id(node, number),
				.st_mode = node->file ? S_IFREG | 0444 : S_IFDIR | 0555,
				.st_nlink = node->file ? 1 : 2,
				.st_size = node->file ? APPARENT_SIZE : 0,
				.st_blocks = node->file ? APPARENT_SIZE / 512 : 0,
				.st_blksize = 4096,
				.st_atim = server->start,
				.st_mtim = server->start,
				.st_ctim = server->start};
}

static bool directory_exists(const struct node *node, struct host *host, unsigned number)
{
	if (node->file)
		return file_exists(node->file, host, number);
	for (const struct node *child = node->children; child; child = child->sibling)
		if (directory_exists(child, host, number))
			return true;
	return false;
}

static void on_lookup(fuse_req_t request, fuse_ino_t parent, const char *name)
{
	struct server *server = server_of(request);
	struct fuse_entry_param entry = {.attr_timeout = FOR_EVER, .entry_timeout = FOR_EVER};
	unsigned number;
	const struct node *node = tree_node(parent, &number);
	if (node)
		node = tree_child(node, name, &number);
	if (node && memchr(node->name, '*', node->length)) { /* what is below it needs no look */
		cleanup_instance struct instance *instance = reader_of(request);
		uint64_t numbers[HOST_CPU_WORDS];
		node->numbered->numbers(instance, server->host, numbers);
		if (!(numbers[number / 64] >> number % 64 & 1))
			node = NULL;
		entry.entry_timeout = 0; /* others may not have it */
	}
	if (!node || !directory_exists(node, server->host, number)) {
		fuse_reply_err(request, ENOENT);
		return;
	}
	entry.ino = tree_id(node, number);
	fill(server, node, number, &entry.attr);
	fuse_reply_entry(request, &entry);
}

static void on_getattr(fuse_req_t request, fuse_ino_t id, struct fuse_file_info *info)
{
	(void)info;
	unsigned number;
	const struct node *node = tree_node(id, &number);
	struct stat status;
	if (!node) {
		fuse_reply_err(request, ENOENT);
		return;
	}
	fill(server_of(request), node, number, &status);
	fuse_reply_attr(request, &status, FOR_EVER);
}

static void on_setattr(fuse_req_t request, fuse_ino_t id, struct stat *status, int what,
		       struct fuse_file_info *info)
{
	(void)id;
	(void)status;
	(void)what;
	(void)info;
	fuse_reply_err(request, EPERM);
}

/* ---- directories ---- */

struct listing {
	fuse_req_t request;
	struct buffer *buffer;
	size_t size, length;
	off_t at, from; /* entries so far, and how many of them were told already */
	bool full;
};

static void list(struct listing *listing, const char *name, uint64_t id, mode_t mode)
{
	struct stat status = {.st_ino = id, .st_mode = mode};
	if (listing->full || listing->at++ < listing->from)
		return;
	size_t room = listing->size - listing->length;
	size_t length =
		fuse_add_direntry(listing->request, listing->buffer->bytes + listing->length, room,
				  name, &status, listing->at);
	listing->full = length > room;
	if (!listing->full)
		listing->length += length;
}

static void list_node(struct listing *listing, const struct node *node, unsigned number)
{
	char name[FILE_MAX_PATH];
	struct text text = {.bytes = name, .size = sizeof(name)};
	const char *star = memchr(node->name, '*', node->length);
	size_t before = star ? (size_t)(star - node->name) : node->length;
	if (!directory_exists(node, server_of(listing->request)->host, number))
		return;
	text_add_bytes(&text, node->name, before);
	if (star) {
		text_add_number(&text, number, 0);
		text_add_bytes(&text, star + 1, node->length - before - 1);
	}
	text_add_bytes(&text, "", 1);
	list(listing, name, tree_id(node, number), node->file ? S_IFREG : S_IFDIR);
}

static void list_numbers(struct listing *listing, const struct node *node)
{
	uint64_t numbers[HOST_CPU_WORDS];
	cleanup_instance struct instance *instance = reader_of(listing->request);
	node->numbered->numbers(instance, server_of(listing->request)->host, numbers);
	for (unsigned number = 0; number < HOST_MAX_CPUS; number++)
		if (numbers[number / 64] >> number % 64 & 1)
			list_node(listing, node, number);
}

static void on_readdir(fuse_req_t request, fuse_ino_t id, size_t size, off_t offset,
		       struct fuse_file_info *info)
{
	(void)info;
	unsigned number;
	const struct node *directory = tree_node(id, &number);
	struct buffer *buffer = buffer_of_thread();
	struct listing listing = {.request = request,
				  .buffer = buffer,
				  .size = size < buffer->size ? size : buffer->size,
				  .from = offset};
	if (!directory || directory->file) {
		fuse_reply_err(request, ENOTDIR);
		return;
	}
	list(&listing, ".", id, S_IFDIR);
	list(&listing, "..", directory->parent ? tree_id(directory->parent, number) : TREE_ROOT,
	     S_IFDIR);
	for (const struct node *child = directory->children; child; child = child->sibling)
		if (memchr(child->name, '*', child->length))
			list_numbers(&listing, child);
		else
			list_node(&listing, child, number);
	fuse_reply_buf(request, buffer->bytes, listing.length);
}

/* ---- files ---- */

static void on_open(fuse_req_t request, fuse_ino_t id, struct fuse_file_info *info)
{
	unsigned number;
	const struct node *node = tree_node(id, &number);
	if (!node || !node->file || (info->flags & O_ACCMODE) != O_RDONLY) {
		fuse_reply_err(request, node ? EACCES : ENOENT);
		return;
	}
	info->direct_io = 1;
	info->noflush = 1;
	info->fh = atomic_fetch_add(&server_of(request)->next_handle, 1);
	fuse_reply_open(request, info);
}

/* The host's own file. */
static bool copy_host(const struct host *host, const struct node *node, unsigned number,
		      struct text *text)
{
	char path[FILE_MAX_PATH];
	const char *below = path;
	file_path(node->file, number, path);
	int directory = host_directory(host, &below);
	cleanup_close int fd = openat(directory, below, O_RDONLY | O_CLOEXEC);
	ssize_t some = fd < 0 ? -1 : 1;
	while (some > 0 && text->length < text->size) {
		some = read(fd, text->bytes + text->length, text->size - text->length);
		text->length += some > 0 ? (size_t)some : 0;
	}
	text->full = text->length == text->size;
	return some >= 0;
}

/* Makes the text of a file in the thread's buffer, however long it gets. */
static bool make(const struct server *server, struct instance *instance, const struct node *node,
		 unsigned number, struct text *text)
{
	struct buffer *buffer = buffer_of_thread();
	do {
		*text = (struct text){.bytes = buffer->bytes, .size = buffer->size};
		bool made = instance ? file_write(node->file, instance, number, text)
				     : copy_host(server->host, node, number, text);
		if (!made)
			return false;
	} while (text->full && buffer_grow(buffer));
	return !text->full;
}

/* Where a file is read from its beginning its text is made anew, as the kernel does: top(1) keeps files open. */
static void on_read(fuse_req_t request, fuse_ino_t id, size_t size, off_t offset,
		    struct fuse_file_info *info)
{
	struct server *server = server_of(request);
	struct buffer *buffer = buffer_of_thread();
	unsigned number;
	const struct node *node = tree_node(id, &number);
	uint64_t from = (uint64_t)offset;
	struct text text;
	/* A page would be shared by all instances. Who gets the error reads in the usual way instead, as after
	 * sendfile(2) of any file that cannot do it. Only direct reads have an owner (fuse_send_read()). */
	if (!info->lock_owner) {
		fuse_reply_err(request, EINVAL);
		return;
	}
	if (size > buffer->size)
		size = buffer->size;
	ssize_t length =
		from ? snapshots_read(server->snapshots, info->fh, from, buffer->bytes, size) : -1;
	if (length >= 0) {
		fuse_reply_buf(request, buffer->bytes, (size_t)length);
		return;
	}
	cleanup_instance struct instance *instance = reader_of(request);
	if (!node || !node->file || !make(server, instance, node, number, &text)) {
		fuse_reply_err(request, node ? EOPNOTSUPP : ENOENT);
		return;
	}
	uint64_t owner = instance ? instance->process_ids : 0;
	size_t left = from < text.length ? text.length - from : 0;
	/* Before the answer: the next read may come at once. */
	snapshots_store(server->snapshots, info->fh, owner, text.bytes, text.length);
	fuse_reply_buf(request, text.bytes + from, left < size ? left : size);
	buffer_shrink(buffer);
}

static void on_release(fuse_req_t request, fuse_ino_t id, struct fuse_file_info *info)
{
	(void)id;
	snapshots_drop(server_of(request)->snapshots, info->fh);
	fuse_reply_err(request, 0);
}

static void on_init(void *userdata, struct fuse_conn_info *connection)
{
	(void)userdata;
	connection->want &= FUSE_CAP_PARALLEL_DIROPS;
	connection->max_write = SHARED_MAX_WRITE; /* and so the pages of a read */
	connection->max_readahead = 0;
}

static const struct fuse_lowlevel_ops operations = {
	.init = on_init,
	.lookup = on_lookup,
	.getattr = on_getattr,
	.setattr = on_setattr,
	.readdir = on_readdir,
	.open = on_open,
	.read = on_read,
	.release = on_release,
};

struct server *server_open(struct host *host, struct shared *shared, struct error **error)
{
	char *arguments[] = {(char *)"sysct-lxcfs", NULL};
	struct fuse_args fuse_arguments = FUSE_ARGS_INIT(1, arguments);
	struct server *server = memory_alloc(sizeof(*server));
	struct moment now;
	tree_build();
	host_now(host, &now);
	server->host = host;
	server->start.tv_sec = (time_t)(now.realtime / 1000000000U);
	server->next_handle = ++shared->head->workers << HANDLES_OF_A_WORKER;
	server->snapshots = snapshots_open(shared);
	server->instances = instances_open(host, shared);
	server->readers = readers_open(host, server->instances);
	server->session =
		fuse_session_new(&fuse_arguments, &operations, sizeof(operations), server);
	fuse_opt_free_args(&fuse_arguments); /* it may have replaced them by copies */
	if (server->session)
		return server;
	snapshots_close(server->snapshots);
	free(server);
	error_set(error, ERROR_INTERNAL, "libfuse refused the file system");
	return NULL;
}

/* ---- requests and answers ---- */

static ssize_t write_answer(int fd, struct iovec *vectors, int count, void *userdata)
{
	(void)userdata;
	return writev(fd, vectors, count);
}

static ssize_t never_read(int fd, void *bytes, size_t length, void *userdata)
{
	(void)fd;
	(void)bytes;
	(void)length;
	(void)userdata;
	errno = ENOTSUP; /* the worker receives requests itself */
	return -1;
}

int server_connect(struct server *server, int fuse, struct error **error)
{
	static const struct fuse_custom_io io = {.writev = write_answer, .read = never_read};
	if (fuse_session_custom_io(server->session, &io, fuse) != 0)
		return error_set(error, ERROR_INTERNAL, "libfuse refused the connection");
	return 0;
}

void server_process(const struct server *server, char *request, size_t length)
{
	const struct fuse_buf buffer = {.mem = request, .size = length};
	fuse_session_process_buf(server->session, &buffer);
}
