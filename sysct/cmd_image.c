/* image: what instances are made from. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assign.h"
#include "groups.h"
#include "image.h"
#include "lib/cleanup.h"
#include "lib/memory.h"
#include "object.h"
#include "operation.h"
#include "output.h"

static int run_show(struct cli *cli, struct error **error)
{
	cleanup_free char *fingerprint = image_resolve(cli, cli_word(cli, 0), error);
	struct object object = {OBJECT_IMAGE, fingerprint, NULL};
	cleanup_json json_t *data = fingerprint ? object_read(cli, &object, error) : NULL;
	if (!data)
		return -1;
	cleanup_json json_t *body = object_writable(OBJECT_IMAGE, data);
	return output_print(NULL, body, OUTPUT_YAML, error);
}

static int run_edit(struct cli *cli, struct error **error)
{
	cleanup_free char *fingerprint = image_resolve(cli, cli_word(cli, 0), error);
	struct object object = {OBJECT_IMAGE, fingerprint, NULL};
	return fingerprint ? object_edit(cli, &object, error) : -1;
}

/* The names become fingerprints first, so that all are known before one is deleted. */
static int run_delete(struct cli *cli, struct error **error)
{
	int count = cli->options.count, result = 0;
	cleanup_batch struct batch batch = {0};
	cleanup_free char **names = memory_alloc(sizeof(char *) * (size_t)count);
	for (int i = 0; i < count && result == 0; i++) {
		names[i] = image_resolve(cli, cli_word(cli, i), error);
		result = names[i] ? 0 : -1;
	}
	if (result == 0) {
		batch_init(&batch, names, count);
		batch_run(&batch, "DELETE", "/1.0/images/%s", NULL);
		result = batch_finish(cli, &batch, error);
	}
	for (int i = 0; i < count; i++)
		free(names[i]);
	return result;
}

static int run_get_property(struct cli *cli, struct error **error)
{
	cleanup_free char *fingerprint = image_resolve(cli, cli_word(cli, 0), error);
	struct object object = {OBJECT_IMAGE, fingerprint, NULL};
	cleanup_json json_t *data = fingerprint ? object_read(cli, &object, error) : NULL;
	if (!data)
		return -1;
	printf("%s\n", json_text(json_object_get(data, "properties"), cli_word(cli, 1)));
	return output_flush(error);
}

/* Two words set a property, one removes it. */
static int change_property(json_t *body, void *data, struct error **error)
{
	const struct cli *cli = data;
	json_t *properties = object_member(body, "properties");
	const char *value = cli_word(cli, 2);
	if (!value)
		json_object_del(properties, cli_word(cli, 1));
	else if (json_object_set_new(properties, cli_word(cli, 1), json_string(value)) < 0)
		return error_set(error, ERROR_INVALID, "the property is not UTF-8");
	return 0;
}

static int run_change_property(struct cli *cli, struct error **error)
{
	cleanup_free char *fingerprint = image_resolve(cli, cli_word(cli, 0), error);
	struct object object = {OBJECT_IMAGE, fingerprint, NULL};
	return fingerprint ? object_change(cli, &object, change_property, cli, error) : -1;
}

/* POST /1.0/images with the source type "template": the name may be a template
 * ("debian") or an alias that one makes ("debian/12"). */
static json_t *build_body(struct cli *cli, struct error **error)
{
	const char *alias;
	cleanup_json json_t *options = json_object();
	cleanup_json json_t *aliases = json_array();
	for (int i = 1; i < cli->options.count; i++) {
		if (assign_add(options, cli_word(cli, i), "setting", error) < 0) {
			cli_mark_usage(cli);
			return NULL;
		}
	}
	for (int at = 0; (alias = options_next(&cli->options, "alias", &at));)
		json_array_append_new(aliases,
				      json_pack("{s:s, s:s}", "name", alias, "description", ""));
	return json_pack("{s:{s:s, s:s, s:O}, s:O}", "source", "type", "template", "alias",
			 cli_word(cli, 0), "options", options, "aliases", aliases);
}

static int run_build(struct cli *cli, struct error **error)
{
	cleanup_json json_t *operation = NULL;
	cleanup_json json_t *body = build_body(cli, error);
	cleanup_free char *label = memory_printf("Building %s", cli_word(cli, 0));
	if (!body || operation_run(cli, "POST", "/1.0/images", body, label, &operation, error) < 0)
		return -1;
	const char *fingerprint = json_text(json_object_get(operation, "metadata"), "fingerprint");
	if (*fingerprint)
		printf("%s\n", fingerprint);
	return output_flush(error);
}

static int run_alias_create(struct cli *cli, struct error **error)
{
	const char *description = options_value(&cli->options, "description");
	cleanup_reply struct reply reply = {0};
	cleanup_free char *fingerprint = image_resolve(cli, cli_word(cli, 1), error);
	if (!fingerprint)
		return -1;
	cleanup_json json_t *body =
		json_pack("{s:s, s:s, s:s}", "name", cli_word(cli, 0), "target", fingerprint,
			  "description", description ? description : "");
	if (!body)
		return cli_usage(cli, error, "the alias is not UTF-8");
	return client_request(cli_client(cli), "POST", "/1.0/images/aliases", body, &reply, error);
}

static int run_alias_delete(struct cli *cli, struct error **error)
{
	cleanup_batch struct batch batch = {0};
	batch_init(&batch, cli->options.words, cli->options.count);
	batch_run(&batch, "DELETE", "/1.0/images/aliases/%s", NULL);
	return batch_finish(cli, &batch, error);
}

static int run_alias_rename(struct cli *cli, struct error **error)
{
	struct object object = {OBJECT_ALIAS, cli_word(cli, 0), NULL};
	cleanup_free char *path = object_path(&object);
	cleanup_reply struct reply reply = {0};
	cleanup_json json_t *body = json_pack("{s:s}", "name", cli_word(cli, 1));
	if (!body)
		return cli_usage(cli, error, "the alias is not UTF-8");
	return client_request(cli_client(cli), "POST", path, body, &reply, error);
}

static int run_alias_list(struct cli *cli, struct error **error)
{
	static const char *const headers[] = {"ALIAS", "FINGERPRINT", "TYPE", "DESCRIPTION"};
	enum output_format format;
	cleanup_table struct table table = {0};
	if (output_format_parse(options_value(&cli->options, "format"), &format, error) < 0)
		return cli_mark_usage(cli);
	cleanup_json json_t *list =
		client_get(cli_client(cli), "/1.0/images/aliases?recursion=1", error);
	if (!list)
		return -1;
	size_t index;
	json_t *alias;
	table_init(&table, headers, 4);
	json_array_foreach (list, index, alias) {
		cleanup_free char *target = memory_printf("%.12s", json_text(alias, "target"));
		table_add(&table, json_text(alias, "name"));
		table_add(&table, target);
		table_add(&table, json_text(alias, "type"));
		table_add(&table, json_text(alias, "description"));
	}
	table_sort(&table);
	return output_print(&table, list, format, error);
}

static const struct option_row build_options[] = {
	{"alias", 0, "ALIAS", "one more alias for the image (repeatable)", WORD_OTHER},
	{0},
};

static const struct option_row alias_options[] = {
	{"description", 0, "TEXT", "a description", WORD_OTHER},
	{0},
};

#define ROW(word, what, text, least, most, first, second, function)                                \
	.path = "image " word, .arguments = (what), .summary = (text), .minimum = (least),         \
	.maximum = (most), .words = {(first), (second), (second)}, .run = (function)

static const struct command commands[] = {
	{ROW("list", "[FILTER...]", "List images", 0, -1, WORD_IMAGE, WORD_IMAGE, image_run_list),
	 .aliases = "ls", .options = image_list_options,
	 .description = "FILTER is the beginning of an alias or fingerprint, or PROPERTY=VALUE."},
	{ROW("info", "IMAGE", "Tell about an image", 1, 1, WORD_IMAGE, WORD_OTHER, image_run_info)},
	{ROW("show", "IMAGE", "Print what can be edited of an image, as YAML", 1, 1, WORD_IMAGE,
	     WORD_OTHER, run_show)},
	{ROW("edit", "IMAGE", "Edit an image as YAML", 1, 1, WORD_IMAGE, WORD_OTHER, run_edit)},
	{ROW("delete", "IMAGE...", "Delete images", 1, -1, WORD_IMAGE, WORD_IMAGE, run_delete),
	 .aliases = "rm"},
	{ROW("build", "TEMPLATE [KEY=VALUE...]", "Build an image from a template", 1, -1,
	     WORD_TEMPLATE, WORD_OTHER, run_build),
	 .options = build_options,
	 .description =
		 "TEMPLATE is the name of a template or an alias that it makes. The settings are "
		 "the\n"
		 "template's: see its documentation. 'launch' builds by itself what is missing.",
	 .examples = "sysct image build debian/12\n"
		     "sysct image build debian suite=trixie --alias trixie"},
	{ROW("get-property", "IMAGE KEY", "Print a property", 2, 2, WORD_IMAGE, WORD_OTHER,
	     run_get_property)},
	{ROW("set-property", "IMAGE KEY VALUE", "Set a property", 3, 3, WORD_IMAGE, WORD_OTHER,
	     run_change_property)},
	{ROW("unset-property", "IMAGE KEY", "Remove a property", 2, 2, WORD_IMAGE, WORD_OTHER,
	     run_change_property)},
	{ROW("alias list", "", "List aliases", 0, 0, WORD_OTHER, WORD_OTHER, run_alias_list),
	 .aliases = "ls", .options = image_list_options},
	{ROW("alias create", "ALIAS IMAGE", "Give an image another alias", 2, 2, WORD_OTHER,
	     WORD_IMAGE, run_alias_create),
	 .options = alias_options},
	{ROW("alias delete", "ALIAS...", "Delete aliases", 1, -1, WORD_ALIAS, WORD_ALIAS,
	     run_alias_delete),
	 .aliases = "rm"},
	{ROW("alias rename", "ALIAS NEW-NAME", "Rename an alias", 2, 2, WORD_ALIAS, WORD_OTHER,
	     run_alias_rename),
	 .aliases = "mv"},
	{0},
};

const struct command_group group_image = {"Images and storage", commands};
