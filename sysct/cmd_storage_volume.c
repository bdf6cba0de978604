/* storage volume: trees of files that instances can have, and that outlive them. */
#include <stdio.h>
#include <string.h>

#include "assign.h"
#include "columns.h"
#include "groups.h"
#include "input.h"
#include "lib/cleanup.h"
#include "lib/memory.h"
#include "listing.h"
#include "object.h"
#include "operation.h"
#include "output.h"
#include "volume_words.h"

/* ---- telling ---- */

static void add_volume(struct table *table, const json_t *volume)
{
	table_add(table, json_text(volume, "type"));
	table_add(table, json_text(volume, "name"));
	table_add(table, json_text(volume, "description"));
	table_add(table, json_text(volume, "content_type"));
	listing_add_count(table, volume, "used_by");
}

static int run_list(struct cli *cli, struct error **error)
{
	static const char *const headers[] = {"TYPE", "NAME", "DESCRIPTION", "CONTENT-TYPE",
					      "USED BY"};
	cleanup_free char *path =
		client_path("/1.0/storage-pools/%s/volumes?recursion=1", cli_word(cli, 0), NULL);
	return listing_print(cli, path, headers, sizeof(headers) / sizeof(headers[0]), add_volume,
			     error);
}

static int run_show(struct cli *cli, struct error **error)
{
	cleanup_volume_words struct volume_words words = volume_words_of(cli_word(cli, 1));
	cleanup_free char *path = volume_words_path(cli_word(cli, 0), &words);
	cleanup_json json_t *volume = client_get(cli_client(cli), path, error);
	return volume ? output_print(NULL, volume, OUTPUT_YAML, error) : -1;
}

static void print_snapshots(const json_t *snapshots)
{
	size_t i;
	const json_t *snapshot;
	if (json_array_size(snapshots) > 0)
		printf("Snapshots:\n");
	json_array_foreach (snapshots, i, snapshot) {
		const char *slash = strchr(json_text(snapshot, "name"), '/');
		printf("    - %s (%s)\n", slash ? slash + 1 : "",
		       json_text(snapshot, "created_at"));
	}
}

static int run_info(struct cli *cli, struct error **error)
{
	const char *pool = cli_word(cli, 0), *name = cli_word(cli, 1);
	cleanup_free char *path =
		client_path("/1.0/storage-pools/%s/volumes/custom/%s", pool, name, NULL);
	cleanup_free char *state_path = memory_printf("%s/state", path);
	cleanup_free char *list_path = memory_printf("%s/snapshots?recursion=1", path);
	cleanup_strbuf struct strbuf size = {0};
	cleanup_json json_t *volume = client_get(cli_client(cli), path, error);
	cleanup_json json_t *state = volume ? client_get(cli_client(cli), state_path, error) : NULL;
	cleanup_json json_t *snapshots =
		state ? client_get(cli_client(cli), list_path, error) : NULL;
	size_t i;
	const json_t *user;
	if (!snapshots)
		return -1;
	const json_t *usage = json_object_get(state, "usage");
	json_int_t total = json_integer_value(json_object_get(usage, "total"));
	strbuf_append_size(&size, (double)json_integer_value(json_object_get(usage, "used")));
	if (total) {
		strbuf_append(&size, " of ");
		strbuf_append_size(&size, (double)total);
	}
	output_print_text("Name", json_text(volume, "name"));
	output_print_text("Description", json_text(volume, "description"));
	printf("Type: %s\nContent type: %s\n", json_text(volume, "type"),
	       json_text(volume, "content_type"));
	printf("Usage: %s\nCreated: %s\n", size.text, json_text(volume, "created_at"));
	if (json_array_size(json_object_get(volume, "used_by")) > 0)
		printf("Used by:\n");
	json_array_foreach (json_object_get(volume, "used_by"), i, user)
		printf("    - %s\n", json_is_string(user) ? json_string_value(user) : "");
	print_snapshots(snapshots);
	return output_flush(error);
}

/* ---- making and deleting ---- */

static int run_create(struct cli *cli, struct error **error)
{
	const char *type = options_value(&cli->options, "type");
	const char *description = options_value(&cli->options, "description");
	cleanup_free char *path =
		client_path("/1.0/storage-pools/%s/volumes/custom", cli_word(cli, 0), NULL);
	cleanup_json json_t *body = input_read_configuration(error);
	if (!body)
		return -1;
	json_t *config = object_member(body, "config");
	for (int i = 2; i < cli->options.count; i++)
		if (assign_add(config, cli_word(cli, i), "setting", error) < 0)
			return cli_mark_usage(cli);
	cleanup_json json_t *given =
		json_pack("{s:s, s:s, s:s, s:s*}", "name", cli_word(cli, 1), "type", "custom",
			  "content_type", type ? type : "filesystem", "description", description);
	if (!given)
		return cli_usage(cli, error, "the command line is not UTF-8");
	json_object_update(body, given);
	return operation_run(cli, "POST", path, body, "Creating the volume", NULL, error);
}

static int run_delete(struct cli *cli, struct error **error)
{
	for (int i = 1; i < cli->options.count; i++) {
		cleanup_volume_words struct volume_words words = volume_words_of(cli_word(cli, i));
		cleanup_free char *path = volume_words_path(cli_word(cli, 0), &words);
		if (operation_run(cli, "DELETE", path, NULL, "Deleting", NULL, error) < 0)
			return -1;
	}
	return 0;
}

/* "OLD NEW" or "VOLUME/OLD VOLUME/NEW", as LXD has it; of a snapshot the new name alone will do. */
static int run_rename(struct cli *cli, struct error **error)
{
	cleanup_volume_words struct volume_words old = volume_words_of(cli_word(cli, 1));
	cleanup_volume_words struct volume_words new = volume_words_of(cli_word(cli, 2));
	cleanup_free char *path = volume_words_path(cli_word(cli, 0), &old);
	const char *name = new.snapshot ? new.snapshot : new.volume;
	if (new.snapshot && (!old.snapshot || strcmp(old.volume, new.volume) != 0))
		return cli_usage(cli, error,
				 "a snapshot stays with its volume: only its own name can change");
	cleanup_json json_t *body = json_pack("{s:s}", "name", name);
	if (!body)
		return cli_usage(cli, error, "the name is not UTF-8");
	return operation_run(cli, "POST", path, body, "Renaming", NULL, error);
}

static int run_edit(struct cli *cli, struct error **error)
{
	cleanup_volume_words struct volume_words words = volume_words_of(cli_word(cli, 1));
	if (!words.snapshot)
		return object_run_edit(cli, error);
	cleanup_free char *part = memory_printf("%s/%s", words.volume, words.snapshot);
	const struct object object = {OBJECT_VOLUME_SNAPSHOT, cli_word(cli, 0), part};
	return object_edit(cli, &object, error);
}

/* ---- POOL/VOLUME POOL/VOLUME ---- */

static int run_copy(struct cli *cli, struct error **error)
{
	const char *from, *to;
	cleanup_free char *pool = volume_words_pool(cli, cli_word(cli, 0), &from, error);
	cleanup_free char *new_pool =
		pool ? volume_words_pool(cli, cli_word(cli, 1), &to, error) : NULL;
	if (!new_pool)
		return -1;
	cleanup_free char *path =
		client_path("/1.0/storage-pools/%s/volumes/custom", new_pool, NULL);
	cleanup_json json_t *body =
		json_pack("{s:s, s:s, s:{s:s, s:s, s:s, s:b}}", "name", to, "type", "custom",
			  "source", "type", "copy", "pool", pool, "name", from, "volume_only",
			  options_given(&cli->options, "volume-only"));
	if (!body)
		return cli_usage(cli, error, "the names are not UTF-8");
	return operation_run(cli, "POST", path, body, "Copying", NULL, error);
}

static int run_move(struct cli *cli, struct error **error)
{
	const char *from, *to;
	cleanup_free char *pool = volume_words_pool(cli, cli_word(cli, 0), &from, error);
	cleanup_free char *new_pool =
		pool ? volume_words_pool(cli, cli_word(cli, 1), &to, error) : NULL;
	if (!new_pool)
		return -1;
	cleanup_free char *path =
		client_path("/1.0/storage-pools/%s/volumes/custom/%s", pool, from, NULL);
	cleanup_json json_t *body = json_pack("{s:s, s:s}", "name", to, "pool", new_pool);
	if (!body)
		return cli_usage(cli, error, "the names are not UTF-8");
	return operation_run(cli, "POST", path, body, "Moving", NULL, error);
}

/* ---- snapshots ---- */

static int run_snapshot(struct cli *cli, struct error **error)
{
	const char *name = cli_word(cli, 2);
	cleanup_free char *path = client_path("/1.0/storage-pools/%s/volumes/custom/%s/snapshots",
					      cli_word(cli, 0), cli_word(cli, 1), NULL);
	cleanup_json json_t *result = NULL;
	cleanup_json json_t *body = json_pack("{s:s*, s:s*, s:b}", "name", name, "description",
					      options_value(&cli->options, "description"), "reuse",
					      options_given(&cli->options, "reuse"));
	if (!body)
		return cli_usage(cli, error, "the command line is not UTF-8");
	if (options_given(&cli->options, "no-expiry"))
		json_object_set_new(body, "expires_at", json_string("0001-01-01T00:00:00Z"));
	if (operation_run(cli, "POST", path, body, "Taking a snapshot", &result, error) < 0)
		return -1;
	if (!name && !cli->quiet)
		printf("%s\n", json_text(json_object_get(result, "metadata"), "name"));
	return output_flush(error);
}

static int run_restore(struct cli *cli, struct error **error)
{
	cleanup_free char *path = client_path("/1.0/storage-pools/%s/volumes/custom/%s",
					      cli_word(cli, 0), cli_word(cli, 1), NULL);
	cleanup_json json_t *body = json_pack("{s:s}", "restore", cli_word(cli, 2));
	if (!body)
		return cli_usage(cli, error, "the name is not UTF-8");
	return operation_run(cli, "PUT", path, body, "Restoring", NULL, error);
}

/* ---- the table ---- */

static const struct option_row create_options[] = {
	{"type", 0, "TYPE", "type of the content: filesystem", WORD_OTHER},
	{"description", 0, "TEXT", "a description", WORD_OTHER},
	{0},
};
static const struct option_row copy_options[] = {
	{"volume-only", 0, NULL, "without its snapshots", WORD_OTHER},
	{0},
};
static const struct option_row snapshot_options[] = {
	{"description", 0, "TEXT", "a description", WORD_OTHER},
	{"reuse", 0, NULL, "replace the snapshot of this name", WORD_OTHER},
	{"no-expiry", 0, NULL, "keep it whatever snapshots.expiry says", WORD_OTHER},
	{0},
};

#define ROW(word, what, text, least, most, second, third, function)                                \
	.path = "storage volume " word, .arguments = (what), .summary = (text),                    \
	.minimum = (least), .maximum = (most), .words = {WORD_POOL, (second), (third)},            \
	.run = (function), .variant = OBJECT_VOLUME

static const struct command commands[] = {
	{ROW("list", "POOL", "List the volumes of a pool", 1, 1, WORD_OTHER, WORD_OTHER, run_list),
	 .aliases = "ls", .options = listing_options},
	{ROW("show", "POOL [TYPE/]VOLUME[/SNAPSHOT]", "Print a volume as YAML", 2, 2, WORD_VOLUME,
	     WORD_OTHER, run_show)},
	{ROW("info", "POOL VOLUME", "Tell about a volume, its users and its snapshots", 2, 2,
	     WORD_VOLUME, WORD_OTHER, run_info)},
	{ROW("create", "POOL VOLUME [KEY=VALUE...]", "Create an empty volume", 2, -1, WORD_OTHER,
	     WORD_OTHER, run_create),
	 .options = create_options,
	 .description =
		 "A volume is a tree of files that instances can have as a disk, several at once,\n"
		 "and that stays when they go. Each sees ids 0 to 65535 of it as its own.",
	 .examples = "sysct storage volume create default data\n"
		     "sysct storage volume attach default data mybox /data"},
	{ROW("edit", "POOL VOLUME[/SNAPSHOT]",
	     "Edit a volume, or description and expiry of a snapshot, as YAML", 2, 2, WORD_VOLUME,
	     WORD_OTHER, run_edit)},
	{ROW("get", "POOL VOLUME KEY", "Print one setting", 3, 3, WORD_VOLUME, WORD_OTHER,
	     object_run_get)},
	{ROW("set", "POOL VOLUME KEY=VALUE...", "Change settings", 3, -1, WORD_VOLUME, WORD_OTHER,
	     object_run_set)},
	{ROW("unset", "POOL VOLUME KEY...", "Remove settings", 3, -1, WORD_VOLUME, WORD_OTHER,
	     object_run_unset)},
	{ROW("delete", "POOL VOLUME[/SNAPSHOT]...", "Delete volumes, or snapshots of them", 2, -1,
	     WORD_VOLUME, WORD_VOLUME, run_delete),
	 .aliases = "rm"},
	{ROW("rename", "POOL VOLUME[/SNAPSHOT] NEW-NAME", "Rename a volume, or a snapshot of one",
	     3, 3, WORD_VOLUME, WORD_OTHER, run_rename)},
	{ROW("copy", "POOL/VOLUME[/SNAPSHOT] POOL/VOLUME", "Copy a volume", 2, 2, WORD_OTHER,
	     WORD_OTHER, run_copy),
	 .aliases = "cp", .options = copy_options},
	{ROW("move", "POOL/VOLUME POOL/VOLUME", "Move a volume to another pool", 2, 2, WORD_OTHER,
	     WORD_OTHER, run_move),
	 .aliases = "mv"},
	{ROW("snapshot", "POOL VOLUME [SNAPSHOT]", "Take a snapshot of a volume", 2, 3, WORD_VOLUME,
	     WORD_OTHER, run_snapshot),
	 .options = snapshot_options,
	 .description =
		 "What instances write at that moment may be in it or not. Without a name it is\n"
		 "called snap0, snap1 and so on, or as snapshots.pattern says, and the name is "
		 "printed.",
	 .examples = "sysct storage volume snapshot default data before\n"
		     "sysct storage volume set default data snapshots.schedule=@daily "
		     "snapshots.expiry=2w"},
	{ROW("restore", "POOL VOLUME SNAPSHOT", "Bring a volume back to a snapshot", 3, 3,
	     WORD_VOLUME, WORD_OTHER, run_restore),
	 .description = "Instances that have it must be stopped. What was changed since is lost."},
	{0},
};

const struct command_group group_storage_volume = {"Images and storage", commands};
