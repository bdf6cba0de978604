/* Times and names of snapshots of instances and volumes: when one is due, when it expires, what it may be called. Pure functions. */
#ifndef SYSCT_INSTANCE_SCHEDULE_H
#define SYSCT_INSTANCE_SCHEDULE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "error.h"

/* crontab(5): what is set matches. */
struct cron {
	uint64_t minutes;
	uint32_t hours, days, months, weekdays;
	bool any_day, any_weekday; /* "*": else one of both that matches is enough */
};

enum { SCHEDULE_MAX = 8 };

struct schedule {
	struct cron crons[SCHEDULE_MAX];
	size_t count;
	bool startup; /* "@startup": when the instance starts */
};

/**
 * schedule_parse - snapshots.schedule: five fields of crontab(5), or words ("@daily") that are
 * separated by commas or blanks. "" is none.
 */
int schedule_parse(const char *text, struct schedule *schedule, struct error **error);

/* Whether one is due in the minute @time, which is local. */
bool schedule_matches(const struct schedule *schedule, const struct tm *time);

/**
 * expiry_add - snapshots.expiry, "1M 2H 3d 4w 5m 6y": minutes, hours, days, weeks, months and years, and
 * S for seconds. @from, @result: nanoseconds since the epoch. "" is 0: never.
 */
int expiry_add(const char *text, int64_t from, int64_t *result, struct error **error);

/* A value of snapshots.schedule, .expiry, .expiry.manual or .pattern. */
int snapshot_check_key(const char *key, const char *value, struct error **error);

/**
 * snapshot_expiry - when one that is taken at @from expires by the configuration.
 * @scheduled: by the clock, so that snapshots.expiry.manual is not for it.
 */
int snapshot_expiry(const json_t *config, bool scheduled, int64_t from, int64_t *result,
		    struct error **error);

/**
 * snapshot_make_name - by snapshots.pattern, or snap0, snap1 and so on.
 * @taken: names of those that there are: a number is one more than the highest, so that a name is not soon
 * used for another. Without one in the pattern, it is added where the name is taken. The caller frees it.
 */
char *snapshot_make_name(const json_t *config, const char *const *taken, size_t count, int64_t time,
			 struct error **error);

/* Letters, digits, "-", "_", ".", ":", "+", "@", at most 63, not "." at the head. */
int snapshot_check_name(const char *name, struct error **error);

/**
 * snapshot_pattern_expand - snapshots.pattern: "%d" becomes @number,
 * "{{ creation_date }}" and "{{ creation_date|date:'2006-01-02_15-04-05' }}" the local time, in the layout of
 * LXD. The caller frees it.
 */
char *snapshot_pattern_expand(const char *pattern, int64_t time, unsigned number,
			      struct error **error);

#endif
