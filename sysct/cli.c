/* See cli.h. */
#include "cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/memory.h"
#include "lib/paths.h"
#include "output.h"

struct client *cli_client(struct cli *cli)
{
	if (!cli->client) {
		cleanup_free char *socket = paths_socket();
		cli->client = client_new(socket, 0);
	}
	return cli->client;
}

void cli_hint(struct cli *cli, const char *format, ...)
{
	va_list args;
	if (cli->hint)
		return;
	va_start(args, format);
	if (vasprintf(&cli->hint, format, args) < 0)
		cli->hint = NULL;
	va_end(args);
}

int cli_usage(struct cli *cli, struct error **error, const char *format, ...)
{
	va_list args;
	char *text = NULL;
	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	cli->usage = true;
	error_set(error, ERROR_INVALID, "%s", text ? text : format);
	free(text);
	return -1;
}

int cli_mark_usage(struct cli *cli)
{
	cli->usage = true;
	return -1;
}

void cli_print_error(const struct error *error)
{
	cleanup_strbuf struct strbuf line = {0};
	strbuf_append(&line, "sysct: ");
	output_append_clean(&line, error_message(error));
	fprintf(stderr, "%s\n", line.text);
}

enum exit_code cli_exit_code(const struct cli *cli, const struct error *error)
{
	if (cli->usage)
		return EXIT_USAGE;
	if (cli->unreachable || (cli->client && client_unreachable(cli->client)))
		return EXIT_NO_ACCESS;
	switch (error ? error->kind : ERROR_INTERNAL) {
	case ERROR_NOT_FOUND:
		return EXIT_NOT_FOUND;
	case ERROR_EXISTS:
	case ERROR_BUSY:
	case ERROR_PRECONDITION:
		return EXIT_CONFLICT;
	case ERROR_PERMISSION:
		return EXIT_NO_ACCESS;
	default:
		return EXIT_FAILED;
	}
}

const char *cli_word(const struct cli *cli, int index)
{
	return index < cli->options.count ? cli->options.words[index] : NULL;
}

void cli_say(const struct cli *cli, const char *format, ...)
{
	va_list args;
	if (cli->quiet || !isatty(STDOUT_FILENO))
		return;
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}
