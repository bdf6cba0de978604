/*
 * See acl.h: the two tables of nftables for ACLs, named after the daemon, which exist only
 * while a running NIC or a network has ACLs. Rules do not grow with instances: a chain for
 * each list of ACLs with its default, and maps that say which NIC has which (acl_tables.c
 * tells the way of a packet). An instance that comes or goes changes elements alone, unless
 * it brings a list that was not there. Everything changes in one transaction.
 *
 * Who is meant by the name of an ACL in a rule is a set of the addresses of the NICs that
 * have that ACL, or whose network has it: "m3_4", "m3_6".
 */
#include "network/acl.h"

#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "db/objects.h"
#include "log.h"
#include "memory.h"
#include "network/acl_rules.h"
#include "network/acl_state.h"
#include "network/acl_tables.h"
#include "network/addresses.h"
#include "network/manager.h"
#include "network/nftables.h"
#include "server.h"

static const char *const directions[] = {"ingress", "egress"};

/* ---- rows ---- */

int acls_reload(struct networks *networks, struct error **error)
{
	cleanup_object_list struct object_list list = {0};
	if (db_object_list(networks->server->db, &db_network_acls, &list, error) < 0)
		return -1;
	json_object_clear(networks->acls->rows);
	for (size_t i = 0; i < list.count; i++) {
		json_t *row = json_loads(list.rows[i].kind, 0, NULL);
		json_t *with_id = row ? row : json_object();
		json_object_set_new(with_id, "id", json_integer(list.rows[i].id));
		json_object_set_new(networks->acls->rows, list.rows[i].name, with_id);
	}
	return 0;
}

struct acls *acls_create(struct networks *networks, struct error **error)
{
	networks->acls = memory_alloc(sizeof(*networks->acls));
	*networks->acls = (struct acls){
		.table = memory_printf("%s-acls", networks->server->paths.cgroup),
		.rows = json_object(),
		.lists = json_object(),
		.subjects = json_object(),
	};
	if (acls_reload(networks, error) == 0) {
		acl_log_sweep(networks->server, networks->acls->rows);
		return networks->acls;
	}
	acls_free(networks->acls);
	networks->acls = NULL;
	return NULL;
}

void acls_free(struct acls *acls)
{
	if (!acls)
		return;
	json_decref(acls->rows);
	json_decref(acls->lists);
	json_decref(acls->subjects);
	free(acls->bridge_rules);
	free(acls->inet_rules);
	free(acls->table);
	free(acls);
}

int acls_check_names(const struct networks *networks, const char *list, struct error **error)
{
	json_t *items = acl_list_split(list);
	size_t i;
	const json_t *item;
	int result = 0;
	json_array_foreach (items, i, item)
		if (result == 0 && !json_object_get(networks->acls->rows, json_string_value(item)))
			result = error_set(error, ERROR_NOT_FOUND, "Network ACL not found: \"%s\"",
					   json_string_value(item));
	json_decref(items);
	return result;
}

/* ---- lists ---- */

static void describe_default(const json_t *keys, const char *direction, json_t *acls)
{
	cleanup_free char *action = memory_printf("security.acls.default.%s.action", direction);
	cleanup_free char *logged = memory_printf("security.acls.default.%s.logged", direction);
	const char *given = nic_value(keys, action);
	json_object_set_new(acls, direction,
			    json_pack("{s:s, s:b}", "action", given ? given : "reject", "logged",
				      nic_is_true(keys, logged)));
}

static json_t *describe(const json_t *keys)
{
	const char *list = nic_value(keys, "security.acls");
	json_t *acls = list ? json_pack("{s:o}", "names", acl_list_split(list)) : NULL;
	for (int d = 0; acls && d < 2; d++)
		describe_default(keys, directions[d], acls);
	return acls;
}

void acls_describe(const json_t *device, json_t *nic)
{
	json_t *acls = describe(device);
	if (acls)
		json_object_set_new(nic, "acls", acls);
}

static struct acl_list list_of(const json_t *acls, const char *direction)
{
	const json_t *rest = json_object_get(acls, direction);
	return (struct acl_list){
		.direction = direction,
		.action = json_string_value(json_object_get(rest, "action")),
		.logged = json_is_true(json_object_get(rest, "logged")),
		.names = json_object_get(acls, "names"),
	};
}

static char *key_of(const struct acl_list *list)
{
	cleanup_free char *names = json_dumps(list->names, JSON_COMPACT);
	return memory_printf("%s %s %d %s", list->direction, list->action, list->logged, names);
}

const char *acls_chain(const struct acls *acls, const json_t *described, const char *direction)
{
	struct acl_list list = list_of(described, direction);
	cleanup_free char *key = key_of(&list);
	return json_string_value(json_object_get(acls->lists, key));
}

/* ---- everything that has ACLs ---- */

struct user {
	const json_t *nic; /* NULL: a network */
	const struct network
		*network; /* of the NIC, or the user itself; NULL: a bridge of the host */
	const json_t *acls;
};

const struct network *acls_network(struct networks *networks, const json_t *nic)
{
	const char *name = nic_value(nic, "network");
	return name ? *networks_place(networks, name) : NULL;
}

/* Calls @visit for each running NIC and each network that has ACLs of its own. */
static bool each_user(struct networks *networks, void (*visit)(const struct user *user, void *data),
		      void *data)
{
	const char *uuid;
	json_t *nics;
	const json_t *nic;
	size_t i;
	bool any = false;
	for (struct network *at = networks->first; at; at = at->next) {
		json_t *acls = describe(at->config);
		struct user user = {NULL, at, acls};
		any = any || acls;
		if (acls && visit)
			visit(&user, data);
		json_decref(acls);
	}
	json_object_foreach (networks->running, uuid, nics)
		json_array_foreach (nics, i, nic) {
			struct user user = {nic, acls_network(networks, nic),
					    json_object_get(nic, "acls")};
			any = any || user.acls;
			if (user.acls && visit)
				visit(&user, data);
		}
	return any;
}

/* ---- the tables as a whole ---- */

struct collection {
	struct networks *networks;
	json_t *lists;	  /* {key: {"chain", "acls", "direction", "bridge"}} */
	json_t *used;	  /* {name: true}: ACLs whose rules are needed */
	json_t *subjects; /* {name: true}: ACLs that these rules name */
	bool bridge;
};

static void collect_list(struct collection *all, const struct user *user, const char *direction)
{
	struct acl_list list = list_of(user->acls, direction);
	cleanup_free char *key = key_of(&list);
	json_t *found = json_object_get(all->lists, key);
	if (!found) {
		found = json_pack("{s:o, s:O, s:s}", "chain",
				  json_sprintf("l%zu", json_object_size(all->lists)), "acls",
				  user->acls, "direction", direction);
		json_object_set_new(all->lists, key, found);
	}
	if (user->nic)
		json_object_set_new(found, "bridge", json_true());
}

static void collect(const struct user *user, void *data)
{
	struct collection *all = data;
	size_t i;
	const json_t *name;
	for (int d = 0; d < 2; d++)
		collect_list(all, user, directions[d]);
	json_array_foreach (json_object_get(user->acls, "names"), i, name) {
		const json_t *row =
			json_object_get(all->networks->acls->rows, json_string_value(name));
		json_t *subjects = json_array();
		size_t k;
		const json_t *subject;
		if (row)
			json_object_set(all->used, json_string_value(name), (json_t *)row);
		acl_rules_subjects(row, subjects);
		json_array_foreach (subjects, k, subject)
			json_object_set_new(all->subjects, json_string_value(subject), json_true());
		json_decref(subjects);
	}
	all->bridge = all->bridge || user->nic;
}

static void write_sets(const struct collection *all, struct strbuf *text)
{
	const char *name;
	json_t *value;
	json_object_foreach (all->subjects, name, value) {
		const json_t *row = json_object_get(all->networks->acls->rows, name);
		long long id = (long long)json_integer_value(json_object_get(row, "id"));
		strbuf_printf(text,
			      "  set m%lld_4 { type ipv4_addr; }\n"
			      "  set m%lld_6 { type ipv6_addr; }\n",
			      id, id);
	}
}

static void write_chains(const struct collection *all, const struct acl_writing *writing)
{
	const char *key;
	json_t *row, *list;
	json_object_foreach (all->used, key, row)
		acl_rules_write(writing, row);
	json_object_foreach (all->lists, key, list) {
		struct acl_list one =
			list_of(json_object_get(list, "acls"),
				json_string_value(json_object_get(list, "direction")));
		if (!writing->bridge || json_object_get(list, "bridge"))
			acl_rules_write_list(writing, nic_value(list, "chain"), &one);
	}
}

/* A bridge's ACLs are for what crosses its edge: with br_netfilter the rest comes here, too. */
static void write_hook(const struct networks *networks, struct strbuf *text, const char *hook,
		       const char *direction)
{
	bool incoming = strcmp(direction, "ingress") == 0, forward = strcmp(hook, "forward") == 0;
	strbuf_printf(text,
		      "  chain %s_%s {\n"
		      "    type filter hook %s priority %d; policy accept;\n",
		      hook, direction, hook, incoming ? -2 : -3);
	if (!forward)
		strbuf_printf(text, "    jump %s\n", incoming ? "from_host" : "to_host");
	for (const struct network *at = networks->first; at; at = at->next) {
		json_t *acls = describe(at->config);
		if (acls && forward)
			strbuf_printf(text, "    iifname \"%s\" oifname \"%s\" accept\n", at->name,
				      at->name);
		if (acls)
			strbuf_printf(text, "    %s \"%s\" goto %s\n",
				      incoming ? "oifname" : "iifname", at->name,
				      acls_chain(networks->acls, acls, direction));
		json_decref(acls);
	}
	strbuf_append(text, "  }\n");
}

static void write_inet(const struct collection *all, struct strbuf *text)
{
	const struct acls *acls = all->networks->acls;
	struct acl_writing writing = {text, acls->rows, false,
				      acl_log_group(all->networks->server)};
	strbuf_printf(text, "add table inet %s\ndelete table inet %s\ntable inet %s {\n",
		      acls->table, acls->table, acls->table);
	write_sets(all, text);
	acl_tables_inet(text);
	write_chains(all, &writing);
	write_hook(all->networks, text, "forward", "egress");
	write_hook(all->networks, text, "forward", "ingress");
	write_hook(all->networks, text, "input", "egress");
	write_hook(all->networks, text, "output", "ingress");
	strbuf_append(text, "}\n");
}

/* @listing: the table as it is, whose state is kept; NULL: it is made anew. */
static void write_bridge(const struct collection *all, struct strbuf *text, const char *listing)
{
	const struct acls *acls = all->networks->acls;
	struct acl_writing writing = {text, acls->rows, true, acl_log_group(all->networks->server)};
	if (listing)
		acl_tables_clear(text, acls->table, listing);
	else
		strbuf_printf(text, "add table bridge %s\ndelete table bridge %s\n", acls->table,
			      acls->table);
	if (!all->bridge)
		return;
	strbuf_printf(text, "table bridge %s {\n", acls->table);
	write_sets(all, text);
	acl_tables_bridge(text);
	write_chains(all, &writing);
	strbuf_append(text, "}\n");
}

static void write_all(const struct collection *all, struct strbuf *text, const char *listing)
{
	const char *uuid;
	json_t *nics;
	write_bridge(all, text, listing);
	write_inet(all, text);
	json_object_foreach (all->networks->running, uuid, nics)
		acls_write_elements(all->networks, text, "add", nics);
}

static void take(struct acls *acls, const struct collection *all)
{
	const char *key;
	json_t *list;
	json_object_clear(acls->lists);
	json_object_foreach (all->lists, key, list)
		json_object_set(acls->lists, key, json_object_get(list, "chain"));
	json_object_clear(acls->subjects);
	json_object_update(acls->subjects, all->subjects);
	acls->bridge = all->bridge;
	acls->inet = true;
	acls->ended = false;
}

/* A table as nft(8) lists it; NULL when there is none. Out of the whole family: a table alone is listed
 * by way of all elements of its sets, and those of the state may be many. */
static char *list_table(const struct acls *acls, const char *family)
{
	cleanup_free char *what = memory_printf("ruleset %s", family);
	cleanup_free char *start = memory_printf("table %s %s {\n", family, acls->table);
	cleanup_free char *all = nftables_list(what, false);
	const char *found = all ? strstr(all, start) : NULL;
	const char *end = found ? strstr(found, "\n}\n") : NULL;
	return end ? memory_strndup(found, (size_t)(end - found)) : NULL;
}

static void remember(struct acls *acls)
{
	free(acls->bridge_rules);
	free(acls->inet_rules);
	acls->bridge_rules = acls->bridge ? list_table(acls, "bridge") : NULL;
	acls->inet_rules = acls->inet ? list_table(acls, "inet") : NULL;
}

/* What is known of connections stays where the kernel takes it, else they begin anew. */
static int run_all(const struct collection *all, struct error **error)
{
	struct acls *acls = all->networks->acls;
	cleanup_free char *listing = all->bridge ? list_table(acls, "bridge") : NULL;
	cleanup_strbuf struct strbuf keeping = {0}, anew = {0};
	if (listing) {
		write_all(all, &keeping, listing);
		if (nftables_run(keeping.text, NULL) == 0)
			return 0;
	}
	write_all(all, &anew, NULL);
	return nftables_run(anew.text, error);
}

/* Only who has ACLs needs the kernel's part of it. */
static void open_log(struct networks *networks)
{
	if (networks->acl_log >= 0)
		return;
	networks->acl_log = acl_log_open(networks->server);
	networks_wake(networks);
}

int acls_write(struct networks *networks, struct error **error)
{
	struct collection all = {networks, json_object(), json_object(), json_object(), false};
	int result = 0;
	if (networks->swept && each_user(networks, collect, &all)) {
		take(networks->acls, &all);
		open_log(networks);
		result = run_all(&all, error);
		if (result == 0)
			remember(networks->acls);
		else
			json_object_clear(
				networks->acls->lists); /* the next write is a whole one */
	} else if (networks->swept) {
		acls_end(networks);
	}
	json_decref(all.lists);
	json_decref(all.used);
	json_decref(all.subjects);
	return result;
}

/* ---- what comes and goes ---- */

static bool has_any(struct networks *networks, const json_t *nics)
{
	size_t i;
	const json_t *nic;
	bool any = false;
	json_array_foreach (nics, i, nic) {
		json_t *names = acls_memberships(nic, acls_network(networks, nic));
		any = any || json_object_size(names);
		json_decref(names);
	}
	return any;
}

static bool has_chains(const struct acls *acls, const json_t *nics)
{
	size_t i;
	const json_t *nic;
	json_array_foreach (nics, i, nic) {
		const json_t *described = json_object_get(nic, "acls");
		for (int d = 0; described && d < 2; d++)
			if (!acls->bridge || !acls_chain(acls, described, directions[d]))
				return false;
	}
	return true;
}

int acls_change(struct networks *networks, const json_t *old, const json_t *new,
		struct error **error)
{
	struct acls *acls = networks->acls;
	cleanup_strbuf struct strbuf text = {0};
	if (!has_any(networks, old) && !has_any(networks, new))
		return 0;
	if (!acls->inet || !has_chains(acls, new))
		return acls_write(networks, error);
	acls_write_elements(networks, &text, "delete", old);
	acls_write_elements(networks, &text, "add", new);
	if (text.length && nftables_run(text.text, NULL) < 0)
		return acls_write(networks, error);
	if (!each_user(networks, NULL, NULL))
		acls_end(networks);
	return 0;
}

static bool differs(const struct acls *acls, const char *family, const char *wanted)
{
	cleanup_free char *found = wanted ? list_table(acls, family) : NULL;
	return wanted && (!found || strcmp(found, wanted) != 0);
}

void acls_mend(struct networks *networks)
{
	cleanup_error struct error *error = NULL;
	const struct acls *acls = networks->acls;
	if (!differs(acls, "bridge", acls->bridge_rules) &&
	    !differs(acls, "inet", acls->inet_rules))
		return;
	log_event(LOG_LEVEL_WARNING, NULL,
		  "somebody changed the tables %s of nftables; writing them again", acls->table);
	if (acls_write(networks, &error) < 0)
		log_event(LOG_LEVEL_ERROR, NULL, "network ACLs: %s", error_message(error));
}

void acls_end(struct networks *networks)
{
	struct acls *acls = networks->acls;
	cleanup_free char *text = memory_printf("add table bridge %s\ndelete table bridge %s\n"
						"add table inet %s\ndelete table inet %s\n",
						acls->table, acls->table, acls->table, acls->table);
	if (acls->ended)
		return;
	acls->ended = nftables_run(text, NULL) == 0;
	acls->bridge = acls->inet = false;
	json_object_clear(acls->lists);
	json_object_clear(acls->subjects);
	remember(acls);
}
