/* The life of instances: start, stop, restart, pause, resume, delete, rename. */
#include <stdlib.h>
#include <string.h>

#include "groups.h"
#include "lib/cleanup.h"
#include "lib/memory.h"
#include "operation.h"
#include "output.h"
#include "progress.h"

/* One row for each change of state: what is sent, and whom --all means. */
static const struct action {
	const char *action;
	const char *doing, *done;
	const char *when[3]; /* states in which --all wants it */
} actions[] = {
	{"start", "Starting", "Started", {"Stopped", NULL, NULL}},
	{"stop", "Stopping", "Stopped", {"Running", "Frozen", NULL}},
	{"restart", "Restarting", "Restarted", {"Running", NULL, NULL}},
	{"freeze", "Pausing", "Paused", {"Running", NULL, NULL}},
	{"unfreeze", "Resuming", "Resumed", {"Frozen", NULL, NULL}},
};

enum { ACTION_START, ACTION_STOP, ACTION_RESTART, ACTION_FREEZE, ACTION_UNFREEZE };

static bool wanted(const struct action *action, const char *status)
{
	for (size_t i = 0; i < 3 && action->when[i]; i++)
		if (strcmp(action->when[i], status) == 0)
			return true;
	return false;
}

/* The names of --all; the caller frees the array, the strings belong to @list. */
static char **names_of_all(const json_t *list, const struct action *action, int *count)
{
	char **names = memory_alloc(sizeof(char *) * (json_array_size(list) + 1));
	size_t index;
	json_t *instance;
	*count = 0;
	json_array_foreach (list, index, instance)
		if (wanted(action, json_text(instance, "status")))
			names[(*count)++] = (char *)json_text(instance, "name");
	return names;
}

static int make_state(struct cli *cli, const struct action *action, json_t **body,
		      struct error **error)
{
	long timeout;
	if (options_number(&cli->options, "timeout", -1, &timeout, error) < 0)
		return cli_mark_usage(cli);
	*body = json_pack("{s:s, s:i, s:b}", "action", action->action, "timeout", (int)timeout,
			  "force", (int)options_given(&cli->options, "force"));
	return 0;
}

static int report(struct cli *cli, struct batch *batch, const char *done, struct error **error)
{
	for (int i = 0; i < batch->count; i++)
		if (!batch->items[i].error)
			cli_say(cli, "%s %s", done, batch->items[i].name);
	int result = batch_finish(cli, batch, error);
	return result < 0 ? result : output_flush(error);
}

static void show_label(struct progress *progress, struct cli *cli, const char *doing,
		       char *const *names, int count)
{
	progress_init(progress, cli->quiet);
	if (count == 1)
		progress_show(progress, "%s %s", doing, names[0]);
	else
		progress_show(progress, "%s %d instances", doing, count);
}

static int run_action(struct cli *cli, struct error **error)
{
	const struct action *action = &actions[cli->options.command->variant];
	bool all = options_given(&cli->options, "all");
	char **names = cli->options.words;
	int count = cli->options.count;
	cleanup_json json_t *list = NULL;
	cleanup_json json_t *body = NULL;
	cleanup_free char **all_names = NULL;
	cleanup_batch struct batch batch = {0};
	struct progress progress;
	if (all == (count > 0))
		return cli_usage(cli, error, "give the names of instances, or --all");
	if (make_state(cli, action, &body, error) < 0)
		return -1;
	if (all) {
		list = client_get(cli_client(cli), "/1.0/instances?recursion=1", error);
		if (!list)
			return -1;
		all_names = names_of_all(list, action, &count);
		names = all_names;
	}
	batch_init(&batch, names, count);
	show_label(&progress, cli, action->doing, names, count);
	batch_run(&batch, "PUT", "/1.0/instances/%s/state", body);
	progress_clear(&progress);
	return report(cli, &batch, action->done, error);
}

static int run_delete(struct cli *cli, struct error **error)
{
	cleanup_batch struct batch batch = {0};
	struct progress progress;
	bool force = options_given(&cli->options, "force");
	batch_init(&batch, cli->options.words, cli->options.count);
	show_label(&progress, cli, "Deleting", cli->options.words, cli->options.count);
	batch_run(&batch, "DELETE", force ? "/1.0/instances/%s?force=1" : "/1.0/instances/%s",
		  NULL);
	progress_clear(&progress);
	if (report(cli, &batch, "Deleted", error) == 0)
		return 0;
	if (!force && !cli->unreachable && *error && (*error)->kind != ERROR_NOT_FOUND &&
	    (*error)->kind != ERROR_PERMISSION)
		cli_hint(cli, "a running instance is deleted with --force");
	return -1;
}

static int run_rename(struct cli *cli, struct error **error)
{
	cleanup_free char *path = client_path("/1.0/instances/%s", cli_word(cli, 0), NULL);
	cleanup_json json_t *body = json_pack("{s:s}", "name", cli_word(cli, 1));
	if (!body)
		return cli_usage(cli, error, "the name is not UTF-8");
	if (operation_run(cli, "POST", path, body, "Renaming", NULL, error) < 0)
		return -1;
	cli_say(cli, "Renamed %s to %s", cli_word(cli, 0), cli_word(cli, 1));
	return output_flush(error);
}

static int run_move(struct cli *cli, struct error **error)
{
	const char *pool = options_value(&cli->options, "storage");
	const char *old = cli_word(cli, 0);
	const char *new = cli_word(cli, 1) ? cli_word(cli, 1) : old;
	if (!pool)
		return cli->options.count == 2
			       ? run_rename(cli, error)
			       : cli_usage(cli, error, "give a new name, or --storage POOL");
	cleanup_free char *path = client_path("/1.0/instances/%s", old, NULL);
	cleanup_json json_t *body =
		json_pack("{s:s, s:b, s:s}", "name", new, "migration", 1, "pool", pool);
	if (!body)
		return cli_usage(cli, error, "the name is not UTF-8");
	if (operation_run(cli, "POST", path, body, "Moving", NULL, error) < 0)
		return -1;
	cli_say(cli, "Moved %s to pool %s", new, pool);
	return output_flush(error);
}

static const struct option_row move_options[] = {
	{"storage", 's', "POOL", "move its disk and its snapshots to this pool", WORD_POOL},
	{0},
};

static const struct option_row all_options[] = {
	{"all", 0, NULL, "all instances that it applies to", WORD_OTHER},
	{0},
};

static const struct option_row stop_options[] = {
	{"all", 0, NULL, "all instances that it applies to", WORD_OTHER},
	{"force", 'f', NULL, "kill all processes at once", WORD_OTHER},
	{"timeout", 0, "SECONDS", "how long init may take; -1 means as configured", WORD_OTHER},
	{0},
};

static const struct option_row delete_options[] = {
	{"force", 'f', NULL, "stop running instances by force first", WORD_OTHER},
	{0},
};

#define STATE_ROW(word, text, number, rows)                                                        \
	.path = (word), .arguments = "NAME... | --all", .summary = (text), .options = (rows),      \
	.maximum = -1, .words = {WORD_INSTANCE, WORD_INSTANCE, WORD_INSTANCE}, .run = run_action,  \
	.variant = (number)

static const struct command commands[] = {
	{STATE_ROW("start", "Start instances", ACTION_START, all_options)},
	{STATE_ROW("stop", "Stop instances through their init", ACTION_STOP, stop_options),
	 .examples = "sysct stop web db\nsysct stop --force mybox\nsysct stop --all --timeout 30"},
	{STATE_ROW("restart", "Restart instances", ACTION_RESTART, stop_options)},
	{STATE_ROW("pause", "Freeze all processes of instances", ACTION_FREEZE, all_options),
	 .aliases = "freeze"},
	{STATE_ROW("resume", "Let paused instances go on", ACTION_UNFREEZE, all_options),
	 .aliases = "unfreeze"},
	{
		.path = "delete",
		.aliases = "rm",
		.arguments = "NAME...",
		.summary = "Delete instances and their disks",
		.options = delete_options,
		.minimum = 1,
		.maximum = -1,
		.words = {WORD_INSTANCE, WORD_INSTANCE, WORD_INSTANCE},
		.run = run_delete,
	},
	{
		.path = "rename",
		.arguments = "NAME NEW-NAME",
		.summary = "Rename a stopped instance",
		.minimum = 2,
		.maximum = 2,
		.words = {WORD_INSTANCE, WORD_OTHER, WORD_OTHER},
		.run = run_rename,
	},
	{
		.path = "move",
		.aliases = "mv",
		.arguments = "NAME [NEW-NAME]",
		.summary = "Move a stopped instance to another pool, or rename it",
		.examples = "sysct move mybox --storage fast\nsysct move mybox yourbox",
		.options = move_options,
		.minimum = 1,
		.maximum = 2,
		.words = {WORD_INSTANCE, WORD_OTHER, WORD_OTHER},
		.run = run_move,
	},
	{0},
};

const struct command_group group_state = {"Use instances", commands};
