/* exec, shell, console: what runs in an instance, with the descriptors of this process. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "assign.h"
#include "fast_path.h"
#include "groups.h"
#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/memory.h"
#include "listing.h"
#include "session.h"

static bool wants_terminal(const struct options *options)
{
	const char *mode = options_value(options, "mode");
	if (options_given(options, "force-interactive") ||
	    (mode && strcmp(mode, "interactive") == 0))
		return true;
	if (options_given(options, "force-noninteractive") ||
	    options_given(options, "disable-stdin") ||
	    (mode && strcmp(mode, "non-interactive") == 0))
		return false;
	return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
}

/* "1000" as the number of the API, "www-data" for the instance to look up. */
static void add_identity(json_t *body, const char *value, const char *number_key,
			 const char *name_key)
{
	char *end;
	if (!value)
		return;
	errno = 0;
	long number = strtol(value, &end, 10);
	if (*value && !*end && !errno && number >= 0)
		json_object_set_new(body, number_key, json_integer(number));
	else
		json_object_set_new(body, name_key, json_string(value));
}

static json_t *make_environment(const struct options *options, bool terminal, struct error **error)
{
	cleanup_json json_t *environment = json_object();
	const char *type = getenv("TERM");
	const char *word;
	if (terminal && type && *type)
		json_object_set_new(environment, "TERM", json_string(type));
	for (int at = 0; (word = options_next(options, "env", &at));)
		if (assign_add(environment, word, "environment", error) < 0)
			return NULL;
	return json_steal(&environment);
}

static json_t *make_body(struct cli *cli, json_t *command, bool terminal, struct error **error)
{
	const struct options *options = &cli->options;
	const char *directory = options_value(options, "cwd");
	json_t *environment = make_environment(options, terminal, error);
	if (!environment) {
		cli_mark_usage(cli);
		return NULL;
	}
	json_t *body = json_pack("{s:O, s:o, s:b}", "command", command, "environment", environment,
				 "interactive", (int)terminal);
	if (terminal) {
		struct terminal_size size = terminal_size(STDIN_FILENO);
		if (size.columns <= 0)
			size = terminal_size(STDOUT_FILENO);
		json_object_set_new(body, "width", json_integer(size.columns));
		json_object_set_new(body, "height", json_integer(size.rows));
	}
	if (directory)
		json_object_set_new(body, "cwd", json_string(directory));
	add_identity(body, options_value(options, "user"), "user", "user_name");
	add_identity(body, options_value(options, "group"), "group", "group_name");
	return body;
}

/* Ends of pipes that the process has now must not live on in us: who waits for
 * their other end would wait for us too. */
static void forget_standard_fds(void)
{
	cleanup_close int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0)
		return;
	/* A terminal stays: we copy from and to it (relay.h). */
	if (!isatty(STDIN_FILENO))
		dup2(null, STDIN_FILENO);
	if (!isatty(STDOUT_FILENO))
		dup2(null, STDOUT_FILENO);
}

static int run_process(struct cli *cli, json_t *command, struct error **error)
{
	bool terminal = wants_terminal(&cli->options);
	cleanup_free char *path = client_path("/1.0/instances/%s/exec", cli_word(cli, 0), NULL);
	cleanup_json json_t *body = make_body(cli, command, terminal, error);
	cleanup_session struct session session = SESSION_INIT;
	cleanup_close int null = -1;
	if (!body || session_open(&session, terminal, false, error) < 0)
		return -1;
	if (!terminal && options_given(&cli->options, "disable-stdin"))
		null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct fast_path_fd fds[] = {
		{"stdin", null >= 0 ? null : STDIN_FILENO},
		{"stdout", STDOUT_FILENO},
		{"stderr", STDERR_FILENO},
	};
	for (int i = 0; !terminal && i < SESSION_RELAYS; i++)
		fds[i].fd = relay_open(&session.relays[i], fds[i].fd, i == 0, error);
	if (error && *error)
		return -1;
	int control = fast_path_open(cli, path, body, fds, terminal ? 0 : 3, error);
	if (control < 0)
		return -1;
	for (int i = 0; i < SESSION_RELAYS; i++)
		relay_started(&session.relays[i]);
	if (!terminal)
		forget_standard_fds();
	if (session_run(&session, control, -1, error) < 0)
		return -1;
	cli->status = session.status;
	return 0;
}

static int run_exec(struct cli *cli, struct error **error)
{
	const char *mode = options_value(&cli->options, "mode");
	if (mode && strcmp(mode, "auto") != 0 && strcmp(mode, "interactive") != 0 &&
	    strcmp(mode, "non-interactive") != 0)
		return cli_usage(cli, error, "--mode is auto, interactive or non-interactive");
	cleanup_json json_t *command = json_array();
	for (int i = 1; i < cli->options.count; i++)
		if (json_array_append_new(command, json_string(cli_word(cli, i))) < 0)
			return cli_usage(cli, error, "argument %d is not UTF-8", i);
	return run_process(cli, command, error);
}

/* The login shell of a user, chosen in the instance: not all have su. */
static const char login_script[] =
	"command -v su >/dev/null 2>&1 && exec su -l \"$1\"; "
	"[ \"$1\" = root ] || { echo \"su is missing in this instance\" >&2; exit 127; }; "
	"cd; exec /bin/sh -l";

static int run_shell(struct cli *cli, struct error **error)
{
	const char *user = cli_word(cli, 1);
	cleanup_json json_t *command =
		json_pack("[s,s,s,s,s]", "/bin/sh", "-c", login_script, "sh", user ? user : "root");
	if (!command)
		return cli_usage(cli, error, "the user's name is not UTF-8");
	return run_process(cli, command, error);
}

static int attach_console(struct cli *cli, const char *path, struct error **error)
{
	int pair[2];
	struct terminal_size size = terminal_size(STDIN_FILENO);
	cleanup_json json_t *body = json_pack("{s:s, s:i, s:i}", "type", "console", "width",
					      size.columns, "height", size.rows);
	cleanup_session struct session session = SESSION_INIT;
	if (session_open(&session, true, true, error) < 0)
		return -1;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return error_errno(error, errno, "creating a socket pair");
	cleanup_close int ours = pair[0];
	cleanup_close int theirs = pair[1];
	struct fast_path_fd fds[] = {{"stream", theirs}};
	int control = fast_path_open(cli, path, body, fds, 1, error);
	if (control < 0)
		return -1;
	close(steal_fd(&theirs));
	if (!cli->quiet && isatty(STDIN_FILENO))
		fprintf(stderr, "To detach from the console, press Ctrl-a and then q.\n");
	if (session_run(&session, control, steal_fd(&ours), error) < 0)
		return -1;
	session_close(&session);
	if (session.detached && !cli->quiet && isatty(STDIN_FILENO))
		fprintf(stderr, "\nDetached.\n");
	cli->status = session.status;
	return 0;
}

static int run_console(struct cli *cli, struct error **error)
{
	cleanup_free char *path = client_path("/1.0/instances/%s/console", cli_word(cli, 0), NULL);
	if (options_given(&cli->options, "show-log"))
		return listing_print_text(cli, path, error);
	return attach_console(cli, path, error);
}

static const struct option_row exec_options[] = {
	{"env", 0, "KEY=VALUE", "an environment variable (repeatable)", WORD_OTHER},
	{"cwd", 0, "DIRECTORY", "directory to run the command in", WORD_OTHER},
	{"user", 0, "USER", "user id, or a name known in the instance", WORD_OTHER},
	{"group", 0, "GROUP", "group id, or a name known in the instance", WORD_OTHER},
	{"disable-stdin", 'n', NULL, "read from /dev/null", WORD_OTHER},
	{"force-interactive", 't', NULL, "give the command a terminal", WORD_OTHER},
	{"force-noninteractive", 'T', NULL, "give the command no terminal", WORD_OTHER},
	{"mode", 0, "MODE", "auto, interactive or non-interactive", WORD_OTHER},
	{0},
};

static const struct option_row shell_options[] = {
	{"env", 0, "KEY=VALUE", "an environment variable (repeatable)", WORD_OTHER},
	{0},
};

static const struct option_row console_options[] = {
	{"show-log", 0, NULL, "print what the console showed so far", WORD_OTHER},
	{0},
};

static const struct command commands[] = {
	{
		.path = "exec",
		.arguments = "NAME [--] COMMAND [ARGUMENT...]",
		.summary = "Run a command in an instance",
		.description = "The command gets a terminal of its own when standard input and "
			       "output are terminals, else\n"
			       "the very descriptors of this process. There is no shell: use sh -c "
			       "for its features. The\n"
			       "exit code is the command's: 127 not found, 126 not executable, "
			       "128+N killed by signal N.",
		.examples = "sysct exec mybox -- apt update\n"
			    "sysct exec mybox --user www-data --cwd /var/www -- ls\n"
			    "tar c . | sysct exec mybox -- tar x -C /srv",
		.options = exec_options,
		.minimum = 2,
		.maximum = -1,
		.words = {WORD_INSTANCE, WORD_OTHER, WORD_OTHER},
		.run = run_exec,
		.verbatim = 2,
	},
	{
		.path = "shell",
		.arguments = "NAME [USER]",
		.summary = "Open a login shell in an instance",
		.options = shell_options,
		.minimum = 1,
		.maximum = 2,
		.words = {WORD_INSTANCE, WORD_OTHER, WORD_OTHER},
		.run = run_shell,
	},
	{
		.path = "console",
		.arguments = "NAME",
		.summary = "Attach to the console of an instance",
		.description = "Ctrl-a and then q detaches; Ctrl-a twice sends one.",
		.options = console_options,
		.minimum = 1,
		.maximum = 1,
		.words = {WORD_INSTANCE, WORD_OTHER, WORD_OTHER},
		.run = run_console,
	},
	{0},
};

const struct command_group group_exec = {"Work in instances", commands};
