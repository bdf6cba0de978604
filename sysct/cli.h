/*
 * What one run of the program knows. It is made in main() and handed to the
 * function of the command; there is no global state.
 */
#ifndef SYSCT_CLI_H
#define SYSCT_CLI_H

#include "client.h"
#include "options.h"

/* Documented in the man page (manual.c) and in --help. */
enum exit_code {
	EXIT_OK = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_NOT_FOUND = 3,
	EXIT_CONFLICT = 4,
	EXIT_NO_ACCESS = 5
};

struct cli {
	struct options options;
	struct client *client; /* made by the first cli_client() */
	char *hint;	       /* what the user can do about the error */
	bool unreachable;      /* no daemon answered */
	bool usage;	       /* the error is one of the command line */
	bool quiet;
	int status; /* exit status of a run without error (exec) */
};

/* The connection to the daemon. */
struct client *cli_client(struct cli *cli);

/* Sets the hint printed below the error, unless there is one. */
void cli_hint(struct cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* An error of the command line; returns -1. */
int cli_usage(struct cli *cli, struct error **error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Marks the error just made as one of the command line; returns -1. */
int cli_mark_usage(struct cli *cli);

/* "sysct: message" on stderr, without control characters. */
void cli_print_error(const struct error *error);

enum exit_code cli_exit_code(const struct cli *cli, const struct error *error);

/* The positional word number @index, NULL when there are fewer. */
const char *cli_word(const struct cli *cli, int index);

/* A line on stdout for the person at the terminal: not with --quiet, not in a pipe. */
void cli_say(const struct cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
