/* snapshot, restore: what an instance was, kept, and brought back. */
#include <stdio.h>
#include <string.h>

#include "columns.h"
#include "groups.h"
#include "lib/cleanup.h"
#include "lib/memory.h"
#include "listing.h"
#include "object.h"
#include "operation.h"
#include "output.h"

#define NEVER "0001-01-01T00:00:00Z"

static char *collection(struct cli *cli)
{
	return client_path("/1.0/instances/%s/snapshots", cli_word(cli, 0), NULL);
}

static int run_create(struct cli *cli, struct error **error)
{
	cleanup_free char *path = collection(cli);
	const char *name = cli_word(cli, 1);
	cleanup_json json_t *result = NULL;
	cleanup_json json_t *body = json_pack("{s:s*, s:s*, s:b}", "name", name, "description",
					      options_value(&cli->options, "description"), "reuse",
					      options_given(&cli->options, "reuse"));
	if (!body)
		return cli_usage(cli, error, "the command line is not UTF-8");
	if (options_given(&cli->options, "no-expiry"))
		json_object_set_new(body, "expires_at", json_string(NEVER));
	if (operation_run(cli, "POST", path, body, "Taking a snapshot", &result, error) < 0)
		return -1;
	if (!name && !cli->quiet)
		printf("%s\n", json_text(json_object_get(result, "metadata"), "name"));
	return output_flush(error);
}

static void add_snapshot(struct table *table, const json_t *snapshot)
{
	const char *expires = json_text(snapshot, "expires_at");
	table_add(table, json_text(snapshot, "name"));
	table_add(table, json_text(snapshot, "created_at"));
	table_add(table, strcmp(expires, NEVER) == 0 ? "" : expires);
	table_add(table, json_text(snapshot, "description"));
}

static int run_list(struct cli *cli, struct error **error)
{
	static const char *const headers[] = {"NAME", "TAKEN AT", "EXPIRES AT", "DESCRIPTION"};
	cleanup_free char *path =
		client_path("/1.0/instances/%s/snapshots?recursion=1", cli_word(cli, 0), NULL);
	return listing_print_in_order(cli, path, headers, sizeof(headers) / sizeof(headers[0]),
				      add_snapshot, error);
}

static int run_show(struct cli *cli, struct error **error)
{
	struct object object = {OBJECT_SNAPSHOT, cli_word(cli, 0), cli_word(cli, 1)};
	cleanup_json json_t *snapshot = object_read(cli, &object, error);
	return snapshot ? output_print(NULL, snapshot, OUTPUT_YAML, error) : -1;
}

static int run_rename(struct cli *cli, struct error **error)
{
	struct object object = {OBJECT_SNAPSHOT, cli_word(cli, 0), cli_word(cli, 1)};
	cleanup_free char *path = object_path(&object);
	cleanup_json json_t *body = json_pack("{s:s}", "name", cli_word(cli, 2));
	if (!body)
		return cli_usage(cli, error, "the name is not UTF-8");
	return operation_run(cli, "POST", path, body, "Renaming", NULL, error);
}

static int run_delete(struct cli *cli, struct error **error)
{
	for (int i = 1; i < cli->options.count; i++) {
		struct object object = {OBJECT_SNAPSHOT, cli_word(cli, 0), cli_word(cli, i)};
		cleanup_free char *path = object_path(&object);
		if (operation_run(cli, "DELETE", path, NULL, "Deleting", NULL, error) < 0)
			return -1;
	}
	return 0;
}

static int run_restore(struct cli *cli, struct error **error)
{
	cleanup_free char *path = client_path("/1.0/instances/%s", cli_word(cli, 0), NULL);
	cleanup_json json_t *body = json_pack("{s:s}", "restore", cli_word(cli, 1));
	if (!body)
		return cli_usage(cli, error, "the name is not UTF-8");
	return operation_run(cli, "PUT", path, body, "Restoring", NULL, error);
}

static const struct option_row create_options[] = {
	{"description", 0, "TEXT", "a description", WORD_OTHER},
	{"reuse", 0, NULL, "replace the snapshot of this name", WORD_OTHER},
	{"no-expiry", 0, NULL, "keep it whatever snapshots.expiry says", WORD_OTHER},
	{0},
};

#define CREATE                                                                                     \
	.arguments = "INSTANCE [NAME]", .minimum = 1, .maximum = 2, .options = create_options,     \
	.words = {WORD_INSTANCE, WORD_OTHER, WORD_OTHER}, .run = run_create

#define RESTORE                                                                                    \
	.arguments = "INSTANCE SNAPSHOT", .minimum = 2, .maximum = 2,                              \
	.words = {WORD_INSTANCE, WORD_SNAPSHOT, WORD_OTHER}, .run = run_restore

#define ROW(word, what, text, least, most, second, function)                                       \
	.path = "snapshot " word, .arguments = (what), .summary = (text), .minimum = (least),      \
	.maximum = (most), .words = {WORD_INSTANCE, (second), (second)}, .run = (function),        \
	.variant = OBJECT_SNAPSHOT

static const struct command commands[] = {
	{.path = "snapshot",
	 .summary = "Take a snapshot of an instance",
	 .description = "The same as 'snapshot create'. More of them: snapshot list, show, edit,\n"
			"restore, rename, delete.",
	 .examples = "sysct snapshot mybox clean\n"
		     "sysct restore mybox clean",
	 CREATE},
	{.path = "snapshot create",
	 .summary = "Take a snapshot of an instance",
	 .description =
		 "It keeps files, configuration and devices. One that runs goes on: it is held "
		 "still\n"
		 "for some milliseconds, and the snapshot is of a single instant, as after a loss "
		 "of\n"
		 "power. Without a NAME it is called snap0, snap1 and so on, or as "
		 "snapshots.pattern\n"
		 "says, and the name is printed. 'sysct config set mybox "
		 "snapshots.schedule=@daily\n"
		 "snapshots.expiry=2w' takes them by the clock.",
	 .examples = "sysct snapshot create mybox clean\n"
		     "sysct snapshot create mybox before-upgrade --description 'Debian 12.7'",
	 CREATE},
	{ROW("list", "INSTANCE", "List the snapshots of an instance", 1, 1, WORD_OTHER, run_list),
	 .aliases = "ls", .options = listing_options},
	{ROW("show", "INSTANCE SNAPSHOT", "Print a snapshot as YAML", 2, 2, WORD_SNAPSHOT,
	     run_show)},
	{ROW("edit", "INSTANCE SNAPSHOT", "Edit the description of a snapshot", 2, 2, WORD_SNAPSHOT,
	     object_run_edit)},
	{.path = "snapshot restore",
	 .summary = "Bring an instance back to a snapshot",
	 .description =
		 "Files, configuration, devices and profiles are again what they were; its "
		 "addresses\n"
		 "stay what they are. One that runs is stopped at once and started again. What "
		 "was\n"
		 "changed since the snapshot is lost: take another one first to keep it.",
	 RESTORE},
	{ROW("rename", "INSTANCE SNAPSHOT NEW-NAME", "Rename a snapshot", 3, 3, WORD_SNAPSHOT,
	     run_rename),
	 .aliases = "mv"},
	{ROW("delete", "INSTANCE SNAPSHOT...", "Delete snapshots", 2, -1, WORD_SNAPSHOT,
	     run_delete),
	 .aliases = "rm"},
	{.path = "restore",
	 .summary = "Bring an instance back to a snapshot",
	 .description = "The same as 'snapshot restore'.",
	 RESTORE},
	{0},
};

const struct command_group group_snapshot = {"Snapshots", commands};
