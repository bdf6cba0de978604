/* See complete.h. */
#include "complete.h"

#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/memory.h"
#include "lib/paths.h"

enum { PATIENCE = 500 /* milliseconds */ };

struct completion {
	struct strbuf *out;
	const char *current; /* the word being typed */
	const char *prefix;  /* the path so far, for commands */
	const char *before;  /* the word before it, "" for the first */
	bool assign;	     /* keys come with "=" */
};

static void offer_bytes(struct completion *completion, const char *text, size_t length,
			const char *suffix)
{
	size_t typed = strlen(completion->current);
	if (typed > length || strncmp(text, completion->current, typed) != 0)
		return;
	strbuf_append_bytes(completion->out, text, length);
	strbuf_printf(completion->out, "%s\n", suffix);
}

static void offer(struct completion *completion, const char *text)
{
	offer_bytes(completion, text, strlen(text), "");
}

static void offer_command(const struct command_group *group, const struct command *command,
			  void *data)
{
	struct completion *completion = data;
	size_t skip = strlen(completion->prefix);
	(void)group;
	if (command->hidden || strncmp(command->path, completion->prefix, skip) != 0 ||
	    (skip && command->path[skip] != ' '))
		return;
	const char *next = command->path + skip + (skip ? 1 : 0);
	size_t length = strcspn(next, " ");
	/* A group has many rows and is offered once. */
	cleanup_free char *line = memory_printf("%.*s\n", (int)length, next);
	const char *last = completion->out->text;
	size_t have = completion->out->length, wanted = length + 1;
	bool repeated = have >= wanted && strcmp(last + have - wanted, line) == 0 &&
			(have == wanted || last[have - wanted - 1] == '\n');
	if (!repeated)
		offer_bytes(completion, next, length, "");
}

static json_t *ask(const char *path)
{
	cleanup_free char *socket = paths_socket();
	struct client *client = client_new(socket, PATIENCE);
	json_t *answer = client_get(client, path, NULL);
	client_free(client);
	return answer;
}

/* A list of "/1.0/instances/NAME", or of objects with a name. */
static void offer_names(struct completion *completion, const json_t *list)
{
	size_t index;
	json_t *entry;
	json_array_foreach (list, index, entry) {
		const char *text = json_string_value(entry);
		const char *slash = text ? strrchr(text, '/') : NULL;
		if (slash)
			offer(completion, slash + 1);
		else if (json_object_get(entry, "listen_address"))
			offer(completion, json_text(entry, "listen_address"));
		else if (json_is_object(entry))
			offer(completion, json_text(entry, "name"));
	}
}

static void offer_lists(struct completion *completion, const json_t *map)
{
	const char *status;
	json_t *list;
	json_object_foreach ((json_t *)map, status, list)
		offer_names(completion, list);
}

/* {"configs": {"instance": {GROUP: {"keys": [{KEY: {...}}]}}}} */
static void offer_keys(struct completion *completion, const json_t *answer)
{
	const json_t *groups = json_object_get(json_object_get(answer, "configs"), "instance");
	const char *name, *key;
	json_t *group, *entry, *description;
	size_t index;
	json_object_foreach ((json_t *)groups, name, group)
		json_array_foreach (json_object_get(group, "keys"), index, entry)
			json_object_foreach (entry, key, description)
				offer_bytes(completion, key, strlen(key),
					    completion->assign ? "=" : "");
}

static void offer_words(struct completion *completion, const char *const *words)
{
	for (; *words; words++)
		offer(completion, *words);
}

static void offer_kind(struct completion *completion, enum word_kind kind)
{
	static const char *const formats[] = {"table", "compact", "csv", "json", "yaml", NULL};
	static const char *const devices[] = {
		"disk",	 "nic", "unix-char", "unix-block", "unix-hotplug",
		"proxy", "usb", "gpu",	     "none",	   NULL,
	};
	static const char *const directions[] = {"ingress", "egress", NULL};
	static const struct {
		enum word_kind kind;
		const char *path;
		void (*offer)(struct completion *, const json_t *);
	} asked[] = {
		{WORD_INSTANCE, "/1.0/instances", offer_names},
		{WORD_IMAGE, "/1.0/images/aliases?recursion=1", offer_names},
		{WORD_ALIAS, "/1.0/images/aliases?recursion=1", offer_names},
		{WORD_TEMPLATE, "/1.0/images/aliases?recursion=1", offer_names},
		{WORD_PROFILE, "/1.0/profiles", offer_names},
		{WORD_POOL, "/1.0/storage-pools", offer_names},
		{WORD_VOLUME, "/1.0/storage-pools/%s/volumes/custom", offer_names},
		{WORD_NETWORK, "/1.0/networks", offer_names},
		{WORD_SNAPSHOT, "/1.0/instances/%s/snapshots?recursion=1", offer_names},
		{WORD_FORWARD, "/1.0/networks/%s/forwards?recursion=1", offer_names},
		{WORD_ZONE, "/1.0/network-zones", offer_names},
		{WORD_RECORD, "/1.0/network-zones/%s/records?recursion=1", offer_names},
		{WORD_NETWORK_ACL, "/1.0/network-acls", offer_names},
		{WORD_OPERATION, "/1.0/operations", offer_lists},
		{WORD_KEY, "/1.0/metadata/configuration", offer_keys},
	};
	if (kind == WORD_FORMAT)
		offer_words(completion, formats);
	else if (kind == WORD_DIRECTION)
		offer_words(completion, directions);
	else if (kind == WORD_DEVICE_TYPE)
		offer_words(completion, devices);
	for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
		if (asked[i].kind != kind)
			continue;
		cleanup_free char *path = client_path(asked[i].path, completion->before, NULL);
		cleanup_json json_t *answer = ask(path);
		asked[i].offer(completion, answer);
	}
}

static void offer_options(struct completion *completion, const struct option_row *row)
{
	for (; row && row->name; row++) {
		cleanup_free char *word = memory_printf("--%s", row->name);
		offer(completion, word);
	}
}

static const struct option_row *option_of(const struct command *command, const char *word)
{
	const struct option_row *const lists[] = {command->options, command_global_options};
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		for (const struct option_row *row = lists[i]; row && row->name; row++)
			if ((strncmp(word, "--", 2) == 0 && strcmp(word + 2, row->name) == 0) ||
			    (word[0] == '-' && word[1] && !word[2] && word[1] == row->letter))
				return row;
	return NULL;
}

/* @words follow the command; the last of them is being typed. */
static void complete_arguments(struct completion *completion, const struct command *command,
			       char *const *words, int count)
{
	int positional = 0;
	const struct option_row *waiting = NULL;
	bool dashes = false;
	for (int i = 0; i + 1 < count; i++) {
		if (waiting) {
			waiting = NULL;
		} else if (!dashes && words[i][0] == '-' && words[i][1]) {
			dashes = strcmp(words[i], "--") == 0;
			waiting = option_of(command, words[i]);
			waiting = waiting && waiting->argument ? waiting : NULL;
		} else {
			positional++;
			completion->before = words[i];
		}
	}
	const char *last_word = strrchr(command->path, ' ');
	completion->assign = waiting || (last_word && strcmp(last_word, " set") == 0);
	if (waiting) {
		offer_kind(completion, waiting->kind);
	} else if (!dashes && completion->current[0] == '-') {
		offer_options(completion, command->options);
		offer_options(completion, command_global_options);
	} else if (command->maximum < 0 || positional < command->maximum) {
		offer_kind(completion, command_word_kind(command, positional));
	}
}

void complete_append(struct strbuf *out, char *const *words, int count)
{
	int used;
	if (count < 1)
		return;
	const struct command *command = command_find(words, count - 1, &used);
	struct completion completion = {.out = out, .current = words[count - 1], .before = ""};
	if (command) {
		complete_arguments(&completion, command, words + used, count - used);
		return;
	}
	if (used != count - 1)
		return;
	cleanup_strbuf struct strbuf prefix = {0};
	for (int i = 0; i < used; i++)
		strbuf_printf(&prefix, "%s%s", i ? " " : "", words[i]);
	completion.prefix = prefix.text ? prefix.text : "";
	command_each(offer_command, &completion);
}
