/*
 * What a NIC may send, as the table of nftables in the family bridge: the rules
 * are always the same few, and sets say for which NICs and with which addresses,
 * so that a packet costs the same with one instance or with thousands. The
 * elements are named by the host's ends, which a reboot from inside keeps.
 *
 * security.mac_filtering: frames with its own MAC address only. ipv4_filtering and
 * ipv6_filtering: its own addresses only, in ARP and neighbour advertisements too;
 * no DHCP server, no router advertisement, and no DHCP for others. limits.egress: what is faster is dropped.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "links.h"
#include "log.h"
#include "memory.h"
#include "network/addresses.h"
#include "network/manager.h"
#include "network/nftables.h"
#include "server.h"
#include "strbuf.h"

/*
 * icmpv6 taddr, which nft 1.0.6 does not know, is the 16 bytes behind the first 8. A DHCP client's MAC
 * address is 28 bytes behind the 8 of UDP (RFC 2131, section 2): else one could take all addresses.
 */
static const char rules[] =
	"  set only_macs { type ifname; }\n"
	"  set only_v4 { type ifname; }\n"
	"  set only_v6 { type ifname; }\n"
	"  set macs { type ifname . ether_addr; }\n"
	"  set v4 { type ifname . ipv4_addr; }\n"
	"  set v6 { type ifname . ipv6_addr; }\n"
	"  set routes4 { type ifname . ipv4_addr; flags interval; }\n"
	"  set routes6 { type ifname . ipv6_addr; flags interval; }\n"
	"  set targets { typeof iifname . @th,64,128; }\n"
	"  set clients { typeof iifname . @th,288,48; }\n"
	"  map limits { type ifname : limit; }\n"
	"  map priorities { type ifname : classid; }\n"
	"  chain prerouting {\n"
	"    type filter hook prerouting priority -300; policy accept;\n"
	"    iifname @only_macs iifname . ether saddr != @macs drop\n"
	"    iifname @only_v4 jump ipv4\n"
	"    iifname @only_v6 jump ipv6\n"
	"    limit name iifname map @limits drop\n"
	"    meta priority set iifname map @priorities\n"
	"  }\n"
	"  chain ipv4 {\n"
	"    ether type arp iifname . arp saddr ether != @macs drop\n"
	"    ether type arp arp saddr ip 0.0.0.0 return\n"
	"    ether type arp iifname . arp saddr ip != @v4 drop\n"
	"    ether type ip udp sport 67 drop\n"
	"    ether type ip udp dport 67 iifname . @th,288,48 != @clients drop\n"
	"    ether type ip ip saddr 0.0.0.0 udp sport 68 udp dport 67 return\n"
	"    ether type ip iifname . ip saddr != @v4 iifname . ip saddr != @routes4 drop\n"
	"  }\n"
	"  chain ipv6 {\n"
	"    ether type ip6 icmpv6 type nd-router-advert drop\n"
	"    ether type ip6 udp sport 547 drop\n"
	"    ether type ip6 ip6 saddr :: icmpv6 type { nd-neighbor-solicit, nd-router-solicit, "
	"mld2-listener-report } return\n"
	"    ether type ip6 iifname . ip6 saddr != @v6 iifname . ip6 saddr != @routes6 drop\n"
	"    ether type ip6 icmpv6 type nd-neighbor-advert iifname . @th,64,128 != @targets drop\n"
	"  }\n";

struct writing {
	struct strbuf *text;
	const char *table, *verb; /* "add", "delete" */
};

static void write_element(const struct writing *writing, const char *set, const char *element)
{
	strbuf_printf(writing->text, "%s element bridge %s %s { %s }\n", writing->verb,
		      writing->table, set, element);
}

static void write_ipv6(const struct writing *writing, const char *name,
		       const struct address *address)
{
	char text[ADDRESS_TEXT];
	cleanup_strbuf struct strbuf element = {0};
	address_format(address, text);
	strbuf_printf(&element, "\"%s\" . %s", name, text);
	write_element(writing, "v6", element.text);
	strbuf_clear(&element);
	strbuf_printf(&element, "\"%s\" . 0x", name);
	for (int i = 0; i < 16; i++)
		strbuf_printf(&element, "%02x", address->bytes[i]);
	write_element(writing, "targets", element.text);
}

static void write_ipv6_all(const struct writing *writing, const struct network *network,
			   const json_t *nic, const char *name)
{
	struct address addresses[NIC_IPV6_MAX];
	int count = nic_ipv6_addresses(nic, network, addresses);
	for (int i = 0; i < count; i++)
		write_ipv6(writing, name, &addresses[i]);
}

/* Asks DHCP for itself alone. */
static void write_client(const struct writing *writing, const json_t *nic, const char *name)
{
	uint8_t mac[LINK_ADDRESS_SIZE];
	if (!link_address_parse(nic_value(nic, "hwaddr"), mac))
		return;
	cleanup_free char *element = memory_printf("\"%s\" . 0x%02x%02x%02x%02x%02x%02x", name,
						   mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
	write_element(writing, "clients", element);
}

static void write_limit(const struct writing *writing, const json_t *nic, const char *name)
{
	json_int_t rate = json_integer_value(json_object_get(nic, "egress"));
	cleanup_free char *element = memory_printf("\"%s\" : \"%s\"", name, name);
	bool adding = strcmp(writing->verb, "add") == 0;
	if (rate <= 0)
		return;
	/* A tenth of a second may come at once, and at least what one large packet needs. */
	json_int_t burst = rate / 10 < 131072 ? 131072 : rate / 10;
	if (adding)
		strbuf_printf(writing->text,
			      "add limit bridge %s %s { rate over %lld bytes/second burst %lld "
			      "bytes; }\n",
			      writing->table, name, (long long)rate, (long long)burst);
	write_element(writing, "limits", element);
	if (!adding)
		strbuf_printf(writing->text, "delete limit bridge %s %s\n", writing->table, name);
}

/* Addresses behind it, which it may use too. */
static void write_routes(const struct writing *writing, const json_t *nic, const char *name)
{
	size_t i;
	const json_t *text;
	json_array_foreach (json_object_get(nic, "routes"), i, text) {
		const char *subnet = json_string_value(text);
		cleanup_free char *element = memory_printf("\"%s\" . %s", name, subnet);
		bool ipv6 = strchr(subnet, ':');
		if (json_object_get(nic, ipv6 ? "ipv6_filter" : "ipv4_filter"))
			write_element(writing, ipv6 ? "routes6" : "routes4", element);
	}
}

static void write_priority(const struct writing *writing, const json_t *nic, const char *name)
{
	const json_t *priority = json_object_get(nic, "priority");
	cleanup_free char *element = memory_printf(
		"\"%s\" : 0:%llx", name, (unsigned long long)json_integer_value(priority));
	if (priority)
		write_element(writing, "priorities", element);
}

static bool is_on(const json_t *nic, const char *key)
{
	return json_is_true(json_object_get(nic, key));
}

static bool is_filtered(const json_t *nic)
{
	return is_on(nic, "mac_filter") || json_object_get(nic, "egress") ||
	       json_object_get(nic, "priority");
}

static void write_nic(const struct writing *writing, struct networks *networks, const json_t *nic)
{
	const char *name = nic_value(nic, "host_name"), *in = nic_value(nic, "network");
	cleanup_free char *quoted = memory_printf("\"%s\"", name);
	cleanup_free char *mac = memory_printf("\"%s\" . %s", name, nic_value(nic, "hwaddr"));
	cleanup_free char *ipv4 =
		nic_value(nic, "ipv4") ? memory_printf("\"%s\" . %s", name, nic_value(nic, "ipv4"))
				       : NULL;
	if (is_on(nic, "mac_filter")) {
		write_element(writing, "macs", mac);
		write_element(writing, "only_macs", quoted);
	}
	if (is_on(nic, "ipv4_filter")) {
		write_client(writing, nic, name);
		if (ipv4)
			write_element(writing, "v4", ipv4);
		write_element(writing, "only_v4", quoted);
	}
	if (is_on(nic, "ipv6_filter")) {
		write_ipv6_all(writing, in ? *networks_place(networks, in) : NULL, nic, name);
		write_element(writing, "only_v6", quoted);
	}
	write_routes(writing, nic, name);
	write_limit(writing, nic, name);
	write_priority(writing, nic, name);
}

int filters_write(struct networks *networks, struct error **error)
{
	const char *table = networks->server->paths.cgroup, *uuid;
	cleanup_strbuf struct strbuf text = {0};
	struct writing writing = {&text, table, "add"};
	json_t *nics;
	const json_t *nic;
	size_t i;
	bool any = false;
	strbuf_printf(&text,
		      "add table bridge %s\ndelete table bridge %s\ntable bridge %s {\n%s}\n",
		      table, table, table, rules);
	json_object_foreach (networks->running, uuid, nics)
		json_array_foreach (nics, i, nic)
			if (is_filtered(nic)) {
				write_nic(&writing, networks, nic);
				any = true;
			}
	if (!any) { /* a table that a daemon before us has left is not needed either */
		filters_end(networks);
		return 0;
	}
	networks->filtering = nftables_run(text.text, error) == 0;
	free(networks->filter_rules);
	cleanup_free char *what = memory_printf("table bridge %s", table);
	networks->filter_rules = networks->filtering ? nftables_list(what, false) : NULL;
	return networks->filtering ? 0 : -1;
}

/* The elements of one instance alone; the table as a whole where that does not work. */
static int change(struct networks *networks, const json_t *nics, const char *verb,
		  struct error **error)
{
	cleanup_strbuf struct strbuf text = {0};
	struct writing writing = {&text, networks->server->paths.cgroup, verb};
	const json_t *nic;
	size_t i;
	json_array_foreach (nics, i, nic)
		if (is_filtered(nic))
			write_nic(&writing, networks, nic);
	if (text.length == 0)
		return 0;
	if (networks->filtering && nftables_run(text.text, NULL) == 0)
		return 0;
	return filters_write(networks, error);
}

int filters_add(struct networks *networks, const char *uuid, const json_t *nics,
		struct error **error)
{
	json_object_set_new(networks->running, uuid, json_deep_copy(nics));
	if (change(networks, nics, "add", error) == 0)
		return 0;
	json_object_del(networks->running, uuid);
	return -1;
}

void filters_remove(struct networks *networks, const char *uuid)
{
	cleanup_error struct error *error = NULL;
	json_t *nics = json_incref(json_object_get(networks->running, uuid));
	json_object_del(networks->running, uuid);
	if (nics && change(networks, nics, "delete", &error) < 0)
		log_event(LOG_LEVEL_WARNING, NULL, "filters of NICs: %s", error_message(error));
	json_decref(nics);
}

void filters_end(struct networks *networks)
{
	const char *table = networks->server->paths.cgroup;
	cleanup_free char *text =
		memory_printf("add table bridge %s\ndelete table bridge %s\n", table, table);
	nftables_run(text, NULL);
	networks->filtering = false;
}
