/* The command line, parsed by the row of its command. */
#ifndef SYSCT_OPTIONS_H
#define SYSCT_OPTIONS_H

#include "command.h"

struct given_option {
	const struct option_row *row;
	const char *value; /* NULL for a switch */
};

struct options {
	const struct command *command;
	bool help;
	bool quiet;
	bool dashes;  /* "--" was seen */
	char **words; /* positional; the strings belong to argv */
	int count;
	struct given_option *given;
	int given_count;
};

#define cleanup_options __attribute__((cleanup(options_free)))

/**
 * options_parse - parse the words that follow the command's own.
 * Options may stand anywhere before "--". With --help the number of words is
 * not checked.
 */
int options_parse(struct options *options, const struct command *command, char **words, int count,
		  struct error **error);
void options_free(struct options *options);

/* The last value of an option, NULL when it was not given. */
const char *options_value(const struct options *options, const char *name);
bool options_given(const struct options *options, const char *name);

/* The next value of a repeatable option: start with *at = 0; NULL after the last. */
const char *options_next(const struct options *options, const char *name, int *at);

/* A whole number, @fallback when the option was not given. */
int options_number(const struct options *options, const char *name, long fallback, long *number,
		   struct error **error);

#endif
