/* See process.h. */
#include "process.h"

#include <poll.h>
#include <signal.h>
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
