/* network forward: addresses of the world that lead to instances of a network. */
#include <string.h>

#include "assign.h"
#include "groups.h"
#include "input.h"
#include "lib/cleanup.h"
#include "lib/memory.h"
#include "listing.h"
#include "object.h"
#include "operation.h"

static struct object forward_of(const struct cli *cli)
{
	return (struct object){OBJECT_FORWARD, cli_word(cli, 0), cli_word(cli, 1)};
}

static void add_forward(struct table *table, const json_t *forward)
{
	table_add(table, json_text(forward, "listen_address"));
	table_add(table, json_text(forward, "description"));
	table_add(table, json_text(json_object_get(forward, "config"), "target_address"));
	listing_add_count(table, forward, "ports");
}

static int run_list(struct cli *cli, struct error **error)
{
	static const char *const headers[] = {"LISTEN ADDRESS", "DESCRIPTION",
					      "DEFAULT TARGET ADDRESS", "PORTS"};
	cleanup_free char *path =
		client_path("/1.0/networks/%s/forwards?recursion=1", cli_word(cli, 0), NULL);
	return listing_print(cli, path, headers, sizeof(headers) / sizeof(headers[0]), add_forward,
			     error);
}

/* The words and options go over the YAML. */
static int fill(const struct cli *cli, json_t *body, struct error **error)
{
	const char *description = options_value(&cli->options, "description");
	json_t *config = object_member(body, "config");
	for (int i = 2; i < cli->options.count; i++)
		if (assign_add(config, cli_word(cli, i), "setting", error) < 0)
			return -1;
	cleanup_json json_t *given = json_pack("{s:s, s:s*}", "listen_address", cli_word(cli, 1),
					       "description", description);
	if (!given)
		return error_set(error, ERROR_INVALID, "the command line is not UTF-8");
	json_object_update(body, given);
	return 0;
}

static int run_create(struct cli *cli, struct error **error)
{
	cleanup_json json_t *body = input_read_configuration(error);
	cleanup_free char *path = client_path("/1.0/networks/%s/forwards", cli_word(cli, 0), NULL);
	if (!body || fill(cli, body, error) < 0)
		return cli_mark_usage(cli);
	return operation_run(cli, "POST", path, body, "Creating the forward", NULL, error);
}

static int run_delete(struct cli *cli, struct error **error)
{
	struct object object = forward_of(cli);
	cleanup_free char *path = object_path(&object);
	return operation_run(cli, "DELETE", path, NULL, "Deleting", NULL, error);
}

/* ---- ports: NETWORK LISTEN_ADDRESS PROTOCOL LISTEN_PORTS TARGET_ADDRESS [TARGET_PORTS] ---- */

static json_t *ports_of(json_t *body)
{
	json_t *ports = json_object_get(body, "ports");
	if (!json_is_array(ports)) {
		ports = json_array();
		json_object_set_new(body, "ports", ports);
	}
	return ports;
}

static int add_port(json_t *body, void *data, struct error **error)
{
	struct cli *cli = data;
	const char *description = options_value(&cli->options, "description");
	json_t *port =
		json_pack("{s:s, s:s, s:s, s:s*, s:s*}", "protocol", cli_word(cli, 2),
			  "listen_port", cli_word(cli, 3), "target_address", cli_word(cli, 4),
			  "target_port", cli_word(cli, 5), "description", description);
	if (!port)
		return cli_usage(cli, error, "the command line is not UTF-8");
	json_array_append_new(ports_of(body), port);
	return 0;
}

static bool fits(const struct cli *cli, const json_t *port)
{
	const char *protocol = cli_word(cli, 2), *listen = cli_word(cli, 3);
	return (!protocol || strcmp(json_text(port, "protocol"), protocol) == 0) &&
	       (!listen || strcmp(json_text(port, "listen_port"), listen) == 0);
}

static int remove_port(json_t *body, void *data, struct error **error)
{
	struct cli *cli = data;
	json_t *ports = ports_of(body), *kept = json_array();
	size_t index, all = json_array_size(ports);
	json_t *port;
	json_array_foreach (ports, index, port)
		if (!fits(cli, port))
			json_array_append(kept, port);
	size_t removed = all - json_array_size(kept);
	json_object_set_new(body, "ports", kept);
	if (removed == 0) {
		cli_hint(cli, "'sysct network forward show %s %s' shows its ports",
			 cli_word(cli, 0), cli_word(cli, 1));
		return error_set(error, ERROR_NOT_FOUND, "the forward %s has no such port",
				 cli_word(cli, 1));
	}
	if (removed > 1 && !options_given(&cli->options, "force"))
		return cli_usage(cli, error,
				 "%zu ports fit: name one by PROTOCOL and LISTEN_PORTS, or "
				 "--force to remove them all",
				 removed);
	return 0;
}

enum { PORT_ADD, PORT_REMOVE };

static int run_port(struct cli *cli, struct error **error)
{
	struct object object = forward_of(cli);
	return object_change(cli, &object,
			     cli->options.command->variant == PORT_ADD ? add_port : remove_port,
			     cli, error);
}

/* ---- the table ---- */

static const struct option_row description_options[] = {
	{"description", 0, "TEXT", "a description", WORD_OTHER},
	{0},
};

static const struct option_row remove_options[] = {
	{"force", 'f', NULL, "remove all ports that fit", WORD_OTHER},
	{0},
};

#define ROW(word, what, text, least, most, function, number)                                       \
	.path = "network forward " word, .arguments = (what), .summary = (text),                   \
	.minimum = (least), .maximum = (most), .words = {WORD_NETWORK, WORD_FORWARD, WORD_OTHER},  \
	.run = (function), .variant = (number)

static const struct command commands[] = {
	{ROW("list", "NETWORK", "List the forwards of a network", 1, 1, run_list, 0),
	 .aliases = "ls", .options = listing_options},
	{ROW("show", "NETWORK LISTEN_ADDRESS", "Print a forward as YAML", 2, 2, object_run_show,
	     OBJECT_FORWARD)},
	{.path = "network forward create",
	 .arguments = "NETWORK LISTEN_ADDRESS [KEY=VALUE...]",
	 .summary = "Let an address of the world lead to instances",
	 .description =
		 "LISTEN_ADDRESS need not be an address of the host, but packets to it must\n"
		 "come there. With target_address=ADDRESS everything goes to that address,\n"
		 "but for what has a port of its own ('sysct network forward port add').",
	 .examples = "sysct network forward create sysctbr0 192.0.2.1\n"
		     "sysct network forward create sysctbr0 192.0.2.1 target_address=10.1.2.3\n"
		     "sysct network forward create sysctbr0 192.0.2.1 < forward.yaml",
	 .options = description_options,
	 .minimum = 2,
	 .maximum = -1,
	 .words = {WORD_NETWORK, WORD_OTHER, WORD_OTHER},
	 .run = run_create},
	{ROW("get", "NETWORK LISTEN_ADDRESS KEY", "Print one setting", 3, 3, object_run_get,
	     OBJECT_FORWARD)},
	{ROW("set", "NETWORK LISTEN_ADDRESS KEY=VALUE...", "Change settings", 3, -1, object_run_set,
	     OBJECT_FORWARD)},
	{ROW("unset", "NETWORK LISTEN_ADDRESS KEY...", "Remove settings", 3, -1, object_run_unset,
	     OBJECT_FORWARD)},
	{ROW("edit", "NETWORK LISTEN_ADDRESS", "Edit a forward as YAML", 2, 2, object_run_edit,
	     OBJECT_FORWARD)},
	{ROW("delete", "NETWORK LISTEN_ADDRESS", "Delete a forward", 2, 2, run_delete, 0),
	 .aliases = "rm"},
	{ROW("port add",
	     "NETWORK LISTEN_ADDRESS PROTOCOL LISTEN_PORTS TARGET_ADDRESS [TARGET_PORTS]",
	     "Let ports of a forward lead to an instance", 5, 6, run_port, PORT_ADD),
	 .description = "PROTOCOL is tcp or udp. Ports are numbers and ranges, separated by\n"
			"commas. TARGET_PORTS are as many, or one; without them the same.",
	 .examples = "sysct network forward port add sysctbr0 192.0.2.1 tcp 80,443 10.1.2.3\n"
		     "sysct network forward port add sysctbr0 192.0.2.1 tcp 2222 10.1.2.3 22",
	 .options = description_options},
	{ROW("port remove", "NETWORK LISTEN_ADDRESS [PROTOCOL [LISTEN_PORTS]]",
	     "Remove ports from a forward", 2, 4, run_port, PORT_REMOVE),
	 .aliases = "rm", .options = remove_options},
	{0},
};

const struct command_group group_forward = {"Networks", commands};
