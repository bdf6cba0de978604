/* See progress.h. */
#include "progress.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/memory.h"
#include "output.h"
#include "terminal.h"

void progress_init(struct progress *progress, bool quiet)
{
	const char *terminal = getenv("TERM");
	*progress = (struct progress){0};
	progress->enabled = !quiet && terminal && *terminal && strcmp(terminal, "dumb") != 0 &&
			    isatty(STDERR_FILENO);
}

/* Cuts the line at @columns, between characters. */
static void truncate_line(struct strbuf *line, size_t columns)
{
	size_t at = 0, width = 0;
	while (at < line->length) {
		width += ((unsigned char)line->text[at] & 0xc0) != 0x80;
		if (width > columns)
			break;
		at++;
	}
	line->length = at;
	if (line->text)
		line->text[at] = '\0';
}

void progress_show(struct progress *progress, const char *format, ...)
{
	if (!progress->enabled)
		return;
	va_list args;
	char *text = NULL;
	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	struct terminal_size size = terminal_size(STDERR_FILENO);
	cleanup_strbuf struct strbuf line = {0};
	output_append_clean(&line, text ? text : "");
	truncate_line(&line, size.columns > 1 ? (size_t)size.columns - 1 : 79);
	fprintf(stderr, "\r%s\033[K", line.text ? line.text : "");
	fflush(stderr);
	progress->shown = true;
	free(text);
}

void progress_clear(struct progress *progress)
{
	if (!progress->shown)
		return;
	fputs("\r\033[K", stderr);
	fflush(stderr);
	progress->shown = false;
}
