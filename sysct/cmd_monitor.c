/* monitor: the events of the daemon, as they happen. */
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "groups.h"
#include "lib/cleanup.h"
#include "lib/websocket_client.h"
#include "output.h"
#include "lib/yaml_text.h"

enum monitor_format { MONITOR_JSON, MONITOR_PRETTY, MONITOR_YAML };

static int parse_format(struct cli *cli, enum monitor_format *format, struct error **error)
{
	static const char *const names[] = {"json", "pretty", "yaml"};
	const char *given = options_value(&cli->options, "format");
	*format = options_given(&cli->options, "pretty") ? MONITOR_PRETTY : MONITOR_JSON;
	for (size_t i = 0; given && i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(names[i], given) == 0) {
			*format = (enum monitor_format)i;
			return 0;
		}
	}
	return given ? cli_usage(cli, error, "--format is json, pretty or yaml") : 0;
}

/* "2026-01-31T10:20:30Z lifecycle instance-started /1.0/instances/mybox" */
static void print_pretty(const json_t *event)
{
	const json_t *metadata = json_object_get(event, "metadata");
	static const char *const keys[] = {"level",	  "message", "action", "source",
					   "description", "status",  "err"};
	cleanup_strbuf struct strbuf line = {0};
	output_append_clean(&line, json_text(event, "timestamp"));
	strbuf_append_char(&line, ' ');
	output_append_clean(&line, json_text(event, "type"));
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const char *text = json_text(metadata, keys[i]);
		if (!*text)
			continue;
		strbuf_append_char(&line, ' ');
		output_append_clean(&line, text);
	}
	printf("%s\n", line.text);
}

static int print_event(const struct strbuf *message, enum monitor_format format,
		       struct error **error)
{
	cleanup_json json_t *event =
		json_loadb(message->text ? message->text : "", message->length, 0, NULL);
	if (!event)
		return error_set(error, ERROR_INTERNAL, "an event is not JSON");
	if (format == MONITOR_PRETTY) {
		print_pretty(event);
	} else if (format == MONITOR_YAML) {
		cleanup_free char *text = yaml_from_json(event, error);
		if (!text)
			return -1;
		printf("%s\n", text);
	} else {
		cleanup_free char *text = json_dumps(event, JSON_COMPACT);
		printf("%s\n", text ? text : "");
	}
	return output_flush(error);
}

static char *events_path(const struct options *options)
{
	cleanup_strbuf struct strbuf path = {0};
	const char *type;
	strbuf_append(&path, "/1.0/events");
	for (int at = 0, first = 1; (type = options_next(options, "type", &at)); first = 0) {
		strbuf_append(&path, first ? "?type=" : "%2C");
		http_append_escaped(&path, type);
	}
	return strbuf_steal(&path);
}

static int run_monitor(struct cli *cli, struct error **error)
{
	enum monitor_format format;
	cleanup_response struct http_response response = {0};
	cleanup_strbuf struct strbuf message = {0};
	cleanup_free char *path = events_path(&cli->options);
	struct http_client *http = client_http(cli_client(cli));
	if (parse_format(cli, &format, error) < 0)
		return -1;
	if (websocket_open(http, path, &response, error) < 0) {
		cli->unreachable = http_client_fd(http) < 0;
		return -1;
	}
	if (response.status >= 400)
		return client_response_error(&response, error);
	if (response.status != 101)
		return error_set(error, ERROR_UNSUPPORTED, "the daemon sends no events");
	for (;;) {
		int result = websocket_receive(http, &message, error);
		if (result <= 0)
			return result;
		if (print_event(&message, format, error) < 0)
			return -1;
	}
}

static const struct option_row monitor_options[] = {
	{"type", 0, "TYPE", "lifecycle, operation or logging (repeatable)", WORD_OTHER},
	{"format", 'f', "FORMAT", "json (one line an event), pretty or yaml", WORD_OTHER},
	{"pretty", 0, NULL, "the same as --format pretty", WORD_OTHER},
	{0},
};

static const struct command commands[] = {
	{
		.path = "monitor",
		.arguments = "",
		.summary = "Print events as they happen",
		.examples = "sysct monitor --type lifecycle --pretty",
		.options = monitor_options,
		.run = run_monitor,
	},
	{0},
};

const struct command_group group_monitor = {"The daemon", commands};
