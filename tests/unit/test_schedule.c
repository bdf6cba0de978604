/* When snapshots are due, when they expire, and what they are called. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "cleanup.h"
#include "instance/schedule.h"
#include "memory.h"

/* "2026-11-25 14:30", a Wednesday. */
static struct tm at(const char *text)
{
	struct tm time = {0};
	assert_non_null(strptime(text, "%Y-%m-%d %H:%M", &time));
	return time;
}

static bool is_due(const char *schedule, const char *time)
{
	struct schedule parsed;
	struct error *error = NULL;
	struct tm tm = at(time);
	if (schedule_parse(schedule, &parsed, &error) < 0)
		fail_msg("%s", error_message(error));
	return schedule_matches(&parsed, &tm);
}

static void test_due(void **state)
{
	(void)state;
	assert_true(is_due("* * * * *", "2026-11-25 14:30"));
	assert_true(is_due("30 14 * * *", "2026-11-25 14:30"));
	assert_false(is_due("30 14 * * *", "2026-11-25 14:31"));
	assert_false(is_due("30 14 * * *", "2026-11-25 15:30"));
	assert_true(is_due("*/15 * * * *", "2026-11-25 14:30"));
	assert_false(is_due("*/15 * * * *", "2026-11-25 14:31"));
	assert_true(is_due("10-40/10 * * * *", "2026-11-25 14:30"));
	assert_true(is_due("5/25 * * * *", "2026-11-25 14:30"));
	assert_true(is_due("0,30 8-18 * * mon-fri", "2026-11-25 14:30"));
	assert_false(is_due("0,30 8-18 * * mon-fri", "2026-11-28 14:30"));
	assert_true(is_due("0 0 * * 7", "2026-11-29 00:00"));
	assert_true(is_due("0 0 * * SUN", "2026-11-29 00:00"));
	assert_true(is_due("0 0 1 jan *", "2026-01-01 00:00"));
	assert_false(is_due("0 0 1 feb *", "2026-01-01 00:00"));
	/* crontab(5): where both days are given, one is enough. */
	assert_true(is_due("0 0 13 * 5", "2026-11-13 00:00"));
	assert_true(is_due("0 0 14 * 5", "2026-11-13 00:00"));
	assert_true(is_due("0 0 25 * 5", "2026-11-25 00:00"));
	assert_false(is_due("0 0 26 * 5", "2026-11-25 00:00"));
	assert_false(is_due("", "2026-11-25 00:00"));
}

static void test_words(void **state)
{
	struct schedule schedule;
	(void)state;
	assert_true(is_due("@hourly", "2026-11-25 14:00"));
	assert_false(is_due("@hourly", "2026-11-25 14:01"));
	assert_true(is_due("@daily", "2026-11-25 00:00"));
	assert_true(is_due("@midnight", "2026-11-25 00:00"));
	assert_true(is_due("@weekly", "2026-11-29 00:00"));
	assert_false(is_due("@weekly", "2026-11-28 00:00"));
	assert_true(is_due("@monthly", "2026-11-01 00:00"));
	assert_true(is_due("@yearly", "2026-01-01 00:00"));
	assert_true(is_due("@daily, @hourly", "2026-11-25 14:00"));
	assert_true(is_due("@startup,@annually", "2026-01-01 00:00"));
	assert_int_equal(schedule_parse("@startup", &schedule, NULL), 0);
	assert_true(schedule.startup && schedule.count == 0);
	assert_int_equal(schedule_parse("@hourly", &schedule, NULL), 0);
	assert_false(schedule.startup);
}

static void test_bad(void **state)
{
	static const char *const bad[] = {
		"*",	       "* * * *",     "* * * * * *",  "60 * * * *",
		"* 24 * * *",  "* * 0 * *",   "* * 32 * *",   "* * * 13 *",
		"* * * * 8",   "a * * * *",   "5- * * * *",   "5-2 * * * *",
		"*/0 * * * *", "*/x * * * *", "1,,2 * * * *", "1x * * * *",
		"@often",      "@daily 5",    "-1 * * * *",   "99999999999999999999 * * * *",
	};
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct schedule schedule;
		struct error *error = NULL;
		if (schedule_parse(bad[i], &schedule, &error) == 0)
			fail_msg("\"%s\" was taken", bad[i]);
		error_free(error);
	}
}

static int64_t expires(const char *text)
{
	int64_t result;
	struct error *error = NULL;
	if (expiry_add(text, 1000000000000000007LL, &result, &error) < 0)
		fail_msg("%s", error_message(error));
	return result;
}

static void test_expiry(void **state)
{
	static const char *const bad[] = {"1", "x", "1X", "0d", "-1d", "1.5d", "1dd", "200000d"};
	const int64_t from = 1000000000000000007LL, second = 1000000000;
	(void)state;
	setenv("TZ", "UTC", 1);
	tzset();
	assert_int_equal(expires(""), 0);
	assert_int_equal(expires(" "), 0);
	assert_int_equal(expires("5S"), from + 5 * second);
	assert_int_equal(expires("30M"), from + 1800 * second);
	assert_int_equal(expires("2H 1d 1w"), from + (7200 + 8 * 86400) * second);
	/* 2001-09-09 01:46:40 */
	assert_int_equal(expires("1m"), from + 30 * 86400 * second);
	assert_int_equal(expires("1y"), from + 365 * 86400 * second);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		int64_t ignored;
		struct error *error = NULL;
		if (expiry_add(bad[i], from, &ignored, &error) == 0)
			fail_msg("\"%s\" was taken", bad[i]);
		error_free(error);
	}
}

static void expect_name(const char *pattern, const char *name)
{
	struct error *error = NULL;
	/* 2001-09-09 01:46:40 UTC */
	cleanup_free char *made =
		snapshot_pattern_expand(pattern, 1000000000LL * 1000000000, 7, &error);
	if (!made)
		fail_msg("%s", error_message(error));
	assert_string_equal(made, name);
}

static void test_names(void **state)
{
	static const char *const bad[] = {"{{ name }}", "{{ creation_date|time:'15' }}",
					  "{{ creation_date|date:'15 }}", "{{creation_date|date}}"};
	static const char *const bad_names[] = {"", ".x", "a b", "a/b", "ä", "x\n"};
	(void)state;
	setenv("TZ", "UTC", 1);
	tzset();
	expect_name("snap%d", "snap7");
	expect_name("a%db%d", "a7b7");
	expect_name("{{ creation_date }}", "2001-09-09_01-46-40");
	expect_name("auto-{{creation_date|date:'20060102'}}", "auto-20010909");
	expect_name("{{ creation_date|date:\"Jan-02_15.04.05\" }}-x", "Sep-09_01.46.40-x");
	expect_name("{{", "{{");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct error *error = NULL;
		assert_null(snapshot_pattern_expand(bad[i], 0, 0, &error));
		error_free(error);
	}
	for (size_t i = 0; i < sizeof(bad_names) / sizeof(bad_names[0]); i++)
		assert_int_equal(snapshot_check_name(bad_names[i], NULL), -1);
	assert_int_equal(snapshot_check_name("a-B_9.:+@", NULL), 0);
}

static void expect_made(const char *pattern, const char *const *taken, size_t count,
			const char *name)
{
	struct error *error = NULL;
	json_t *config = pattern ? json_pack("{s:s}", "snapshots.pattern", pattern) : json_object();
	cleanup_free char *made =
		snapshot_make_name(config, taken, count, 1000000000LL * 1000000000, &error);
	json_decref(config);
	if (!made)
		fail_msg("%s", error_message(error));
	assert_string_equal(made, name);
}

static void test_made_names(void **state)
{
	static const char *const taken[] = {"snap2", "snap10x", "snap-1", "a7b", "day", "day-3"};
	enum { COUNT = sizeof(taken) / sizeof(taken[0]) };
	(void)state;
	expect_made(NULL, NULL, 0, "snap0");
	expect_made("", taken, COUNT, "snap3");
	expect_made("snap%d", taken, COUNT, "snap3");
	expect_made("a%db", taken, COUNT, "a8b");
	expect_made("day", taken, COUNT, "day-4");
	expect_made("night", taken, COUNT, "night");
}

static void test_expiry_of_config(void **state)
{
	const int64_t from = 1000000000LL * 1000000000;
	int64_t time = 1;
	struct error *error = NULL;
	json_t *config =
		json_pack("{s:s, s:s}", "snapshots.expiry", "1M", "snapshots.expiry.manual", "2M");
	(void)state;
	assert_int_equal(snapshot_expiry(config, true, from, &time, &error), 0);
	assert_int_equal(time, from + 60000000000);
	assert_int_equal(snapshot_expiry(config, false, from, &time, &error), 0);
	assert_int_equal(time, from + 120000000000);
	json_object_del(config, "snapshots.expiry.manual");
	assert_int_equal(snapshot_expiry(config, false, from, &time, &error), 0);
	assert_int_equal(time, from + 60000000000);
	json_object_clear(config);
	assert_int_equal(snapshot_expiry(config, true, from, &time, &error), 0);
	assert_int_equal(time, 0);
	json_decref(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_due),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_expiry),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_made_names),
		cmocka_unit_test(test_expiry_of_config),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
