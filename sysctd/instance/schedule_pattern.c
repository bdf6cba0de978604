/* See schedule.h: names of snapshots from a pattern. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "instance/schedule.h"
#include "memory.h"
#include "strbuf.h"

enum { LONGEST_NAME = 63 };

int snapshot_check_name(const char *name, struct error **error)
{
	size_t length = strlen(name), good = 0;
	while (name[good] && (isalnum((unsigned char)name[good]) || strchr("-_.:+@", name[good])))
		good++;
	if (length > 0 && length <= LONGEST_NAME && good == length && name[0] != '.')
		return 0;
	return error_set(error, ERROR_INVALID,
			 "\"%s\" is not a name for a snapshot: 1 to %d letters, digits and -_.:+@, "
			 "not \".\" first",
			 name, LONGEST_NAME);
}

/* The layout of a time in Go: its reference time, written as the user wants it. */
static const char *const layout[] = {
	"2006", "01", "02", "15", "03", "04", "05", "January", "Jan", "Monday", "Mon", "PM",
};
#define EVERY_PART "%Y\n%m\n%d\n%H\n%I\n%M\n%S\n%B\n%b\n%A\n%a\n%p"

/* @parts: lines, in the order of the layout. */
static void append_part(struct strbuf *name, const char *parts, size_t index)
{
	while (index-- > 0)
		parts = strchr(parts, '\n') + 1;
	strbuf_append_bytes(name, parts, strcspn(parts, "\n"));
}

static void append_time(struct strbuf *name, const char *format, size_t length,
			const struct tm *time)
{
	char parts[512];
	strftime(parts, sizeof(parts), EVERY_PART, time);
	for (size_t at = 0; at < length;) {
		size_t i = 0, count = sizeof(layout) / sizeof(layout[0]);
		while (i < count && strncmp(format + at, layout[i], strlen(layout[i])) != 0)
			i++;
		if (i == count) {
			strbuf_append_bytes(name, format + at++, 1);
			continue;
		}
		append_part(name, parts, i);
		at += strlen(layout[i]);
	}
}

/* " creation_date ", " creation_date|date:'…' ": what is between "{{" and "}}". */
static int append_expression(struct strbuf *name, const char *text, size_t length,
			     const struct tm *time, struct error **error)
{
	static const char variable[] = "creation_date", usual[] = "2006-01-02_15-04-05";
	cleanup_free char *expression = memory_strndup(text, length);
	char *at = expression + strspn(expression, " ");
	if (strncmp(at, variable, strlen(variable)) == 0) {
		at += strlen(variable);
		at += strspn(at, " ");
		if (!*at) {
			append_time(name, usual, strlen(usual), time);
			return 0;
		}
		at += *at == '|' ? 1 + strspn(at + 1, " ") : 0;
		char quote = strncmp(at, "date:", 5) == 0 ? at[5] : '\0';
		const char *end = quote == '\'' || quote == '"' ? strchr(at + 6, quote) : NULL;
		if (end && end[1 + strspn(end + 1, " ")] == '\0') {
			append_time(name, at + 6, (size_t)(end - at - 6), time);
			return 0;
		}
	}
	return error_set(error, ERROR_INVALID,
			 "\"{{%s}}\": only creation_date and creation_date|date:'LAYOUT' are there",
			 expression);
}

char *snapshot_pattern_expand(const char *pattern, int64_t time, unsigned number,
			      struct error **error)
{
	cleanup_strbuf struct strbuf name = {0};
	time_t seconds = (time_t)(time / 1000000000);
	struct tm local;
	localtime_r(&seconds, &local);
	while (*pattern) {
		const char *end = strncmp(pattern, "{{", 2) == 0 ? strstr(pattern, "}}") : NULL;
		if (end) {
			if (append_expression(&name, pattern + 2, (size_t)(end - pattern - 2),
					      &local, error) < 0)
				return NULL;
			pattern = end + 2;
		} else if (strncmp(pattern, "%d", 2) == 0) {
			strbuf_printf(&name, "%u", number);
			pattern += 2;
		} else {
			strbuf_append_bytes(&name, pattern++, 1);
		}
	}
	return memory_strdup(name.text ? name.text : "");
}
