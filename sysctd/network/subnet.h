/* IP addresses and subnets, both families: texts, sums, overlaps. */
#ifndef SYSCT_NETWORK_SUBNET_H
#define SYSCT_NETWORK_SUBNET_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "error.h"

struct address {
	int family;		 /* AF_INET, AF_INET6; 0: none */
	unsigned char bytes[16]; /* network order; IPv4 uses four */
};

/* An address with its prefix: "10.1.2.1/24" as the bridge has it. */
struct subnet {
	struct address address;
	int prefix;
};

enum {
	ADDRESS_TEXT = INET6_ADDRSTRLEN,
	SUBNET_TEXT = INET6_ADDRSTRLEN + 4,
	SUBNET_REVERSE_TEXT = 2 * 32 + 9,
};

/* @family: AF_INET, AF_INET6, or AF_UNSPEC for either. False when it is none. */
bool address_parse(int family, const char *text, struct address *address);
void address_format(const struct address *address, char text[static ADDRESS_TEXT]);
bool address_equal(const struct address *one, const struct address *other);

/* Smaller than, equal to, greater than zero. */
int address_compare(const struct address *one, const struct address *other);

/* The one @count further. */
struct address address_plus(const struct address *address, uint32_t count);

/* "10.1.2.1/24"; ERROR_INVALID says what is wrong. */
int subnet_parse(int family, const char *text, struct subnet *subnet, struct error **error);

/* The address of the subnet itself: all bits behind the prefix zero. */
struct address subnet_network(const struct subnet *subnet);

/* "10.1.2.0/24". */
void subnet_format_network(const struct subnet *subnet, char text[static SUBNET_TEXT]);
bool subnet_contains(const struct subnet *subnet, const struct address *address);
bool subnet_overlaps(const struct subnet *one, const struct subnet *other);

/* The last address of the subnet. */
struct address subnet_last(const struct subnet *subnet);

/**
 * subnet_reverse - the domain that has the names of its addresses, "2.1.10.in-addr.arpa".
 * False where no single domain has just these: the prefix ends within a label.
 */
bool subnet_reverse(const struct subnet *subnet, char text[static SUBNET_REVERSE_TEXT]);

/* What a host of this MAC address gives itself in an IPv6 /64 (RFC 4291, appendix A). */
struct address subnet_eui64(const struct subnet *subnet, const uint8_t mac[static 6]);

/**
 * subnet_pick_free - a random 10.x.y.1/24 or fd42:...::1/64 that overlaps nothing that the
 * host has an address in or a route to.
 */
int subnet_pick_free(int family, struct subnet *subnet, struct error **error);

#endif
