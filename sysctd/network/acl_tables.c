/*
 * See acl_tables.h. The family bridge has connection tracking only with the module
 * nf_conntrack_bridge, and "reject" only with another and not where the port that a frame
 * leaves by is known. So that every kernel does the same, neither is used:
 *
 * - What was let through is remembered in sets whose elements time out: who opened
 *   what ("opened"), what was answered ("answered": TCP until its end), echo requests, first
 *   fragments, and who speaks with whom, for errors by ICMP. The answer passes. They
 *   survive a change of the rules, as connections do elsewhere.
 * - A frame that is to be rejected gets a mark and the MAC address of the bridge, so that it
 *   comes to the host's IP, which answers it in the family inet.
 *
 * Each packet is judged once a direction: what a NIC sends by its port, at prerouting; what
 * comes from neighbours by its MAC address, there too, since only there a frame can still be
 * turned; what the host or the outside sends by its IP address in the family inet. What bears
 * another address is judged by the port it goes to ("forward", "output"), where reject is drop.
 */
#include "network/acl_tables.h"

#include <string.h>

#include "cleanup.h"
#include "memory.h"
#include "network/acl_rules.h"

/* Sets of what is known of connections, which a new set of rules goes on with. */
static const char state[] =
	"  set opened4 { typeof ip saddr . ip daddr . meta l4proto . th sport . th dport; "
	"flags dynamic,timeout; size 262144; timeout 2m; }\n"
	"  set opened6 { typeof ip6 saddr . ip6 daddr . meta l4proto . th sport . th dport; "
	"flags dynamic,timeout; size 262144; timeout 2m; }\n"
	"  set answered4 { typeof ip saddr . ip daddr . meta l4proto . th sport . th dport; "
	"flags dynamic,timeout; size 262144; timeout 1d; }\n"
	"  set answered6 { typeof ip6 saddr . ip6 daddr . meta l4proto . th sport . th dport; "
	"flags dynamic,timeout; size 262144; timeout 1d; }\n"
	"  set echo4 { typeof ip saddr . ip daddr . icmp id; flags dynamic,timeout; size 65536; "
	"timeout 30s; }\n"
	"  set echo6 { typeof ip6 saddr . ip6 daddr . icmpv6 id; flags dynamic,timeout; size "
	"65536; "
	"timeout 30s; }\n"
	"  set other4 { typeof ip saddr . ip daddr . meta l4proto; flags dynamic,timeout; size "
	"65536; "
	"timeout 10m; }\n"
	"  set other6 { typeof ip6 saddr . ip6 daddr . meta l4proto; flags dynamic,timeout; "
	"size 65536; timeout 10m; }\n"
	"  set pieces4 { typeof ip saddr . ip daddr . ip protocol . ip id; flags dynamic,timeout; "
	"size 65536; timeout 30s; }\n"
	"  set pieces6 { typeof ip6 saddr . ip6 daddr . frag id; flags dynamic,timeout; size "
	"65536; "
	"timeout 30s; }\n"
	"  set pairs4 { typeof @nh,96,32 . @nh,128,32; flags dynamic,timeout; size 65536; "
	"timeout 10m; }\n"
	"  set pairs6 { typeof @nh,64,128 . @nh,192,128; flags dynamic,timeout; size 65536; "
	"timeout 10m; }\n"
	"  set fresh { type ifname; flags dynamic,timeout; size 65536; timeout 1m; }\n"
	"  set split { type ifname; flags dynamic,timeout; size 65536; timeout 1m; }\n";

static const char *const state_sets[] = {"opened4", "opened6", "answered4", "answered6", "echo4",
					 "echo6",   "other4",  "other6",    "pieces4",	 "pieces6",
					 "pairs4",  "pairs6",  "fresh",	    "split"};

/* By host's end, MAC address and IP address of the NICs that have ACLs. */
static const char elements[] = "  set ports { type ifname; }\n"
			       "  set own { type ifname . ether_addr; }\n"
			       "  set own4 { type ifname . ipv4_addr; }\n"
			       "  set own6 { type ifname . ipv6_addr; }\n"
			       "  set servers4 { type ifname . ipv4_addr; }\n"
			       "  set servers6 { type ifname . ipv6_addr; }\n"
			       "  map egress { type ifname : verdict; }\n"
			       "  map ingress { type ifname : verdict; }\n"
			       "  map by_mac { type ether_addr : verdict; }\n"
			       "  map bridges { type ifname : ether_addr; }\n"
			       "  map bridges_by_mac { type ether_addr : ether_addr; }\n";

#define IP4 "meta protocol ip "
#define IP6 "meta protocol ip6 "
#define TU  "meta l4proto { 6, 17 } "
#define K4  "ip saddr . ip daddr . meta l4proto . th sport . th dport"
#define R4  "ip daddr . ip saddr . meta l4proto . th dport . th sport"
#define K6  "ip6 saddr . ip6 daddr . meta l4proto . th sport . th dport"
#define R6  "ip6 daddr . ip6 saddr . meta l4proto . th dport . th sport"
#define F4  "ip saddr . ip daddr . ip protocol . ip id"
#define F6  "ip6 saddr . ip6 daddr . frag id"
#define RST "meta l4proto 6 tcp flags & rst == rst "
#define END "meta l4proto 6 tcp flags & (fin | rst) != 0 "

/* Answers, later fragments, errors about what was sent (the head that they quote). */
static const char known[] =
	"  chain known {\n"
	"    meta protocol arp accept\n"
	"    " IP4 "ip frag-off & 0x1fff != 0 " F4 " @pieces4 accept\n"
	"    " IP6 "frag frag-off != 0 " F6 " @pieces6 accept\n"
	"    " IP4 TU R4 " @answered4 accept\n"
	"    " IP4 TU R4 " @opened4 accept\n"
	"    " IP6 TU R6 " @answered6 accept\n"
	"    " IP6 TU R6 " @opened6 accept\n"
	"    " IP4 "icmp type 0 ip daddr . ip saddr . icmp id @echo4 accept\n"
	"    " IP6 "icmpv6 type 129 ip6 daddr . ip6 saddr . icmpv6 id @echo6 accept\n"
	"    " IP4 "icmp type { 3, 11, 12 } @th,160,32 . @th,192,32 @pairs4 accept\n"
	"    " IP6 "icmpv6 type { 1, 2, 3, 4 } @th,128,128 . @th,256,128 @pairs6 accept\n"
	"    " IP4
	"meta l4proto != { 1, 6, 17 } ip daddr . ip saddr . meta l4proto @other4 accept\n"
	"    " IP6
	"meta l4proto != { 6, 17, 58 } ip6 daddr . ip6 saddr . meta l4proto @other6 accept\n"
	"  }\n";

/* "fresh" and "split" keep one NIC from filling the sets for all. */
#define NOT_TOO_FAST(set)                                                                          \
	"update @" set " { iifname limit rate over 2000/second burst 8000 packets } return\n"

static const char record[] =
	"  chain record {\n"
	"    " IP4 "ip frag-off & 0x3fff == 0x2000 jump piece\n"
	"    " IP6 "frag frag-off 0 frag more-fragments 1 jump piece\n"
	"    " IP4 END "delete @answered4 { " R4 " }\n"
	"    " IP4 END "delete @answered4 { " K4 " }\n"
	"    " IP6 END "delete @answered6 { " R6 " }\n"
	"    " IP6 END "delete @answered6 { " K6 " }\n"
	"    " IP4 TU R4 " @answered4 update @answered4 { " R4 " } return\n"
	"    " IP6 TU R6 " @answered6 update @answered6 { " R6 " } return\n"
	"    " IP4 TU R4 " @opened4 goto answer4\n"
	"    " IP6 TU R6 " @opened6 goto answer6\n"
	"    " IP4 TU K4 " @opened4 goto open4\n"
	"    " IP6 TU K6 " @opened6 goto open6\n"
	"    " NOT_TOO_FAST(
		"fresh") "    " IP4 "goto open4\n"
			 "    " IP6 "goto open6\n"
			 "  }\n"
			 "  chain piece {\n"
			 "    " NOT_TOO_FAST(
				 "split") "    " IP4 "update @pieces4 { " F4 " }\n"
					  "    " IP6 "update @pieces6 { " F6 " }\n"
					  "  }\n"
					  "  chain open4 {\n"
					  "    update @pairs4 { @nh,96,32 . @nh,128,32 }\n"
					  "    " TU "update @opened4 { " K4 " } return\n"
					  "    icmp type 8 update @echo4 { ip saddr . ip daddr . "
					  "icmp id } return\n"
					  "    meta l4proto != { 1, 6, 17 } update @other4 { ip "
					  "saddr . ip daddr . meta l4proto }\n"
					  "  }\n"
					  "  chain open6 {\n"
					  "    update @pairs6 { @nh,64,128 . @nh,192,128 }\n"
					  "    " TU "update @opened6 { " K6 " } return\n"
					  "    icmpv6 type 128 update @echo6 { ip6 saddr . ip6 "
					  "daddr . icmpv6 id } return\n"
					  "    meta l4proto != { 6, 17, 58 } update @other6 { ip6 "
					  "saddr . ip6 daddr . meta l4proto }\n"
					  "  }\n"
					  "  chain answer4 {\n"
					  "    meta l4proto 17 update @opened4 { " R4 " }\n"
					  "    meta l4proto 6 tcp flags & (syn | ack) == syn | ack "
					  "update @answered4 { " R4 " }\n"
					  "  }\n"
					  "  chain answer6 {\n"
					  "    meta l4proto 17 update @opened6 { " R6 " }\n"
					  "    meta l4proto 6 tcp flags & (syn | ack) == syn | ack "
					  "update @answered6 { " R6 " }\n"
					  "  }\n";

/* What always works: DHCP, DNS, neighbours and routers, between a NIC and its network's own. */
static const char essentials[] =
	"  chain egress {\n"
	"    " IP4 "ip daddr 255.255.255.255 udp sport 68 udp dport 67 accept\n"
	"    " IP4 "iifname . ip daddr @servers4 udp dport { 53, 67 } accept\n"
	"    " IP4 "iifname . ip daddr @servers4 tcp dport 53 accept\n"
	"    " IP6 "ip6 daddr ff02::1:2 udp sport 546 udp dport 547 accept\n"
	"    " IP6 "iifname . ip6 daddr @servers6 udp dport { 53, 547 } accept\n"
	"    " IP6 "iifname . ip6 daddr @servers6 tcp dport 53 accept\n"
	"    " IP6 "ip6 hoplimit 255 icmpv6 type { 133, 135, 136 } accept\n"
	"    " IP6 "ip6 hoplimit 1 icmpv6 type { 131, 132, 143 } accept\n"
	"  }\n"
	"  chain ingress {\n"
	"    " IP6 "ip6 hoplimit 255 icmpv6 type { 135, 136 } accept\n"
	"    " IP6 "ip6 hoplimit 1 icmpv6 type 130 accept\n"
	"  }\n"
	"  chain from_host {\n"
	"    " IP4 "oifname . ip saddr @servers4 udp sport 67 udp dport 68 accept\n"
	"    " IP6 "oifname . ip6 saddr @servers6 udp sport 547 udp dport 546 accept\n"
	"    " IP6 "oifname . ip6 saddr @servers6 ip6 hoplimit 255 icmpv6 type 134 accept\n"
	"    " IP4 RST "@nh,128,32 . @nh,96,32 @pairs4 accept\n"
	"    " IP6 RST "@nh,192,128 . @nh,64,128 @pairs6 accept\n"
	"  }\n";

/* Tags of VLANs would hide what is inside; a NIC with ACLs has none. */
static const char bridge_hooks[] =
	"  chain refuse {\n"
	"    ether daddr & 01:00:00:00:00:00 == 01:00:00:00:00:00 drop\n"
	"    meta protocol != { 0x0800, 0x86dd } drop\n"
	"    meta mark set " ACL_REFUSED " accept\n"
	"  }\n"
	"  chain sent {\n"
	"    type filter hook prerouting priority -290; policy accept;\n"
	"    iifname @ports ether type { 0x8100, 0x88a8, 0x9100 } drop\n"
	"    iifname vmap @egress\n"
	"  }\n"
	"  chain neighbours {\n"
	"    type filter hook prerouting priority -289; policy accept;\n"
	"    meta mark " ACL_REFUSED " accept\n"
	"    ether daddr vmap @by_mac\n"
	"  }\n"
	"  chain turn {\n"
	"    type filter hook prerouting priority -288; policy accept;\n"
	"    meta mark != " ACL_REFUSED " accept\n"
	"    " IP4 "update @pairs4 { @nh,96,32 . @nh,128,32 }\n"
	"    " IP6 "update @pairs6 { @nh,64,128 . @nh,192,128 }\n"
	"    ether daddr set iifname map @bridges meta pkttype set host accept\n"
	"    ether daddr set ether daddr map @bridges_by_mac meta pkttype set host accept\n"
	"    drop\n"
	"  }\n"
	"  chain through {\n"
	"    type filter hook forward priority -290; policy accept;\n"
	"    oifname . ether daddr @own accept\n"
	"    oifname vmap @ingress\n"
	"  }\n"
	"  chain passed_through {\n"
	"    type filter hook forward priority -289; policy accept;\n"
	"    meta mark " ACL_REFUSED " drop\n"
	"    iifname @ports goto record\n"
	"    oifname @ports goto record\n"
	"  }\n"
	"  chain by_host {\n"
	"    type filter hook output priority -290; policy accept;\n"
	"    oifname @ports jump from_host\n"
	"    oifname . ip daddr @own4 accept\n"
	"    oifname . ip6 daddr @own6 accept\n"
	"    oifname vmap @ingress\n"
	"  }\n"
	"  chain passed_out {\n"
	"    type filter hook output priority -289; policy accept;\n"
	"    meta mark " ACL_REFUSED " drop\n"
	"    oifname @ports goto record\n"
	"  }\n"
	"  chain passed_in {\n"
	"    type filter hook input priority -289; policy accept;\n"
	"    meta mark " ACL_REFUSED " accept\n"
	"    iifname @ports goto record\n"
	"  }\n";

static const char inet[] =
	"  map in4 { type ipv4_addr : verdict; }\n"
	"  map in6 { type ipv6_addr : verdict; }\n"
	"  set macs { type ether_addr; }\n"
	"  chain refuse {\n"
	"    meta l4proto 6 reject with tcp reset\n"
	"    reject\n"
	"  }\n"
	"  chain turned {\n"
	"    type filter hook prerouting priority -310; policy accept;\n"
	"    meta mark " ACL_REFUSED " goto refuse\n"
	"  }\n"
	/* What the host itself must be able to say, the answers of "refuse" among it. */
	"  chain from_host {\n"
	"    udp sport 67 udp dport 68 accept\n"
	"    udp sport 547 udp dport 546 accept\n"
	"    " RST "accept\n"
	"    icmp type { 3, 11, 12 } accept\n"
	"    icmpv6 type { 1, 2, 3, 4, 130, 134, 135, 136 } accept\n"
	"  }\n"
	"  chain to_host {\n"
	"    udp dport { 53, 67, 547 } accept\n"
	"    tcp dport 53 accept\n"
	"    icmpv6 type { 131, 132, 133, 135, 136, 143 } accept\n"
	"  }\n"
	"  chain to_nics {\n"
	"    type filter hook forward priority -1; policy accept;\n"
	/* With br_netfilter, as beside Docker, what the bridge has judged comes here, too. */
	"    ether daddr @macs accept\n"
	"    ip daddr vmap @in4\n"
	"    ip6 daddr vmap @in6\n"
	"  }\n"
	"  chain host_to_nics {\n"
	"    type filter hook output priority -1; policy accept;\n"
	"    jump from_host\n"
	"    ip daddr vmap @in4\n"
	"    ip6 daddr vmap @in6\n"
	"  }\n";

void acl_tables_bridge(struct strbuf *text)
{
	strbuf_append(text, state);
	strbuf_append(text, elements);
	strbuf_append(text, known);
	strbuf_append(text, record);
	strbuf_append(text, essentials);
	strbuf_append(text, bridge_hooks);
}

void acl_tables_inet(struct strbuf *text)
{
	strbuf_append(text, inet);
}

static bool is_state(const char *name)
{
	for (size_t i = 0; i < sizeof(state_sets) / sizeof(state_sets[0]); i++)
		if (strcmp(state_sets[i], name) == 0)
			return true;
	return false;
}

/* One command for each thing of that kind in a listing: "\tchain NAME {". */
static void for_each(struct strbuf *text, const char *verb, const char *kind, const char *table,
		     const char *listing)
{
	cleanup_free char *start = memory_printf("\n\t%s ", kind);
	for (const char *at = listing; (at = strstr(at, start));) {
		at += strlen(start);
		cleanup_free char *name = memory_strndup(at, strcspn(at, " "));
		if (!is_state(name))
			strbuf_printf(text, "%s %s bridge %s %s\n", verb, kind, table, name);
	}
}

void acl_tables_clear(struct strbuf *text, const char *table, const char *listing)
{
	static const char *const kinds[] = {"map", "chain", "set"};
	strbuf_printf(text, "flush table bridge %s\n", table);
	for_each(text, "flush", "map", table, listing);
	for (int i = 0; i < 3; i++)
		for_each(text, "delete", kinds[i], table, listing);
}
