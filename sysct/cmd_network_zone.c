/* network zone: domains that the name servers of networks answer for, and their records. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "assign.h"
#include "groups.h"
#include "input.h"
#include "lib/cleanup.h"
#include "lib/memory.h"
#include "listing.h"
#include "object.h"
#include "operation.h"

static void add_zone(struct table *table, const json_t *zone)
{
	table_add(table, json_text(zone, "name"));
	table_add(table, json_text(zone, "description"));
	listing_add_count(table, zone, "used_by");
}

static int run_list(struct cli *cli, struct error **error)
{
	static const char *const headers[] = {"NAME", "DESCRIPTION", "USED BY"};
	return listing_print(cli, "/1.0/network-zones?recursion=1", headers,
			     sizeof(headers) / sizeof(headers[0]), add_zone, error);
}

static void add_record(struct table *table, const json_t *record)
{
	cleanup_strbuf struct strbuf entries = {0};
	size_t index;
	json_t *entry;
	json_array_foreach (json_object_get(record, "entries"), index, entry)
		strbuf_printf(&entries, "%s%s %s", index ? ", " : "", json_text(entry, "type"),
			      json_text(entry, "value"));
	table_add(table, json_text(record, "name"));
	table_add(table, json_text(record, "description"));
	table_add(table, entries.text ? entries.text : "");
}

static int run_record_list(struct cli *cli, struct error **error)
{
	static const char *const headers[] = {"NAME", "DESCRIPTION", "ENTRIES"};
	cleanup_free char *path =
		client_path("/1.0/network-zones/%s/records?recursion=1", cli_word(cli, 0), NULL);
	return listing_print(cli, path, headers, sizeof(headers) / sizeof(headers[0]), add_record,
			     error);
}

/* A zone is one word, a record two; settings follow and go over the YAML. */
static int run_create(struct cli *cli, struct error **error)
{
	int words = object_words((enum object_kind)cli->options.command->variant);
	const char *description = options_value(&cli->options, "description");
	cleanup_json json_t *body = input_read_configuration(error);
	cleanup_free char *path =
		words == 1 ? memory_strdup("/1.0/network-zones")
			   : client_path("/1.0/network-zones/%s/records", cli_word(cli, 0), NULL);
	cleanup_json json_t *given = json_pack("{s:s, s:s*}", "name", cli_word(cli, words - 1),
					       "description", description);
	if (!body)
		return cli_mark_usage(cli);
	if (!given)
		return cli_usage(cli, error, "the command line is not UTF-8");
	json_object_update(body, given);
	json_t *config = object_member(body, "config");
	for (int i = words; i < cli->options.count; i++)
		if (assign_add(config, cli_word(cli, i), "setting", error) < 0)
			return cli_mark_usage(cli);
	return operation_run(cli, "POST", path, body, "Creating", NULL, error);
}

static int run_delete(struct cli *cli, struct error **error)
{
	struct object object = {(enum object_kind)cli->options.command->variant, cli_word(cli, 0),
				cli_word(cli, 1)};
	cleanup_free char *path = object_path(&object);
	return operation_run(cli, "DELETE", path, NULL, "Deleting", NULL, error);
}

/* ---- entries: ZONE RECORD TYPE VALUE ---- */

static json_t *entries_of(json_t *body)
{
	json_t *entries = json_object_get(body, "entries");
	if (!json_is_array(entries)) {
		entries = json_array();
		json_object_set_new(body, "entries", entries);
	}
	return entries;
}

static int add_entry(json_t *body, void *data, struct error **error)
{
	struct cli *cli = data;
	const char *ttl = options_value(&cli->options, "ttl");
	json_t *entry =
		json_pack("{s:s, s:s}", "type", cli_word(cli, 2), "value", cli_word(cli, 3));
	if (!entry)
		return cli_usage(cli, error, "the command line is not UTF-8");
	json_array_append_new(entries_of(body), entry);
	if (!ttl)
		return 0;
	char *end;
	unsigned long seconds = strtoul(ttl, &end, 10);
	if (!isdigit((unsigned char)*ttl) || *end)
		return cli_usage(cli, error, "--ttl takes a number of seconds, not '%s'", ttl);
	json_object_set_new(entry, "ttl", json_integer((json_int_t)seconds));
	return 0;
}

static int remove_entry(json_t *body, void *data, struct error **error)
{
	struct cli *cli = data;
	json_t *entries = entries_of(body);
	for (size_t i = 0; i < json_array_size(entries); i++) {
		const json_t *entry = json_array_get(entries, i);
		if (strcasecmp(json_text(entry, "type"), cli_word(cli, 2)) == 0 &&
		    strcmp(json_text(entry, "value"), cli_word(cli, 3)) == 0) {
			json_array_remove(entries, i);
			return 0;
		}
	}
	cli_hint(cli, "'sysct network zone record show %s %s' shows its entries", cli_word(cli, 0),
		 cli_word(cli, 1));
	return error_set(error, ERROR_NOT_FOUND, "the record %s has no entry %s %s",
			 cli_word(cli, 1), cli_word(cli, 2), cli_word(cli, 3));
}

enum { ENTRY_ADD, ENTRY_REMOVE };

static int run_entry(struct cli *cli, struct error **error)
{
	struct object object = {OBJECT_RECORD, cli_word(cli, 0), cli_word(cli, 1)};
	return object_change(cli, &object,
			     cli->options.command->variant == ENTRY_ADD ? add_entry : remove_entry,
			     cli, error);
}

/* ---- the table ---- */

static const struct option_row create_options[] = {
	{"description", 0, "TEXT", "a description", WORD_OTHER},
	{0},
};

static const struct option_row entry_options[] = {
	{"ttl", 0, "SECONDS", "how long others may keep it", WORD_OTHER},
	{0},
};

#define ROW(word, what, text, least, most, second, function, number)                               \
	.path = "network zone " word, .arguments = (what), .summary = (text), .minimum = (least),  \
	.maximum = (most), .words = {WORD_ZONE, (second), WORD_OTHER}, .run = (function),          \
	.variant = (number)

static const struct command commands[] = {
	{.path = "network zone list",
	 .aliases = "ls",
	 .arguments = "",
	 .summary = "List zones",
	 .options = listing_options,
	 .run = run_list},
	{ROW("show", "ZONE", "Print a zone as YAML", 1, 1, WORD_OTHER, object_run_show,
	     OBJECT_ZONE)},
	{.path = "network zone create",
	 .arguments = "ZONE [KEY=VALUE...]",
	 .summary = "Create a zone: a domain for names of instances and records",
	 .description = "A network uses it by dns.zone.forward, dns.zone.reverse.ipv4 or\n"
			"dns.zone.reverse.ipv6; its name server answers then.",
	 .examples = "sysct network zone create lab.example.net\n"
		     "sysct network set sysctbr0 dns.zone.forward=lab.example.net\n"
		     "sysct network zone create 2.1.10.in-addr.arpa",
	 .options = create_options,
	 .minimum = 1,
	 .maximum = -1,
	 .words = {WORD_OTHER, WORD_OTHER, WORD_OTHER},
	 .run = run_create,
	 .variant = OBJECT_ZONE},
	{ROW("get", "ZONE KEY", "Print one setting", 2, 2, WORD_OTHER, object_run_get,
	     OBJECT_ZONE)},
	{ROW("set", "ZONE KEY=VALUE...", "Change settings", 2, -1, WORD_OTHER, object_run_set,
	     OBJECT_ZONE)},
	{ROW("unset", "ZONE KEY...", "Remove settings", 2, -1, WORD_OTHER, object_run_unset,
	     OBJECT_ZONE)},
	{ROW("edit", "ZONE", "Edit a zone as YAML", 1, 1, WORD_OTHER, object_run_edit,
	     OBJECT_ZONE)},
	{ROW("delete", "ZONE", "Delete a zone", 1, 1, WORD_OTHER, run_delete, OBJECT_ZONE),
	 .aliases = "rm"},
	{ROW("record list", "ZONE", "List the records of a zone", 1, 1, WORD_OTHER, run_record_list,
	     0),
	 .aliases = "ls", .options = listing_options},
	{ROW("record show", "ZONE RECORD", "Print a record as YAML", 2, 2, WORD_RECORD,
	     object_run_show, OBJECT_RECORD)},
	{ROW("record create", "ZONE RECORD [KEY=VALUE...]", "Create a record", 2, -1, WORD_OTHER,
	     run_create, OBJECT_RECORD),
	 .description = "RECORD is a name in the zone; @ is the zone itself.",
	 .examples = "sysct network zone record create lab.example.net www\n"
		     "sysct network zone record entry add lab.example.net www A 10.1.2.3",
	 .options = create_options},
	{ROW("record get", "ZONE RECORD KEY", "Print one setting", 3, 3, WORD_RECORD,
	     object_run_get, OBJECT_RECORD)},
	{ROW("record set", "ZONE RECORD KEY=VALUE...", "Change settings", 3, -1, WORD_RECORD,
	     object_run_set, OBJECT_RECORD)},
	{ROW("record unset", "ZONE RECORD KEY...", "Remove settings", 3, -1, WORD_RECORD,
	     object_run_unset, OBJECT_RECORD)},
	{ROW("record edit", "ZONE RECORD", "Edit a record as YAML", 2, 2, WORD_RECORD,
	     object_run_edit, OBJECT_RECORD)},
	{ROW("record delete", "ZONE RECORD", "Delete a record", 2, 2, WORD_RECORD, run_delete,
	     OBJECT_RECORD),
	 .aliases = "rm"},
	{ROW("record entry add", "ZONE RECORD TYPE VALUE", "Add an entry to a record", 4, 4,
	     WORD_RECORD, run_entry, ENTRY_ADD),
	 .description = "TYPE is A, AAAA, CNAME, TXT, MX, SRV, PTR, CAA or another that the name\n"
			"server can give. VALUE is written as in a zone file.",
	 .examples = "sysct network zone record entry add lab.example.net www A 10.1.2.3\n"
		     "sysct network zone record entry add lab.example.net @ MX '10 mail'",
	 .options = entry_options},
	{ROW("record entry remove", "ZONE RECORD TYPE VALUE", "Remove an entry from a record", 4, 4,
	     WORD_RECORD, run_entry, ENTRY_REMOVE),
	 .aliases = "rm"},
	{0},
};

const struct command_group group_zone = {"Networks", commands};
