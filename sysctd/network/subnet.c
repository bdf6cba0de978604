/* See subnet.h. */
#include "network/subnet.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "memory.h"

static int size_of(int family)
{
	return family == AF_INET ? 4 : 16;
}

bool address_parse(int family, const char *text, struct address *address)
{
	*address = (struct address){0};
	for (int i = 0; i < 2; i++) {
		int tried = i ? AF_INET6 : AF_INET;
		if ((family == AF_UNSPEC || family == tried) &&
		    inet_pton(tried, text, address->bytes) == 1) {
			address->family = tried;
			return true;
		}
	}
	return false;
}

void address_format(const struct address *address, char text[static ADDRESS_TEXT])
{
	inet_ntop(address->family, address->bytes, text, ADDRESS_TEXT);
}

int address_compare(const struct address *one, const struct address *other)
{
	if (one->family != other->family)
		return one->family - other->family;
	return memcmp(one->bytes, other->bytes, (size_t)size_of(one->family));
}

bool address_equal(const struct address *one, const struct address *other)
{
	return address_compare(one, other) == 0;
}

struct address address_plus(const struct address *address, uint32_t count)
{
	struct address sum = *address;
	for (int i = size_of(sum.family) - 1; i >= 0 && count > 0; i--) {
		count += sum.bytes[i];
		sum.bytes[i] = (unsigned char)count;
		count >>= 8;
	}
	return sum;
}

int subnet_parse(int family, const char *text, struct subnet *subnet, struct error **error)
{
	cleanup_free char *copy = memory_strdup(text);
	char *slash = strchr(copy, '/'), *end = NULL;
	if (slash)
		*slash = '\0';
	subnet->prefix = slash && slash[1] ? (int)strtol(slash + 1, &end, 10) : -1;
	if (address_parse(family, copy, &subnet->address) && end && !*end && subnet->prefix >= 1 &&
	    subnet->prefix <= 8 * size_of(subnet->address.family))
		return 0;
	return error_set(error, ERROR_INVALID,
			 "\"%s\" is not an address with its prefix, such as %s", text,
			 family == AF_INET6 ? "fd42:1:2:3::1/64" : "10.1.2.1/24");
}

/* The address with all bits behind the prefix zero, or one. */
static struct address with_host_bits(const struct subnet *subnet, bool ones)
{
	struct address result = subnet->address;
	for (int bit = subnet->prefix; bit < 8 * size_of(result.family); bit++) {
		unsigned char mask = (unsigned char)(0x80 >> (bit % 8));
		if (ones)
			result.bytes[bit / 8] |= mask;
		else
			result.bytes[bit / 8] &= (unsigned char)~mask;
	}
	return result;
}

struct address subnet_network(const struct subnet *subnet)
{
	return with_host_bits(subnet, false);
}

struct address subnet_last(const struct subnet *subnet)
{
	return with_host_bits(subnet, true);
}

void subnet_format_network(const struct subnet *subnet, char text[static SUBNET_TEXT])
{
	char network[ADDRESS_TEXT];
	struct address first = subnet_network(subnet);
	address_format(&first, network);
	snprintf(text, SUBNET_TEXT, "%s/%d", network, subnet->prefix);
}

bool subnet_contains(const struct subnet *subnet, const struct address *address)
{
	struct subnet other = {*address, subnet->prefix};
	if (address->family != subnet->address.family)
		return false;
	struct address one = subnet_network(subnet), two = subnet_network(&other);
	return address_equal(&one, &two);
}

bool subnet_overlaps(const struct subnet *one, const struct subnet *other)
{
	const struct subnet *wide = one->prefix < other->prefix ? one : other;
	return subnet_contains(wide, wide == one ? &other->address : &one->address);
}

struct address subnet_eui64(const struct subnet *subnet, const uint8_t mac[static 6])
{
	struct address address = subnet_network(subnet);
	const unsigned char identifier[8] = {mac[0] ^ 2, mac[1], mac[2], 0xff,
					     0xfe,	 mac[3], mac[4], mac[5]};
	memcpy(address.bytes + 8, identifier, sizeof(identifier));
	return address;
}

bool subnet_reverse(const struct subnet *subnet, char text[static SUBNET_REVERSE_TEXT])
{
	bool ipv6 = subnet->address.family == AF_INET6;
	int bits = ipv6 ? 4 : 8, labels = subnet->prefix / bits;
	size_t length = 0;
	if (subnet->prefix % bits != 0 || labels == 0)
		return false;
	for (int i = labels - 1; i >= 0; i--) {
		unsigned int byte = subnet->address.bytes[ipv6 ? i / 2 : i];
		char *at = text + length;
		size_t room = SUBNET_REVERSE_TEXT - length;
		length += (size_t)(ipv6 ? snprintf(at, room, "%x.", i % 2 ? byte & 15 : byte >> 4)
					: snprintf(at, room, "%u.", byte));
	}
	snprintf(text + length, SUBNET_REVERSE_TEXT - length, ipv6 ? "ip6.arpa" : "in-addr.arpa");
	return true;
}
