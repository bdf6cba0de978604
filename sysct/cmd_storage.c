/* storage: the pools that hold the disks of instances. */
#include <stdio.h>

#include "assign.h"
#include "columns.h"
#include "groups.h"
#include "lib/cleanup.h"
#include "lib/memory.h"
#include "object.h"
#include "operation.h"
#include "output.h"

static int run_list(struct cli *cli, struct error **error)
{
	static const char *const headers[] = {"NAME", "DRIVER", "STATE", "USED BY", "DESCRIPTION"};
	enum output_format format;
	cleanup_table struct table table = {0};
	if (output_format_parse(options_value(&cli->options, "format"), &format, error) < 0)
		return cli_mark_usage(cli);
	cleanup_json json_t *list =
		client_get(cli_client(cli), "/1.0/storage-pools?recursion=1", error);
	if (!list)
		return -1;
	size_t index;
	json_t *pool;
	table_init(&table, headers, sizeof(headers) / sizeof(headers[0]));
	json_array_foreach (list, index, pool) {
		cleanup_free char *used =
			memory_printf("%zu", json_array_size(json_object_get(pool, "used_by")));
		table_add(&table, json_text(pool, "name"));
		table_add(&table, json_text(pool, "driver"));
		table_add(&table, json_text(pool, "status"));
		table_add(&table, used);
		table_add(&table, json_text(pool, "description"));
	}
	table_sort(&table);
	return output_print(&table, list, format, error);
}

static void print_size(const char *label, const json_t *object, const char *key)
{
	cleanup_strbuf struct strbuf size = {0};
	strbuf_append_size(&size, (double)json_integer_value(json_object_get(object, key)));
	printf("%s: %s\n", label, size.text);
}

static int run_info(struct cli *cli, struct error **error)
{
	struct object object = {OBJECT_POOL, cli_word(cli, 0), NULL};
	cleanup_free char *path = client_path("/1.0/storage-pools/%s/resources", object.name, NULL);
	cleanup_json json_t *pool = object_read(cli, &object, error);
	cleanup_json json_t *resources = pool ? client_get(cli_client(cli), path, error) : NULL;
	if (!resources)
		return -1;
	const json_t *space = json_object_get(resources, "space");
	printf("Name: %s\nDriver: %s\nDescription: %s\n", json_text(pool, "name"),
	       json_text(pool, "driver"), json_text(pool, "description"));
	if (*json_text(json_object_get(pool, "config"), "source"))
		printf("Source: %s\n", json_text(json_object_get(pool, "config"), "source"));
	print_size("Space used", space, "used");
	print_size("Space total", space, "total");
	size_t index;
	json_t *user;
	json_int_t pending = json_integer_value(json_object_get(resources, "pending_deletions"));
	if (pending)
		printf("Still to be freed: %" JSON_INTEGER_FORMAT " deleted trees\n", pending);
	printf("Used by:\n");
	json_array_foreach (json_object_get(pool, "used_by"), index, user)
		printf("    - %s\n", json_is_string(user) ? json_string_value(user) : "");
	return output_flush(error);
}

static int run_create(struct cli *cli, struct error **error)
{
	cleanup_json json_t *config = json_object();
	for (int i = 2; i < cli->options.count; i++)
		if (assign_add(config, cli_word(cli, i), "setting", error) < 0)
			return cli_mark_usage(cli);
	cleanup_json json_t *body =
		json_pack("{s:s, s:s, s:s, s:O}", "name", cli_word(cli, 0), "driver",
			  cli_word(cli, 1), "description", "", "config", config);
	if (!body)
		return cli_usage(cli, error, "the name is not UTF-8");
	return operation_run(cli, "POST", "/1.0/storage-pools", body, "Creating the pool", NULL,
			     error);
}

static int run_delete(struct cli *cli, struct error **error)
{
	cleanup_batch struct batch batch = {0};
	batch_init(&batch, cli->options.words, cli->options.count);
	batch_run(&batch, "DELETE", "/1.0/storage-pools/%s", NULL);
	return batch_finish(cli, &batch, error);
}

static const struct option_row list_options[] = {
	{"format", 'f', "FORMAT", "table, compact, csv, json or yaml", WORD_FORMAT},
	{0},
};

#define ROW(word, what, text, least, most, first, second, function, number)                        \
	.path = "storage " word, .arguments = (what), .summary = (text), .minimum = (least),       \
	.maximum = (most), .words = {(first), (second), (second)}, .run = (function),              \
	.variant = (number)

static const struct command commands[] = {
	{ROW("list", "", "List storage pools", 0, 0, WORD_OTHER, WORD_OTHER, run_list, 0),
	 .aliases = "ls", .options = list_options},
	{ROW("info", "POOL", "Tell about a pool and its space", 1, 1, WORD_POOL, WORD_OTHER,
	     run_info, 0)},
	{ROW("show", "POOL", "Print a pool as YAML", 1, 1, WORD_POOL, WORD_OTHER, object_run_show,
	     OBJECT_POOL)},
	{ROW("create", "POOL DRIVER [KEY=VALUE...]", "Create a pool", 2, -1, WORD_OTHER, WORD_OTHER,
	     run_create, 0)},
	{ROW("delete", "POOL...", "Delete pools", 1, -1, WORD_POOL, WORD_POOL, run_delete, 0),
	 .aliases = "rm"},
	{ROW("edit", "POOL", "Edit a pool as YAML", 1, 1, WORD_POOL, WORD_OTHER, object_run_edit,
	     OBJECT_POOL)},
	{ROW("get", "POOL KEY", "Print one setting", 2, 2, WORD_POOL, WORD_KEY, object_run_get,
	     OBJECT_POOL)},
	{ROW("set", "POOL KEY=VALUE...", "Change settings", 2, -1, WORD_POOL, WORD_KEY,
	     object_run_set, OBJECT_POOL)},
	{ROW("unset", "POOL KEY...", "Remove settings", 2, -1, WORD_POOL, WORD_KEY,
	     object_run_unset, OBJECT_POOL)},
	{0},
};

const struct command_group group_storage = {"Images and storage", commands};
