/* config device, profile device: the devices of an instance or a profile. */
#include <stdio.h>
#include <string.h>

#include "assign.h"
#include "groups.h"
#include "lib/cleanup.h"
#include "object.h"
#include "output.h"

static struct object target(const struct cli *cli)
{
	return (struct object){(enum object_kind)cli->options.command->variant, cli_word(cli, 0),
			       NULL};
}

static int no_device(struct cli *cli, const char *name, struct error **error)
{
	bool profile = cli->options.command->variant == OBJECT_PROFILE;
	cli_hint(cli, "'sysct %s device list %s' shows its devices", profile ? "profile" : "config",
		 cli_word(cli, 0));
	return error_set(error, ERROR_NOT_FOUND, "%s has no device \"%s\" of its own",
			 cli_word(cli, 0), name);
}

/* "key=value" words from number @first on; "KEY VALUE" too where @pair. */
static int read_settings(struct cli *cli, int first, bool pair, json_t *settings,
			 struct error **error)
{
	if (pair && cli->options.count == first + 2 && !strchr(cli_word(cli, first), '='))
		return json_object_set_new(settings, cli_word(cli, first),
					   json_string(cli_word(cli, first + 1)));
	for (int i = first; i < cli->options.count; i++)
		if (assign_add(settings, cli_word(cli, i), "device setting", error) < 0)
			return cli_mark_usage(cli);
	return 0;
}

struct change {
	struct cli *cli;
	json_t *settings;
};

static int add_device(json_t *body, void *data, struct error **error)
{
	struct change *change = data;
	json_t *devices = object_member(body, "devices");
	const char *name = cli_word(change->cli, 1);
	if (json_object_get(devices, name))
		return error_set(error, ERROR_EXISTS, "%s has a device \"%s\" already",
				 cli_word(change->cli, 0), name);
	json_object_set(devices, name, change->settings);
	return 0;
}

static int run_add(struct cli *cli, struct error **error)
{
	struct object object = target(cli);
	cleanup_json json_t *settings = json_pack("{s:s}", "type", cli_word(cli, 2));
	struct change change = {cli, settings};
	if (read_settings(cli, 3, false, settings, error) < 0)
		return -1;
	return object_change(cli, &object, add_device, &change, error);
}

static int remove_devices(json_t *body, void *data, struct error **error)
{
	struct cli *cli = data;
	json_t *devices = object_member(body, "devices");
	for (int i = 1; i < cli->options.count; i++)
		if (json_object_del(devices, cli_word(cli, i)) < 0)
			return no_device(cli, cli_word(cli, i), error);
	return 0;
}

static int run_remove(struct cli *cli, struct error **error)
{
	struct object object = target(cli);
	return object_change(cli, &object, remove_devices, cli, error);
}

/* An empty value removes the key. */
static int change_device(json_t *body, void *data, struct error **error)
{
	struct change *change = data;
	const char *name = cli_word(change->cli, 1), *key;
	json_t *device = json_object_get(json_object_get(body, "devices"), name), *value;
	if (!device)
		return no_device(change->cli, name, error);
	json_object_foreach (change->settings, key, value) {
		const char *text = json_string_value(value);
		if (text && *text)
			json_object_set(device, key, value);
		else
			json_object_del(device, key);
	}
	return 0;
}

static int run_set(struct cli *cli, struct error **error)
{
	struct object object = target(cli);
	cleanup_json json_t *settings = json_object();
	struct change change = {cli, settings};
	if (read_settings(cli, 2, true, settings, error) < 0)
		return -1;
	return object_change(cli, &object, change_device, &change, error);
}

static int run_unset(struct cli *cli, struct error **error)
{
	struct object object = target(cli);
	cleanup_json json_t *settings = json_pack("{s:s}", cli_word(cli, 2), "");
	struct change change = {cli, settings};
	return object_change(cli, &object, change_device, &change, error);
}

/* A profile's device becomes the instance's own, with changes. */
static int run_override(struct cli *cli, struct error **error)
{
	struct object object = target(cli);
	cleanup_json json_t *settings = json_object();
	cleanup_json json_t *data = object_read(cli, &object, error);
	const json_t *inherited =
		json_object_get(json_object_get(data, "expanded_devices"), cli_word(cli, 1));
	struct change change = {cli, settings};
	if (!data || read_settings(cli, 2, false, settings, error) < 0)
		return -1;
	if (!inherited)
		return error_set(error, ERROR_NOT_FOUND, "no profile of %s has a device \"%s\"",
				 cli_word(cli, 0), cli_word(cli, 1));
	json_object_update_missing(settings, (json_t *)inherited);
	return object_change(cli, &object, add_device, &change, error);
}

static int run_get(struct cli *cli, struct error **error)
{
	struct object object = target(cli);
	cleanup_json json_t *data = object_read(cli, &object, error);
	if (!data)
		return -1;
	const json_t *device = json_object_get(json_object_get(data, "devices"), cli_word(cli, 1));
	if (!device)
		return no_device(cli, cli_word(cli, 1), error);
	printf("%s\n", json_text(device, cli_word(cli, 2)));
	return output_flush(error);
}

static int run_list(struct cli *cli, struct error **error)
{
	struct object object = target(cli);
	cleanup_json json_t *data = object_read(cli, &object, error);
	const char *name;
	json_t *device;
	if (!data)
		return -1;
	json_object_foreach (json_object_get(data, "devices"), name, device)
		printf("%s\n", name);
	return output_flush(error);
}

static int run_show(struct cli *cli, struct error **error)
{
	struct object object = target(cli);
	cleanup_json json_t *data = object_read(cli, &object, error);
	if (!data)
		return -1;
	return output_print(NULL, object_member(data, "devices"), OUTPUT_YAML, error);
}

#define DEVICE_ROW(prefix, word, what, text, least, most, function, owner, number)                 \
	{                                                                                          \
		.path = prefix " device " word, .arguments = (what), .summary = (text),            \
		.minimum = (least), .maximum = (most), .words = {(owner), WORD_OTHER, WORD_OTHER}, \
		.run = (function), .variant = (number),                                            \
	}

#define ADD_ROW(prefix, owner, number)                                                             \
	{                                                                                          \
		.path = prefix " device add", .arguments = "NAME DEVICE TYPE [KEY=VALUE...]",      \
		.summary = "Add a device", .minimum = 3, .maximum = -1,                            \
		.words = {(owner), WORD_OTHER, WORD_DEVICE_TYPE}, .run = run_add,                  \
		.variant = (number),                                                               \
		.examples =                                                                        \
			"sysct " prefix " device add NAME data disk source=/srv/data path=/data",  \
	}

#define DEVICE_ROWS(prefix, owner, number)                                                         \
	ADD_ROW(prefix, owner, number),                                                            \
		{                                                                                  \
			.path = prefix " device remove",                                           \
			.aliases = "rm",                                                           \
			.arguments = "NAME DEVICE...",                                             \
			.summary = "Remove devices",                                               \
			.minimum = 2,                                                              \
			.maximum = -1,                                                             \
			.words = {(owner), WORD_OTHER, WORD_OTHER},                                \
			.run = run_remove,                                                         \
			.variant = (number),                                                       \
		},                                                                                 \
		DEVICE_ROW(prefix, "set", "NAME DEVICE KEY=VALUE...",                              \
			   "Change settings of a device", 3, -1, run_set, owner, number),          \
		DEVICE_ROW(prefix, "unset", "NAME DEVICE KEY", "Remove a setting of a device", 3,  \
			   3, run_unset, owner, number),                                           \
		DEVICE_ROW(prefix, "get", "NAME DEVICE KEY", "Print one setting of a device", 3,   \
			   3, run_get, owner, number),                                             \
		{                                                                                  \
			.path = prefix " device list",                                             \
			.aliases = "ls",                                                           \
			.arguments = "NAME",                                                       \
			.summary = "List the names of devices",                                    \
			.minimum = 1,                                                              \
			.maximum = 1,                                                              \
			.words = {(owner), WORD_OTHER, WORD_OTHER},                                \
			.run = run_list,                                                           \
			.variant = (number),                                                       \
		},                                                                                 \
		DEVICE_ROW(prefix, "show", "NAME", "Print all devices as YAML", 1, 1, run_show,    \
			   owner, number)

static const struct command instance_commands[] = {
	DEVICE_ROWS("config", WORD_INSTANCE, OBJECT_INSTANCE),
	DEVICE_ROW("config", "override", "NAME DEVICE [KEY=VALUE...]",
		   "Make a profile's device the instance's own", 2, -1, run_override, WORD_INSTANCE,
		   OBJECT_INSTANCE),
	{0},
};

static const struct command profile_commands[] = {
	DEVICE_ROWS("profile", WORD_PROFILE, OBJECT_PROFILE),
	{0},
};

const struct command_group group_device = {"Configure", instance_commands};
const struct command_group group_profile_device = {"Configure", profile_commands};
