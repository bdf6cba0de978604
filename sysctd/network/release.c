/*
 * A stopped instance tells nobody that it needs its lease no more, and dnsmasq
 * would keep name and address for an hour: the DHCPRELEASE is sent in its name
 * (RFC 2131, sections 2 and 4.4.6).
 */
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cleanup.h"
#include "links.h"
#include "network/manager.h"

enum { DHCP_SERVER_PORT = 67 };

/* RFC 2131, section 2, figure 1; options as in RFC 2132. */
struct dhcp_release {
	uint8_t op, htype, hlen, hops;
	uint32_t xid;
	uint16_t secs, flags;
	uint8_t ciaddr[4], yiaddr[4], siaddr[4], giaddr[4], chaddr[16];
	uint8_t sname[64], file[128];
	uint8_t cookie[4];
	uint8_t options[10];
};

void network_release_lease(const struct network *network, const char *hwaddr, const char *ipv4)
{
	static const uint8_t cookie[] = {0x63, 0x82, 0x53, 0x63};
	const unsigned char *server = network->ipv4.address.bytes;
	const uint8_t options[] = {53, 1, 7, /* DHCP message type: release */
				   54, 4, server[0], server[1], server[2], server[3], 255};
	struct dhcp_release message = {.op = 1, .htype = 1, .hlen = LINK_ADDRESS_SIZE};
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(DHCP_SERVER_PORT)};
	struct address address;
	if (!network->ipv4.address.family || !address_parse(AF_INET, ipv4, &address) ||
	    !link_address_parse(hwaddr, message.chaddr))
		return;
	cleanup_close int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || getrandom(&message.xid, sizeof(message.xid), 0) < 0)
		return;
	memcpy(message.ciaddr, address.bytes, sizeof(message.ciaddr));
	memcpy(message.cookie, cookie, sizeof(cookie));
	memcpy(message.options, options, sizeof(options));
	memcpy(&to.sin_addr, server, sizeof(to.sin_addr));
	/* A lost one costs no more than a name that lives until the lease ends. */
	(void)!sendto(fd, &message, sizeof(message), MSG_DONTWAIT, (struct sockaddr *)&to,
		      sizeof(to));
}
