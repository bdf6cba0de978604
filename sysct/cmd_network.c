/*
 * network: the bridges that join instances, who has which address on them, and
 * the nic devices that put an instance or a profile on one.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "assign.h"
#include "columns.h"
#include "groups.h"
#include "input.h"
#include "lib/cleanup.h"
#include "lib/memory.h"
#include "listing.h"
#include "object.h"
#include "operation.h"
#include "output.h"

#define DEFAULT_TYPE "bridge"

static void add_upper(struct table *table, const char *text)
{
	cleanup_free char *upper = memory_strdup(text);
	for (char *at = upper; *at; at++)
		*at = (char)toupper((unsigned char)*at);
	table_add(table, upper);
}

static void add_flag(struct table *table, const json_t *object, const char *key)
{
	table_add(table, json_is_true(json_object_get(object, key)) ? "YES" : "NO");
}

static void add_network(struct table *table, const json_t *network)
{
	const json_t *config = json_object_get(network, "config");
	table_add(table, json_text(network, "name"));
	table_add(table, json_text(network, "type"));
	add_flag(table, network, "managed");
	table_add(table, json_text(config, "ipv4.address"));
	table_add(table, json_text(config, "ipv6.address"));
	table_add(table, json_text(network, "description"));
	listing_add_count(table, network, "used_by");
	add_upper(table, json_text(network, "status"));
}

static int run_list(struct cli *cli, struct error **error)
{
	static const char *const headers[] = {"NAME", "TYPE",	     "MANAGED", "IPV4",
					      "IPV6", "DESCRIPTION", "USED BY", "STATE"};
	return listing_print(cli, "/1.0/networks?recursion=1", headers,
			     sizeof(headers) / sizeof(headers[0]), add_network, error);
}

static void add_lease(struct table *table, const json_t *lease)
{
	table_add(table, json_text(lease, "hostname"));
	table_add(table, json_text(lease, "hwaddr"));
	table_add(table, json_text(lease, "address"));
	add_upper(table, json_text(lease, "type"));
}

static int run_list_leases(struct cli *cli, struct error **error)
{
	static const char *const headers[] = {"HOSTNAME", "MAC ADDRESS", "IP ADDRESS", "TYPE"};
	cleanup_free char *path = client_path("/1.0/networks/%s/leases", cli_word(cli, 0), NULL);
	return listing_print(cli, path, headers, sizeof(headers) / sizeof(headers[0]), add_lease,
			     error);
}

/* The API calls the one address "addresses". */
static void add_allocation(struct table *table, const json_t *allocation)
{
	table_add(table, json_text(allocation, "used_by"));
	table_add(table, json_text(allocation, "addresses"));
	table_add(table, json_text(allocation, "type"));
	add_flag(table, allocation, "nat");
	table_add(table, json_text(allocation, "hwaddr"));
}

static int run_list_allocations(struct cli *cli, struct error **error)
{
	static const char *const headers[] = {"USED BY", "ADDRESS", "TYPE", "NAT", "MAC ADDRESS"};
	return listing_print(cli, "/1.0/network-allocations?recursion=1", headers,
			     sizeof(headers) / sizeof(headers[0]), add_allocation, error);
}

static void print_number(const char *label, const json_t *object, const char *key)
{
	printf("%s: %lld\n", label, (long long)json_integer_value(json_object_get(object, key)));
}

static void print_flag(const char *label, const json_t *object, const char *key)
{
	printf("%s: %s\n", label, json_is_true(json_object_get(object, key)) ? "true" : "false");
}

static void print_size(const char *label, const json_t *object, const char *key)
{
	cleanup_strbuf struct strbuf size = {0};
	strbuf_append_size(&size, (double)json_integer_value(json_object_get(object, key)));
	printf("%s: %s\n", label, size.text);
}

static void print_addresses(const json_t *addresses)
{
	size_t index;
	json_t *address;
	if (json_array_size(addresses))
		printf("\nIP addresses:\n");
	json_array_foreach (addresses, index, address)
		printf("  %s\t%s/%s (%s)\n", json_text(address, "family"),
		       json_text(address, "address"), json_text(address, "netmask"),
		       json_text(address, "scope"));
}

static void print_usage(const json_t *counters)
{
	if (!json_is_object(counters))
		return;
	printf("\nNetwork usage:\n");
	print_size("  Bytes received", counters, "bytes_received");
	print_size("  Bytes sent", counters, "bytes_sent");
	print_number("  Packets received", counters, "packets_received");
	print_number("  Packets sent", counters, "packets_sent");
}

static void print_bridge(const json_t *bridge)
{
	cleanup_strbuf struct strbuf ports = {0};
	size_t index;
	json_t *port;
	if (!json_is_object(bridge))
		return;
	json_array_foreach (json_object_get(bridge, "upper_devices"), index, port)
		strbuf_printf(&ports, "%s%s", index ? ", " : "",
			      json_is_string(port) ? json_string_value(port) : "");
	printf("\nBridge:\n");
	output_print_text("  ID", json_text(bridge, "id"));
	print_flag("  STP", bridge, "stp");
	print_number("  Forward delay", bridge, "forward_delay");
	print_number("  Default VLAN ID", bridge, "vlan_default");
	print_flag("  VLAN filtering", bridge, "vlan_filtering");
	output_print_text("  Upper devices", ports.text ? ports.text : "");
}

static int run_info(struct cli *cli, struct error **error)
{
	cleanup_free char *path = client_path("/1.0/networks/%s/state", cli_word(cli, 0), NULL);
	cleanup_json json_t *state = client_get(cli_client(cli), path, error);
	if (!state)
		return -1;
	output_print_text("Name", cli_word(cli, 0));
	output_print_text("MAC address", json_text(state, "hwaddr"));
	print_number("MTU", state, "mtu");
	output_print_text("State", json_text(state, "state"));
	output_print_text("Type", json_text(state, "type"));
	print_addresses(json_object_get(state, "addresses"));
	print_usage(json_object_get(state, "counters"));
	print_bridge(json_object_get(state, "bridge"));
	return output_flush(error);
}

/* The words and options go over the YAML; what neither gives has its default. */
static int fill_network(const struct cli *cli, json_t *body, struct error **error)
{
	const char *type = options_value(&cli->options, "type");
	const char *description = options_value(&cli->options, "description");
	json_t *config = object_member(body, "config");
	for (int i = 1; i < cli->options.count; i++)
		if (assign_add(config, cli_word(cli, i), "setting", error) < 0)
			return -1;
	cleanup_json json_t *given = json_pack("{s:s, s:s*, s:s*}", "name", cli_word(cli, 0),
					       "type", type, "description", description);
	cleanup_json json_t *missing =
		json_pack("{s:s, s:s}", "type", DEFAULT_TYPE, "description", "");
	if (!given)
		return error_set(error, ERROR_INVALID, "the command line is not UTF-8");
	json_object_update(body, given);
	json_object_update_missing(body, missing);
	return 0;
}

static int run_create(struct cli *cli, struct error **error)
{
	cleanup_json json_t *body = input_read_configuration(error);
	if (!body || fill_network(cli, body, error) < 0)
		return cli_mark_usage(cli);
	return operation_run(cli, "POST", "/1.0/networks", body, "Creating the network", NULL,
			     error);
}

static int run_delete(struct cli *cli, struct error **error)
{
	cleanup_batch struct batch batch = {0};
	batch_init(&batch, cli->options.words, cli->options.count);
	batch_run(&batch, "DELETE", "/1.0/networks/%s", NULL);
	return batch_finish(cli, &batch, error);
}

static int run_rename(struct cli *cli, struct error **error)
{
	struct object object = {OBJECT_NETWORK, cli_word(cli, 0), NULL};
	cleanup_free char *path = object_path(&object);
	cleanup_json json_t *body = json_pack("{s:s}", "name", cli_word(cli, 1));
	if (!body)
		return cli_usage(cli, error, "the name is not UTF-8");
	return operation_run(cli, "POST", path, body, "Renaming", NULL, error);
}

/* attach and detach: NETWORK OWNER [DEVICE [INTERFACE]], where the variant tells
 * whether an instance or a profile owns the device. */
static struct object owner_of(const struct cli *cli)
{
	return (struct object){(enum object_kind)cli->options.command->variant, cli_word(cli, 1),
			       NULL};
}

static void hint_devices(struct cli *cli)
{
	bool profile = cli->options.command->variant == OBJECT_PROFILE;
	cli_hint(cli, "'sysct %s device show %s' shows its devices", profile ? "profile" : "config",
		 cli_word(cli, 1));
}

static int add_nic(json_t *body, void *data, struct error **error)
{
	struct cli *cli = data;
	const char *network = cli_word(cli, 0), *owner = cli_word(cli, 1);
	const char *name = cli_word(cli, 2) ? cli_word(cli, 2) : network;
	json_t *devices = object_member(body, "devices");
	if (json_object_get(devices, name)) {
		hint_devices(cli);
		return error_set(error, ERROR_EXISTS, "%s has a device \"%s\" already", owner,
				 name);
	}
	json_t *nic = json_pack("{s:s, s:s, s:s*}", "type", "nic", "network", network, "name",
				cli_word(cli, 3));
	if (!nic || json_object_set_new(devices, name, nic) < 0)
		return cli_usage(cli, error, "the command line is not UTF-8");
	return 0;
}

static int run_attach(struct cli *cli, struct error **error)
{
	struct object object = owner_of(cli);
	return object_change(cli, &object, add_nic, cli, error);
}

static bool is_nic_on(const json_t *device, const char *network)
{
	return strcmp(json_text(device, "type"), "nic") == 0 &&
	       (strcmp(json_text(device, "network"), network) == 0 ||
		strcmp(json_text(device, "parent"), network) == 0);
}

/* The name of the one nic on the network. */
static const char *find_nic(struct cli *cli, const json_t *devices, struct error **error)
{
	const char *network = cli_word(cli, 0), *owner = cli_word(cli, 1);
	const char *name, *found = NULL;
	json_t *device;
	json_object_foreach ((json_t *)devices, name, device) {
		if (!is_nic_on(device, network))
			continue;
		if (found) {
			hint_devices(cli);
			cli_usage(cli, error, "%s has more than one nic on \"%s\": name the device",
				  owner, network);
			return NULL;
		}
		found = name;
	}
	if (!found) {
		hint_devices(cli);
		error_set(error, ERROR_NOT_FOUND, "%s has no nic of its own on \"%s\"", owner,
			  network);
	}
	return found;
}

/* A device that the user named must be one that detach may take away. */
static int check_nic(struct cli *cli, const json_t *devices, const char *name, struct error **error)
{
	const char *network = cli_word(cli, 0), *owner = cli_word(cli, 1);
	const json_t *device = json_object_get(devices, name);
	if (device && is_nic_on(device, network))
		return 0;
	hint_devices(cli);
	if (device)
		return error_set(error, ERROR_INVALID, "device \"%s\" of %s is no nic on \"%s\"",
				 name, owner, network);
	return error_set(error, ERROR_NOT_FOUND, "%s has no device \"%s\" of its own", owner, name);
}

static int remove_nic(json_t *body, void *data, struct error **error)
{
	struct cli *cli = data;
	json_t *devices = object_member(body, "devices");
	const char *name = cli_word(cli, 2);
	if (name && check_nic(cli, devices, name, error) < 0)
		return -1;
	if (!name)
		name = find_nic(cli, devices, error);
	if (!name)
		return -1;
	json_object_del(devices, name);
	return 0;
}

static int run_detach(struct cli *cli, struct error **error)
{
	struct object object = owner_of(cli);
	return object_change(cli, &object, remove_nic, cli, error);
}

static const struct option_row create_options[] = {
	{"type", 't', "TYPE", "the type of the network: bridge", WORD_OTHER},
	{"description", 0, "TEXT", "a description", WORD_OTHER},
	{0},
};

#define ROW(word, what, text, least, most, first, second, function, number)                        \
	.path = "network " word, .arguments = (what), .summary = (text), .minimum = (least),       \
	.maximum = (most), .words = {(first), (second), WORD_OTHER}, .run = (function),            \
	.variant = (number)

static const struct command commands[] = {
	{ROW("list", "", "List networks", 0, 0, WORD_OTHER, WORD_OTHER, run_list, 0),
	 .aliases = "ls", .options = listing_options},
	{ROW("info", "NETWORK", "Tell about a network: its addresses, traffic and ports", 1, 1,
	     WORD_NETWORK, WORD_OTHER, run_info, 0)},
	{ROW("show", "NETWORK", "Print a network as YAML", 1, 1, WORD_NETWORK, WORD_OTHER,
	     object_run_show, OBJECT_NETWORK)},
	{ROW("create", "NETWORK [KEY=VALUE...]", "Create a network", 1, -1, WORD_OTHER, WORD_OTHER,
	     run_create, 0),
	 .options = create_options,
	 .examples = "sysct network create lan ipv4.address=10.20.0.1/24 ipv6.address=none\n"
		     "sysct network create lan < lan.yaml"},
	/* Every word is a network; ROW's third is none. */
	{.path = "network delete",
	 .aliases = "rm",
	 .arguments = "NETWORK...",
	 .summary = "Delete networks",
	 .minimum = 1,
	 .maximum = -1,
	 .words = {WORD_NETWORK, WORD_NETWORK, WORD_NETWORK},
	 .run = run_delete},
	{ROW("rename", "NETWORK NEW-NAME", "Rename a network", 2, 2, WORD_NETWORK, WORD_OTHER,
	     run_rename, 0),
	 .aliases = "mv"},
	{ROW("edit", "NETWORK", "Edit a network as YAML", 1, 1, WORD_NETWORK, WORD_OTHER,
	     object_run_edit, OBJECT_NETWORK)},
	{ROW("get", "NETWORK KEY", "Print one setting", 2, 2, WORD_NETWORK, WORD_OTHER,
	     object_run_get, OBJECT_NETWORK)},
	{ROW("set", "NETWORK KEY=VALUE...", "Change settings", 2, -1, WORD_NETWORK, WORD_OTHER,
	     object_run_set, OBJECT_NETWORK)},
	{ROW("unset", "NETWORK KEY...", "Remove settings", 2, -1, WORD_NETWORK, WORD_OTHER,
	     object_run_unset, OBJECT_NETWORK)},
	{ROW("attach", "NETWORK INSTANCE [DEVICE [INTERFACE]]", "Put an instance on a network", 2,
	     4, WORD_NETWORK, WORD_INSTANCE, run_attach, OBJECT_INSTANCE),
	 .description = "The instance gets a nic device, named after the network unless DEVICE\n"
			"is given. INTERFACE is its name inside.",
	 .examples = "sysct network attach lan mybox eth1 eth1"},
	{ROW("attach-profile", "NETWORK PROFILE [DEVICE [INTERFACE]]",
	     "Put the instances of a profile on a network", 2, 4, WORD_NETWORK, WORD_PROFILE,
	     run_attach, OBJECT_PROFILE)},
	{ROW("detach", "NETWORK INSTANCE [DEVICE]", "Take an instance off a network", 2, 3,
	     WORD_NETWORK, WORD_INSTANCE, run_detach, OBJECT_INSTANCE)},
	{ROW("detach-profile", "NETWORK PROFILE [DEVICE]",
	     "Take the instances of a profile off a network", 2, 3, WORD_NETWORK, WORD_PROFILE,
	     run_detach, OBJECT_PROFILE)},
	{ROW("list-leases", "NETWORK", "List the addresses given to machines", 1, 1, WORD_NETWORK,
	     WORD_OTHER, run_list_leases, 0),
	 .options = listing_options},
	{ROW("list-allocations", "", "List the addresses in use on all networks", 0, 0, WORD_OTHER,
	     WORD_OTHER, run_list_allocations, 0),
	 .options = listing_options},
	{0},
};

const struct command_group group_network = {"Networks", commands};
