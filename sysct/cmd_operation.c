/* operation: what the daemon does in the background. */
#include "groups.h"
#include "lib/cleanup.h"
#include "lib/memory.h"
#include "operation.h"
#include "output.h"

/* GET answers a map from status to lists: made flat here. */
static json_t *read_operations(struct cli *cli, struct error **error)
{
	cleanup_json json_t *map =
		client_get(cli_client(cli), "/1.0/operations?recursion=1", error);
	const char *status;
	json_t *list;
	if (!map)
		return NULL;
	json_t *all = json_array();
	json_object_foreach (map, status, list)
		json_array_extend(all, list);
	return all;
}

static int run_list(struct cli *cli, struct error **error)
{
	static const char *const headers[] = {"ID",    "TYPE",	     "DESCRIPTION",
					      "STATE", "CANCELABLE", "CREATED"};
	enum output_format format;
	cleanup_table struct table table = {0};
	if (output_format_parse(options_value(&cli->options, "format"), &format, error) < 0)
		return cli_mark_usage(cli);
	cleanup_json json_t *all = read_operations(cli, error);
	if (!all)
		return -1;
	size_t index;
	json_t *operation;
	table_init(&table, headers, sizeof(headers) / sizeof(headers[0]));
	json_array_foreach (all, index, operation) {
		bool cancel = json_is_true(json_object_get(operation, "may_cancel"));
		table_add(&table, json_text(operation, "id"));
		table_add(&table, json_text(operation, "class"));
		table_add(&table, json_text(operation, "description"));
		table_add(&table, json_text(operation, "status"));
		table_add(&table, cancel ? "yes" : "no");
		table_add(&table, json_text(operation, "created_at"));
	}
	return output_print(&table, all, format, error);
}

static json_t *read_operation(struct cli *cli, struct error **error)
{
	cleanup_free char *path = client_path("/1.0/operations/%s", cli_word(cli, 0), NULL);
	return client_get(cli_client(cli), path, error);
}

static int run_show(struct cli *cli, struct error **error)
{
	cleanup_json json_t *operation = read_operation(cli, error);
	return operation ? output_print(NULL, operation, OUTPUT_YAML, error) : -1;
}

static int run_cancel(struct cli *cli, struct error **error)
{
	cleanup_batch struct batch batch = {0};
	batch_init(&batch, cli->options.words, cli->options.count);
	batch_run(&batch, "DELETE", "/1.0/operations/%s", NULL);
	return batch_finish(cli, &batch, error);
}

static int run_wait(struct cli *cli, struct error **error)
{
	cleanup_reply struct reply reply = {0};
	reply.metadata = read_operation(cli, error);
	if (!reply.metadata)
		return -1;
	reply.operation = memory_strdup(cli_word(cli, 0));
	const char *description = json_text(reply.metadata, "description");
	cleanup_free char *label = memory_strdup(*description ? description : "Waiting");
	return operation_finish(cli, &reply, label, NULL, error);
}

static const struct option_row list_options[] = {
	{"format", 'f', "FORMAT", "table, compact, csv, json or yaml", WORD_FORMAT},
	{0},
};

#define ROW(word, what, text, least, most, kind, function)                                         \
	.path = "operation " word, .arguments = (what), .summary = (text), .minimum = (least),     \
	.maximum = (most), .words = {(kind), (kind), (kind)}, .run = (function)

static const struct command commands[] = {
	{ROW("list", "", "List operations", 0, 0, WORD_OTHER, run_list), .aliases = "ls",
	 .options = list_options},
	{ROW("show", "ID", "Print an operation as YAML", 1, 1, WORD_OPERATION, run_show)},
	{ROW("cancel", "ID...", "Cancel operations", 1, -1, WORD_OPERATION, run_cancel),
	 .aliases = "delete rm"},
	{ROW("wait", "ID", "Wait until an operation has ended", 1, 1, WORD_OPERATION, run_wait)},
	{0},
};

const struct command_group group_operation = {"The daemon", commands};
