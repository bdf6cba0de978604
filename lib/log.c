/* See log.h. */
#include "log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "file.h"
#include "strbuf.h"

static enum log_level threshold = LOG_LEVEL_INFO;
static bool to_journal;

static const struct {
	const char *name;
	int priority; /* sd-daemon(3) */
} levels[] = {{"error", 3}, {"warning", 4}, {"info", 6}, {"debug", 7}};

void log_open(enum log_level level)
{
	threshold = level;
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat status;
	to_journal = stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
		     fstat(STDERR_FILENO, &status) == 0 && status.st_dev == device &&
		     status.st_ino == inode;
}

static void append_time(struct strbuf *line)
{
	struct timespec now;
	struct tm parts;
	char text[40];
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &parts);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &parts);
	strbuf_printf(line, "%s.%03ldZ ", text, now.tv_nsec / 1000000);
}

/* A value that came from outside must not start a line of its own. */
static void append_one_line(struct strbuf *line, const char *text)
{
	for (; *text; text++)
		strbuf_append_char(line, (unsigned char)*text < ' ' ? ' ' : *text);
}

void log_event(enum log_level level, const char *instance, const char *format, ...)
{
	if (level > threshold)
		return;
	cleanup_strbuf struct strbuf line = {0};
	cleanup_strbuf struct strbuf text = {0};
	va_list args;
	va_start(args, format);
	char *message = NULL;
	if (vasprintf(&message, format, args) < 0)
		message = NULL;
	va_end(args);
	if (to_journal)
		strbuf_printf(&line, "<%d>", levels[level].priority);
	else
		append_time(&line);
	strbuf_printf(&line, "level=%s ", levels[level].name);
	if (instance)
		strbuf_printf(&line, "instance=%s ", instance);
	append_one_line(&line, message ? message : "");
	free(message);
	strbuf_append_char(&line, '\n');
	if (file_write_all(STDERR_FILENO, line.text, line.length) < 0)
		return; /* nowhere left to say it */
}
