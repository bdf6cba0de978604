/* The connecting side: sockets to the target, and what is said of the client to it. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "proxy/proxy.h"

int target_open(const struct proxy *proxy, size_t index)
{
	struct sockaddr_storage address;
	socklen_t length = proxy_address_fill(&proxy->connect, index, &address);
	int type = proxy->connect.kind == PROXY_UDP ? SOCK_DGRAM : SOCK_STREAM;
	cleanup_close int fd =
		socket(proxy->connect.family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 ||
	    (connect(fd, (struct sockaddr *)&address, length) < 0 && errno != EINPROGRESS))
		return -1;
	if (proxy->connect.kind == PROXY_TCP)
		target_tune(fd);
	return steal_fd(&fd);
}

void target_tune(int fd)
{
	int on = 1, idle = 60, interval = 15;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
}

void target_reset(int fd)
{
	struct linger at_once = {.l_onoff = 1};
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(fd);
}

/* A client of IPv4 on a socket of both families is one of IPv4. The family, or 0. */
static int describe(const struct sockaddr_storage *address, char text[static INET6_ADDRSTRLEN],
		    int *port)
{
	const struct sockaddr_in *four = (const struct sockaddr_in *)address;
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)address;
	*port = ntohs(four->sin_port); /* at the same place in both */
	if (address->ss_family == AF_INET) {
		inet_ntop(AF_INET, &four->sin_addr, text, INET6_ADDRSTRLEN);
		return AF_INET;
	}
	if (address->ss_family != AF_INET6)
		return 0;
	bool mapped = IN6_IS_ADDR_V4MAPPED(&six->sin6_addr);
	inet_ntop(mapped ? AF_INET : AF_INET6, &six->sin6_addr.s6_addr[mapped ? 12 : 0], text,
		  INET6_ADDRSTRLEN);
	return mapped ? AF_INET : AF_INET6;
}

size_t target_header(int client, char text[static 128])
{
	struct sockaddr_storage from = {0}, to = {0};
	socklen_t from_length = sizeof(from), to_length = sizeof(to);
	char source[INET6_ADDRSTRLEN], destination[INET6_ADDRSTRLEN];
	int source_port, destination_port, family = 0;
	if (client >= 0 && getpeername(client, (struct sockaddr *)&from, &from_length) == 0 &&
	    getsockname(client, (struct sockaddr *)&to, &to_length) == 0)
		family = describe(&from, source, &source_port);
	if (!family || describe(&to, destination, &destination_port) != family)
		return (size_t)snprintf(text, 128, "PROXY UNKNOWN\r\n");
	return (size_t)snprintf(text, 128, "PROXY TCP%d %s %s %d %d\r\n", family == AF_INET ? 4 : 6,
				source, destination, source_port, destination_port);
}
