/* See build_process.h. */
#include "image/build_process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "file.h"
#include "image/command.h"
#include "log.h"
#include "memory.h"
#include "process.h"
#include "server.h"

enum { PIPE_BYTES = 1 << 20, TAIL_BYTES = 4096, PROGRESS_FD = 3, LIFE_FD = 4 };

static int make_pipe(int *read_end, int *write_end, struct error **error)
{
	int fds[2];
	if (pipe2(fds, O_CLOEXEC) < 0)
		return error_errno(error, errno, "making a pipe");
	*read_end = fds[0];
	*write_end = fds[1];
	return 0;
}

/*
 * The read end is opened first, without blocking, so that neither open waits.
 * Large, so that writer and reader run side by side.
 */
static int make_fifo(const char *directory, int *read_end, int *write_end, struct error **error)
{
	cleanup_free char *path = memory_printf("%s/rootfs.tar", directory);
	if (mkfifo(path, 0600) < 0)
		return error_errno(error, errno, "creating %s", path);
	*read_end = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	*write_end = *read_end < 0 ? -1 : open(path, O_WRONLY | O_CLOEXEC);
	if (*write_end < 0 || fcntl(*read_end, F_SETFL, 0) < 0)
		return error_errno(error, errno, "opening %s", path);
	fcntl(*write_end, F_SETPIPE_SZ, PIPE_BYTES);
	return 0;
}

static int spawn(struct child *child, const struct command *command, struct error **error)
{
	pid_t pid = command_spawn(command, error);
	if (pid < 0)
		return -1;
	child->pid = pid;
	child->pidfd = process_pidfd_open(pid);
	return child->pidfd < 0 ? error_errno(error, errno, "watching %s", command->argv[0]) : 0;
}

/* "KEY=VALUE" texts after the fixed words; each text and the list are the caller's. */
static char **build_arguments(const char *guard, const char *directory,
			      const struct template_match *match)
{
	size_t count = 0;
	const char *key;
	json_t *value;
	char **argv = memory_alloc((json_object_size(match->options) + 6) * sizeof(*argv));
	argv[count++] = memory_strdup(guard);
	argv[count++] = memory_printf("%d", LIFE_FD);
	argv[count++] = memory_strdup(match->path);
	argv[count++] = memory_strdup("build");
	argv[count++] = memory_strdup(directory);
	json_object_foreach (match->options, key, value) {
		const char *text = json_string_value(value);
		cleanup_free char *other = text ? NULL : json_dumps(value, JSON_ENCODE_ANY);
		argv[count++] = memory_printf("%s=%s", key, text ? text : other);
	}
	return argv;
}

static void free_arguments(char **argv)
{
	for (char **at = argv; *at; at++)
		free(*at);
	free(argv);
}

static int start_template(struct build_process *process, const struct build_request *request,
			  const char *directory, struct error **error)
{
	const struct server *server = request->server;
	cleanup_close int progress = -1, log = -1, life = -1;
	if (make_pipe(&process->progress, &progress, error) < 0 ||
	    make_pipe(&process->log, &log, error) < 0 ||
	    make_pipe(&life, &process->life, error) < 0)
		return -1;
	cleanup_free char *guard = memory_printf("%s/sysct-guard", server->libexec);
	cleanup_free char *number = memory_printf("SYSCT_PROGRESS_FD=%d", PROGRESS_FD);
	cleanup_free char *cache =
		memory_printf("SYSCT_CACHE_DIR=%s/cache/packages", server->paths.state);
	const char *const environment[] = {number, cache, NULL};
	char **argv = build_arguments(guard, directory, request->match);
	struct command command = {
		.argv = (const char *const *)argv,
		.environment = environment,
		.fds = {-1, log, log, progress, life},
	};
	int result = spawn(&process->template, &command, error);
	free_arguments(argv);
	return result;
}

static int start_unpack(struct build_process *process, const struct build_request *request,
			const char *directory, const char *target, int tarball,
			struct error **error)
{
	cleanup_close int out = -1, err = -1;
	if (make_pipe(&process->unpack_out, &out, error) < 0 ||
	    make_pipe(&process->unpack_err, &err, error) < 0)
		return -1;
	cleanup_free char *program = memory_printf("%s/sysct-unpack", request->server->libexec);
	cleanup_free char *metadata = memory_printf("%s/metadata.json", directory);
	const char *const argv[] = {program, "--sync", target, metadata, NULL};
	struct command command = {.argv = argv, .fds = {tarball, out, err, -1, -1}};
	return spawn(&process->unpack, &command, error);
}

/* All that templates say, to find out why one fails; it begins anew when it is large. */
static int open_log(const struct build_request *request)
{
	enum { LOG_BYTES = 4 << 20 };
	struct stat status;
	cleanup_free char *path = memory_printf("%s/image-build.log", request->server->paths.log);
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0) {
		log_event(LOG_LEVEL_WARNING, NULL, "opening %s: %s", path, strerror(errno));
		return -1;
	}
	if (fstat(fd, &status) == 0 && status.st_size > LOG_BYTES && ftruncate(fd, 0) < 0)
		log_event(LOG_LEVEL_WARNING, NULL, "emptying %s: %s", path, strerror(errno));
	dprintf(fd, "=== %s: %s by %s\n", request->alias, request->match->description,
		request->match->path);
	return fd;
}

int build_process_start(struct build_process *process, const struct build_request *request,
			const char *directory, const char *target, struct error **error)
{
	*process = (struct build_process){
		.template = {.pidfd = -1},
		.unpack = {.pidfd = -1},
		.life = -1,
		.tarball = -1,
		.progress = -1,
		.log = -1,
		.unpack_out = -1,
		.unpack_err = -1,
		.log_file = -1,
	};
	cleanup_close int tarball = -1;
	cleanup_free char *cache = memory_printf("%s/cache/packages", request->server->paths.state);
	if (file_make_directories(cache, 0700, error) < 0 ||
	    make_fifo(directory, &tarball, &process->tarball, error) < 0)
		return -1;
	process->log_file = open_log(request);
	if (start_unpack(process, request, directory, target, tarball, error) < 0)
		return -1;
	return start_template(process, request, directory, error);
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Reads what is there into @chunk; 0 and *fd closed at the end. */
static size_t read_chunk(int *fd, char *chunk, size_t size)
{
	ssize_t count = read(*fd, chunk, size);
	if (count > 0)
		return (size_t)count;
	if (count == 0 || (errno != EINTR && errno != EAGAIN))
		close_fd(fd);
	return 0;
}

static void keep_tail(struct strbuf *buffer, const char *bytes, size_t length)
{
	strbuf_append_bytes(buffer, bytes, length);
	if (buffer->length > 2 * TAIL_BYTES)
		strbuf_consume(buffer, buffer->length - TAIL_BYTES);
}

/* "PERCENT TEXT" lines. */
static void read_progress(struct build_process *process, const struct build_request *request)
{
	char chunk[1024];
	size_t count = read_chunk(&process->progress, chunk, sizeof(chunk));
	for (size_t i = 0; i < count; i++) {
		struct strbuf *line = &process->progress_line;
		if (chunk[i] != '\n') {
			if (line->length < sizeof(chunk))
				strbuf_append_char(line, chunk[i]);
			continue;
		}
		char *text = NULL;
		long percent = line->text ? strtol(line->text, &text, 10) : -1;
		if (text && text != line->text && percent >= 0 && percent <= 100)
			build_progress(request->build, (int)percent, text + strspn(text, " "));
		strbuf_clear(line);
	}
}

static void read_log(struct build_process *process)
{
	char chunk[4096];
	size_t count = read_chunk(&process->log, chunk, sizeof(chunk));
	keep_tail(&process->tail, chunk, count);
	if (process->log_file >= 0 && file_write_all(process->log_file, chunk, count) < 0)
		close_fd(&process->log_file);
}

static void read_tail(int *fd, struct strbuf *buffer)
{
	char chunk[1024];
	keep_tail(buffer, chunk, read_chunk(fd, chunk, sizeof(chunk)));
}

static void end_child(struct child *child)
{
	child->status = command_wait(child->pid);
	child->pid = 0;
	close_fd(&child->pidfd);
}

static void cancel(struct build_process *process)
{
	process->cancelled = true;
	close_fd(&process->life);
	if (process->unpack.pidfd >= 0)
		process_pidfd_signal(process->unpack.pidfd, SIGKILL);
}

/* A failed unpacker is the reason; the template's broken pipe only follows from it. */
static void unpack_ended(struct build_process *process)
{
	end_child(&process->unpack);
	process->unpack_failed_first = process->unpack.status != 0 && process->template.pid > 0;
	if (process->unpack_failed_first)
		close_fd(&process->life);
}

static void template_ended(struct build_process *process, const struct build_request *request)
{
	end_child(&process->template);
	close_fd(&process->tarball);
	if (process->template.status == 0 && !process->cancelled)
		build_progress(request->build, 100, "storing the image");
}

static bool is_running(const struct build_process *process)
{
	return process->template.pid > 0 || process->unpack.pid > 0 || process->progress >= 0 ||
	       process->log >= 0 || process->unpack_out >= 0 || process->unpack_err >= 0;
}

void build_process_wait(struct build_process *process, const struct build_request *request)
{
	while (is_running(process)) {
		struct pollfd fds[] = {
			{process->cancelled ? -1 : request->cancel_fd, POLLIN, 0},
			{process->progress, POLLIN, 0},
			{process->log, POLLIN, 0},
			{process->unpack_out, POLLIN, 0},
			{process->unpack_err, POLLIN, 0},
			{process->unpack.pidfd, POLLIN, 0},
			{process->template.pidfd, POLLIN, 0},
		};
		if (poll(fds, sizeof(fds) / sizeof(fds[0]), -1) < 0)
			continue;
		if (fds[0].revents)
			cancel(process);
		if (fds[1].revents)
			read_progress(process, request);
		if (fds[2].revents)
			read_log(process);
		if (fds[3].revents)
			read_tail(&process->unpack_out, &process->answer);
		if (fds[4].revents)
			read_tail(&process->unpack_err, &process->complaint);
		if (fds[5].revents)
			unpack_ended(process);
		if (fds[6].revents)
			template_ended(process, request);
	}
}

void build_process_clear(struct build_process *process)
{
	close_fd(&process->life);
	close_fd(&process->tarball);
	if (process->unpack.pid > 0) {
		kill(process->unpack.pid, SIGKILL);
		end_child(&process->unpack);
	}
	close_fd(&process->progress);
	close_fd(&process->log);
	if (process->template.pid > 0)
		end_child(&process->template);
	close_fd(&process->unpack_out);
	close_fd(&process->unpack_err);
	close_fd(&process->log_file);
	strbuf_free(&process->progress_line);
	strbuf_free(&process->tail);
	strbuf_free(&process->answer);
	strbuf_free(&process->complaint);
}
