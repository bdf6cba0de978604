/* info: an instance with its state, resources and addresses; or the server. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "columns.h"
#include "groups.h"
#include "lib/cleanup.h"
#include "object.h"
#include "output.h"

enum { LOG_LINES = 100 };

static void print_number(const char *label, const json_t *object, const char *key)
{
	json_int_t number = json_integer_value(json_object_get(object, key));
	if (number > 0)
		printf("%s: %lld\n", label, (long long)number);
}

static void print_size(const char *label, const json_t *object, const char *key)
{
	json_int_t number = json_integer_value(json_object_get(object, key));
	cleanup_strbuf struct strbuf size = {0};
	strbuf_append_size(&size, (double)number);
	if (number > 0)
		printf("%s: %s\n", label, size.text);
}

static void print_upper(const char *label, const char *text)
{
	printf("%s: ", label);
	for (; *text; text++)
		putchar(toupper((unsigned char)*text));
	putchar('\n');
}

static void print_identity(const json_t *instance)
{
	size_t index;
	json_t *profile;
	output_print_text("Name", json_text(instance, "name"));
	output_print_text("Description", json_text(instance, "description"));
	print_upper("Status", json_text(instance, "status"));
	printf("Type: %s%s\n", json_text(instance, "type"),
	       json_is_true(json_object_get(instance, "ephemeral")) ? " (ephemeral)" : "");
	output_print_text("Stopped because",
			  json_text(json_object_get(instance, "state"), "last_error"));
	output_print_text("Warning", json_text(json_object_get(instance, "state"), "warning"));
	output_print_text("Architecture", json_text(instance, "architecture"));
	print_number("PID", json_object_get(instance, "state"), "pid");
	output_print_text("Created", json_text(instance, "created_at"));
	if (strncmp(json_text(instance, "last_used_at"), "0001-", 5) != 0)
		output_print_text("Last used", json_text(instance, "last_used_at"));
	printf("Profiles:");
	json_array_foreach (json_object_get(instance, "profiles"), index, profile)
		printf("%s %s", index ? "," : "",
		       json_is_string(profile) ? json_string_value(profile) : "");
	putchar('\n');
}

static void print_disks(const json_t *state)
{
	const char *name;
	json_t *disk;
	json_object_foreach (json_object_get(state, "disk"), name, disk) {
		printf("  Disk %s:\n", name);
		print_size("    Usage", disk, "usage");
		print_size("    Shared with others", disk, "shared");
		print_size("    Total", disk, "total");
	}
}

static void print_link(const char *name, const json_t *link)
{
	const json_t *counters = json_object_get(link, "counters");
	size_t index;
	json_t *address;
	printf("  Network %s:\n", name);
	print_upper("    State", json_text(link, "state"));
	output_print_text("    Host interface", json_text(link, "host_name"));
	output_print_text("    MAC address", json_text(link, "hwaddr"));
	print_number("    MTU", link, "mtu");
	print_size("    Bytes received", counters, "bytes_received");
	print_size("    Bytes sent", counters, "bytes_sent");
	json_array_foreach (json_object_get(link, "addresses"), index, address)
		printf("    %s: %s/%s (%s)\n", json_text(address, "family"),
		       json_text(address, "address"), json_text(address, "netmask"),
		       json_text(address, "scope"));
}

static void print_resources(const json_t *state)
{
	const json_t *memory = json_object_get(state, "memory");
	json_int_t cpu =
		json_integer_value(json_object_get(json_object_get(state, "cpu"), "usage"));
	const char *name;
	json_t *link;
	printf("Resources:\n");
	print_number("  Processes", state, "processes");
	if (cpu > 0)
		printf("  CPU usage: %.1f s\n", (double)cpu / 1e9);
	print_size("  Memory", memory, "usage");
	print_size("  Memory, peak", memory, "usage_peak");
	print_size("  Memory, limit", memory, "total");
	print_size("  Swap", memory, "swap_usage");
	print_disks(state);
	json_object_foreach (json_object_get(state, "network"), name, link)
		print_link(name, link);
}

/* The last lines of the console; bytes that steer a terminal are replaced. */
static int print_log(struct cli *cli, struct error **error)
{
	cleanup_free char *path = client_path("/1.0/instances/%s/console", cli_word(cli, 0), NULL);
	struct http_request request = {.method = "GET", .path = path};
	cleanup_response struct http_response response = {0};
	struct http_client *http = client_http(cli_client(cli));
	if (http_client_request(http, &request, &response, error) < 0)
		return -1;
	if (response.status >= 400)
		return client_response_error(&response, error);
	size_t start = response.body.length;
	for (int lines = 0; start > 0; start--)
		if (response.body.text[start - 1] == '\n' && ++lines > LOG_LINES)
			break;
	printf("\nLog:\n\n");
	for (size_t i = start; i < response.body.length; i++) {
		unsigned char c = (unsigned char)response.body.text[i];
		if (c != '\r')
			putchar(c == '\n' || c == '\t' || (c >= ' ' && c != 0x7f) ? c : '?');
	}
	return 0;
}

/* One request where the daemon answers recursion=1 with the state, else two. */
static json_t *read_instance(struct cli *cli, const char *name, struct error **error)
{
	cleanup_free char *path = client_path("/1.0/instances/%s?recursion=1", name, NULL);
	cleanup_free char *state_path = client_path("/1.0/instances/%s/state", name, NULL);
	cleanup_json json_t *instance = client_get(cli_client(cli), path, error);
	if (!instance)
		return NULL;
	if (!json_is_object(json_object_get(instance, "state"))) {
		json_t *state = client_get(cli_client(cli), state_path, error);
		if (!state)
			return NULL;
		json_object_set_new(instance, "state", state);
	}
	return json_steal(&instance);
}

static void print_snapshot(const json_t *snapshot)
{
	cleanup_strbuf struct strbuf size = {0};
	json_int_t bytes = json_integer_value(json_object_get(snapshot, "size"));
	if (bytes >= 0)
		strbuf_append_size(&size, (double)bytes);
	printf("  - %s (%s%s%s)\n", json_text(snapshot, "name"), json_text(snapshot, "created_at"),
	       size.length ? ", " : "", size.length ? size.text : "");
}

static int instance_info(struct cli *cli, const char *name, struct error **error)
{
	cleanup_json json_t *instance = read_instance(cli, name, error);
	size_t index;
	json_t *snapshot;
	if (!instance)
		return -1;
	print_identity(instance);
	if (strcmp(json_text(instance, "status"), "Stopped") != 0)
		print_resources(json_object_get(instance, "state"));
	else
		print_disks(json_object_get(instance, "state"));
	if (json_array_size(json_object_get(instance, "snapshots")))
		printf("Snapshots:\n");
	json_array_foreach (json_object_get(instance, "snapshots"), index, snapshot)
		print_snapshot(snapshot);
	if (options_given(&cli->options, "show-log") && print_log(cli, error) < 0)
		return -1;
	return output_flush(error);
}

static int run_info(struct cli *cli, struct error **error)
{
	if (cli_word(cli, 0))
		return instance_info(cli, cli_word(cli, 0), error);
	bool resources = options_given(&cli->options, "resources");
	cleanup_json json_t *data =
		client_get(cli_client(cli), resources ? "/1.0/resources" : "/1.0", error);
	return data ? output_print(NULL, data, OUTPUT_YAML, error) : -1;
}

static const struct option_row info_options[] = {
	{"show-log", 0, NULL, "the last 100 lines of the console too", WORD_OTHER},
	{"resources", 0, NULL, "of the server: its hardware", WORD_OTHER},
	{0},
};

static const struct command commands[] = {
	{
		.path = "info",
		.arguments = "[NAME]",
		.summary = "Tell about an instance, or about the server",
		.options = info_options,
		.maximum = 1,
		.words = {WORD_INSTANCE, WORD_OTHER, WORD_OTHER},
		.run = run_info,
	},
	{0},
};

const struct command_group group_info = {"See instances", commands};
