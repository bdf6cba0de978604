/*
 * The one table of nftables of a daemon, in the family inet, named after its
 * control group so that a second daemon has another. It is always written
 * whole, in one transaction: nobody sees half of it, and what somebody else
 * changed in it is mended by the next write.
 */
#include <stdio.h>
#include <stdlib.h>

#include "cleanup.h"
#include "memory.h"
#include "network/dnat.h"
#include "network/manager.h"
#include "network/nftables.h"
#include "server.h"
#include "strbuf.h"

static void add_nat(struct strbuf *rules, const struct network *network,
		    const struct subnet *subnet, const char *family, const char *key,
		    const char *address_key)
{
	char text[SUBNET_TEXT];
	const char *address = network_config_get(network->config, address_key);
	if (!subnet->address.family || !network_config_bool(network->config, key))
		return;
	subnet_format_network(subnet, text);
	strbuf_printf(rules, "    %s saddr %s %s daddr != %s ", family, text, family, text);
	if (address)
		strbuf_printf(rules, "snat %s to %s", family, address);
	else
		strbuf_append(rules, "masquerade");
	strbuf_printf(rules, " comment \"%s\"\n", network->name);
}

/* ICMPv6 is 58: its name is known only where the host has /etc/protocols (Debian: netbase). */
static void add_input(struct strbuf *rules, const struct network *network)
{
	const char *name = network->name;
	if (network->ipv4.address.family && network_config_bool(network->config, "ipv4.firewall"))
		strbuf_printf(
			rules,
			"    iifname \"%s\" meta nfproto ipv4 udp dport { 53, 67 } accept\n"
			"    iifname \"%s\" meta nfproto ipv4 tcp dport 53 accept\n"
			"    iifname \"%s\" icmp type { echo-request, destination-unreachable, "
			"time-exceeded } accept\n",
			name, name, name);
	if (network->ipv6.address.family && network_config_bool(network->config, "ipv6.firewall"))
		strbuf_printf(rules,
			      "    iifname \"%s\" meta nfproto ipv6 udp dport { 53, 547 } accept\n"
			      "    iifname \"%s\" meta nfproto ipv6 tcp dport 53 accept\n"
			      "    iifname \"%s\" meta l4proto 58 accept\n",
			      name, name, name);
}

static void add_forward(struct strbuf *rules, const struct network *network)
{
	static const char *const families[] = {"ipv4", "ipv6"};
	for (int i = 0; i < 2; i++) {
		char firewall[16], routing[16];
		snprintf(firewall, sizeof(firewall), "%s.firewall", families[i]);
		snprintf(routing, sizeof(routing), "%s.routing", families[i]);
		if (!network_config_bool(network->config, firewall))
			continue;
		const char *verdict =
			network_config_bool(network->config, routing) ? "accept" : "drop";
		/* With br_netfilter, as beside Docker, what stays in the bridge comes here too. */
		strbuf_printf(rules,
			      "    iifname \"%s\" oifname \"%s\" meta nfproto %s accept\n"
			      "    iifname \"%s\" meta nfproto %s %s\n"
			      "    oifname \"%s\" meta nfproto %s %s\n",
			      network->name, network->name, families[i], network->name, families[i],
			      verdict, network->name, families[i], verdict);
	}
}

static void write_table(struct strbuf *rules, const char *table, const struct network *networks)
{
	const struct network *at;
	strbuf_printf(rules, "table inet %s {\n", table);
	dnat_write_chains(rules);
	strbuf_append(rules, "  chain postrouting {\n"
			     "    type nat hook postrouting priority srcnat; policy accept;\n");
	dnat_write_postrouting(rules);
	for (at = networks; at; at = at->next) {
		add_nat(rules, at, &at->ipv4, "ip", "ipv4.nat", "ipv4.nat.address");
		add_nat(rules, at, &at->ipv6, "ip6", "ipv6.nat", "ipv6.nat.address");
	}
	strbuf_append(rules, "  }\n  chain input {\n"
			     "    type filter hook input priority filter; policy accept;\n");
	for (at = networks; at; at = at->next)
		add_input(rules, at);
	strbuf_append(rules, "  }\n  chain forward {\n"
			     "    type filter hook forward priority filter; policy accept;\n");
	for (at = networks; at; at = at->next)
		add_forward(rules, at);
	strbuf_append(rules, "  }\n}\n");
}

static int replace(struct networks *networks, bool present, struct error **error)
{
	cleanup_strbuf struct strbuf rules = {0};
	const char *table = networks->server->paths.cgroup;
	/* Added first, so that the removal succeeds also where there was none. */
	strbuf_printf(&rules, "add table inet %s\ndelete table inet %s\n", table, table);
	if (present) {
		write_table(&rules, table, networks->first);
		dnat_write_elements(&rules, networks);
	}
	int result = nftables_run(rules.text, error);
	free(networks->rules);
	cleanup_free char *what = memory_printf("table inet %s", table);
	networks->rules = present && result == 0 ? nftables_list(what, false) : NULL;
	return result;
}

int firewall_apply(struct networks *networks, struct error **error)
{
	if (replace(networks, networks->first || networks->dnat, error) < 0)
		return -1;
	neighbours_admit(networks);
	return acls_write(networks, error);
}

void firewall_remove(struct networks *networks)
{
	if (networks->rules)
		replace(networks, false, NULL);
}
