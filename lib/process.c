/* See process.h. */
#include "process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cleanup.h"
#include "file.h"

int process_pidfd_open(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

int process_pidfd_signal(int pidfd, int signal)
{
	return (int)syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0);
}

bool process_pidfd_wait(int pidfd, int timeout)
{
	struct pollfd ended = {.fd = pidfd, .events = POLLIN};
	return poll(&ended, 1, timeout) == 1;
}

unsigned long long process_start_time(pid_t pid)
{
	char path[32];
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	cleanup_free char *text = file_try_read_at(-1, path);
	/* The command name may hold spaces and brackets: count from the last ')'. */
	char *at = text ? strrchr(text, ')') : NULL;
	for (int field = 2; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	return at ? strtoull(at, NULL, 10) : 0;
}

static bool in_mask(const char *status, const char *field, int signal)
{
	const char *at = strstr(status, field);
	return at && (strtoull(at + strlen(field), NULL, 16) >> (signal - 1)) & 1;
}

bool process_takes_signal(pid_t pid, int signal)
{
	char path[32];
	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	cleanup_free char *status = file_try_read_at(-1, path);
	return status &&
	       (in_mask(status, "\nSigCgt:", signal) || in_mask(status, "\nSigBlk:", signal));
}

void process_idle_disk(bool idle)
{
	enum { WHO_PROCESS = 1, CLASS_NONE = 0, CLASS_IDLE = 3, CLASS_SHIFT = 13 };
	syscall(SYS_ioprio_set, WHO_PROCESS, 0, (idle ? CLASS_IDLE : CLASS_NONE) << CLASS_SHIFT);
}

static void redirect(posix_spawn_file_actions_t *actions, int from, int to)
{
	if (from < 0)
		posix_spawn_file_actions_addopen(actions, to, "/dev/null", O_RDWR, 0);
	else
		posix_spawn_file_actions_adddup2(actions, from, to);
}

int process_spawn(const char *program, char *const *arguments, int output, int errors, pid_t *pid)
{
	static char *const environment[] = {(char *)"PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none;
	sigemptyset(&none);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
	posix_spawn_file_actions_init(&actions);
	redirect(&actions, -1, STDIN_FILENO);
	redirect(&actions, output, STDOUT_FILENO);
	redirect(&actions, errors, STDERR_FILENO);
	int problem = posix_spawn(pid, program, &actions, &attributes, arguments, environment);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	return problem;
}
