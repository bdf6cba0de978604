/* storage volume export, import: a custom volume as a file, in LXD's format. */
#include "backup_file.h"
#include "groups.h"
#include "lib/cleanup.h"

static int run_export(struct cli *cli, struct error **error)
{
	cleanup_free char *path = client_path("/1.0/storage-pools/%s/volumes/custom/%s/backups",
					      cli_word(cli, 0), cli_word(cli, 1), NULL);
	const struct backup_subject subject = {
		.path = path,
		.name = cli_word(cli, 1),
		.only_option = "volume-only",
		.only_field = "volume_only",
	};
	return backup_file_export(cli, &subject, cli_word(cli, 2), error);
}

static int run_import(struct cli *cli, struct error **error)
{
	cleanup_free char *path =
		client_path("/1.0/storage-pools/%s/volumes/custom", cli_word(cli, 0), NULL);
	const struct backup_subject subject = {.path = path, .name = cli_word(cli, 2)};
	return backup_file_import(cli, &subject, cli_word(cli, 1), error);
}

static const struct option_row export_options[] = {
	{"volume-only", 0, NULL, "without the snapshots", WORD_OTHER},
	{"compression", 0, "NAME", "zstd (default), gzip, bzip2, xz, lz4 or none", WORD_OTHER},
	{"optimized-storage", 0, NULL, "in the format of the pool's driver, where it has one",
	 WORD_OTHER},
	{0},
};

static const struct option_row import_options[] = {
	{"config", 'c', "KEY=VALUE",
	 "a key in place of the backup's; no value leaves it out (repeatable)", WORD_OTHER},
	{0},
};

static const struct command commands[] = {
	{
		.path = "storage volume export",
		.arguments = "POOL VOLUME [FILE]",
		.summary = "Write a volume into a file",
		.description =
			"Files, configuration and snapshots, in the format of LXD, which can "
			"import it, too.\n"
			"What instances write meanwhile may be in it or not; in a pool of the "
			"driver btrfs it is\n"
			"of a single instant. The file is VOLUME.tar.zst when none is named; '-' "
			"is "
			"standard output.",
		.examples = "sysct storage volume export default data\n"
			    "sysct storage volume export default data /backup/data.tar.xz "
			    "--compression xz",
		.options = export_options,
		.minimum = 2,
		.maximum = 3,
		.words = {WORD_POOL, WORD_VOLUME, WORD_FILE},
		.run = run_export,
	},
	{
		.path = "storage volume import",
		.arguments = "POOL FILE [NEW-NAME]",
		.summary = "Make a volume from a file of export",
		.description = "FILE was written by 'sysct storage volume export' or 'lxc storage "
			       "volume export'; '-'\n"
			       "is standard input.",
		.examples = "sysct storage volume import default data.tar.zst\n"
			    "sysct storage volume import default data.tar.zst data2",
		.options = import_options,
		.minimum = 2,
		.maximum = 3,
		.words = {WORD_POOL, WORD_FILE, WORD_OTHER},
		.run = run_import,
	},
	{0},
};

const struct command_group group_storage_volume_backup = {"Images and storage", commands};
