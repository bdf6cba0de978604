/* See help.h. */
#include "help.h"

#include <stdio.h>
#include <string.h>

#include "output.h"

const struct option_row command_global_options[] = {
	{"help", 'h', NULL, "show this help", WORD_OTHER},
	{"quiet", 'q', NULL, "no progress and no chatter, results only", WORD_OTHER},
	{0},
};

static const char exit_codes[] = "Exit codes:\n"
				 "  0 done   1 failed   2 wrong command line   3 not found\n"
				 "  4 exists already, or busy   5 no permission, or no daemon\n"
				 "  exec and shell: the exit code of the command\n";

struct listing {
	struct strbuf *out;
	const char *prefix;
	const struct command_group *group; /* whose title stands already */
	char last[64];			   /* the group word just listed */
};

/* What is too long for its column has the line for itself. */
static void append_row(struct strbuf *out, int width, const char *left, const char *right)
{
	if (strlen(left) > (size_t)width)
		strbuf_printf(out, "  %s\n  %*s %s\n", left, width, "", right);
	else
		strbuf_printf(out, "  %-*s %s\n", width, left, right);
}

static void append_entry(struct listing *listing, const char *name, size_t length,
			 const char *arguments, const char *summary)
{
	char left[64];
	snprintf(left, sizeof(left), "%.*s %s", (int)length, name, arguments);
	append_row(listing->out, 34, left, summary);
}

static void list_command(const struct command_group *group, const struct command *command,
			 void *data)
{
	struct listing *listing = data;
	size_t skip = strlen(listing->prefix);
	if (command->hidden || strncmp(command->path, listing->prefix, skip) != 0 ||
	    (skip && command->path[skip] != ' '))
		return;
	const char *name = command->path + skip + (skip ? 1 : 0);
	size_t length = strcspn(name, " ");
	if (!skip && (!listing->group || strcmp(group->title, listing->group->title) != 0))
		strbuf_printf(listing->out, "\n%s:\n", group->title);
	listing->group = group;
	if (!name[length]) {
		append_entry(listing, name, length, skip ? command->arguments : "",
			     command->summary);
		return;
	}
	/* A group stands once, for all of its commands. */
	if (strncmp(listing->last, name, length) == 0 && !listing->last[length])
		return;
	snprintf(listing->last, sizeof(listing->last), "%.*s", (int)length, name);
	append_entry(listing, name, length, "...", "see 'sysct");
	listing->out->length--;
	strbuf_printf(listing->out, "%s%s %s --help'\n", skip ? " " : "", listing->prefix,
		      listing->last);
}

void help_group(struct strbuf *out, const char *prefix)
{
	struct listing listing = {.out = out, .prefix = prefix};
	if (*prefix)
		strbuf_printf(out, "Usage: sysct %s COMMAND [ARGUMENT...]\n\n", prefix);
	else
		strbuf_append(out,
			      "sysct - system containers that behave like small, fast machines\n"
			      "\nUsage: sysct COMMAND [ARGUMENT...]\n");
	command_each(list_command, &listing);
	strbuf_printf(out, "\n'sysct %s%sCOMMAND --help' tells about one command.\n", prefix,
		      *prefix ? " " : "");
	if (!*prefix)
		strbuf_printf(out, "\n%s", exit_codes);
}

static void append_option(struct strbuf *out, const struct option_row *row)
{
	char left[64];
	char letter[] = {'-', row->letter, ',', ' ', '\0'};
	snprintf(left, sizeof(left), "%s--%s%s%s", row->letter ? letter : "    ", row->name,
		 row->argument ? " " : "", row->argument ? row->argument : "");
	append_row(out, 28, left, row->help);
}

static void append_indented(struct strbuf *out, const char *text)
{
	while (*text) {
		size_t length = strcspn(text, "\n");
		strbuf_append(out, "  ");
		strbuf_append_bytes(out, text, length);
		strbuf_append_char(out, '\n');
		text += length + (text[length] != '\0');
	}
}

static void append_aliases(struct strbuf *out, const struct command *command)
{
	const char *last = strrchr(command->path, ' ');
	int before = last ? (int)(last - command->path) + 1 : 0;
	const char *at = command->aliases;
	strbuf_append(out, "\nAlso spelled:");
	while (*at) {
		size_t length = strcspn(at, " ");
		strbuf_printf(out, " '%.*s%.*s'", before, command->path, (int)length, at);
		at += length + strspn(at + length, " ");
	}
	strbuf_append_char(out, '\n');
}

void help_command(struct strbuf *out, const struct command *command)
{
	strbuf_printf(out, "Usage: sysct %s%s%s%s\n\n%s.\n", command->path,
		      command->options ? " [OPTION...]" : "", *command->arguments ? " " : "",
		      command->arguments, command->summary);
	if (command->description)
		strbuf_printf(out, "\n%s\n", command->description);
	if (command->aliases)
		append_aliases(out, command);
	strbuf_append(out, "\nOptions:\n");
	for (const struct option_row *row = command->options; row && row->name; row++)
		append_option(out, row);
	for (const struct option_row *row = command_global_options; row->name; row++)
		append_option(out, row);
	if (command->examples) {
		strbuf_append(out, "\nExamples:\n");
		append_indented(out, command->examples);
	}
}
