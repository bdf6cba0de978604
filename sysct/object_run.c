/* get, set, unset, show, edit: the same for instances, the server, profiles and pools. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "assign.h"
#include "input.h"
#include "lib/cleanup.h"
#include "lib/memory.h"
#include "object.h"
#include "output.h"
#include "lib/yaml_text.h"

const struct option_row object_expanded_options[] = {
	{"expanded", 'e', NULL, "with what comes from the profiles", WORD_OTHER},
	{0},
};

/* Which object the words mean, and the number of the word after its name.
 * `config` without an instance means the server; what holds a '.' or a '=' is
 * a key, as no instance's name can hold them. */
static struct object find_object(const struct cli *cli, int *next)
{
	const char *word = cli_word(cli, 0);
	enum object_kind kind = (enum object_kind)cli->options.command->variant;
	*next = object_words(kind);
	if (*next == 2)
		return (struct object){kind, word, cli_word(cli, 1)};
	if (kind != OBJECT_INSTANCE || (word && !strpbrk(word, ".=")))
		return (struct object){kind, word, NULL};
	*next = 0;
	return (struct object){OBJECT_SERVER, NULL, NULL};
}

static const json_t *expanded(const struct cli *cli, const json_t *data, const char *key)
{
	cleanup_free char *long_key = memory_printf("expanded_%s", key);
	const json_t *value =
		options_given(&cli->options, "expanded") ? json_object_get(data, long_key) : NULL;
	return value ? value : json_object_get(data, key);
}

int object_run_get(struct cli *cli, struct error **error)
{
	int next;
	struct object object = find_object(cli, &next);
	if (cli->options.count != next + 1)
		return cli_usage(cli, error, "one key is needed");
	cleanup_json json_t *data = object_read(cli, &object, error);
	if (!data)
		return -1;
	const json_t *value = json_object_get(expanded(cli, data, "config"), cli_word(cli, next));
	if (json_is_string(value) || !value) {
		printf("%s\n", value ? json_string_value(value) : "");
		return output_flush(error);
	}
	return output_json(value, error);
}

/* Puts the settings over the configuration; an empty value removes the key. */
static int apply_settings(json_t *body, void *data, struct error **error)
{
	json_t *config = object_member(body, "config");
	const char *key;
	json_t *value;
	(void)error;
	json_object_foreach ((json_t *)data, key, value) {
		const char *text = json_string_value(value);
		if (text && *text)
			json_object_set(config, key, value);
		else
			json_object_del(config, key);
	}
	return 0;
}

/* "KEY VALUE" of older scripts; "-" reads the value. */
static int add_pair(json_t *settings, const char *key, const char *value, struct error **error)
{
	cleanup_free char *read = NULL;
	if (strcmp(value, "-") == 0) {
		read = input_read_text(STDIN_FILENO, error);
		if (!read)
			return -1;
		value = read;
	}
	if (json_object_set_new(settings, key, json_string(value)) < 0)
		return error_set(error, ERROR_INVALID, "the value is not UTF-8");
	return 0;
}

static json_t *read_settings(struct cli *cli, int next, struct error **error)
{
	cleanup_json json_t *settings = json_object();
	int count = cli->options.count - next;
	int result = count < 1 ? cli_usage(cli, error, "a setting is needed: KEY=VALUE") : 0;
	if (count == 2 && !strchr(cli_word(cli, next), '=')) {
		result = add_pair(settings, cli_word(cli, next), cli_word(cli, next + 1), error);
		next += 2;
	}
	for (; result == 0 && next < cli->options.count; next++)
		result = assign_add(settings, cli_word(cli, next), "setting", error);
	if (result == 0)
		return json_steal(&settings);
	cli_mark_usage(cli);
	return NULL;
}

int object_run_set(struct cli *cli, struct error **error)
{
	int next;
	struct object object = find_object(cli, &next);
	cleanup_json json_t *settings = read_settings(cli, next, error);
	if (!settings)
		return -1;
	return object_change(cli, &object, apply_settings, settings, error);
}

int object_run_unset(struct cli *cli, struct error **error)
{
	int next;
	struct object object = find_object(cli, &next);
	cleanup_json json_t *settings = json_object();
	if (next >= cli->options.count)
		return cli_usage(cli, error, "a key is needed");
	for (; next < cli->options.count; next++)
		json_object_set_new(settings, cli_word(cli, next), json_string(""));
	return object_change(cli, &object, apply_settings, settings, error);
}

int object_run_show(struct cli *cli, struct error **error)
{
	int next;
	struct object object = find_object(cli, &next);
	if (cli_word(cli, 0) && next == 0)
		return cli_usage(cli, error, "'%s' is not the name of an instance",
				 cli_word(cli, 0));
	cleanup_json json_t *data = object_read(cli, &object, error);
	if (!data)
		return -1;
	cleanup_json json_t *body = object_writable(object.kind, data);
	static const char *const maps[] = {"config", "devices"};
	for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++)
		if (json_object_get(body, maps[i]))
			json_object_set(body, maps[i], (json_t *)expanded(cli, data, maps[i]));
	if (object.kind != OBJECT_INSTANCE && object.name) {
		json_object_set(body, "name", json_object_get(data, "name"));
		json_object_set(body, "used_by", json_object_get(data, "used_by"));
	}
	if (object.kind == OBJECT_FORWARD)
		json_object_set(body, "listen_address", json_object_get(data, "listen_address"));
	if (object.kind == OBJECT_POOL) {
		json_object_set(body, "driver", json_object_get(data, "driver"));
		json_object_set(body, "status", json_object_get(data, "status"));
	}
	if (object.kind == OBJECT_NETWORK) {
		json_object_set(body, "type", json_object_get(data, "type"));
		json_object_set(body, "managed", json_object_get(data, "managed"));
		json_object_set(body, "status", json_object_get(data, "status"));
	}
	return output_print(NULL, body, OUTPUT_YAML, error);
}

int object_run_edit(struct cli *cli, struct error **error)
{
	int next;
	struct object object = find_object(cli, &next);
	return object_edit(cli, &object, error);
}
