/*
 * Running other programs from the daemon. It has threads, so this is
 * posix_spawn(3) only: nothing of ours runs between fork and exec. A program
 * gets the descriptors that it is given and no other, default signals, and the
 * environment without what is the daemon's own (sockets of systemd, SYSCT_*).
 */
#ifndef SYSCT_IMAGE_COMMAND_H
#define SYSCT_IMAGE_COMMAND_H

#include <stdbool.h>
#include <sys/types.h>

#include "error.h"
#include "strbuf.h"

enum { COMMAND_FDS = 5 };

/**
 * struct command - what to run.
 * @argv: argv[0] is the path of the program; ended by NULL.
 * @environment: "NAME=VALUE" to add, ended by NULL; may be NULL.
 * @fds: become 0, 1, 2, ... of the program; -1 is /dev/null for 0 to 2, and
 * closed above. They stay the caller's.
 */
struct command {
	const char *const *argv;
	const char *const *environment;
	int fds[COMMAND_FDS];
};

/* Starts it; the pid, to be waited for, or -1. */
pid_t command_spawn(const struct command *command, struct error **error);

/* Waits; the exit code, or 128 + signal. */
int command_wait(pid_t pid);

struct command_output {
	struct strbuf out;
	struct strbuf err;
	int status; /* as of command_wait() */
};

void command_output_clear(struct command_output *output);
#define cleanup_command_output __attribute__((cleanup(command_output_clear)))

/**
 * command_capture - run a program that is soon done, and keep what it writes.
 * It is killed after @timeout milliseconds (ERROR_TIMEOUT). A status other
 * than 0 is no failure here.
 */
int command_capture(const char *const *argv, int timeout, struct command_output *output,
		    struct error **error);

/* The last line of @text that is not empty, without its end; the caller frees it. NULL for none. */
char *command_last_line(const char *text);

#endif
