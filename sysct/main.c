/*
 * sysct: the command line of the system-container manager. It talks to the
 * API of sysctd and to nothing else. The start is kept cheap: no locale, no
 * library beside libc, no connection before a command asks for one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "help.h"
#include "lib/cleanup.h"
#include "lib/memory.h"
#include "output.h"

/* A descriptor opened later must not become 0, 1 or 2: exec hands those on. */
static void open_standard_fds(void)
{
	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) < 0)
			_exit(EXIT_FAILED);
}

static int print_text(struct strbuf *text, struct error **error)
{
	fputs(text->text, stdout);
	return output_flush(error);
}

static int show_help(const char *prefix, const struct command *command, struct error **error)
{
	cleanup_strbuf struct strbuf text = {0};
	if (command)
		help_command(&text, command);
	else
		help_group(&text, prefix);
	return print_text(&text, error);
}

static char *join_words(char **words, int count)
{
	cleanup_strbuf struct strbuf text = {0};
	for (int i = 0; i < count; i++)
		strbuf_printf(&text, "%s%s", i ? " " : "", words[i]);
	return strbuf_steal(&text);
}

static bool is_help(const char *word)
{
	return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0;
}

/* The words spell no command: a group alone, --help of one, or a mistake. */
static int no_command(struct cli *cli, char **words, int count, int used, struct error **error)
{
	cleanup_free char *prefix = join_words(words, used);
	if (used < count && is_help(words[used]))
		return show_help(prefix, NULL, error);
	cli_hint(cli, "'sysct%s%s --help' lists the commands", used ? " " : "", prefix);
	if (used == count)
		return cli_usage(cli, error, "%s%sa command is missing", prefix, used ? ": " : "");
	if (words[used][0] == '-')
		return cli_usage(cli, error, "unknown option '%s' before the command", words[used]);
	cleanup_free char *near = command_suggest(prefix, words[used]);
	if (near)
		return cli_usage(cli, error, "unknown command '%s%s%s'; did you mean '%s%s%s'?",
				 prefix, used ? " " : "", words[used], prefix, used ? " " : "",
				 near);
	return cli_usage(cli, error, "unknown command '%s%s%s'", prefix, used ? " " : "",
			 words[used]);
}

static int run_command(struct cli *cli, const struct command *command, char **words, int count,
		       struct error **error)
{
	if (options_parse(&cli->options, command, words, count, error) < 0) {
		cli->usage = true;
		cli_hint(cli, "'sysct %s --help' tells more", command->path);
		return -1;
	}
	if (cli->options.help)
		return show_help("", command, error);
	cli->quiet = cli->quiet || cli->options.quiet;
	return command->run(cli, error);
}

/* "sysct help config set" */
static int run_help(struct cli *cli, char **words, int count, struct error **error)
{
	int used;
	const struct command *command = command_find(words, count, &used);
	cleanup_free char *prefix = join_words(words, used);
	if (command || used == count)
		return show_help(prefix, command, error);
	return no_command(cli, words, count, used, error);
}

/* Options of the program itself; the rest is the command. */
static int run(struct cli *cli, char **words, int count, struct error **error)
{
	int used;
	while (count > 0 && (strcmp(words[0], "-q") == 0 || strcmp(words[0], "--quiet") == 0)) {
		cli->quiet = true;
		words++;
		count--;
	}
	if (count > 0 && strcmp(words[0], "--version") == 0)
		words[0] = "version";
	if (count > 1 && strcmp(words[0], "help") == 0)
		return run_help(cli, words + 1, count - 1, error);
	const struct command *command = command_find(words, count, &used);
	if (!command)
		return no_command(cli, words, count, used, error);
	return run_command(cli, command, words + used, count - used, error);
}

/* What the user can do, where the kind of the error alone tells it. */
static void find_hint(struct cli *cli, const struct error *error, enum exit_code code)
{
	const struct command *command = cli->options.command;
	enum word_kind kind = command ? command->words[0] : WORD_OTHER;
	const char *directory = getenv("SYSCT_DIR");
	if (code == EXIT_NO_ACCESS && (error->errnum == EACCES || error->errnum == EPERM))
		cli_hint(cli, "join the group of the socket: 'sudo usermod -aG sysct $USER', then "
			      "log in again");
	else if (code == EXIT_NO_ACCESS && error->errnum && directory && *directory)
		cli_hint(cli, "no daemon runs on SYSCT_DIR=%s; start one: 'SYSCT_DIR=%s sysctd'",
			 directory, directory);
	else if (code == EXIT_NO_ACCESS && error->errnum)
		cli_hint(cli, "the daemon is not running; start it: 'sudo systemctl start sysctd'");
	else if (code == EXIT_NOT_FOUND && strstr(error_message(error), "Snapshot not found"))
		cli_hint(cli, "'sysct snapshot list' shows the snapshots of an instance");
	else if (code == EXIT_NOT_FOUND && kind == WORD_INSTANCE)
		cli_hint(cli, "'sysct list' shows the instances");
	else if (code == EXIT_NOT_FOUND && kind == WORD_IMAGE)
		cli_hint(cli, "'sysct image list' shows the images, 'sysct image build' makes one");
	else if (code == EXIT_NOT_FOUND && kind == WORD_PROFILE)
		cli_hint(cli, "'sysct profile list' shows the profiles");
	else if (code == EXIT_USAGE && command)
		cli_hint(cli, "'sysct %s --help' tells more", command->path);
}

static int finish(struct cli *cli, const struct error *error)
{
	if (!error)
		return cli->status;
	enum exit_code code = cli_exit_code(cli, error);
	cli_print_error(error);
	find_hint(cli, error, code);
	if (cli->hint)
		fprintf(stderr, "hint: %s\n", cli->hint);
	return (int)code;
}

int main(int argc, char **argv)
{
	struct cli cli = {0};
	struct error *error = NULL;
	open_standard_fds();
	if (run(&cli, argv + 1, argc > 0 ? argc - 1 : 0, &error) < 0 && !error)
		error_set(&error, ERROR_INTERNAL, "failed without a reason");
	int status = finish(&cli, error);
	error_free(error);
	options_free(&cli.options);
	client_free(cli.client);
	free(cli.hint);
	return status;
}
