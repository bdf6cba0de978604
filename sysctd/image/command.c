/* See command.h. */
#include "image/command.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "memory.h"

enum { OUTPUT_MAX = 1 << 20 };

/* Variables that mean the daemon itself. */
static const char *const private_variables[] = {
	"NOTIFY_SOCKET=", "LISTEN_",  "JOURNAL_STREAM=", "INVOCATION_ID=",
	"WATCHDOG_",	  "MAINPID=", "SYSCT_",		 "CREDENTIALS_DIRECTORY=",
};

static bool is_private(const char *variable)
{
	for (size_t i = 0; i < sizeof(private_variables) / sizeof(private_variables[0]); i++)
		if (strncmp(variable, private_variables[i], strlen(private_variables[i])) == 0)
			return true;
	return false;
}

/* The pointers are borrowed; the array is the caller's. */
static char **build_environment(const char *const *extra)
{
	size_t count = 0;
	size_t size = 1;
	for (char **variable = environ; *variable; variable++)
		size++;
	for (size_t i = 0; extra && extra[i]; i++)
		size++;
	char **list = memory_alloc((size + 1) * sizeof(*list));
	for (char **variable = environ; *variable; variable++)
		if (!is_private(*variable))
			list[count++] = *variable;
	for (size_t i = 0; extra && extra[i]; i++)
		list[count++] = (char *)extra[i];
	if (!getenv("PATH"))
		list[count++] = (char *)"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:"
					"/sbin:/bin";
	return list;
}

/*
 * Copies above the numbers they shall get, so that no dup2 of the child
 * overwrites a descriptor that is still to be copied.
 */
static int lift_fds(const struct command *command, int lifted[COMMAND_FDS], struct error **error)
{
	for (int i = 0; i < COMMAND_FDS; i++) {
		int fd = command->fds[i];
		if (fd >= 0)
			lifted[i] = fcntl(fd, F_DUPFD_CLOEXEC, COMMAND_FDS);
		else if (i < 3)
			lifted[i] = open("/dev/null", O_RDWR | O_CLOEXEC);
		else
			continue;
		if (lifted[i] < 0)
			return error_errno(error, errno, "preparing descriptors for %s",
					   command->argv[0]);
	}
	return 0;
}

static int add_actions(posix_spawn_file_actions_t *actions, const int lifted[COMMAND_FDS])
{
	int failure = 0;
	for (int i = 0; i < COMMAND_FDS && !failure; i++)
		if (lifted[i] >= 0)
			failure = posix_spawn_file_actions_adddup2(actions, lifted[i], i);
	if (!failure)
		failure = posix_spawn_file_actions_addclosefrom_np(actions, COMMAND_FDS);
	return failure ? failure : posix_spawn_file_actions_addchdir_np(actions, "/");
}

static int set_attributes(posix_spawnattr_t *attributes)
{
	sigset_t none, all;
	sigemptyset(&none);
	sigfillset(&all);
	int failure = posix_spawnattr_setsigmask(attributes, &none);
	if (!failure)
		failure = posix_spawnattr_setsigdefault(attributes, &all);
	short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID;
	return failure ? failure : posix_spawnattr_setflags(attributes, flags);
}

static int spawn(const struct command *command, const int lifted[COMMAND_FDS], pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	cleanup_free char **environment = build_environment(command->environment);
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	int failure = add_actions(&actions, lifted);
	if (!failure)
		failure = set_attributes(&attributes);
	if (!failure)
		failure = posix_spawn(pid, command->argv[0], &actions, &attributes,
				      (char *const *)command->argv, environment);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return failure;
}

pid_t command_spawn(const struct command *command, struct error **error)
{
	int lifted[COMMAND_FDS];
	pid_t pid = -1;
	for (int i = 0; i < COMMAND_FDS; i++)
		lifted[i] = -1;
	if (lift_fds(command, lifted, error) == 0) {
		int failure = spawn(command, lifted, &pid);
		if (failure) {
			pid = -1;
			error_errno(error, failure, "starting %s", command->argv[0]);
		}
	}
	for (int i = 0; i < COMMAND_FDS; i++)
		if (lifted[i] >= 0)
			close(lifted[i]);
	return pid;
}

int command_wait(pid_t pid)
{
	int status = 0;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return 255;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

void command_output_clear(struct command_output *output)
{
	strbuf_free(&output->out);
	strbuf_free(&output->err);
}

static int64_t milliseconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Reads what is there; closes *fd at its end. */
static void read_some(int *fd, struct strbuf *buffer)
{
	char chunk[4096];
	ssize_t count = read(*fd, chunk, sizeof(chunk));
	if (count < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (count <= 0) {
		close(*fd);
		*fd = -1;
	} else if (buffer->length < OUTPUT_MAX) {
		strbuf_append_bytes(buffer, chunk, (size_t)count);
	}
}

/* Until both pipes have ended; false when the time is over. */
static bool collect(int *out, int *err, int timeout, struct command_output *output)
{
	int64_t end = milliseconds() + timeout;
	while (*out >= 0 || *err >= 0) {
		struct pollfd fds[] = {{*out, POLLIN, 0}, {*err, POLLIN, 0}};
		int64_t left = end - milliseconds();
		if (left <= 0)
			return false;
		if (poll(fds, 2, (int)left) < 0 && errno != EINTR)
			return false;
		if (*out >= 0 && fds[0].revents)
			read_some(out, &output->out);
		if (*err >= 0 && fds[1].revents)
			read_some(err, &output->err);
	}
	return true;
}

int command_capture(const char *const *argv, int timeout, struct command_output *output,
		    struct error **error)
{
	int out[2], err[2];
	if (pipe2(out, O_CLOEXEC) < 0)
		return error_errno(error, errno, "making a pipe");
	cleanup_close int out_read = out[0], out_write = out[1];
	if (pipe2(err, O_CLOEXEC) < 0)
		return error_errno(error, errno, "making a pipe");
	cleanup_close int err_read = err[0], err_write = err[1];
	struct command command = {.argv = argv, .fds = {-1, out_write, err_write, -1, -1}};
	pid_t pid = command_spawn(&command, error);
	if (pid < 0)
		return -1;
	close(steal_fd(&out_write));
	close(steal_fd(&err_write));
	bool done = collect(&out_read, &err_read, timeout, output);
	if (!done)
		kill(-pid, SIGKILL);
	output->status = command_wait(pid);
	if (!done)
		return error_set(error, ERROR_TIMEOUT, "%s was not done after %d seconds", argv[0],
				 timeout / 1000);
	return 0;
}

char *command_last_line(const char *text)
{
	size_t end = text ? strlen(text) : 0;
	while (end > 0 && strchr(" \t\r\n", text[end - 1]))
		end--;
	size_t start = end;
	while (start > 0 && text[start - 1] != '\n')
		start--;
	return end > start ? memory_strndup(text + start, end - start) : NULL;
}
