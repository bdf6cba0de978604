/* See options.h. */
#include "options.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/memory.h"

struct parser {
	struct options *options;
	char **words;
	int count;
	int at;
};

static const struct option_row *find_in(const struct option_row *rows, const char *name,
					size_t length, char letter)
{
	for (; rows && rows->name; rows++) {
		if (letter ? rows->letter == letter
			   : strlen(rows->name) == length && strncmp(rows->name, name, length) == 0)
			return rows;
	}
	return NULL;
}

static const struct option_row *find_option(const struct command *command, const char *name,
					    size_t length, char letter)
{
	const struct option_row *row = find_in(command->options, name, length, letter);
	return row ? row : find_in(command_global_options, name, length, letter);
}

static void keep(struct options *options, const struct option_row *row, const char *value)
{
	if (row == &command_global_options[0])
		options->help = true;
	else if (row == &command_global_options[1])
		options->quiet = true;
	options->given[options->given_count++] = (struct given_option){row, value};
}

static const char *next_word(struct parser *parser)
{
	return parser->at < parser->count ? parser->words[parser->at++] : NULL;
}

static int unknown_option(const struct command *command, const char *word, struct error **error)
{
	const char *near =
		strncmp(word, "--", 2) == 0 ? command_suggest_option(command, word + 2) : NULL;
	if (near)
		return error_set(error, ERROR_INVALID, "unknown option '%s'; did you mean '--%s'?",
				 word, near);
	return error_set(error, ERROR_INVALID, "unknown option '%s'", word);
}

static int parse_long(struct parser *parser, const char *word, struct error **error)
{
	const struct command *command = parser->options->command;
	const char *equals = strchr(word, '=');
	size_t length = equals ? (size_t)(equals - word) - 2 : strlen(word + 2);
	const struct option_row *row = find_option(command, word + 2, length, 0);
	if (!row) {
		cleanup_free char *name = memory_strndup(word, length + 2);
		return unknown_option(command, name, error);
	}
	if (!row->argument && equals)
		return error_set(error, ERROR_INVALID, "option '--%s' takes no value", row->name);
	const char *value = equals ? equals + 1 : NULL;
	if (row->argument && !value)
		value = next_word(parser);
	if (row->argument && !value)
		return error_set(error, ERROR_INVALID, "option '--%s' needs a value: --%s %s",
				 row->name, row->name, row->argument);
	keep(parser->options, row, value);
	return 0;
}

/* "-fc ns": switches may be put together, and the last may take a value, "-cns" too. */
static int parse_short(struct parser *parser, const char *word, struct error **error)
{
	const struct command *command = parser->options->command;
	for (const char *letter = word + 1; *letter; letter++) {
		const struct option_row *row = find_option(command, "", 0, *letter);
		char name[] = {'-', *letter, '\0'};
		if (!row)
			return unknown_option(command, name, error);
		if (!row->argument) {
			keep(parser->options, row, NULL);
			continue;
		}
		const char *value = letter[1] ? letter + 1 : next_word(parser);
		if (value && value == letter + 1 && *value == '=')
			value++;
		if (!value)
			return error_set(error, ERROR_INVALID, "option '%s' needs a value: %s %s",
					 name, name, row->argument);
		keep(parser->options, row, value);
		break;
	}
	return 0;
}

/* "local:" is how users of lxc name the daemon of this machine. */
static char *without_remote(char *word, enum word_kind kind)
{
	bool named = kind == WORD_INSTANCE || kind == WORD_IMAGE || kind == WORD_PROFILE ||
		     kind == WORD_POOL || kind == WORD_NETWORK || kind == WORD_ALIAS;
	return named && strncmp(word, "local:", 6) == 0 ? word + 6 : word;
}

static void keep_word(struct options *options, char *word)
{
	enum word_kind kind = command_word_kind(options->command, options->count);
	options->words[options->count++] = without_remote(word, kind);
}

static int check_count(const struct options *options, struct error **error)
{
	const struct command *command = options->command;
	if (options->count < command->minimum)
		return error_set(error, ERROR_INVALID, "missing argument; usage: sysct %s %s",
				 command->path, command->arguments);
	if (command->maximum >= 0 && options->count > command->maximum)
		return error_set(
			error, ERROR_INVALID, "unexpected argument '%s'; usage: sysct %s %s",
			options->words[command->maximum], command->path, command->arguments);
	return 0;
}

static bool words_only(const struct options *options)
{
	int verbatim = options->command->verbatim;
	return options->dashes || (verbatim && options->count >= verbatim);
}

int options_parse(struct options *options, const struct command *command, char **words, int count,
		  struct error **error)
{
	struct parser parser = {.options = options, .words = words, .count = count};
	size_t letters = 0;
	for (int i = 0; i < count; i++)
		letters += strlen(words[i]);
	*options = (struct options){.command = command};
	options->words = memory_alloc(sizeof(*options->words) * (size_t)(count + 1));
	/* A word holds at most as many options as letters. */
	options->given = memory_alloc(sizeof(*options->given) * (letters + 1));
	while (parser.at < count) {
		char *word = words[parser.at++];
		int result = 0;
		if (words_only(options) || word[0] != '-' || !word[1])
			keep_word(options, word);
		else if (strcmp(word, "--") == 0)
			options->dashes = true;
		else if (word[1] == '-')
			result = parse_long(&parser, word, error);
		else
			result = parse_short(&parser, word, error);
		if (result < 0)
			return -1;
	}
	return options->help ? 0 : check_count(options, error);
}

void options_free(struct options *options)
{
	free(options->words);
	free(options->given);
	*options = (struct options){0};
}

const char *options_next(const struct options *options, const char *name, int *at)
{
	while (*at < options->given_count) {
		const struct given_option *given = &options->given[(*at)++];
		if (strcmp(given->row->name, name) == 0)
			return given->value ? given->value : "";
	}
	return NULL;
}

const char *options_value(const struct options *options, const char *name)
{
	const char *last = NULL, *value;
	for (int at = 0; (value = options_next(options, name, &at));)
		last = value;
	return last;
}

bool options_given(const struct options *options, const char *name)
{
	return options_value(options, name) != NULL;
}

int options_number(const struct options *options, const char *name, long fallback, long *number,
		   struct error **error)
{
	const char *text = options_value(options, name);
	*number = fallback;
	if (!text)
		return 0;
	char *end;
	errno = 0;
	*number = strtol(text, &end, 10);
	if (end == text || *end || errno || *number < INT_MIN || *number > INT_MAX)
		return error_set(error, ERROR_INVALID, "option '--%s' needs a number, not '%s'",
				 name, text);
	return 0;
}
