/* See acl_rules.h. */
#include "network/acl_rules.h"

#include <netinet/in.h>
#include <string.h>

#include "cleanup.h"
#include "memory.h"
#include "network/acl.h"

/* Enough to see what goes on; a hostile instance fills neither disk nor processor. */
#define LOG_RATE "limit rate 20/second burst 100 packets"

static const char *const actions[] = {"drop", "reject", "allow"};
enum { ACTIONS = sizeof(actions) / sizeof(actions[0]) };

static const char *value_of(const json_t *rule, const char *field)
{
	return json_string_value(json_object_get(rule, field));
}

static bool value_is(const json_t *rule, const char *field, const char *value)
{
	const char *found = value_of(rule, field);
	return found && strcmp(found, value) == 0;
}

static long long id_of(const json_t *row)
{
	return (long long)json_integer_value(json_object_get(row, "id"));
}

void acl_rules_subjects(const json_t *row, json_t *names)
{
	static const char *const directions[] = {"ingress", "egress"};
	for (int d = 0; d < 2; d++) {
		size_t i, k;
		const json_t *rule, *item;
		json_array_foreach (json_object_get(row, directions[d]), i, rule)
			for (int side = 0; side < 2; side++) {
				json_t *items = acl_list_split(
					value_of(rule, side ? "source" : "destination"));
				json_array_foreach (items, k, item)
					if (!acl_subject_family(json_string_value(item)))
						json_array_append(names, (json_t *)item);
				json_decref(items);
			}
	}
}

/* ---- what a rule matches ---- */

/* "ip saddr { 10.0.0.0/8 } " and one with the set of each ACL; nothing when the list has nothing of
 * that family, one empty text when there is no list. */
static json_t *match_subjects(const struct acl_writing *writing, const char *list, int family,
			      const char *side)
{
	const char *protocol = family == AF_INET ? "ip" : "ip6";
	cleanup_strbuf struct strbuf literals = {0};
	json_t *matches = json_array(), *items = acl_list_split(list);
	size_t i;
	const json_t *item;
	if (!list)
		json_array_append_new(matches, json_string(""));
	json_array_foreach (items, i, item) {
		const char *subject = json_string_value(item);
		int found = acl_subject_family(subject);
		const json_t *row = found ? NULL : json_object_get(writing->rows, subject);
		if (found == family)
			strbuf_printf(&literals, "%s%s", literals.length ? ", " : "", subject);
		if (row)
			json_array_append_new(matches,
					      json_sprintf("%s %s @m%lld_%d ", protocol, side,
							   id_of(row), family == AF_INET ? 4 : 6));
	}
	if (literals.length)
		json_array_append_new(matches,
				      json_sprintf("%s %s { %s } ", protocol, side, literals.text));
	json_decref(items);
	return matches;
}

/* Names of protocols need /etc/protocols, which not every host has. */
static char *match_protocol(const json_t *rule)
{
	cleanup_strbuf struct strbuf text = {0};
	const char *protocol = value_of(rule, "protocol");
	const char *type = value_of(rule, "icmp_type"), *code = value_of(rule, "icmp_code");
	const char *from = value_of(rule, "source_port"), *to = value_of(rule, "destination_port");
	bool icmp6 = protocol && strcmp(protocol, "icmp6") == 0;
	if (!protocol)
		return memory_strdup("");
	if (strncmp(protocol, "icmp", 4) == 0) {
		const char *name = icmp6 ? "icmpv6" : "icmp";
		strbuf_printf(&text, "meta l4proto %d ", icmp6 ? 58 : 1);
		if (type)
			strbuf_printf(&text, "%s type %s ", name, type);
		if (code)
			strbuf_printf(&text, "%s code %s ", name, code);
		return strbuf_steal(&text);
	}
	strbuf_printf(&text, "meta l4proto %d ", strcmp(protocol, "tcp") == 0 ? 6 : 17);
	if (from)
		strbuf_printf(&text, "%s sport { %s } ", protocol, from);
	if (to)
		strbuf_printf(&text, "%s dport { %s } ", protocol, to);
	return strbuf_steal(&text);
}

/* ---- rules ---- */

static const char *verdict_of(const char *action)
{
	return strcmp(action, "allow") == 0  ? "accept"
	       : strcmp(action, "drop") == 0 ? "drop"
					     : "goto refuse";
}

/* @prefix: what acl_log.c reads; NULL: nothing is logged. */
static void write_rule(const struct acl_writing *writing, const char *match, const char *action,
		       const char *prefix)
{
	if (prefix)
		strbuf_printf(writing->text,
			      "    %s" LOG_RATE " log prefix \"%s\" snaplen 128 group %u\n", match,
			      prefix, writing->group);
	strbuf_printf(writing->text, "    %s%s\n", match, verdict_of(action));
}

static const char *family_match(const struct acl_writing *writing, int family)
{
	if (writing->bridge)
		return family == AF_INET ? "meta protocol ip " : "meta protocol ip6 ";
	return family == AF_INET ? "meta nfproto ipv4 " : "meta nfproto ipv6 ";
}

static void write_family(const struct acl_writing *writing, const json_t *rule, int family,
			 const char *prefix)
{
	json_t *from = match_subjects(writing, value_of(rule, "source"), family, "saddr");
	json_t *to = match_subjects(writing, value_of(rule, "destination"), family, "daddr");
	cleanup_free char *protocol = match_protocol(rule);
	size_t i, k;
	const json_t *source, *destination;
	json_array_foreach (from, i, source)
		json_array_foreach (to, k, destination) {
			cleanup_free char *match =
				memory_printf("%s%s%s%s", family_match(writing, family),
					      json_string_value(source),
					      json_string_value(destination), protocol);
			write_rule(writing, match, value_of(rule, "action"), prefix);
		}
	json_decref(from);
	json_decref(to);
}

static void write_one(const struct acl_writing *writing, const json_t *row, const json_t *rule,
		      const char *direction)
{
	cleanup_free char *logged =
		memory_printf("sysct %lld %s %s ", id_of(row), direction, value_of(rule, "action"));
	const char *prefix = value_is(rule, "state", "logged") ? logged : NULL;
	bool any = !value_of(rule, "source") && !value_of(rule, "destination");
	if (value_is(rule, "protocol", "icmp4")) {
		write_family(writing, rule, AF_INET, prefix);
	} else if (value_is(rule, "protocol", "icmp6")) {
		write_family(writing, rule, AF_INET6, prefix);
	} else if (any) {
		cleanup_free char *match = match_protocol(rule);
		write_rule(writing, match, value_of(rule, "action"), prefix);
	} else {
		write_family(writing, rule, AF_INET, prefix);
		write_family(writing, rule, AF_INET6, prefix);
	}
}

void acl_rules_write(const struct acl_writing *writing, const json_t *row)
{
	static const char *const directions[] = {"ingress", "egress"};
	for (int d = 0; d < 2; d++)
		for (int a = 0; a < ACTIONS; a++) {
			size_t i;
			const json_t *rule;
			strbuf_printf(writing->text, "  chain a%lld_%s_%s {\n", id_of(row),
				      directions[d], actions[a]);
			json_array_foreach (json_object_get(row, directions[d]), i, rule)
				if (value_is(rule, "action", actions[a]) &&
				    !value_is(rule, "state", "disabled"))
					write_one(writing, row, rule, directions[d]);
			strbuf_append(writing->text, "  }\n");
		}
}

/* ---- lists ---- */

/* What matched no rule is in the log of each ACL: "sysct 3,7 ingress drop ". */
static char *default_prefix(const struct acl_writing *writing, const struct acl_list *list)
{
	enum { MOST = 90 }; /* of the 127 characters that a prefix may have */
	cleanup_strbuf struct strbuf prefix = {0};
	size_t i;
	const json_t *name;
	strbuf_append(&prefix, "sysct ");
	json_array_foreach (list->names, i, name) {
		const json_t *row = json_object_get(writing->rows, json_string_value(name));
		if (row && prefix.length < MOST)
			strbuf_printf(&prefix, "%s%lld", i ? "," : "", id_of(row));
	}
	strbuf_printf(&prefix, " %s %s ", list->direction, list->action);
	return strbuf_steal(&prefix);
}

void acl_rules_write_list(const struct acl_writing *writing, const char *name,
			  const struct acl_list *list)
{
	cleanup_free char *prefix = default_prefix(writing, list);
	strbuf_printf(writing->text, "  chain %s {\n", name);
	if (writing->bridge)
		strbuf_printf(writing->text, "    jump known\n    jump %s\n", list->direction);
	else
		strbuf_append(writing->text, "    ct state established ct direction reply accept\n"
					     "    ct state related accept\n");
	for (int a = 0; a < ACTIONS; a++) {
		size_t i;
		const json_t *item;
		json_array_foreach (list->names, i, item) {
			const json_t *row = json_object_get(writing->rows, json_string_value(item));
			if (row)
				strbuf_printf(writing->text, "    jump a%lld_%s_%s\n", id_of(row),
					      list->direction, actions[a]);
		}
	}
	write_rule(writing, "", list->action, list->logged ? prefix : NULL);
	strbuf_append(writing->text, "  }\n");
}
