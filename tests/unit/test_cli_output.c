/* Tables, columns, filters and YAML of the command line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "lib/cleanup.h"
#include "sysct/client.h"
#include "sysct/columns.h"
#include "sysct/filter.h"
#include "sysct/output.h"
#include "lib/yaml_text.h"

static void make_table(struct table *table)
{
	static const char *const headers[] = {"NAME", "IP"};
	table_init(table, headers, 2);
	table_add(table, "box10");
	table_add(table, "10.0.0.1\n10.0.0.2");
	table_add(table, "b\xc3\xb6x,9");
	table_add(table, "a \"b\"");
}

static void expect_render(enum output_format format, const char *expected)
{
	cleanup_table struct table table = {0};
	cleanup_strbuf struct strbuf out = {0};
	make_table(&table);
	table_render(&table, format, false, &out);
	assert_string_equal(out.text, expected);
}

static void test_table(void **state)
{
	(void)state;
	expect_render(OUTPUT_TABLE, "+-------+----------+\n"
				    "| NAME  | IP       |\n"
				    "+-------+----------+\n"
				    "| box10 | 10.0.0.1 |\n"
				    "|       | 10.0.0.2 |\n"
				    "| b\xc3\xb6x,9 | a \"b\"    |\n"
				    "+-------+----------+\n");
	expect_render(OUTPUT_COMPACT, "NAME   IP\n"
				      "box10  10.0.0.1\n"
				      "       10.0.0.2\n"
				      "b\xc3\xb6x,9  a \"b\"\n");
	expect_render(OUTPUT_CSV, "box10,\"10.0.0.1\n10.0.0.2\"\n"
				  "\"b\xc3\xb6x,9\",\"a \"\"b\"\"\"\n");
}

static void test_empty_table(void **state)
{
	static const char *const headers[] = {"NAME"};
	cleanup_table struct table table = {0};
	cleanup_strbuf struct strbuf out = {0};
	(void)state;
	table_init(&table, headers, 1);
	table_render(&table, OUTPUT_TABLE, false, &out);
	assert_string_equal(out.text, "+------+\n| NAME |\n+------+\n");
}

static void test_sort(void **state)
{
	static const char *const headers[] = {"N", "V"};
	static const char *const cells[] = {"b10", "1", "b9", "2", "a", "3"};
	cleanup_table struct table table = {0};
	cleanup_strbuf struct strbuf out = {0};
	(void)state;
	table_init(&table, headers, 2);
	for (size_t i = 0; i < 6; i++)
		table_add(&table, cells[i]);
	table_sort(&table);
	table_render(&table, OUTPUT_CSV, false, &out);
	assert_string_equal(out.text, "a,3\nb9,2\nb10,1\n");
}

static void test_colour(void **state)
{
	static const char *const headers[] = {"S"};
	cleanup_table struct table table = {0};
	cleanup_strbuf struct strbuf out = {0};
	(void)state;
	table_init(&table, headers, 1);
	table_add(&table, "RUNNING");
	table_render(&table, OUTPUT_COMPACT, true, &out);
	assert_string_equal(out.text, "S\n\033[32mRUNNING\033[0m\n");
}

static void test_clean(void **state)
{
	cleanup_strbuf struct strbuf out = {0};
	(void)state;
	output_append_clean(&out, "a\033[2J\x7f\xc2\x9b\xc3\xa9\n");
	assert_string_equal(out.text, "a?[2J??\xc3\xa9?");
}

static const char instance_text[] =
	"{\"name\": \"web1\", \"status\": \"Running\", \"type\": \"container\", \"ephemeral\": "
	"true,"
	" \"profiles\": [\"default\", \"p\"], \"config\": {},"
	" \"created_at\": \"2026-01-31T10:20:30.5Z\","
	" \"expanded_config\": {\"user.purpose\": \"ci\", \"limits.memory\": \"1GiB\"},"
	" \"expanded_devices\": {\"root\": {\"type\": \"disk\", \"path\": \"/\", \"pool\": "
	"\"p1\"}},"
	" \"state\": {\"memory\": {\"usage\": 1610612736}, \"network\": {\"eth0\": {\"addresses\":"
	" [{\"family\": \"inet\", \"address\": \"10.1.2.3\", \"scope\": \"global\"},"
	" {\"family\": \"inet6\", \"address\": \"fe80::1\", \"scope\": \"link\"}]}}}}";

static void expect_columns(const char *text, const char *csv)
{
	cleanup_columns struct columns columns = {0};
	cleanup_table struct table table = {0};
	cleanup_strbuf struct strbuf out = {0};
	cleanup_json json_t *instance = json_loads(instance_text, 0, NULL);
	assert_non_null(instance);
	assert_int_equal(columns_parse(&columns, text, NULL), 0);
	columns_start(&columns, &table);
	columns_add(&columns, &table, instance);
	table_render(&table, OUTPUT_CSV, false, &out);
	assert_string_equal(out.text, csv);
}

static void test_columns(void **state)
{
	(void)state;
	expect_columns("ns46tS", "web1,RUNNING,10.1.2.3 (eth0),,CONTAINER (EPHEMERAL),0\n");
	expect_columns("n,bm,c", "web1,p1,1.50GiB,2026/01/31 10:20 UTC\n");
	expect_columns("user.purpose,limits.memory::2,config:user.none", "ci,1G,\n");
	expect_columns("devices:root.pool:POOL", "p1\n");
}

static void test_column_errors(void **state)
{
	static const char *const bad[] = {"n!", "", "devices:root", "user.x:H:wide"};
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		cleanup_columns struct columns columns = {0};
		cleanup_error struct error *error = NULL;
		assert_int_equal(columns_parse(&columns, bad[i], &error), -1);
		assert_non_null(error);
	}
}

/* The help of list -c names every letter; two rows must not share one. */
static void test_column_letters(void **state)
{
	(void)state;
	for (const struct column_row *row = column_rows; row->letter; row++)
		for (const struct column_row *other = column_rows; other != row; other++)
			assert_int_not_equal(row->letter, other->letter);
}

static void test_filters(void **state)
{
	static const struct {
		const char *filter;
		int matches;
	} cases[] = {
		{"web", 1},
		{"we.*1", 1},
		{"eb", 0},
		{"user.purpose=ci", 1},
		{"u.p=ci", 0},
		{"u.purpose=ci", 1},
		{"u.purpose=c.*", 1},
		{"u.purpose=x", 0},
		{"status=running", 1},
		{"status=a,running", 1},
		{"status=stopped", 0},
		{"type=container", 1},
		{"ipv4=10.1.2.3", 1},
		{"ipv6=10.1.2.3", 0},
	};
	cleanup_json json_t *instance = json_loads(instance_text, 0, NULL);
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int matched = filter_matches(cases[i].filter, instance, NULL);
		if (matched != cases[i].matches)
			fail_msg("%s: %d", cases[i].filter, matched);
	}
	cleanup_error struct error *error = NULL;
	assert_int_equal(filter_matches("we(", instance, &error), -1);
	assert_non_null(error);
}

static void expect_yaml(const char *json, const char *yaml)
{
	cleanup_json json_t *data = json_loads(json, JSON_DECODE_ANY, NULL);
	cleanup_error struct error *error = NULL;
	cleanup_free char *text = yaml_from_json(data, &error);
	assert_non_null(text);
	assert_string_equal(text, yaml);
	cleanup_json json_t *back = yaml_to_json(text, &error);
	assert_non_null(back);
	assert_true(json_equal(data, back));
}

static void test_yaml_round_trip(void **state)
{
	(void)state;
	expect_yaml("{\"a\": \"x\", \"b\": [], \"c\": {}, \"d\": [1, true, null]}",
		    "a: x\nb: []\nc: {}\nd:\n- 1\n- true\n- null\n");
	expect_yaml("{\"a\": \"2\", \"b\": \"yes\", \"c\": \"\", \"d\": \"0x1f\", \"e\": \"null\"}",
		    "a: \"2\"\nb: \"yes\"\nc: \"\"\nd: \"0x1f\"\ne: \"null\"\n");
	expect_yaml("{\"a\": \"one\\ntwo\\n\"}", "a: |\n  one\n  two\n");
	expect_yaml("{\"a\": \"\\u00e9 # : - \\\"\"}", "a: '\xc3\xa9 # : - \"'\n");
}

static void test_yaml_strings_of_maps(void **state)
{
	cleanup_json json_t *data = yaml_to_json(
		"config:\n  limits.cpu: 2\n  a: true\n  b:\n  c: 007\nephemeral: true\n"
		"devices:\n  root:\n    size: 5\n",
		NULL);
	cleanup_json json_t *expected =
		json_loads("{\"config\": {\"limits.cpu\": \"2\", \"a\": \"true\", \"b\": \"\", "
			   "\"c\": \"007\"},"
			   " \"ephemeral\": true, \"devices\": {\"root\": {\"size\": \"5\"}}}",
			   0, NULL);
	(void)state;
	assert_true(json_equal(data, expected));
}

static void test_yaml_errors(void **state)
{
	static const char *const bad[] = {"a: [1", "a: 1\na: 2", "a: *b", "? [x]\n: y", "\ta: 1"};
	char deep[200];
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		cleanup_error struct error *error = NULL;
		assert_null(yaml_to_json(bad[i], &error));
		assert_int_equal(error->kind, ERROR_INVALID);
	}
	cleanup_error struct error *error = NULL;
	memset(deep, '[', sizeof(deep) - 1);
	deep[sizeof(deep) - 1] = '\0';
	assert_null(yaml_to_json(deep, &error));
	assert_non_null(error);
	cleanup_json json_t *empty = yaml_to_json("", NULL);
	assert_true(json_is_null(empty));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_empty_table),
		cmocka_unit_test(test_sort),
		cmocka_unit_test(test_colour),
		cmocka_unit_test(test_clean),
		cmocka_unit_test(test_columns),
		cmocka_unit_test(test_column_errors),
		cmocka_unit_test(test_column_letters),
		cmocka_unit_test(test_filters),
		cmocka_unit_test(test_yaml_round_trip),
		cmocka_unit_test(test_yaml_strings_of_maps),
		cmocka_unit_test(test_yaml_errors),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
