/* See schedule.h. */
#include "instance/schedule.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cleanup.h"
#include "memory.h"

#define NANOSECONDS 1000000000LL

/* ---- one field ---- */

struct field {
	const char *noun;
	unsigned least, most;
	const char *const *names; /* of least and what follows, or NULL */
};

static const char *const months[] = {"jan", "feb", "mar", "apr", "may", "jun", "jul",
				     "aug", "sep", "oct", "nov", "dec", NULL};
static const char *const weekdays[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat", NULL};

static const struct field fields[] = {
	{"minute", 0, 59, NULL},
	{"hour", 0, 23, NULL},
	{"day", 1, 31, NULL},
	{"month", 1, 12, months},
	{"day of the week", 0, 7, weekdays},
};

static int parse_number(const struct field *field, const char **text, unsigned *number,
			struct error **error)
{
	char *end;
	for (size_t i = 0; field->names && field->names[i]; i++)
		if (strncasecmp(*text, field->names[i], 3) == 0) {
			*number = field->least + (unsigned)i;
			*text += 3;
			return 0;
		}
	unsigned long value = isdigit((unsigned char)**text) ? strtoul(*text, &end, 10) : 1000;
	if (value < field->least || value > field->most)
		return error_set(error, ERROR_INVALID, "\"%s\": a %s is %u to %u", *text,
				 field->noun, field->least, field->most);
	*number = (unsigned)value;
	*text = end;
	return 0;
}

/* "*", "5", "1-5", each with "/2". */
static int parse_range(const struct field *field, const char *text, uint64_t *bits,
		       struct error **error)
{
	unsigned first = field->least, last = field->most, step = 1;
	bool one = false;
	if (*text == '*') {
		text++;
	} else {
		if (parse_number(field, &text, &first, error) < 0)
			return -1;
		last = first;
		one = *text != '-';
		if (!one && (text++, parse_number(field, &text, &last, error) < 0))
			return -1;
	}
	if (*text == '/') {
		char *end;
		unsigned long value = strtoul(text + 1, &end, 10);
		if (!isdigit((unsigned char)text[1]) || value == 0 || value > 60)
			return error_set(error, ERROR_INVALID, "\"%s\" is not a step", text);
		step = (unsigned)value;
		text = end;
		if (one)
			last = field->most;
	}
	if (*text || last < first)
		return error_set(error, ERROR_INVALID, "\"%s\" is not a range of a %s", text,
				 field->noun);
	for (unsigned i = first; i <= last; i += step)
		*bits |= 1ULL << i;
	return 0;
}

static int parse_field(const struct field *field, char *text, uint64_t *bits, struct error **error)
{
	*bits = 0;
	for (char *one; (one = strsep(&text, ","));)
		if (parse_range(field, one, bits, error) < 0)
			return -1;
	return 0;
}

/* ---- expressions ---- */

static int parse_cron(char *text, struct cron *cron, struct error **error)
{
	uint64_t bits[5];
	char *given[5] = {NULL};
	size_t count = 0;
	for (char *word; (word = strsep(&text, " \t"));)
		if (*word && count < 5)
			given[count++] = word;
		else if (*word)
			count = 6;
	if (count != 5)
		return error_set(error, ERROR_INVALID,
				 "it must be five fields (minute, hour, day, month, day of the "
				 "week) or words such as @daily");
	bool any_day = given[2][0] == '*', any_weekday = given[4][0] == '*';
	for (size_t i = 0; i < 5; i++)
		if (parse_field(&fields[i], given[i], &bits[i], error) < 0)
			return -1;
	*cron = (struct cron){
		.minutes = bits[0],
		.hours = (uint32_t)bits[1],
		.days = (uint32_t)bits[2],
		.months = (uint32_t)bits[3],
		.weekdays = (uint32_t)((bits[4] | bits[4] >> 7) & 0x7f), /* 7 is Sunday, too */
		.any_day = any_day,
		.any_weekday = any_weekday,
	};
	return 0;
}

static const struct {
	const char *word, *cron; /* NULL: at the start */
} words[] = {
	{"@startup", NULL},	    {"@hourly", "0 * * * *"}, {"@daily", "0 0 * * *"},
	{"@midnight", "0 0 * * *"}, {"@weekly", "0 0 * * 0"}, {"@monthly", "0 0 1 * *"},
	{"@annually", "0 0 1 1 *"}, {"@yearly", "0 0 1 1 *"},
};

static int parse_word(const char *word, struct schedule *schedule, struct error **error)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(word, words[i].word) != 0)
			continue;
		schedule->startup = schedule->startup || !words[i].cron;
		if (!words[i].cron || schedule->count == SCHEDULE_MAX)
			return 0;
		cleanup_free char *copy = memory_strdup(words[i].cron);
		return parse_cron(copy, &schedule->crons[schedule->count++], error);
	}
	return error_set(error, ERROR_INVALID, "\"%s\" is not a word for a schedule", word);
}

int schedule_parse(const char *text, struct schedule *schedule, struct error **error)
{
	cleanup_free char *copy = memory_strdup(text);
	char *rest = copy;
	*schedule = (struct schedule){.count = 0};
	if (text[strspn(text, " \t")] == '\0')
		return 0;
	if (!strchr(text, '@')) {
		schedule->count = 1;
		return parse_cron(copy, &schedule->crons[0], error);
	}
	for (char *word; (word = strsep(&rest, ", \t"));)
		if (*word && parse_word(word, schedule, error) < 0)
			return -1;
	return 0;
}

static bool matches(const struct cron *cron, const struct tm *time)
{
	bool day = cron->days >> time->tm_mday & 1, weekday = cron->weekdays >> time->tm_wday & 1;
	bool either = cron->any_day || cron->any_weekday ? day && weekday : day || weekday;
	return either && cron->minutes >> time->tm_min & 1 && cron->hours >> time->tm_hour & 1 &&
	       cron->months >> (time->tm_mon + 1) & 1;
}

bool schedule_matches(const struct schedule *schedule, const struct tm *time)
{
	for (size_t i = 0; i < schedule->count; i++)
		if (matches(&schedule->crons[i], time))
			return true;
	return false;
}

/* ---- expiry ---- */

static int add_span(struct tm *time, long number, char unit)
{
	switch (unit) {
	case 'S':
		time->tm_sec += (int)number;
		return 0;
	case 'M':
		time->tm_min += (int)number;
		return 0;
	case 'H':
		time->tm_hour += (int)number;
		return 0;
	case 'd':
		time->tm_mday += (int)number;
		return 0;
	case 'w':
		time->tm_mday += (int)number * 7;
		return 0;
	case 'm':
		time->tm_mon += (int)number;
		return 0;
	case 'y':
		time->tm_year += (int)number;
		return 0;
	default:
		return -1;
	}
}

/* Each unit on its own, as mktime(3) carries over: the 31st and a month is a day of the month after. */
int expiry_add(const char *text, int64_t from, int64_t *result, struct error **error)
{
	enum { MOST = 100000 };
	cleanup_free char *copy = memory_strdup(text);
	char *rest = copy;
	time_t seconds = (time_t)(from / NANOSECONDS);
	struct tm time;
	bool any = false;
	localtime_r(&seconds, &time);
	for (char *word; (word = strsep(&rest, " \t"));) {
		char *end;
		unsigned long number = isdigit((unsigned char)*word) ? strtoul(word, &end, 10) : 0;
		if (!*word)
			continue;
		if (!number || number > MOST || strlen(end) != 1 ||
		    add_span(&time, (long)number, *end) < 0)
			return error_set(error, ERROR_INVALID,
					 "\"%s\" is not a time such as 30M, 2H, 3d, 4w, 5m or 6y",
					 word);
		any = true;
	}
	time.tm_isdst = -1;
	*result = any ? (int64_t)mktime(&time) * NANOSECONDS + from % NANOSECONDS : 0;
	return 0;
}
