/* query: one raw request of the API. version: of both sides. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "groups.h"
#include "input.h"
#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/memory.h"
#include "operation.h"
#include "output.h"

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "0.1.0"
#endif

/* Waits for the operation that @answer announces; the metadata to print. */
static json_t *wait_for(struct cli *cli, json_t *answer, struct error **error)
{
	cleanup_reply struct reply reply = {0};
	json_t *result = NULL;
	reply.metadata = json_incref(json_object_get(answer, "metadata"));
	reply.operation = memory_strdup(json_text(reply.metadata, "id"));
	operation_finish(cli, &reply, "Waiting", &result, error);
	return result;
}

static int print_answer(struct cli *cli, const struct http_response *response, struct error **error)
{
	cleanup_json json_t *answer = json_loadb(response->body.text ? response->body.text : "",
						 response->body.length, JSON_DECODE_ANY, NULL);
	if (options_given(&cli->options, "raw") && answer)
		return output_json(answer, error);
	if (response->status >= 400)
		return client_response_error(response, error);
	if (!answer) {
		if (response->body.length &&
		    file_write_all(STDOUT_FILENO, response->body.text, response->body.length) < 0)
			return error_set(error, ERROR_INTERNAL, "the output cannot be written");
		return 0;
	}
	bool wait = options_given(&cli->options, "wait") && response->status == 202;
	cleanup_json json_t *result = wait ? wait_for(cli, answer, error)
					   : json_incref(json_object_get(answer, "metadata"));
	if (wait && !result)
		return -1;
	return result && !json_is_null(result) ? output_json(result, error) : 0;
}

static int run_query(struct cli *cli, struct error **error)
{
	const char *method = options_value(&cli->options, "request");
	const char *data = options_value(&cli->options, "data");
	const char *path = cli_word(cli, 0);
	struct http_client *http = client_http(cli_client(cli));
	cleanup_free char *read = NULL;
	if (*path != '/' || path[strcspn(path, " \t\r\n")])
		return cli_usage(cli, error, "'%s' is not a path such as /1.0/instances", path);
	if (method && (!*method || method[strspn(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ")]))
		return cli_usage(cli, error, "'%s' is not a method such as GET", method);
	if (data && strcmp(data, "-") == 0) {
		data = read = input_read_text(STDIN_FILENO, error);
		if (!read)
			return -1;
	}
	struct http_request request = {
		.method = method ? method
			  : data ? "POST"
				 : "GET",
		.path = path,
		.headers = data ? "Content-Type: application/json\r\n" : NULL,
		.body = data,
		.length = data ? strlen(data) : 0,
	};
	cleanup_response struct http_response response = {0};
	if (http_client_request(http, &request, &response, error) < 0) {
		cli->unreachable = http_client_fd(http) < 0;
		return -1;
	}
	return print_answer(cli, &response, error);
}

/* The server is asked, but a client alone has a version too. */
static int run_version(struct cli *cli, struct error **error)
{
	struct error *problem = NULL;
	cleanup_json json_t *server = client_get(cli_client(cli), "/1.0", &problem);
	const json_t *environment = json_object_get(server, "environment");
	printf("Client version: %s\nServer version: %s\n", PACKAGE_VERSION,
	       server ? json_text(environment, "server_version") : "unreachable");
	error_free(problem);
	return output_flush(error);
}

static const struct option_row query_options[] = {
	{"request", 'X', "METHOD", "GET, POST, PUT, PATCH or DELETE", WORD_OTHER},
	{"data", 'd', "JSON", "body of the request; '-' reads it", WORD_OTHER},
	{"wait", 0, NULL, "wait for the operation that the request starts", WORD_OTHER},
	{"raw", 0, NULL, "print the whole answer", WORD_OTHER},
	{0},
};

static const struct command commands[] = {
	{
		.path = "query",
		.arguments = "PATH",
		.summary = "Send a request to the REST API",
		.examples = "sysct query /1.0/instances?recursion=1\n"
			    "sysct query -X DELETE --wait /1.0/instances/mybox",
		.options = query_options,
		.minimum = 1,
		.maximum = 1,
		.words = {WORD_PATH, WORD_OTHER, WORD_OTHER},
		.run = run_query,
	},
	{
		.path = "version",
		.arguments = "",
		.summary = "Print the versions of the program and of the daemon",
		.run = run_version,
	},
	{0},
};

const struct command_group group_query = {"The daemon", commands};
