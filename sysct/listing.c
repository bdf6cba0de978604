/* See listing.h. */
#include "listing.h"

#include <errno.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/memory.h"

const struct option_row listing_options[] = {
	{"format", 'f', "FORMAT", "table, compact, csv, json or yaml", WORD_FORMAT},
	{0},
};

static int print(struct cli *cli, const char *path, const char *const *headers, size_t columns,
		 void (*add)(struct table *table, const json_t *entry), bool sorted,
		 struct error **error)
{
	enum output_format format;
	cleanup_table struct table table = {0};
	if (output_format_parse(options_value(&cli->options, "format"), &format, error) < 0)
		return cli_mark_usage(cli);
	cleanup_json json_t *list = client_get(cli_client(cli), path, error);
	if (!list)
		return -1;
	size_t index;
	json_t *entry;
	table_init(&table, headers, columns);
	json_array_foreach (list, index, entry)
		add(&table, entry);
	if (sorted)
		table_sort(&table);
	return output_print(&table, list, format, error);
}

int listing_print(struct cli *cli, const char *path, const char *const *headers, size_t columns,
		  void (*add)(struct table *table, const json_t *entry), struct error **error)
{
	return print(cli, path, headers, columns, add, true, error);
}

int listing_print_in_order(struct cli *cli, const char *path, const char *const *headers,
			   size_t columns, void (*add)(struct table *table, const json_t *entry),
			   struct error **error)
{
	return print(cli, path, headers, columns, add, false, error);
}

void listing_add_count(struct table *table, const json_t *object, const char *key)
{
	cleanup_free char *count =
		memory_printf("%zu", json_array_size(json_object_get(object, key)));
	table_add(table, count);
}

int listing_print_text(struct cli *cli, const char *path, struct error **error)
{
	struct http_client *http = client_http(cli_client(cli));
	struct http_request request = {.method = "GET", .path = path};
	cleanup_response struct http_response response = {0};
	if (http_client_request(http, &request, &response, error) < 0) {
		cli->unreachable = http_client_fd(http) < 0;
		return -1;
	}
	if (response.status >= 400)
		return client_response_error(&response, error);
	if (response.body.length &&
	    file_write_all(STDOUT_FILENO, response.body.text, response.body.length) < 0)
		return error_errno(error, errno, "writing the output");
	return 0;
}
