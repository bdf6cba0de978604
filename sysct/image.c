/* See image.h: finding, listing and showing images. */
#include "image.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "columns.h"
#include "lib/cleanup.h"
#include "lib/memory.h"
#include "output.h"

const struct option_row image_list_options[] = {
	{"format", 'f', "FORMAT", "table, compact, csv, json or yaml", WORD_FORMAT},
	{0},
};

char *image_resolve(struct cli *cli, const char *name, struct error **error)
{
	struct error *problem = NULL;
	cleanup_free char *path = client_path("/1.0/images/aliases/%s", name, NULL);
	cleanup_json json_t *alias = client_get(cli_client(cli), path, &problem);
	if (alias)
		return memory_strdup(json_text(alias, "target"));
	if (!problem || problem->kind != ERROR_NOT_FOUND) {
		error_move(error, problem);
		return NULL;
	}
	error_free(problem);
	return memory_strdup(name);
}

char *image_alias_names(const json_t *image)
{
	cleanup_strbuf struct strbuf names = {0};
	size_t index;
	json_t *alias;
	json_array_foreach (json_object_get(image, "aliases"), index, alias)
		strbuf_printf(&names, "%s%s", index ? "\n" : "", json_text(alias, "name"));
	return strbuf_steal(&names);
}

static bool alias_begins(const json_t *image, const char *filter)
{
	size_t index;
	json_t *alias;
	json_array_foreach (json_object_get(image, "aliases"), index, alias)
		if (strncmp(json_text(alias, "name"), filter, strlen(filter)) == 0)
			return true;
	return false;
}

/* The beginning of an alias or of the fingerprint, or PROPERTY=VALUE. */
static bool matches(const json_t *image, const char *filter)
{
	const char *equals = strchr(filter, '=');
	if (!equals)
		return strncmp(json_text(image, "fingerprint"), filter, strlen(filter)) == 0 ||
		       alias_begins(image, filter);
	cleanup_free char *key = memory_strndup(filter, (size_t)(equals - filter));
	const json_t *properties = json_object_get(image, "properties");
	const char *value = json_object_get(properties, key) ? json_text(properties, key)
							     : json_text(image, key);
	return strcasecmp(value, equals + 1) == 0;
}

static json_t *choose(const struct cli *cli, const json_t *all)
{
	json_t *chosen = json_array();
	size_t index;
	json_t *image;
	json_array_foreach (all, index, image) {
		bool wanted = true;
		for (int i = 0; i < cli->options.count && wanted; i++)
			wanted = matches(image, cli->options.words[i]);
		if (wanted)
			json_array_append(chosen, image);
	}
	return chosen;
}

static void add_row(struct table *table, const json_t *image)
{
	cleanup_free char *aliases = image_alias_names(image);
	cleanup_free char *fingerprint = memory_printf("%.12s", json_text(image, "fingerprint"));
	cleanup_free char *date = memory_printf("%.10s", json_text(image, "uploaded_at"));
	cleanup_strbuf struct strbuf size = {0};
	strbuf_append_size(&size, (double)json_integer_value(json_object_get(image, "size")));
	table_add(table, aliases);
	table_add(table, fingerprint);
	table_add(table, json_is_true(json_object_get(image, "public")) ? "yes" : "no");
	table_add(table, json_text(json_object_get(image, "properties"), "description"));
	table_add(table, json_text(image, "architecture"));
	table_add(table, json_text(image, "type"));
	table_add(table, size.text);
	table_add(table, date);
}

int image_run_list(struct cli *cli, struct error **error)
{
	static const char *const headers[] = {"ALIAS",	     "FINGERPRINT",  "PUBLIC",
					      "DESCRIPTION", "ARCHITECTURE", "TYPE",
					      "SIZE",	     "UPLOADED"};
	enum output_format format;
	cleanup_table struct table table = {0};
	if (output_format_parse(options_value(&cli->options, "format"), &format, error) < 0)
		return cli_mark_usage(cli);
	cleanup_json json_t *all = client_get(cli_client(cli), "/1.0/images?recursion=1", error);
	if (!all)
		return -1;
	cleanup_json json_t *chosen = choose(cli, all);
	size_t index;
	json_t *image;
	table_init(&table, headers, sizeof(headers) / sizeof(headers[0]));
	json_array_foreach (chosen, index, image)
		add_row(&table, image);
	table_sort(&table);
	return output_print(&table, chosen, format, error);
}

static void print_date(const json_t *image, const char *label, const char *key)
{
	const char *date = json_text(image, key);
	if (*date && strncmp(date, "0001-", 5) != 0)
		printf("    %s: %s\n", label, date);
	else
		printf("    %s: never\n", label);
}

static void print_lists(const json_t *image)
{
	const char *key;
	json_t *value;
	size_t index;
	printf("Properties:\n");
	json_object_foreach (json_object_get(image, "properties"), key, value) {
		cleanup_strbuf struct strbuf line = {0};
		output_append_clean(&line, json_is_string(value) ? json_string_value(value) : "");
		printf("    %s: %s\n", key, line.text ? line.text : "");
	}
	printf("Aliases:\n");
	json_array_foreach (json_object_get(image, "aliases"), index, value)
		printf("    - %s\n", json_text(value, "name"));
	printf("Profiles:\n");
	json_array_foreach (json_object_get(image, "profiles"), index, value)
		printf("    - %s\n", json_is_string(value) ? json_string_value(value) : "");
}

int image_run_info(struct cli *cli, struct error **error)
{
	cleanup_free char *fingerprint = image_resolve(cli, cli_word(cli, 0), error);
	if (!fingerprint)
		return -1;
	cleanup_free char *path = client_path("/1.0/images/%s", fingerprint, NULL);
	cleanup_json json_t *image = client_get(cli_client(cli), path, error);
	if (!image)
		return -1;
	cleanup_strbuf struct strbuf size = {0};
	strbuf_append_size(&size, (double)json_integer_value(json_object_get(image, "size")));
	printf("Fingerprint: %s\n", json_text(image, "fingerprint"));
	printf("Size: %s\n", size.text);
	printf("Architecture: %s\n", json_text(image, "architecture"));
	printf("Type: %s\n", json_text(image, "type"));
	printf("Public: %s\n", json_is_true(json_object_get(image, "public")) ? "yes" : "no");
	printf("Timestamps:\n");
	print_date(image, "Created", "created_at");
	print_date(image, "Uploaded", "uploaded_at");
	print_date(image, "Expires", "expires_at");
	print_date(image, "Last used", "last_used_at");
	print_lists(image);
	return output_flush(error);
}
