/* See acl_state.h: what a NIC has in the sets and maps of the tables (acl_tables.c). */
#include "network/acl_state.h"

#include <stdarg.h>
#include <stdio.h>

#include "links.h"
#include "network/acl.h"
#include "network/addresses.h"
#include "network/manager.h"

struct elements {
	struct networks *networks;
	struct strbuf *text;
	const char *verb;
};

static void element(const struct elements *out, const char *family, const char *set,
		    const char *format, ...) __attribute__((format(printf, 4, 5)));

static void element(const struct elements *out, const char *family, const char *set,
		    const char *format, ...)
{
	char value[160];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(value, sizeof(value), format, arguments);
	va_end(arguments);
	strbuf_printf(out->text, "%s element %s %s %s { %s }\n", out->verb, family,
		      out->networks->acls->table, set, value);
}

/* By which the host serves the NIC's network. */
static void write_servers(const struct elements *out, const char *name,
			  const struct network *network)
{
	char text[ADDRESS_TEXT], hwaddr[LINK_ADDRESS_TEXT];
	uint8_t mac[LINK_ADDRESS_SIZE];
	struct subnet link = {{AF_INET6, {0xfe, 0x80}}, 64};
	bridge_hwaddr(network, mac);
	link_address_format(mac, hwaddr);
	element(out, "bridge", "bridges", "\"%s\" : %s", name, hwaddr);
	struct address local = subnet_eui64(&link, mac);
	address_format(&local, text);
	element(out, "bridge", "servers6", "\"%s\" . %s", name, text);
	if (network->ipv6.address.family) {
		address_format(&network->ipv6.address, text);
		element(out, "bridge", "servers6", "\"%s\" . %s", name, text);
	}
	if (network->ipv4.address.family) {
		address_format(&network->ipv4.address, text);
		element(out, "bridge", "servers4", "\"%s\" . %s", name, text);
	}
}

static void write_by_address(const struct elements *out, const json_t *nic,
			     const struct network *network, const char *chain)
{
	const char *name = nic_value(nic, "host_name"), *ipv4 = nic_value(nic, "ipv4");
	struct address addresses[NIC_IPV6_MAX];
	char text[ADDRESS_TEXT];
	int count = nic_ipv6_addresses(nic, network, addresses);
	if (ipv4) {
		element(out, "bridge", "own4", "\"%s\" . %s", name, ipv4);
		element(out, "inet", "in4", "%s : goto %s", ipv4, chain);
	}
	for (int i = 0; i < count; i++) {
		address_format(&addresses[i], text);
		element(out, "bridge", "own6", "\"%s\" . %s", name, text);
		element(out, "inet", "in6", "%s : goto %s", text, chain);
	}
}

static void write_nic(const struct elements *out, const json_t *nic, const struct network *network)
{
	const json_t *acls = json_object_get(nic, "acls");
	const char *name = nic_value(nic, "host_name"), *mac = nic_value(nic, "hwaddr");
	const char *in = acls_chain(out->networks->acls, acls, "ingress");
	const char *leaving = acls_chain(out->networks->acls, acls, "egress");
	uint8_t bridge[LINK_ADDRESS_SIZE];
	char hwaddr[LINK_ADDRESS_TEXT];
	if (!network || !in || !leaving)
		return;
	bridge_hwaddr(network, bridge);
	link_address_format(bridge, hwaddr);
	element(out, "bridge", "ports", "\"%s\"", name);
	element(out, "bridge", "own", "\"%s\" . %s", name, mac);
	element(out, "bridge", "ingress", "\"%s\" : goto %s", name, in);
	element(out, "bridge", "egress", "\"%s\" : goto %s", name, leaving);
	element(out, "bridge", "by_mac", "%s : goto %s", mac, in);
	element(out, "inet", "macs", "%s", mac);
	element(out, "bridge", "bridges_by_mac", "%s : %s", mac, hwaddr);
	write_servers(out, name, network);
	write_by_address(out, nic, network, in);
}

/* Into the sets of those ACLs that rules name. */
static void write_member(const struct elements *out, const json_t *nic,
			 const struct network *network, const char *acl)
{
	const struct acls *acls = out->networks->acls;
	const json_t *row = json_object_get(acls->rows, acl);
	long long id = (long long)json_integer_value(json_object_get(row, "id"));
	const char *ipv4 = nic_value(nic, "ipv4");
	struct address addresses[NIC_IPV6_MAX];
	char set[32], text[ADDRESS_TEXT];
	int count = nic_ipv6_addresses(nic, network, addresses);
	if (!json_object_get(acls->subjects, acl))
		return;
	for (int family = 0; family < 2; family++) {
		const char *table = family ? "bridge" : "inet";
		if (!(family ? acls->bridge : acls->inet))
			continue;
		snprintf(set, sizeof(set), "m%lld_4", id);
		if (ipv4)
			element(out, table, set, "%s", ipv4);
		snprintf(set, sizeof(set), "m%lld_6", id);
		for (int i = 0; i < count; i++) {
			address_format(&addresses[i], text);
			element(out, table, set, "%s", text);
		}
	}
}

json_t *acls_memberships(const json_t *nic, const struct network *network)
{
	const char *list = network ? network_config_get(network->config, "security.acls") : NULL;
	json_t *all = acl_list_split(list), *once = json_object();
	size_t i;
	const json_t *name;
	json_array_extend(all, json_object_get(json_object_get(nic, "acls"), "names"));
	json_array_foreach (all, i, name)
		json_object_set_new(once, json_string_value(name), json_true());
	json_decref(all);
	return once;
}

void acls_write_elements(struct networks *networks, struct strbuf *text, const char *verb,
			 const json_t *nics)
{
	struct elements out = {networks, text, verb};
	size_t i;
	const json_t *nic;
	json_array_foreach (nics, i, nic) {
		const struct network *network = acls_network(networks, nic);
		json_t *names = acls_memberships(nic, network);
		const char *name;
		json_t *value;
		if (json_object_get(nic, "acls"))
			write_nic(&out, nic, network);
		json_object_foreach (names, name, value)
			write_member(&out, nic, network, name);
		json_decref(names);
	}
}
