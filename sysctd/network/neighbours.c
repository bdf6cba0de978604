/*
 * Docker and ufw make the host drop what it forwards, and ufw also what it is sent,
 * where they have no rule of their own for it; and a drop is final, whatever our
 * table says. So a few rules for each network go where others may put theirs: into
 * Docker's chain DOCKER-USER, or at the head of FORWARD and INPUT where these drop. They are
 * the tables of iptables(8) as nf_tables has them, in a form that iptables-nft reads;
 * iptables-legacy is out of reach. The rules bear our table's name as their comment.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "log.h"
#include "memory.h"
#include "network/manager.h"
#include "network/nftables.h"
#include "server.h"
#include "strbuf.h"

/* nft(8) lists "meta l4proto 1" by a name that depends on the host: what follows @match is not compared. */
static const struct rule {
	const char *family, *hook, *direction, *match, *rest;
} rules[] = {
	{"ip", "FORWARD", "iifname", "", ""},
	{"ip", "FORWARD", "oifname", "", ""},
	{"ip6", "FORWARD", "iifname", "", ""},
	{"ip6", "FORWARD", "oifname", "", ""},
	{"ip", "INPUT", "iifname", "udp dport 53 ", ""},
	{"ip", "INPUT", "iifname", "udp dport 67 ", ""},
	{"ip", "INPUT", "iifname", "tcp dport 53 ", ""},
	{"ip", "INPUT", "iifname", "meta l4proto ", "1 "},
	{"ip6", "INPUT", "iifname", "udp dport 53 ", ""},
	{"ip6", "INPUT", "iifname", "udp dport 547 ", ""},
	{"ip6", "INPUT", "iifname", "tcp dport 53 ", ""},
	{"ip6", "INPUT", "iifname", "meta l4proto ", "58 "},
};

static const struct place {
	const char *family, *chain, *hook;
	bool always; /* else where the policy is to drop */
} places[] = {
	{"ip", "DOCKER-USER", "FORWARD", true}, {"ip", "FORWARD", "FORWARD", false},
	{"ip", "INPUT", "INPUT", false},	{"ip6", "DOCKER-USER", "FORWARD", true},
	{"ip6", "FORWARD", "FORWARD", false},	{"ip6", "INPUT", "INPUT", false},
};

enum { PLACES = sizeof(places) / sizeof(places[0]) };

static char *list_chain(const struct place *place, bool handles)
{
	cleanup_free char *what = memory_printf("chain %s filter %s", place->family, place->chain);
	return nftables_list(what, handles);
}

/* One line of @content is that rule for that bridge. */
static bool has_rule(const char *content, const struct rule *rule, const char *bridge,
		     const char *comment)
{
	cleanup_free char *match =
		memory_printf("%s \"%s\" %s", rule->direction, bridge, rule->match);
	cleanup_free char *mark = memory_printf("comment \"%s\"", comment);
	for (const char *at = content; (at = strstr(at, match)); at++) {
		const char *end = strchr(at, '\n'), *found = strstr(at, mark);
		if (found && (!end || found < end))
			return true;
	}
	return false;
}

/* Whether rules for the family are wanted at all. */
static bool is_wanted(const struct network *network, const char *family)
{
	return network_config_bool(network->config,
				   strcmp(family, "ip") == 0 ? "ipv4.firewall" : "ipv6.firewall");
}

static void admit(const struct networks *networks, const struct place *place, const char *content,
		  struct strbuf *commands)
{
	const char *comment = networks->server->paths.cgroup;
	for (const struct network *at = networks->first; at; at = at->next)
		for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
			const struct rule *rule = &rules[i];
			if (strcmp(rule->family, place->family) != 0 ||
			    strcmp(rule->hook, place->hook) != 0 || !is_wanted(at, rule->family) ||
			    has_rule(content, rule, at->name, comment))
				continue;
			strbuf_printf(commands,
				      "insert rule %s filter %s %s \"%s\" %s%scounter accept "
				      "comment \"%s\"\n",
				      place->family, place->chain, rule->direction, at->name,
				      rule->match, rule->rest, comment);
		}
}

void neighbours_admit(const struct networks *networks)
{
	cleanup_strbuf struct strbuf commands = {0};
	cleanup_error struct error *error = NULL;
	for (size_t i = 0; i < PLACES; i++) {
		cleanup_free char *content = list_chain(&places[i], false);
		if (!content || (!places[i].always && !strstr(content, "policy drop")))
			continue;
		admit(networks, &places[i], content, &commands);
		if (places[i].always) /* the next is the chain that it hangs on */
			i++;
	}
	if (commands.length == 0)
		return;
	log_event(LOG_LEVEL_INFO, NULL,
		  "rules of the host drop packets (Docker? ufw?): letting our networks pass there");
	if (nftables_run(commands.text, &error) < 0)
		log_event(LOG_LEVEL_WARNING, NULL, "%s", error_message(error));
}

static void dismiss(const struct place *place, const char *bridge, const char *comment,
		    struct strbuf *commands)
{
	cleanup_free char *content = list_chain(place, true);
	cleanup_free char *name = memory_printf("name \"%s\" ", bridge);
	cleanup_free char *mark = memory_printf("comment \"%s\"", comment);
	char *rest = content;
	for (char *line; content && (line = strsep(&rest, "\n"));) {
		const char *handle = strstr(line, "# handle ");
		if (handle && strstr(line, name) && strstr(line, mark))
			strbuf_printf(commands, "delete rule %s filter %s handle %s\n",
				      place->family, place->chain, handle + strlen("# handle "));
	}
}

void neighbours_dismiss(const struct networks *networks, const char *name)
{
	cleanup_strbuf struct strbuf commands = {0};
	for (size_t i = 0; i < PLACES; i++)
		dismiss(&places[i], name, networks->server->paths.cgroup, &commands);
	if (commands.length > 0)
		nftables_run(commands.text, NULL);
}
