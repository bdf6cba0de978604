/*
 * The table of commands. One row tells everything about a command: the
 * parser, --help, the man page and the completion are made from it. The rows
 * stand beside their functions in cmd_*.c; command_table.c lists the groups.
 */
#ifndef SYSCT_COMMAND_H
#define SYSCT_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/error.h"

/* What a word on the command line names, for completion. */
enum word_kind {
	WORD_OTHER, /* nothing to offer */
	WORD_INSTANCE,
	WORD_IMAGE,
	WORD_ALIAS,
	WORD_PROFILE,
	WORD_POOL,
	WORD_VOLUME, /* of the pool before it */
	WORD_NETWORK,
	WORD_SNAPSHOT, /* of the instance before it */
	WORD_FORWARD,  /* of the network before it */
	WORD_ZONE,
	WORD_RECORD, /* of the zone before it */
	WORD_NETWORK_ACL,
	WORD_DIRECTION, /* ingress, egress */
	WORD_OPERATION,
	WORD_KEY,
	WORD_DEVICE_TYPE,
	WORD_TEMPLATE,
	WORD_COMMAND, /* a command of ours */
	WORD_FORMAT,
	WORD_FILE,
	WORD_PATH /* of the REST API */
};

struct option_row {
	const char *name;     /* long, without dashes; NULL ends the list */
	char letter;	      /* short, or 0 */
	const char *argument; /* what --help calls its argument; NULL for a switch */
	const char *help;
	enum word_kind kind;
};

struct cli;

enum { WORD_KINDS = 3 };

struct command {
	const char *path;      /* "config set"; NULL ends the list */
	const char *aliases;   /* other last words: "ls", "rm remove" */
	const char *arguments; /* as in the usage line */
	const char *summary;
	const char *description; /* more paragraphs, or NULL */
	const char *examples;	 /* one a line, or NULL */
	const struct option_row *options;
	int minimum, maximum;		  /* of positional words; maximum -1: any number */
	enum word_kind words[WORD_KINDS]; /* the last one repeats */
	int (*run)(struct cli *cli, struct error **error);
	int variant;  /* for functions that serve several rows */
	int verbatim; /* after so many words nothing is an option any more (exec); 0: never */
	bool hidden;  /* not in help and completion */
};

struct command_group {
	const char *title;
	const struct command *commands;
};

/* All groups, ended by NULL. */
extern const struct command_group *const command_groups[];

/* The options that every command takes: --help, --quiet. */
extern const struct option_row command_global_options[];

/**
 * command_find - the row whose path (or alias) the first words spell.
 * @used: how many words the path took; it is the number of words that spell
 * a group such as "config" when NULL is returned.
 */
const struct command *command_find(char *const *words, int count, int *used);

/* Calls @visit for every row in the table's order. */
void command_each(void (*visit)(const struct command_group *, const struct command *, void *),
		  void *data);

/* True if @prefix ("config", "image alias") has commands below it. */
bool command_is_group(const char *prefix);

/* The known word nearest to @word below @prefix ("" for the top); NULL if none is near. The
 * caller frees it. */
char *command_suggest(const char *prefix, const char *word);

/* The option of @command (or a global one) nearest to @word; NULL if none is near. */
const char *command_suggest_option(const struct command *command, const char *word);

/* The kind of positional word number @index. */
enum word_kind command_word_kind(const struct command *command, int index);

#endif
