/* list: one GET, a table. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "columns.h"
#include "filter.h"
#include "groups.h"
#include "lib/cleanup.h"
#include "lib/memory.h"
#include "output.h"

static const char default_columns[] = "ns46tS";
static const char fast_columns[] = "nsacPt";

static const char *list_path(const struct cli *cli, const struct columns *columns,
			     enum output_format format)
{
	static const char *const paths[] = {
		[COLUMN_PLAIN] = "/1.0/instances?recursion=1",
		[COLUMN_NETWORK] = "/1.0/instances?recursion=2&state=network",
		[COLUMN_STATE] = "/1.0/instances?recursion=2",
	};
	static const char brief[] = "/1.0/instances?recursion=2&state=network&"
				    "fields=name,status,type,ephemeral,state,snapshots";
	enum column_source source = columns_source(columns);
	if (format == OUTPUT_JSON || format == OUTPUT_YAML)
		source = COLUMN_STATE;
	else if (cli->options.count == 0 && columns_are_brief(columns))
		return brief;
	for (int i = 0; i < cli->options.count; i++)
		if (filter_needs_state(cli->options.words[i]))
			source = COLUMN_STATE;
	return paths[options_given(&cli->options, "fast") ? COLUMN_PLAIN : source];
}

static int compare_names(const void *a, const void *b)
{
	return strverscmp(json_text(*(json_t *const *)a, "name"),
			  json_text(*(json_t *const *)b, "name"));
}

/* The same instances in the order of their names, box9 before box10. */
static json_t *sorted_by_name(const json_t *list)
{
	size_t count = json_array_size(list);
	cleanup_free json_t **order = memory_alloc(sizeof(json_t *) * count);
	json_t *sorted = json_array();
	for (size_t i = 0; i < count; i++)
		order[i] = json_array_get(list, i);
	qsort(order, count, sizeof(json_t *), compare_names);
	for (size_t i = 0; i < count; i++)
		json_array_append(sorted, order[i]);
	return sorted;
}

/* The instances that satisfy all filters, as a new array. */
static json_t *filter_list(struct cli *cli, const json_t *all, struct error **error)
{
	cleanup_json json_t *chosen = json_array();
	size_t index;
	json_t *instance;
	json_array_foreach (all, index, instance) {
		int matched = 1;
		for (int i = 0; i < cli->options.count && matched > 0; i++)
			matched = filter_matches(cli->options.words[i], instance, error);
		if (matched < 0) {
			cli_mark_usage(cli);
			return NULL;
		}
		if (matched)
			json_array_append(chosen, instance);
	}
	return sorted_by_name(chosen);
}

static int parse_columns(const struct cli *cli, struct columns *columns, struct error **error)
{
	const char *given = options_value(&cli->options, "columns");
	bool fast = options_given(&cli->options, "fast");
	if (!given)
		given = fast ? fast_columns : default_columns;
	return columns_parse(columns, given, error);
}

static int run_list(struct cli *cli, struct error **error)
{
	enum output_format format;
	cleanup_columns struct columns columns = {0};
	cleanup_table struct table table = {0};
	if (output_format_parse(options_value(&cli->options, "format"), &format, error) < 0 ||
	    parse_columns(cli, &columns, error) < 0)
		return cli_mark_usage(cli);
	const char *path = list_path(cli, &columns, format);
	cleanup_json json_t *all = client_get(cli_client(cli), path, error);
	cleanup_json json_t *chosen = all ? filter_list(cli, all, error) : NULL;
	if (!chosen)
		return -1;
	columns_start(&columns, &table);
	size_t index;
	json_t *instance;
	json_array_foreach (chosen, index, instance)
		columns_add(&columns, &table, instance);
	return output_print(&table, chosen, format, error);
}

static const struct option_row list_options[] = {
	{"columns", 'c', "COLUMNS", "columns, see above (default ns46tS)", WORD_OTHER},
	{"format", 'f', "FORMAT", "table, compact, csv, json or yaml", WORD_FORMAT},
	{"fast", 0, NULL, "no live state: columns nsacPt", WORD_OTHER},
	{0},
};

static const struct command commands[] = {
	{
		.path = "list",
		.aliases = "ls",
		.arguments = "[FILTER...]",
		.summary = "List instances",
		.description = "FILTER is the beginning of a name, a regular expression that "
			       "matches a whole name, or\n"
			       "KEY=VALUE of the configuration (parts of KEY may be cut short: "
			       "u.for=ci), or type=,\n"
			       "status=, architecture=, location=, ipv4=, ipv6=. Several filters "
			       "must all match.\n"
			       "\n"
			       "COLUMNS are letters: n name, s state, 4 IPv4, 6 IPv6, t type, S "
			       "snapshots, a architecture,\n"
			       "b storage pool, c created, d description, D disk usage, e project, "
			       "f image (short),\n"
			       "F image, l last used, L location, m memory, M memory in %, N "
			       "processes, p pid of init,\n"
			       "P profiles, u CPU seconds. After a comma a configuration key may "
			       "stand, as\n"
			       "[config:|devices:]KEY[:HEADER[:WIDTH]].",
		.examples = "sysct list web status=running\n"
			    "sysct list -c ns4,limits.memory:MEMORY,devices:root.pool\n"
			    "sysct list -f csv -c n",
		.options = list_options,
		.maximum = -1,
		.words = {WORD_INSTANCE, WORD_INSTANCE, WORD_INSTANCE},
		.run = run_list,
	},
	{0},
};

const struct command_group group_list = {"See instances", commands};
