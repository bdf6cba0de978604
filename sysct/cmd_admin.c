/* admin: what is rarely needed. */
#include <stdio.h>
#include <string.h>

#include "assign.h"
#include "cli.h"
#include "groups.h"
#include "input.h"
#include "lib/cleanup.h"
#include "lib/memory.h"
#include "output.h"

/* "name,driver=btrfs,source=/dev/sdb,KEY=VALUE" as the API has it. */
static int add_pool(json_t *pools, const char *word, struct error **error)
{
	cleanup_json json_t *given = json_object();
	if (strchr(word, ',') ? assign_device(given, word, error) < 0
			      : json_object_set_new(given, word, json_object()) < 0)
		return -1;
	const char *name = json_object_iter_key(json_object_iter(given));
	json_t *config = json_object_get(given, name);
	json_t *driver = json_incref(json_object_get(config, "driver"));
	json_object_del(config, "driver");
	json_array_append_new(pools, json_pack("{s:s, s:o*, s:O}", "name", name, "driver", driver,
					       "config", config));
	return 0;
}

static json_t *make_body(struct cli *cli, struct error **error)
{
	json_t *pools = json_array();
	cleanup_json json_t *body = json_pack("{s:o, s:b}", "pools", pools, "search", 1);
	const char *word;
	for (int at = 0; (word = options_next(&cli->options, "pool", &at));)
		if (add_pool(pools, word, error) < 0) {
			cli_mark_usage(cli);
			return NULL;
		}
	return json_steal(&body);
}

static const char *noun_of(const json_t *item)
{
	const char *type = json_text(item, "type");
	return strcmp(type, "container") == 0 ? "instance"
	       : strcmp(type, "custom") == 0  ? "volume"
					      : type;
}

static void print_item(const json_t *item, const char *indent)
{
	cleanup_strbuf struct strbuf line = {0};
	json_int_t snapshots = json_integer_value(json_object_get(item, "snapshotCount"));
	const char *name = json_text(item, "name"), *problem = json_text(item, "problem");
	bool image = strcmp(json_text(item, "type"), "image") == 0;
	strbuf_printf(&line, "%s%s %.*s", indent, noun_of(item), image ? 12 : (int)strlen(name),
		      name);
	if (strcmp(json_text(item, "type"), "pool") != 0)
		strbuf_printf(&line, " in pool %s", json_text(item, "pool"));
	if (snapshots)
		strbuf_printf(&line, ", %lld snapshot%s", (long long)snapshots,
			      snapshots == 1 ? "" : "s");
	if (*problem)
		strbuf_printf(&line, ": not possible: %s", problem);
	cleanup_strbuf struct strbuf clean = {0};
	output_append_clean(&clean, line.text);
	puts(clean.text);
}

static void print_items(const char *title, const json_t *items)
{
	size_t i;
	const json_t *item;
	if (json_array_size(items))
		puts(title);
	json_array_foreach (items, i, item)
		print_item(item, "  ");
}

static void print_lines(const char *title, const json_t *lines)
{
	size_t i;
	const json_t *line;
	if (json_array_size(lines))
		puts(title);
	json_array_foreach (lines, i, line) {
		cleanup_strbuf struct strbuf clean = {0};
		output_append_clean(&clean, json_string_value(line));
		printf("  %s\n", clean.text);
	}
}

static void print_pools(const json_t *pools)
{
	size_t i;
	const json_t *pool;
	puts("Pools:");
	json_array_foreach (pools, i, pool) {
		const char *source = json_text(json_object_get(pool, "config"), "source");
		bool known = json_is_true(json_object_get(pool, "known"));
		printf("  %s (%s%s%s)%s\n", json_text(pool, "name"), json_text(pool, "driver"),
		       *source ? ", " : "", source,
		       known ? "" : ", which the database does not know");
	}
}

/* How many things can be brought back; pools that were found are such, too. */
static size_t print_found(const json_t *found)
{
	const json_t *items = json_object_get(found, "UnknownVolumes");
	const json_t *pools = json_object_get(found, "Pools");
	size_t count = 0, i;
	const json_t *one;
	print_pools(pools);
	print_items("Found, and not in the database:", items);
	print_lines("Missing, to be made first:", json_object_get(found, "DependencyErrors"));
	print_lines("Problems:", json_object_get(found, "Problems"));
	json_array_foreach (items, i, one)
		count += !json_object_get(one, "problem");
	json_array_foreach (pools, i, one)
		count += !json_is_true(json_object_get(one, "known"));
	return count;
}

static int print_done(const json_t *done, struct error **error)
{
	const json_t *failed = json_object_get(done, "Failed");
	print_items("Recovered:", json_object_get(done, "Recovered"));
	print_items("Not recovered:", failed);
	if (output_flush(error) < 0)
		return -1;
	return json_array_size(failed) == 0
		       ? 0
		       : error_set(
				 error, ERROR_INTERNAL,
				 "%zu of what was found could not be recovered; it stays as it is",
				 json_array_size(failed));
}

static int run_recover(struct cli *cli, struct error **error)
{
	cleanup_json json_t *body = make_body(cli, error);
	cleanup_reply struct reply found = {0}, done = {0};
	if (!body || client_request(cli_client(cli), "POST", "/internal/recover/validate", body,
				    &found, error) < 0)
		return -1;
	size_t count = print_found(found.metadata);
	if (output_flush(error) < 0)
		return -1;
	if (count == 0) {
		puts("There is nothing to recover.");
		return output_flush(error);
	}
	if (options_given(&cli->options, "dry-run"))
		return 0;
	if (!options_given(&cli->options, "yes") && !input_confirm("Recover these? [Y/n]"))
		return error_set(error, ERROR_CANCELLED, "nothing was changed");
	if (client_request(cli_client(cli), "POST", "/internal/recover/import", body, &done,
			   error) < 0)
		return -1;
	return print_done(done.metadata, error);
}

static const struct option_row recover_options[] = {
	{"pool", 0, "NAME,driver=DRIVER,source=SOURCE",
	 "look into a pool that is not found by itself; repeatable", WORD_OTHER},
	{"yes", 'y', NULL, "do not ask", WORD_OTHER},
	{"dry-run", 0, NULL, "only tell what is found", WORD_OTHER},
	{0},
};

static const struct command commands[] = {
	{
		.path = "admin recover",
		.arguments = "",
		.summary = "Bring back what lies in pools and is not in the database",
		.description = "After the database was lost: instances, custom volumes and images "
			       "are found "
			       "by what pools say of them, with their snapshots and configuration. "
			       "Nothing "
			       "that is there is changed. Profiles that are missing are made as "
			       "they were; "
			       "networks must be made first.",
		.examples = "sysct admin recover\n"
			    "sysct admin recover --pool big,driver=btrfs,source=/dev/sdb --yes",
		.options = recover_options,
		.run = run_recover,
	},
	{0},
};

const struct command_group group_admin = {"Administration", commands};
