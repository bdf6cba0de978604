/*
 * Docker makes the host drop what it forwards and has no rule of its own for,
 * and a drop is final, whatever our table says. So two rules for each network
 * go where it lets others put theirs, its chain DOCKER-USER; or at the head of
 * FORWARD where its policy is to drop. These are the tables of iptables(8) as
 * nf_tables has them; iptables-legacy is out of reach. The rules bear our table's name
 * as their comment.
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

static const char *const families[] = {"ip", "ip6"};
static const char *const chains[] = {"DOCKER-USER", "FORWARD"};

static char *list_chain(const char *family, const char *chain, bool handles)
{
	cleanup_free char *what = memory_printf("chain %s filter %s", family, chain);
	return nftables_list(what, handles);
}

/* The chain to put rules into, with its content; NULL where nothing is dropped. */
static const char *find_chain(const char *family, char **content)
{
	for (size_t i = 0; i < sizeof(chains) / sizeof(chains[0]); i++) {
		*content = list_chain(family, chains[i], false);
		if (*content && (i == 0 || strstr(*content, "policy drop")))
			return chains[i];
		free(*content);
		*content = NULL;
	}
	return NULL;
}

/* One line of @content is the rule of that direction for that bridge. */
static bool has_rule(const char *content, const char *direction, const char *bridge,
		     const char *comment)
{
	cleanup_free char *match = memory_printf("%s \"%s\" ", direction, bridge);
	cleanup_free char *mark = memory_printf("comment \"%s\"", comment);
	for (const char *at = content; (at = strstr(at, match)); at++) {
		const char *end = strchr(at, '\n'), *found = strstr(at, mark);
		if (found && (!end || found < end))
			return true;
	}
	return false;
}

static void admit(const struct networks *networks, const char *family, struct strbuf *commands)
{
	static const char *const directions[] = {"iifname", "oifname"};
	const char *comment = networks->server->paths.cgroup;
	cleanup_free char *content = NULL;
	const char *chain = find_chain(family, &content);
	if (!chain)
		return;
	for (const struct network *at = networks->first; at; at = at->next)
		for (int i = 0; i < 2; i++)
			if (!has_rule(content, directions[i], at->name, comment))
				strbuf_printf(commands,
					      "insert rule %s filter %s %s \"%s\" counter accept "
					      "comment \"%s\"\n",
					      family, chain, directions[i], at->name, comment);
}

void neighbours_admit(const struct networks *networks)
{
	cleanup_strbuf struct strbuf commands = {0};
	cleanup_error struct error *error = NULL;
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
		admit(networks, families[i], &commands);
	if (commands.length == 0)
		return;
	log_event(LOG_LEVEL_INFO, NULL,
		  "the host drops what it forwards (Docker?): letting our networks pass there");
	if (nftables_run(commands.text, &error) < 0)
		log_event(LOG_LEVEL_WARNING, NULL, "%s", error_message(error));
}

static void dismiss(const char *family, const char *chain, const char *bridge, const char *comment,
		    struct strbuf *commands)
{
	cleanup_free char *content = list_chain(family, chain, true);
	cleanup_free char *name = memory_printf("name \"%s\" ", bridge);
	cleanup_free char *mark = memory_printf("comment \"%s\"", comment);
	char *rest = content;
	for (char *line; content && (line = strsep(&rest, "\n"));) {
		const char *handle = strstr(line, "# handle ");
		if (handle && strstr(line, name) && strstr(line, mark))
			strbuf_printf(commands, "delete rule %s filter %s handle %s\n", family,
				      chain, handle + strlen("# handle "));
	}
}

void neighbours_dismiss(const struct networks *networks, const char *name)
{
	cleanup_strbuf struct strbuf commands = {0};
	for (size_t i = 0; i < 4; i++)
		dismiss(families[i / 2], chains[i % 2], name, networks->server->paths.cgroup,
			&commands);
	if (commands.length > 0)
		nftables_run(commands.text, NULL);
}
