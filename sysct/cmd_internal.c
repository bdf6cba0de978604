/* What the build and the shell call: the man page and the completion. */
#include <stdio.h>

#include "complete.h"
#include "groups.h"
#include "lib/cleanup.h"
#include "manual.h"
#include "output.h"

static int run_man(struct cli *cli, struct error **error)
{
	cleanup_strbuf struct strbuf text = {0};
	(void)cli;
	manual_append(&text);
	fputs(text.text, stdout);
	return output_flush(error);
}

static int run_complete(struct cli *cli, struct error **error)
{
	cleanup_strbuf struct strbuf text = {0};
	complete_append(&text, cli->options.words, cli->options.count);
	fputs(text.text ? text.text : "", stdout);
	return output_flush(error);
}

static const struct command commands[] = {
	{
		.path = "internal man",
		.arguments = "",
		.summary = "Print sysct(1) in man format",
		.run = run_man,
		.hidden = true,
	},
	{
		.path = "internal complete",
		.arguments = "-- WORD...",
		.summary = "Print what the last word may become",
		.maximum = -1,
		.run = run_complete,
		.hidden = true,
	},
	{0},
};

const struct command_group group_internal = {"Internal", commands};
