/* The table of commands and the parser of the command line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "lib/cleanup.h"
#include "sysct/command.h"
#include "sysct/help.h"
#include "sysct/options.h"

enum { WORDS_MAX = 16 };

/* Splits @line at blanks, in place, finds its command and parses the rest. */
static int parse(char *line, struct options *options, struct error **error)
{
	static char *words[WORDS_MAX];
	int count = 0, used;
	for (char *word = strtok(line, " "); word && count < WORDS_MAX; word = strtok(NULL, " "))
		words[count++] = word;
	const struct command *command = command_find(words, count, &used);
	assert_non_null(command);
	return options_parse(options, command, words + used, count - used, error);
}

static void expect_error(const char *text, const char *message)
{
	char line[256];
	cleanup_options struct options options = {0};
	cleanup_error struct error *error = NULL;
	strcpy(line, text);
	assert_int_equal(parse(line, &options, &error), -1);
	assert_int_equal(error->kind, ERROR_INVALID);
	if (!strstr(error_message(error), message))
		fail_msg("'%s' gave: %s", text, error_message(error));
}

static void test_options_anywhere(void **state)
{
	char line[] = "launch --config a=1 debian -e mybox -cb=2 --config=c=3";
	cleanup_options struct options options = {0};
	int at = 0;
	(void)state;
	assert_int_equal(parse(line, &options, NULL), 0);
	assert_string_equal(options.command->path, "launch");
	assert_int_equal(options.count, 2);
	assert_string_equal(options.words[0], "debian");
	assert_string_equal(options.words[1], "mybox");
	assert_true(options_given(&options, "ephemeral"));
	assert_string_equal(options_next(&options, "config", &at), "a=1");
	assert_string_equal(options_next(&options, "config", &at), "b=2");
	assert_string_equal(options_next(&options, "config", &at), "c=3");
	assert_null(options_next(&options, "config", &at));
	assert_string_equal(options_value(&options, "config"), "c=3");
}

static void test_verbatim_after_dashes(void **state)
{
	char line[] = "exec mybox -T -- ls -l --user x";
	cleanup_options struct options options = {0};
	(void)state;
	assert_int_equal(parse(line, &options, NULL), 0);
	assert_int_equal(options.count, 5);
	assert_string_equal(options.words[2], "-l");
	assert_true(options_given(&options, "force-noninteractive"));
	assert_false(options_given(&options, "user"));
}

static void test_verbatim_after_command(void **state)
{
	char line[] = "exec --cwd /tmp mybox ls -l -- --help";
	cleanup_options struct options options = {0};
	(void)state;
	assert_int_equal(parse(line, &options, NULL), 0);
	assert_false(options.help);
	assert_int_equal(options.count, 5);
	assert_string_equal(options.words[3], "--");
	assert_string_equal(options_value(&options, "cwd"), "/tmp");
}

static void test_clustered_switches(void **state)
{
	char line[] = "stop -qf a b --timeout 5";
	cleanup_options struct options options = {0};
	long number;
	(void)state;
	assert_int_equal(parse(line, &options, NULL), 0);
	assert_true(options.quiet);
	assert_true(options_given(&options, "force"));
	assert_int_equal(options_number(&options, "timeout", -1, &number, NULL), 0);
	assert_int_equal(number, 5);
}

static void test_remote_prefix(void **state)
{
	char line[] = "launch local:debian local:box";
	cleanup_options struct options options = {0};
	(void)state;
	assert_int_equal(parse(line, &options, NULL), 0);
	assert_string_equal(options.words[0], "debian");
	/* A new name is nothing that exists on a remote. */
	assert_string_equal(options.words[1], "local:box");
}

static void test_errors(void **state)
{
	(void)state;
	expect_error("list --colums n", "did you mean '--columns'?");
	expect_error("list -z", "unknown option '-z'");
	expect_error("list -c", "option '-c' needs a value");
	expect_error("list --format", "option '--format' needs a value");
	expect_error("list --fast=1", "takes no value");
	expect_error("launch", "missing argument");
	expect_error("launch a b c", "unexpected argument 'c'");
	expect_error("exec box", "missing argument");
}

static void test_bad_number(void **state)
{
	char line[] = "stop a --timeout 5x";
	cleanup_options struct options options = {0};
	cleanup_error struct error *error = NULL;
	long number;
	(void)state;
	assert_int_equal(parse(line, &options, NULL), 0);
	assert_int_equal(options_number(&options, "timeout", -1, &number, &error), -1);
	assert_string_equal(error_message(error), "option '--timeout' needs a number, not '5x'");
}

static void expect_command(const char *first, const char *second, const char *third,
			   const char *path, int expected_used)
{
	char *words[] = {(char *)first, (char *)second, (char *)third};
	int count = third ? 3 : second ? 2 : 1, used;
	const struct command *command = command_find(words, count, &used);
	if (path) {
		assert_non_null(command);
		assert_string_equal(command->path, path);
	} else {
		assert_null(command);
	}
	assert_int_equal(used, expected_used);
}

static void test_find(void **state)
{
	(void)state;
	expect_command("ls", NULL, NULL, "list", 1);
	expect_command("rm", "box", NULL, "delete", 1);
	expect_command("config", "set", "box", "config set", 2);
	expect_command("config", "device", "rm", "config device remove", 3);
	expect_command("image", "alias", "ls", "image alias list", 3);
	expect_command("image", "alias", NULL, NULL, 2);
	expect_command("operation", "delete", "x", "operation cancel", 2);
	expect_command("config", "sett", NULL, NULL, 1);
	expect_command("lst", NULL, NULL, NULL, 0);
}

static void expect_suggestion(const char *prefix, const char *word, const char *expected)
{
	cleanup_free char *near = command_suggest(prefix, word);
	if (expected)
		assert_string_equal(near, expected);
	else
		assert_null(near);
}

static void test_suggest(void **state)
{
	(void)state;
	expect_suggestion("", "lst", "list");
	expect_suggestion("", "lanuch", "launch");
	expect_suggestion("", "imagee", "image");
	expect_suggestion("config", "shwo", "show");
	expect_suggestion("", "internl", NULL);
	expect_suggestion("", "completely-else", NULL);
}

/* What every row must have, so that help, man page and parser can rely on it. */
static void check_row(const struct command_group *group, const struct command *row, void *data)
{
	int used;
	cleanup_free char *copy = strdup(row->path);
	char *words[8], *rest = copy, *word;
	int count = 0;
	(void)data;
	assert_non_null(group->title);
	assert_non_null(row->arguments);
	assert_non_null(row->run);
	assert_non_null(row->summary);
	assert_true(row->maximum < 0 || row->maximum >= row->minimum);
	/* A full stop is added by --help. */
	assert_int_not_equal(row->summary[strlen(row->summary) - 1], '.');
	while ((word = strsep(&rest, " ")))
		words[count++] = word;
	assert_ptr_equal(command_find(words, count, &used), row);
	for (const struct option_row *option = row->options; option && option->name; option++) {
		assert_non_null(option->help);
		for (const struct option_row *other = row->options; other != option; other++) {
			assert_string_not_equal(option->name, other->name);
			assert_true(!option->letter || option->letter != other->letter);
		}
	}
	cleanup_strbuf struct strbuf help = {0};
	help_command(&help, row);
	assert_non_null(strstr(help.text, row->summary));
}

static void test_rows(void **state)
{
	(void)state;
	command_each(check_row, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_options_anywhere),
		cmocka_unit_test(test_verbatim_after_dashes),
		cmocka_unit_test(test_verbatim_after_command),
		cmocka_unit_test(test_clustered_switches),
		cmocka_unit_test(test_remote_prefix),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_bad_number),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_suggest),
		cmocka_unit_test(test_rows),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
