/* Runs sysct-unpack-backup. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "backup/import_internal.h"
#include "cleanup.h"
#include "image/command.h"
#include "image/unpack.h"
#include "memory.h"
#include "server.h"

enum { PIPE_BYTES = 1 << 20, COMPLAINT_MAX = 16384, ANSWER_MAX = 128 << 20 };

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static int make_pipe(int *read_end, int *write_end, struct error **error)
{
	int fds[2];
	if (pipe2(fds, O_CLOEXEC) < 0)
		return error_errno(error, errno, "making a pipe");
	*read_end = fds[0];
	*write_end = fds[1];
	return 0;
}

static const char **make_arguments(const char *program, char *const *words)
{
	size_t count = 0;
	while (words[count])
		count++;
	const char **argv = memory_alloc((count + 2) * sizeof(*argv));
	argv[0] = program;
	for (size_t i = 0; i <= count; i++)
		argv[i + 1] = words[i];
	return argv;
}

int unpack_process_start(struct unpack_process *process, const struct server *server,
			 char *const *words, struct error **error)
{
	cleanup_close int input = -1, output = -1, errors = -1;
	if (make_pipe(&input, &process->input, error) < 0 ||
	    make_pipe(&process->output, &output, error) < 0 ||
	    make_pipe(&process->errors, &errors, error) < 0)
		return -1;
	fcntl(process->input, F_SETPIPE_SZ, PIPE_BYTES);
	if (fcntl(process->input, F_SETFL, O_NONBLOCK) < 0)
		return error_errno(error, errno, "preparing a pipe");
	cleanup_free char *program = memory_printf("%s/sysct-unpack-backup", server->libexec);
	cleanup_free const char **argv = make_arguments(program, words);
	const struct command command = {.argv = argv, .fds = {input, output, errors, -1, -1}};
	pid_t pid = command_spawn(&command, error);
	if (pid < 0)
		return -1;
	process->pid = pid;
	return 0;
}

static void read_output(int *fd, struct strbuf *text, size_t most)
{
	char chunk[16384];
	ssize_t count = read(*fd, chunk, sizeof(chunk));
	if (count <= 0)
		close_fd(fd);
	else if (text->length < most)
		strbuf_append_bytes(text, chunk, (size_t)count);
}

/* Its input takes some, or it says something. */
static void wait_for(struct unpack_process *process)
{
	struct pollfd fds[] = {
		{process->input, POLLOUT, 0},
		{process->output, POLLIN, 0},
		{process->errors, POLLIN, 0},
	};
	if (poll(fds, sizeof(fds) / sizeof(fds[0]), -1) < 0)
		return;
	if (fds[1].revents)
		read_output(&process->output, &process->answer, ANSWER_MAX);
	if (fds[2].revents)
		read_output(&process->errors, &process->complaint, COMPLAINT_MAX);
}

int unpack_process_write(struct unpack_process *process, const void *bytes, size_t length,
			 struct error **error)
{
	const char *at = bytes;
	while (length > 0 && !process->deaf) {
		ssize_t count = write(process->input, at, length);
		if (count >= 0) {
			at += count;
			length -= (size_t)count;
		} else if (errno == EPIPE) {
			process->deaf = true;
		} else if (errno == EAGAIN) {
			wait_for(process);
		} else if (errno != EINTR) {
			return error_errno(error, errno, "handing the backup on");
		}
	}
	return 0;
}

int unpack_process_end(struct unpack_process *process, struct error **error)
{
	close_fd(&process->input);
	while (process->output >= 0 || process->errors >= 0)
		wait_for(process);
	int status = command_wait(process->pid);
	process->pid = 0;
	if (status == UNPACK_DONE)
		return 0;
	cleanup_free char *line = command_last_line(process->complaint.text);
	enum error_kind kind = status == UNPACK_NO_SPACE ? ERROR_NO_SPACE
			       : status == UNPACK_FAILED ? ERROR_INVALID
							 : ERROR_INTERNAL;
	error_set(error, kind, "importing failed: %s",
		  line ? line : "sysct-unpack-backup was killed");
	return error_set_errnum(error, kind == ERROR_NO_SPACE ? ENOSPC : 0);
}

void unpack_process_clear(struct unpack_process *process)
{
	if (process->pid > 0) {
		kill(process->pid, SIGKILL);
		command_wait(process->pid);
	}
	close_fd(&process->input);
	close_fd(&process->output);
	close_fd(&process->errors);
	strbuf_free(&process->answer);
	strbuf_free(&process->complaint);
	*process = (struct unpack_process)UNPACK_PROCESS_INIT;
}
