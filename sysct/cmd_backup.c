/* export, import: an instance as a file, in LXD's format. */
#include "backup_file.h"
#include "groups.h"
#include "lib/cleanup.h"

static int run_export(struct cli *cli, struct error **error)
{
	cleanup_free char *path = client_path("/1.0/instances/%s/backups", cli_word(cli, 0), NULL);
	const struct backup_subject subject = {
		.path = path,
		.name = cli_word(cli, 0),
		.only_option = "instance-only",
		.only_field = "instance_only",
	};
	return backup_file_export(cli, &subject, cli_word(cli, 1), error);
}

static int run_import(struct cli *cli, struct error **error)
{
	const struct backup_subject subject = {
		.path = "/1.0/instances",
		.name = cli_word(cli, 1),
		.pool = options_value(&cli->options, "storage"),
	};
	return backup_file_import(cli, &subject, cli_word(cli, 0), error);
}

/* ---- the table ---- */

static const struct option_row export_options[] = {
	{"instance-only", 0, NULL, "without the snapshots", WORD_OTHER},
	{"compression", 0, "NAME", "zstd (default), gzip, bzip2, xz, lz4 or none", WORD_OTHER},
	{"optimized-storage", 0, NULL, "in the format of the pool's driver, where it has one",
	 WORD_OTHER},
	{0},
};

static const struct option_row import_options[] = {
	{"storage", 's', "POOL", "the storage pool; default: the backup's, if there is one",
	 WORD_POOL},
	{"device", 'd', "NAME,KEY=VALUE...",
	 "a device in place of the backup's; type=none leaves it out (repeatable)", WORD_OTHER},
	{"config", 'c', "KEY=VALUE",
	 "a key in place of the backup's; no value leaves it out (repeatable)", WORD_KEY},
	{0},
};

static const struct command commands[] = {
	{
		.path = "export",
		.arguments = "INSTANCE [FILE]",
		.summary = "Write an instance into a file",
		.description =
			"Files, configuration, devices and snapshots, in the format of LXD, which "
			"can import\n"
			"it, too. One that runs goes on: the backup is of a single instant, as a "
			"snapshot is.\n"
			"The file is INSTANCE.tar.zst when none is named; '-' is standard output.",
		.examples = "sysct export mybox\n"
			    "sysct export mybox /backup/mybox.tar.xz --compression xz\n"
			    "sysct export mybox - | ssh other sysct import -",
		.options = export_options,
		.minimum = 1,
		.maximum = 2,
		.words = {WORD_INSTANCE, WORD_FILE, WORD_OTHER},
		.run = run_export,
	},
	{
		.path = "import",
		.arguments = "FILE [NEW-NAME]",
		.summary = "Make an instance from a file of export",
		.description =
			"FILE was written by 'sysct export' or 'lxc export'; '-' is standard "
			"input. The profiles\n"
			"that the instance uses must be there.",
		.examples = "sysct import mybox.tar.zst\n"
			    "sysct import mybox.tar.zst mybox2 --device data,type=none",
		.options = import_options,
		.minimum = 1,
		.maximum = 2,
		.words = {WORD_FILE, WORD_OTHER, WORD_OTHER},
		.run = run_import,
	},
	{0},
};

const struct command_group group_backup = {"Backups", commands};
