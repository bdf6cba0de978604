/* network acl: lists of rules for what instances and networks may send and receive. */
#include <stdio.h>
#include <string.h>

#include "assign.h"
#include "groups.h"
#include "input.h"
#include "lib/cleanup.h"
#include "lib/memory.h"
#include "listing.h"
#include "object.h"
#include "operation.h"
#include "output.h"

static void add_acl(struct table *table, const json_t *acl)
{
	table_add(table, json_text(acl, "name"));
	table_add(table, json_text(acl, "description"));
	listing_add_count(table, acl, "used_by");
}

static int run_list(struct cli *cli, struct error **error)
{
	static const char *const headers[] = {"NAME", "DESCRIPTION", "USED BY"};
	return listing_print(cli, "/1.0/network-acls?recursion=1", headers,
			     sizeof(headers) / sizeof(headers[0]), add_acl, error);
}

static int run_show_log(struct cli *cli, struct error **error)
{
	cleanup_free char *path = client_path("/1.0/network-acls/%s/log", cli_word(cli, 0), NULL);
	return listing_print_text(cli, path, error);
}

static int fill_acl(const struct cli *cli, json_t *body, struct error **error)
{
	const char *description = options_value(&cli->options, "description");
	json_t *config = object_member(body, "config");
	for (int i = 1; i < cli->options.count; i++)
		if (assign_add(config, cli_word(cli, i), "setting", error) < 0)
			return -1;
	cleanup_json json_t *given =
		json_pack("{s:s, s:s*}", "name", cli_word(cli, 0), "description", description);
	if (!given)
		return error_set(error, ERROR_INVALID, "the command line is not UTF-8");
	json_object_update(body, given);
	return 0;
}

static int run_create(struct cli *cli, struct error **error)
{
	cleanup_json json_t *body = input_read_configuration(error);
	if (!body || fill_acl(cli, body, error) < 0)
		return cli_mark_usage(cli);
	return operation_run(cli, "POST", "/1.0/network-acls", body, "Creating the ACL", NULL,
			     error);
}

static int run_delete(struct cli *cli, struct error **error)
{
	cleanup_batch struct batch batch = {0};
	batch_init(&batch, cli->options.words, cli->options.count);
	batch_run(&batch, "DELETE", "/1.0/network-acls/%s", NULL);
	return batch_finish(cli, &batch, error);
}

static int run_rename(struct cli *cli, struct error **error)
{
	struct object object = {OBJECT_NETWORK_ACL, cli_word(cli, 0), NULL};
	cleanup_free char *path = object_path(&object);
	cleanup_json json_t *body = json_pack("{s:s}", "name", cli_word(cli, 1));
	if (!body)
		return cli_usage(cli, error, "the name is not UTF-8");
	return operation_run(cli, "POST", path, body, "Renaming", NULL, error);
}

/* ---- rules ---- */

struct rule_change {
	struct cli *cli;
	const char *direction;
	const json_t *rule; /* what the words say */
};

static json_t *rules_of(const struct rule_change *change, json_t *body)
{
	json_t *rules = json_object_get(body, change->direction);
	if (!json_is_array(rules)) {
		rules = json_array();
		json_object_set_new(body, change->direction, rules);
	}
	return rules;
}

static int add_rule(json_t *body, void *data, struct error **error)
{
	const struct rule_change *change = data;
	(void)error;
	json_array_append_new(rules_of(change, body), json_deep_copy(change->rule));
	return 0;
}

static bool has_all(const json_t *rule, const json_t *wanted)
{
	const char *key;
	json_t *value;
	json_object_foreach ((json_t *)wanted, key, value)
		if (strcmp(json_text(rule, key), json_string_value(value)) != 0)
			return false;
	return true;
}

/* All that have what the words say; more than one only when that is meant. */
static int remove_rules(json_t *body, void *data, struct error **error)
{
	const struct rule_change *change = data;
	json_t *rules = rules_of(change, body), *rest = json_array();
	size_t i, removed;
	json_t *rule;
	json_array_foreach (rules, i, rule)
		if (!has_all(rule, change->rule))
			json_array_append(rest, rule);
	removed = json_array_size(rules) - json_array_size(rest);
	json_object_set_new(body, change->direction, rest);
	if (removed == 0)
		return error_set(error, ERROR_NOT_FOUND, "no %s rule is like that",
				 change->direction);
	if (removed > 1 && !options_given(&change->cli->options, "force")) {
		cli_hint(change->cli, "say more of the rule, or --force to remove all of these");
		return error_set(error, ERROR_INVALID, "%zu %s rules are like that", removed,
				 change->direction);
	}
	return 0;
}

static int change_rules(struct cli *cli, int (*run)(json_t *body, void *data, struct error **error),
			struct error **error)
{
	struct object object = {OBJECT_NETWORK_ACL, cli_word(cli, 0), NULL};
	const char *direction = cli_word(cli, 1);
	cleanup_json json_t *rule = json_object();
	struct rule_change change = {cli, direction, rule};
	if (strcmp(direction, "ingress") != 0 && strcmp(direction, "egress") != 0)
		return cli_usage(cli, error, "'%s' is not ingress or egress", direction);
	for (int i = 2; i < cli->options.count; i++)
		if (assign_add(rule, cli_word(cli, i), "field", error) < 0)
			return cli_mark_usage(cli);
	return object_change(cli, &object, run, &change, error);
}

static int run_rule_add(struct cli *cli, struct error **error)
{
	return change_rules(cli, add_rule, error);
}

static int run_rule_remove(struct cli *cli, struct error **error)
{
	return change_rules(cli, remove_rules, error);
}

static const struct option_row create_options[] = {
	{"description", 0, "TEXT", "a description", WORD_OTHER},
	{0},
};

static const struct option_row remove_options[] = {
	{"force", 0, NULL, "remove all rules that match", WORD_OTHER},
	{0},
};

#define ROW(word, what, text, least, most, second, function)                                       \
	.path = "network acl " word, .arguments = (what), .summary = (text), .minimum = (least),   \
	.maximum = (most), .words = {WORD_NETWORK_ACL, (second), WORD_OTHER}, .run = (function),   \
	.variant = OBJECT_NETWORK_ACL

static const struct command commands[] = {
	{ROW("list", "", "List network ACLs", 0, 0, WORD_OTHER, run_list), .aliases = "ls",
	 .options = listing_options},
	{ROW("show", "ACL", "Print a network ACL as YAML", 1, 1, WORD_OTHER, object_run_show)},
	{ROW("show-log", "ACL", "Print what its rules have logged, a line of JSON each", 1, 1,
	     WORD_OTHER, run_show_log)},
	{.path = "network acl create",
	 .arguments = "ACL [KEY=VALUE...]",
	 .summary = "Create a network ACL",
	 .minimum = 1,
	 .maximum = -1,
	 .run = run_create,
	 .options = create_options,
	 .examples = "sysct network acl create web\n"
		     "sysct network acl create web < web.yaml"},
	{.path = "network acl delete",
	 .aliases = "rm",
	 .arguments = "ACL...",
	 .summary = "Delete network ACLs",
	 .minimum = 1,
	 .maximum = -1,
	 .words = {WORD_NETWORK_ACL, WORD_NETWORK_ACL, WORD_NETWORK_ACL},
	 .run = run_delete},
	{ROW("rename", "ACL NEW-NAME", "Rename a network ACL", 2, 2, WORD_OTHER, run_rename),
	 .aliases = "mv"},
	{ROW("edit", "ACL", "Edit a network ACL as YAML", 1, 1, WORD_OTHER, object_run_edit)},
	{ROW("get", "ACL KEY", "Print one setting", 2, 2, WORD_OTHER, object_run_get)},
	{ROW("set", "ACL KEY=VALUE...", "Change settings", 2, -1, WORD_OTHER, object_run_set)},
	{ROW("unset", "ACL KEY...", "Remove settings", 2, -1, WORD_OTHER, object_run_unset)},
	{ROW("rule add", "ACL DIRECTION FIELD=VALUE...", "Add a rule to a network ACL", 3, -1,
	     WORD_DIRECTION, run_rule_add),
	 .description =
		 "DIRECTION is ingress (to the instance) or egress (from it). Fields: action "
		 "(allow,\n"
		 "drop, reject), source and destination (addresses, subnets, ranges, names of "
		 "ACLs,\n"
		 "separated by commas), protocol (tcp, udp, icmp4, icmp6), source_port,\n"
		 "destination_port, icmp_type, icmp_code, state (enabled, disabled, logged),\n"
		 "description. A drop goes before a reject, a reject before an allow.",
	 .examples = "sysct network acl rule add web ingress action=allow protocol=tcp "
		     "destination_port=80,443\n"
		     "sysct network acl rule add web egress action=drop destination=10.0.0.0/8 "
		     "state=logged"},
	{ROW("rule remove", "ACL DIRECTION FIELD=VALUE...", "Remove a rule of a network ACL", 2, -1,
	     WORD_DIRECTION, run_rule_remove),
	 .aliases = "delete rm", .options = remove_options,
	 .description = "The rule that has all these fields, or with --force every such rule.",
	 .examples = "sysct network acl rule remove web ingress destination_port=80,443"},
	{0},
};

const struct command_group group_network_acl = {"Network ACLs", commands};
