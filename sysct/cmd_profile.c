/* profile: sets of settings and devices that instances share. */
#include <stdio.h>
#include <string.h>

#include "groups.h"
#include "input.h"
#include "lib/cleanup.h"
#include "lib/memory.h"
#include "object.h"
#include "operation.h"
#include "output.h"

static int run_list(struct cli *cli, struct error **error)
{
	static const char *const headers[] = {"NAME", "DESCRIPTION", "USED BY"};
	enum output_format format;
	cleanup_table struct table table = {0};
	if (output_format_parse(options_value(&cli->options, "format"), &format, error) < 0)
		return cli_mark_usage(cli);
	cleanup_json json_t *list = client_get(cli_client(cli), "/1.0/profiles?recursion=1", error);
	if (!list)
		return -1;
	size_t index;
	json_t *profile;
	table_init(&table, headers, 3);
	json_array_foreach (list, index, profile) {
		cleanup_free char *used =
			memory_printf("%zu", json_array_size(json_object_get(profile, "used_by")));
		table_add(&table, json_text(profile, "name"));
		table_add(&table, json_text(profile, "description"));
		table_add(&table, used);
	}
	table_sort(&table);
	return output_print(&table, list, format, error);
}

static int post_profile(struct cli *cli, json_t *body, const char *name, struct error **error)
{
	cleanup_reply struct reply reply = {0};
	if (json_object_set_new(body, "name", json_string(name)) < 0)
		return cli_usage(cli, error, "the name is not UTF-8");
	return client_request(cli_client(cli), "POST", "/1.0/profiles", body, &reply, error);
}

static int run_create(struct cli *cli, struct error **error)
{
	const char *description = options_value(&cli->options, "description");
	cleanup_json json_t *body = input_read_configuration(error);
	if (!body)
		return cli_mark_usage(cli);
	if (description)
		json_object_set_new(body, "description", json_string(description));
	return post_profile(cli, body, cli_word(cli, 0), error);
}

static int run_copy(struct cli *cli, struct error **error)
{
	struct object source = {OBJECT_PROFILE, cli_word(cli, 0), NULL};
	cleanup_json json_t *data = object_read(cli, &source, error);
	if (!data)
		return -1;
	cleanup_json json_t *body = object_writable(OBJECT_PROFILE, data);
	return post_profile(cli, body, cli_word(cli, 1), error);
}

static int run_delete(struct cli *cli, struct error **error)
{
	cleanup_batch struct batch batch = {0};
	batch_init(&batch, cli->options.words, cli->options.count);
	batch_run(&batch, "DELETE", "/1.0/profiles/%s", NULL);
	return batch_finish(cli, &batch, error);
}

static int run_rename(struct cli *cli, struct error **error)
{
	struct object object = {OBJECT_PROFILE, cli_word(cli, 0), NULL};
	cleanup_free char *path = object_path(&object);
	cleanup_json json_t *body = json_pack("{s:s}", "name", cli_word(cli, 1));
	if (!body)
		return cli_usage(cli, error, "the name is not UTF-8");
	return operation_run(cli, "POST", path, body, "Renaming", NULL, error);
}

/* "a,b" or several words; an empty word means none. */
static int assign_profiles(json_t *body, void *data, struct error **error)
{
	const struct cli *cli = data;
	json_t *profiles = json_array();
	(void)error;
	for (int i = 1; i < cli->options.count; i++) {
		cleanup_free char *copy = memory_strdup(cli_word(cli, i));
		char *rest = copy, *name;
		while ((name = strsep(&rest, ",")))
			if (*name)
				json_array_append_new(profiles, json_string(name));
	}
	json_object_set_new(body, "profiles", profiles);
	return 0;
}

static size_t find_profile(const json_t *profiles, const char *name)
{
	size_t index = 0;
	while (index < json_array_size(profiles)) {
		const char *at = json_string_value(json_array_get(profiles, index));
		if (at && strcmp(at, name) == 0)
			break;
		index++;
	}
	return index;
}

static json_t *profiles_of(json_t *body)
{
	json_t *profiles = json_object_get(body, "profiles");
	if (!json_is_array(profiles)) {
		profiles = json_array();
		json_object_set_new(body, "profiles", profiles);
	}
	return profiles;
}

static int add_profile(json_t *body, void *data, struct error **error)
{
	const struct cli *cli = data;
	json_t *profiles = profiles_of(body);
	if (find_profile(profiles, cli_word(cli, 1)) < json_array_size(profiles))
		return error_set(error, ERROR_EXISTS, "%s has the profile \"%s\" already",
				 cli_word(cli, 0), cli_word(cli, 1));
	json_array_append_new(profiles, json_string(cli_word(cli, 1)));
	return 0;
}

static int remove_profile(json_t *body, void *data, struct error **error)
{
	struct cli *cli = data;
	json_t *profiles = profiles_of(body);
	if (json_array_remove(profiles, find_profile(profiles, cli_word(cli, 1))) == 0)
		return 0;
	cli_hint(cli, "'sysct config show %s' tells its profiles", cli_word(cli, 0));
	return error_set(error, ERROR_NOT_FOUND, "%s has no profile \"%s\"", cli_word(cli, 0),
			 cli_word(cli, 1));
}

enum { CHANGE_ASSIGN, CHANGE_ADD, CHANGE_REMOVE };

static int run_change(struct cli *cli, struct error **error)
{
	static int (*const changes[])(json_t *, void *, struct error **) = {
		[CHANGE_ASSIGN] = assign_profiles,
		[CHANGE_ADD] = add_profile,
		[CHANGE_REMOVE] = remove_profile,
	};
	struct object object = {OBJECT_INSTANCE, cli_word(cli, 0), NULL};
	return object_change(cli, &object, changes[cli->options.command->variant], cli, error);
}

static const struct option_row list_options[] = {
	{"format", 'f', "FORMAT", "table, compact, csv, json or yaml", WORD_FORMAT},
	{0},
};

static const struct option_row create_options[] = {
	{"description", 0, "TEXT", "a description", WORD_OTHER},
	{0},
};

#define ROW(word, what, text, least, most, first, second, function, number)                        \
	.path = "profile " word, .arguments = (what), .summary = (text), .minimum = (least),       \
	.maximum = (most), .words = {(first), (second), (second)}, .run = (function),              \
	.variant = (number)

static const struct command commands[] = {
	{ROW("list", "", "List profiles", 0, 0, WORD_OTHER, WORD_OTHER, run_list, 0),
	 .aliases = "ls", .options = list_options},
	{ROW("show", "PROFILE", "Print a profile as YAML", 1, 1, WORD_PROFILE, WORD_OTHER,
	     object_run_show, OBJECT_PROFILE)},
	{ROW("create", "PROFILE", "Create a profile", 1, 1, WORD_OTHER, WORD_OTHER, run_create, 0),
	 .options = create_options, .examples = "sysct profile create small < small.yaml"},
	{ROW("delete", "PROFILE...", "Delete profiles", 1, -1, WORD_PROFILE, WORD_PROFILE,
	     run_delete, 0),
	 .aliases = "rm"},
	{ROW("edit", "PROFILE", "Edit a profile as YAML", 1, 1, WORD_PROFILE, WORD_OTHER,
	     object_run_edit, OBJECT_PROFILE)},
	{ROW("get", "PROFILE KEY", "Print one setting", 2, 2, WORD_PROFILE, WORD_KEY,
	     object_run_get, OBJECT_PROFILE)},
	{ROW("set", "PROFILE KEY=VALUE...", "Change settings", 2, -1, WORD_PROFILE, WORD_KEY,
	     object_run_set, OBJECT_PROFILE)},
	{ROW("unset", "PROFILE KEY...", "Remove settings", 2, -1, WORD_PROFILE, WORD_KEY,
	     object_run_unset, OBJECT_PROFILE)},
	{ROW("copy", "PROFILE NEW", "Copy a profile", 2, 2, WORD_PROFILE, WORD_OTHER, run_copy, 0),
	 .aliases = "cp"},
	{ROW("rename", "PROFILE NEW-NAME", "Rename a profile", 2, 2, WORD_PROFILE, WORD_OTHER,
	     run_rename, 0),
	 .aliases = "mv"},
	{ROW("assign", "INSTANCE PROFILE[,PROFILE...]", "Give an instance these profiles only", 2,
	     -1, WORD_INSTANCE, WORD_PROFILE, run_change, CHANGE_ASSIGN),
	 .aliases = "apply"},
	{ROW("add", "INSTANCE PROFILE", "Add a profile to an instance", 2, 2, WORD_INSTANCE,
	     WORD_PROFILE, run_change, CHANGE_ADD)},
	{ROW("remove", "INSTANCE PROFILE", "Take a profile from an instance", 2, 2, WORD_INSTANCE,
	     WORD_PROFILE, run_change, CHANGE_REMOVE)},
	{0},
};

const struct command_group group_profile = {"Configure", commands};
