/*
 * DNAT (dnat.h) as maps of nftables: the rules are always the same few, so that a
 * packet costs the same with one forward or with thousands. One port leads to one by
 * a hash; a range that keeps its numbers is one element of an interval map.
 *
 * An instance that uses the address gets its answer from another of the same bridge
 * directly, where nobody translates it back: such connections get the host's address.
 */
#include "network/dnat.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "file.h"
#include "log.h"
#include "memory.h"
#include "network/manager.h"
#include "network/nftables.h"
#include "network/nic.h"
#include "runtime/nics.h"
#include "server.h"

struct dnat_owner {
	struct dnat_owner *next;
	char *name;
	struct dnat *entries;
	size_t count;
};

/* The hook output takes no name for its priority before nft 1.0.7. */
static const char chains[] =
	"  map dnat_ports4 { type inet_proto . ipv4_addr . inet_service : ipv4_addr . "
	"inet_service; }\n"
	"  map dnat_ports6 { type inet_proto . ipv6_addr . inet_service : ipv6_addr . "
	"inet_service; }\n"
	"  map dnat_ranges4 { type inet_proto . ipv4_addr . inet_service : ipv4_addr; flags "
	"interval; }\n"
	"  map dnat_ranges6 { type inet_proto . ipv6_addr . inet_service : ipv6_addr; flags "
	"interval; }\n"
	"  map dnat_whole4 { type ipv4_addr : ipv4_addr; }\n"
	"  map dnat_whole6 { type ipv6_addr : ipv6_addr; }\n"
	"  set same4 { type ipv4_addr . ipv4_addr; flags interval; }\n"
	"  set same6 { type ipv6_addr . ipv6_addr; flags interval; }\n"
	"  chain translate {\n"
	"    meta l4proto { tcp, udp } dnat ip to meta l4proto . ip daddr . th dport map "
	"@dnat_ports4\n"
	"    meta l4proto { tcp, udp } dnat ip6 to meta l4proto . ip6 daddr . th dport map "
	"@dnat_ports6\n"
	"    meta l4proto { tcp, udp } dnat ip to meta l4proto . ip daddr . th dport map "
	"@dnat_ranges4\n"
	"    meta l4proto { tcp, udp } dnat ip6 to meta l4proto . ip6 daddr . th dport map "
	"@dnat_ranges6\n"
	"    dnat ip to ip daddr map @dnat_whole4\n"
	"    dnat ip6 to ip6 daddr map @dnat_whole6\n"
	"  }\n"
	"  chain prerouting {\n"
	"    type nat hook prerouting priority dstnat; policy accept;\n"
	"    jump translate\n"
	"  }\n"
	"  chain output {\n"
	"    type nat hook output priority -100; policy accept;\n"
	"    jump translate\n"
	"  }\n";

void dnat_write_chains(struct strbuf *rules)
{
	strbuf_append(rules, chains);
}

void dnat_write_postrouting(struct strbuf *rules)
{
	strbuf_append(rules, "    ct status dnat ip saddr . ip daddr @same4 masquerade\n"
			     "    ct status dnat ip6 saddr . ip6 daddr @same6 masquerade\n");
}

/* ---- elements ---- */

struct writing {
	struct strbuf *text;
	const char *table;
	bool adding; /* else deleting: keys alone */
};

static unsigned number_of(const struct dnat *entry)
{
	return (unsigned)(entry->listen_last - entry->listen_first) + 1;
}

static void begin(const struct writing *writing, const char *map, const struct address *address)
{
	strbuf_printf(writing->text, "%s element inet %s %s%c { ",
		      writing->adding ? "add" : "delete", writing->table, map,
		      address->family == AF_INET6 ? '6' : '4');
}

static void write_ports(const struct writing *writing, const struct dnat *entry,
			const char *protocol, const char *listen, const char *target)
{
	bool one = entry->target_first == entry->target_last;
	begin(writing, "dnat_ports", &entry->listen);
	for (unsigned i = 0; i < number_of(entry); i++) {
		strbuf_printf(writing->text, "%s%s . %s . %u", i ? ", " : "", protocol, listen,
			      entry->listen_first + i);
		if (writing->adding)
			strbuf_printf(writing->text, " : %s . %u", target,
				      entry->target_first + (one ? 0 : i));
	}
	strbuf_append(writing->text, " }\n");
}

static void write_entry(const struct writing *writing, const struct dnat *entry)
{
	const char *protocol = entry->protocol == IPPROTO_TCP ? "tcp" : "udp";
	char listen[ADDRESS_TEXT], target[ADDRESS_TEXT];
	address_format(&entry->listen, listen);
	address_format(&entry->target, target);
	bool kept = entry->listen_first == entry->target_first &&
		    entry->listen_last == entry->target_last;
	if (entry->protocol && (!kept || number_of(entry) == 1)) {
		write_ports(writing, entry, protocol, listen, target);
		return;
	}
	begin(writing, entry->protocol ? "dnat_ranges" : "dnat_whole", &entry->listen);
	if (entry->protocol)
		strbuf_printf(writing->text, "%s . %s . %u-%u", protocol, listen,
			      entry->listen_first, entry->listen_last);
	else
		strbuf_append(writing->text, listen);
	if (writing->adding)
		strbuf_printf(writing->text, " : %s", target);
	strbuf_append(writing->text, " }\n");
}

static void write_entries(const struct writing *writing, const struct dnat *entries, size_t count)
{
	for (size_t i = 0; i < count; i++)
		write_entry(writing, &entries[i]);
}

static void write_subnet(const struct writing *writing, const struct subnet *subnet)
{
	char text[SUBNET_TEXT];
	if (!subnet->address.family)
		return;
	subnet_format_network(subnet, text);
	begin(writing, "same", &subnet->address);
	strbuf_printf(writing->text, "%s . %s }\n", text, text);
}

void dnat_write_elements(struct strbuf *rules, const struct networks *networks)
{
	struct writing writing = {rules, networks->server->paths.cgroup, true};
	for (const struct network *at = networks->first; at; at = at->next) {
		write_subnet(&writing, &at->ipv4);
		write_subnet(&writing, &at->ipv6);
	}
	for (const struct dnat_owner *at = networks->dnat; at; at = at->next)
		write_entries(&writing, at->entries, at->count);
}

/* ---- owners ---- */

static struct dnat_owner **find(struct networks *networks, const char *name)
{
	struct dnat_owner **at = &networks->dnat;
	while (*at && strcmp((*at)->name, name) != 0)
		at = &(*at)->next;
	return at;
}

static void owner_free(struct dnat_owner *owner)
{
	if (!owner)
		return;
	free(owner->name);
	free(owner->entries);
	free(owner);
}

static struct dnat_owner *take_out(struct networks *networks, const char *name)
{
	struct dnat_owner **place = find(networks, name), *owner = *place;
	if (owner)
		*place = owner->next;
	return owner;
}

void dnat_note(struct networks *networks, const char *name, const struct dnat *entries,
	       size_t count)
{
	owner_free(take_out(networks, name));
	if (count == 0)
		return;
	struct dnat_owner *owner = memory_alloc(sizeof(*owner));
	*owner = (struct dnat_owner){networks->dnat, memory_strdup(name),
				     memory_alloc(count * sizeof(*entries)), count};
	memcpy(owner->entries, entries, count * sizeof(*entries));
	networks->dnat = owner;
}

static bool overlap(const struct dnat *one, const struct dnat *other)
{
	return one->protocol == other->protocol && address_equal(&one->listen, &other->listen) &&
	       one->listen_first <= other->listen_last && other->listen_first <= one->listen_last;
}

static int fail_taken(const struct dnat *entry, const char *owner, struct error **error)
{
	char listen[ADDRESS_TEXT];
	address_format(&entry->listen, listen);
	if (!entry->protocol)
		return error_set(error, ERROR_EXISTS, "the address %s is taken by %s", listen,
				 owner);
	return error_set(error, ERROR_EXISTS, "port %u of %s (%s) is taken by %s",
			 entry->listen_first, listen,
			 entry->protocol == IPPROTO_TCP ? "tcp" : "udp", owner);
}

static int check_entry(const struct dnat *entry, const struct dnat *others, size_t count,
		       const char *owner, struct error **error)
{
	for (size_t i = 0; i < count; i++)
		if (overlap(entry, &others[i]))
			return fail_taken(others[i].listen_first > entry->listen_first ? &others[i]
										       : entry,
					  owner, error);
	return 0;
}

int dnat_check(const struct networks *networks, const char *owner, const struct dnat *entries,
	       size_t count, struct error **error)
{
	for (size_t i = 0; i < count; i++) {
		if (check_entry(&entries[i], entries, i, owner, error) < 0)
			return -1;
		for (const struct dnat_owner *at = networks->dnat; at; at = at->next)
			if (strcmp(at->name, owner) != 0 &&
			    check_entry(&entries[i], at->entries, at->count, at->name, error) < 0)
				return -1;
	}
	return 0;
}

/* ---- ports of the bridge that packets go back into ---- */

static bool filters_bridged(void)
{
	return file_read_number_at(AT_FDCWD, "/proc/sys/net/bridge/bridge-nf-call-iptables", 0) >
		       0 ||
	       file_read_number_at(AT_FDCWD, "/proc/sys/net/bridge/bridge-nf-call-ip6tables", 0) >
		       0;
}

static bool leads_to(const struct networks *networks, const char *text)
{
	struct address address;
	if (!address_parse(AF_UNSPEC, text, &address))
		return false;
	for (const struct dnat_owner *at = networks->dnat; at; at = at->next)
		for (size_t i = 0; i < at->count; i++)
			if (address_equal(&at->entries[i].target, &address))
				return true;
	return false;
}

/* True when it was none before. */
static bool mark_hairpin(const struct networks *networks, json_t *nic)
{
	struct nic_addresses addresses;
	if (json_object_get(nic, "hairpin") || !nic_addresses(networks, nic, &addresses) ||
	    (!leads_to(networks, addresses.ipv4) && !leads_to(networks, addresses.ipv6)))
		return false;
	json_object_set_new(nic, "hairpin", json_true());
	return true;
}

void dnat_mark_hairpins(const struct networks *networks, json_t *nics)
{
	size_t i;
	json_t *nic;
	if (networks->dnat && filters_bridged())
		json_array_foreach (nics, i, nic)
			mark_hairpin(networks, nic);
}

static void adjust_running(struct networks *networks)
{
	const char *uuid;
	json_t *nics, *nic;
	size_t i;
	if (!networks->dnat || !filters_bridged())
		return;
	json_object_foreach (networks->running, uuid, nics)
		json_array_foreach (nics, i, nic)
			if (mark_hairpin(networks, nic))
				nics_adjust(nic, NULL);
}

/* ---- changes ---- */

/* The elements that change alone; the table as a whole where that does not work. */
static int apply(struct networks *networks, const struct dnat_owner *old, const struct dnat *new,
		 size_t count, struct error **error)
{
	cleanup_strbuf struct strbuf text = {0};
	struct writing writing = {&text, networks->server->paths.cgroup, false};
	if (old)
		write_entries(&writing, old->entries, old->count);
	writing.adding = true;
	write_entries(&writing, new, count);
	if (networks->rules && (text.length == 0 || nftables_run(text.text, NULL) == 0))
		return 0;
	return firewall_apply(networks, error);
}

int dnat_set(struct networks *networks, const char *name, const struct dnat *entries, size_t count,
	     struct error **error)
{
	if (dnat_check(networks, name, entries, count, error) < 0)
		return -1;
	struct dnat_owner *old = take_out(networks, name);
	dnat_note(networks, name, entries, count);
	if (apply(networks, old, entries, count, error) == 0) {
		adjust_running(networks);
		owner_free(old);
		return 0;
	}
	owner_free(take_out(networks, name));
	if (old) {
		old->next = networks->dnat;
		networks->dnat = old;
	}
	firewall_apply(networks, NULL);
	return -1;
}

int dnat_add(struct networks *networks, const char *name, const struct dnat *entry,
	     struct error **error)
{
	const struct dnat_owner *owner = *find(networks, name);
	size_t count = owner ? owner->count : 0;
	cleanup_free struct dnat *entries = memory_alloc((count + 1) * sizeof(*entries));
	if (owner)
		memcpy(entries, owner->entries, count * sizeof(*entries));
	entries[count] = *entry;
	return dnat_set(networks, name, entries, count + 1, error);
}

void dnat_remove(struct networks *networks, const char *name)
{
	cleanup_error struct error *error = NULL;
	struct dnat_owner *owner = take_out(networks, name);
	if (owner && apply(networks, owner, NULL, 0, &error) < 0)
		log_event(LOG_LEVEL_WARNING, NULL, "%s: %s", name, error_message(error));
	owner_free(owner);
}

void dnat_free(struct networks *networks)
{
	while (networks->dnat) {
		struct dnat_owner *owner = networks->dnat;
		networks->dnat = owner->next;
		owner_free(owner);
	}
}
