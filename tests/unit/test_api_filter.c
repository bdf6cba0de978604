/* Unit tests of the filter language. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "api/filter.h"
#include "cleanup.h"
#include "strbuf.h"

static json_t *sample(void)
{
	return json_pack("{s:s, s:s, s:b, s:{s:s, s:s}, s:{s:{s:s}}, s:i}", "name", "web01",
			 "status", "Running", "ephemeral", 0, "config", "limits.memory", "1GiB",
			 "user.comment", "my box", "devices", "eth0", "nictype", "bridged", "count",
			 5);
}

static void matches(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool expected;
	} rows[] = {
		{"name eq web01", true},
		{"name eq web", false},
		{"name eq WEB01", true},
		{"name EQ web.*", true},
		{"name eq (^web$|^web.*)", true},
		{"name eq (^web1$|^web1.*)", false},
		{"name ne web01", false},
		{"name=web01", true},
		{"name = web01", true},
		{"Status eq running", true},
		{"config.limits.memory eq 1GiB", true},
		{"config.user.comment eq \"my box\"", true},
		{"config.nothing eq x", false},
		{"config.nothing ne x", true},
		{"devices.eth0.nictype eq bridged", true},
		{"ephemeral eq false", true},
		{"ephemeral eq true", false},
		{"count eq 5", true},
		{"not name eq web01", false},
		{"not not name eq web01", true},
		{"name eq x or status eq running and count eq 6", false},
		{"name eq web01 or status eq x and count eq 6", false}, /* from the left */
		{"name eq web01 or (status eq x and count eq 6)", true},
		{"(name eq web01)", true},
		{"not (name eq web01 and count eq 5)", false},
		{"not(name eq x)", true},
		{"name eq web{1}", false},
		{"name eq 'web01'", true},
		{"", true},
		{"   ", true},
	};
	json_t *object = sample();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct filter *filter;
		cleanup_error struct error *error = NULL;
		if (filter_compile(rows[i].text, &filter, &error) < 0)
			fail_msg("%s: %s", rows[i].text, error_message(error));
		if (filter_match(filter, object) != rows[i].expected)
			fail_msg("%s", rows[i].text);
		filter_free(filter);
	}
	json_decref(object);
}

static void refuses(void **state)
{
	(void)state;
	static const char *const texts[] = {
		"name",	       "name eq",
		"name eq \"x", "eq x",
		"name xx y",   "(name eq x",
		"name eq x)",  "name eq x and",
		"and",	       "not",
		"()",	       "= x",
		"name eq x y", "name eq x name eq y",
	};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct filter *filter;
		cleanup_error struct error *error = NULL;
		if (filter_compile(texts[i], &filter, &error) == 0)
			fail_msg("%s", texts[i]);
		assert_int_equal(error->kind, ERROR_INVALID);
		assert_null(filter);
	}
}

static void bounds(void **state)
{
	(void)state;
	static const char *const parts[] = {"(", "not ", "a eq b and "};
	for (size_t i = 0; i < 3; i++) {
		struct filter *filter;
		cleanup_strbuf struct strbuf text = {0};
		for (int j = 0; j < 100000; j++)
			strbuf_append(&text, parts[i]);
		assert_int_equal(filter_compile(text.text, &filter, NULL), -1);
	}
	struct filter *filter;
	cleanup_strbuf struct strbuf pattern = {0};
	strbuf_append(&pattern, "name eq ");
	for (int j = 0; j < 100000; j++)
		strbuf_append(&pattern, "(a|");
	assert_int_equal(filter_compile(pattern.text, &filter, NULL), 0);
	filter_free(filter);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(matches),
		cmocka_unit_test(refuses),
		cmocka_unit_test(bounds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
