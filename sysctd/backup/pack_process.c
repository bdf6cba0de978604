/* Runs sysct-pack. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backup/internal.h"
#include "backup/pack.h"
#include "cleanup.h"
#include "file.h"
#include "image/command.h"
#include "memory.h"
#include "process.h"
#include "server.h"

enum { COMPLAINT_MAX = 4096, LINE_MAX = 32 };

static int make_pipe(int *read_end, int *write_end, struct error **error)
{
	int fds[2];
	if (pipe2(fds, O_CLOEXEC) < 0)
		return error_errno(error, errno, "making a pipe");
	*read_end = fds[0];
	*write_end = fds[1];
	return 0;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static int spawn(struct pack_process *process, const struct server *server, int fds[COMMAND_FDS],
		 struct error **error)
{
	cleanup_free char *program = memory_printf("%s/sysct-pack", server->libexec);
	const char *const argv[] = {program, NULL};
	struct command command = {.argv = argv};
	memcpy(command.fds, fds, sizeof(command.fds));
	pid_t pid = command_spawn(&command, error);
	if (pid < 0)
		return -1;
	process->pid = pid;
	process->pidfd = process_pidfd_open(pid);
	return process->pidfd < 0 ? error_errno(error, errno, "watching sysct-pack") : 0;
}

/* It reads all of its request before it does anything. */
static int send_request(int fd, const json_t *request, struct error **error)
{
	cleanup_free char *text = json_dumps(request, JSON_COMPACT);
	if (!text)
		return error_set(error, ERROR_INTERNAL, "the backup cannot be described");
	/* A broken pipe: why is on its stderr. */
	if (file_write_all(fd, text, strlen(text)) < 0 && errno != EPIPE)
		return error_errno(error, errno, "telling sysct-pack what to do");
	return 0;
}

int pack_process_start(struct pack_process *process, const struct server *server,
		       const json_t *request, int output, bool progress, struct error **error)
{
	cleanup_close int input = -1, to = -1, errors = -1, told = -1;
	if (make_pipe(&input, &to, error) < 0 || make_pipe(&process->errors, &errors, error) < 0)
		return -1;
	if (progress && make_pipe(&process->progress, &told, error) < 0)
		return -1;
	/* Something must be there, or the number would become another file's. */
	if (!progress && (told = open("/dev/null", O_WRONLY | O_CLOEXEC)) < 0)
		return error_errno(error, errno, "opening /dev/null");
	int fds[COMMAND_FDS] = {input, output, errors, told, -1};
	_Static_assert(PACK_PROGRESS_FD == 3, "its place in fds");
	if (spawn(process, server, fds, error) < 0)
		return -1;
	close_fd(&input);
	return send_request(to, request, error);
}

static void read_progress(struct pack_process *process, void (*tell)(void *data, uint64_t bytes),
			  void *data)
{
	char chunk[256];
	ssize_t count = read(process->progress, chunk, sizeof(chunk));
	if (count <= 0) {
		close_fd(&process->progress);
		return;
	}
	for (ssize_t i = 0; i < count; i++) {
		if (chunk[i] != '\n' && process->line.length < LINE_MAX) {
			strbuf_append_char(&process->line, chunk[i]);
		} else if (chunk[i] == '\n' && process->line.length) {
			tell(data, strtoull(process->line.text, NULL, 10));
			strbuf_clear(&process->line);
		}
	}
}

static void read_complaint(struct pack_process *process)
{
	char chunk[1024];
	ssize_t count = read(process->errors, chunk, sizeof(chunk));
	if (count <= 0)
		close_fd(&process->errors);
	else if (process->complaint.length < COMPLAINT_MAX)
		strbuf_append_bytes(&process->complaint, chunk, (size_t)count);
}

static int finish(struct pack_process *process, bool cancelled, struct error **error)
{
	int status = command_wait(process->pid);
	process->pid = 0;
	if (cancelled)
		return error_set(error, ERROR_CANCELLED, "the backup was cancelled");
	if (status == PACK_DONE)
		return 0;
	cleanup_free char *line = command_last_line(process->complaint.text);
	bool full = status == PACK_NO_SPACE;
	error_set(error, full ? ERROR_NO_SPACE : ERROR_INTERNAL, "making the backup failed: %s",
		  line ? line : "sysct-pack was killed");
	return error_set_errnum(error, full ? ENOSPC : 0);
}

int pack_process_wait(struct pack_process *process, int cancel_fd,
		      void (*tell)(void *data, uint64_t bytes), void *data, struct error **error)
{
	bool cancelled = false;
	while (process->errors >= 0 || process->progress >= 0) {
		struct pollfd fds[] = {
			{process->errors, POLLIN, 0},
			{process->progress, POLLIN, 0},
			{cancelled ? -1 : cancel_fd, POLLIN, 0},
		};
		if (poll(fds, sizeof(fds) / sizeof(fds[0]), -1) < 0)
			continue;
		if (fds[0].revents)
			read_complaint(process);
		if (fds[1].revents)
			read_progress(process, tell, data);
		if (fds[2].revents) {
			cancelled = true;
			process_pidfd_signal(process->pidfd, SIGKILL);
		}
	}
	return finish(process, cancelled, error);
}

void pack_process_clear(struct pack_process *process)
{
	if (process->pid > 0) {
		kill(process->pid, SIGKILL);
		command_wait(process->pid);
	}
	close_fd(&process->pidfd);
	close_fd(&process->errors);
	close_fd(&process->progress);
	strbuf_free(&process->complaint);
	strbuf_free(&process->line);
}
