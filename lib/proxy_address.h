/*
 * Addresses of proxy devices: "tcp:ADDRESS:PORTS", "udp:ADDRESS:PORTS", "unix:PATH" and
 * "unix:@NAME". ADDRESS is numeric, IPv6 in brackets; PORTS is a list of ports and ranges.
 */
#ifndef SYSCT_PROXY_ADDRESS_H
#define SYSCT_PROXY_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "error.h"

enum proxy_kind { PROXY_TCP, PROXY_UDP, PROXY_UNIX };

struct proxy_address {
	enum proxy_kind kind;
	int family;		   /* AF_INET, AF_INET6, AF_UNIX */
	unsigned char address[16]; /* network order; IPv4 uses four */
	uint16_t *ports;	   /* NULL for unix */
	size_t count;		   /* of ports; 1 for unix */
	char *path;		   /* of unix: "/..." or "@..." */
};

#define cleanup_proxy_address __attribute__((cleanup(proxy_address_free)))

/* ERROR_INVALID says what is wrong. The caller frees it also after a failure. */
int proxy_address_parse(const char *text, struct proxy_address *address, struct error **error);
void proxy_address_free(struct proxy_address *address);

/* Whether it is in the file system. */
bool proxy_address_is_path(const struct proxy_address *address);

/* For bind(2) and connect(2) by port @index; the length. A path is taken as it is, cut to what fits. */
socklen_t proxy_address_fill(const struct proxy_address *address, size_t index,
			     struct sockaddr_storage *socket_address);

#endif
