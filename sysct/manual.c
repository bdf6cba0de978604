/* See manual.h. */
#include "manual.h"

#include <string.h>

#include "command.h"

/* roff gives meaning to '\', and to '.' and ''' at the beginning of a line. */
static void append_text(struct strbuf *out, const char *text)
{
	bool line_start = true;
	for (; *text; text++) {
		if (line_start && (*text == '.' || *text == '\''))
			strbuf_append(out, "\\&");
		if (*text == '\\')
			strbuf_append(out, "\\e");
		else if (*text == '-')
			strbuf_append(out, "\\-");
		else if (!(line_start && *text == '\n'))
			strbuf_append_char(out, *text);
		else
			strbuf_append(out, ".PP\n");
		line_start = *text == '\n';
	}
}

/* Text that keeps its lines. */
static void append_literal(struct strbuf *out, const char *text)
{
	strbuf_append(out, ".nf\n");
	append_text(out, text);
	strbuf_append(out, "\n.fi\n");
}

static void append_options(struct strbuf *out, const struct option_row *row)
{
	for (; row && row->name; row++) {
		strbuf_append(out, ".TP\n\\fB");
		if (row->letter)
			strbuf_printf(out, "\\-%c\\fR, \\fB", row->letter);
		strbuf_append(out, "\\-\\-");
		append_text(out, row->name);
		strbuf_append(out, "\\fR");
		if (row->argument) {
			strbuf_append(out, " \\fI");
			append_text(out, row->argument);
			strbuf_append(out, "\\fR");
		}
		strbuf_append_char(out, '\n');
		append_text(out, row->help);
		strbuf_append_char(out, '\n');
	}
}

struct writer {
	struct strbuf *out;
	const char *title;
};

static void append_command(const struct command_group *group, const struct command *command,
			   void *data)
{
	struct writer *writer = data;
	struct strbuf *out = writer->out;
	if (command->hidden)
		return;
	if (!writer->title || strcmp(writer->title, group->title) != 0)
		strbuf_printf(out, ".SS %s\n", group->title);
	writer->title = group->title;
	strbuf_append(out, ".TP\n\\fBsysct ");
	append_text(out, command->path);
	strbuf_append(out, "\\fR ");
	append_text(out, command->arguments);
	strbuf_append_char(out, '\n');
	append_text(out, command->summary);
	strbuf_append(out, ".\n");
	if (command->aliases) {
		strbuf_append(out, "Also spelled: ");
		append_text(out, command->aliases);
		strbuf_append(out, ".\n");
	}
	if (!command->description && !command->options && !command->examples)
		return;
	strbuf_append(out, ".RS\n");
	if (command->description) {
		strbuf_append(out, ".PP\n");
		append_text(out, command->description);
		strbuf_append_char(out, '\n');
	}
	append_options(out, command->options);
	if (command->examples) {
		strbuf_append(out, ".PP\nExamples:\n.RS 4\n");
		append_literal(out, command->examples);
		strbuf_append(out, ".RE\n");
	}
	strbuf_append(out, ".RE\n");
}

static const char head[] =
	".TH SYSCT 1 \"\" sysct \"System containers\"\n"
	".SH NAME\n"
	"sysct \\- create and use system containers\n"
	".SH SYNOPSIS\n"
	".B sysct\n"
	".I COMMAND\n"
	".RI [ OPTION ...]\n"
	".RI [ ARGUMENT ...]\n"
	".SH DESCRIPTION\n"
	".B sysct\n"
	"manages system containers: full distributions with their own init, started in\n"
	"milliseconds. It is a client of\n"
	".BR sysctd (8),\n"
	"with which it speaks over a unix socket.\n"
	"Options may stand anywhere before\n"
	".BR \\-\\- .\n"
	".SH OPTIONS\n"
	"Every command takes these.\n";

static const char tail[] = ".SH EXIT STATUS\n"
			   ".TP\n0\ndone\n"
			   ".TP\n1\nthe operation failed\n"
			   ".TP\n2\nthe command line is wrong\n"
			   ".TP\n3\nnot found\n"
			   ".TP\n4\nit exists already, is busy, or was changed meanwhile\n"
			   ".TP\n5\nno permission, or the daemon cannot be reached\n"
			   ".PP\n"
			   ".B exec\nand\n.B shell\n"
			   "exit with the code of the command: 127 not found, 126 not executable,\n"
			   "128+N killed by signal N.\n"
			   ".SH ENVIRONMENT\n"
			   ".TP\n.B SYSCT_DIR\nthe directory of the daemon to use; its socket is\n"
			   ".I unix.socket\nin it\n"
			   ".TP\n.BR VISUAL \", \" EDITOR\nthe editor of the\n.B edit\ncommands\n"
			   ".TP\n.B NO_COLOR\nno colours, also on a terminal\n"
			   ".SH FILES\n"
			   ".TP\n.I /run/sysct/unix.socket\nthe socket of the daemon\n"
			   ".SH SEE ALSO\n"
			   ".BR sysctd (8)\n";

void manual_append(struct strbuf *out)
{
	struct writer writer = {.out = out};
	strbuf_append(out, head);
	append_options(out, command_global_options);
	strbuf_append(out, ".SH COMMANDS\n");
	command_each(append_command, &writer);
	strbuf_append(out, tail);
}
