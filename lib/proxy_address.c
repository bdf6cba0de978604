/* See proxy_address.h. */
#include "proxy_address.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "cleanup.h"
#include "memory.h"

enum { MOST_PORTS = 65535, LONGEST_NAME = sizeof(((struct sockaddr_un *)0)->sun_path) - 1 };

static int parse_port(const char *text, uint16_t *port, struct error **error)
{
	char *end;
	unsigned long number = isdigit((unsigned char)*text) ? strtoul(text, &end, 10) : 0;
	if (number == 0 || number > 65535 || *end)
		return error_set(error, ERROR_INVALID, "\"%s\" is not a port", text);
	*port = (uint16_t)number;
	return 0;
}

/* One of the list: "80" or "1000-1010". */
static int add_ports(struct proxy_address *address, char *one, struct error **error)
{
	uint16_t first = 0, last = 0;
	char *dash = strchr(one, '-');
	if (dash)
		*dash = '\0';
	if (parse_port(one, &first, error) < 0 ||
	    parse_port(dash ? dash + 1 : one, &last, error) < 0)
		return -1;
	if (last < first)
		return error_set(error, ERROR_INVALID, "%s-%s is not a range of ports", one,
				 dash + 1);
	size_t more = (size_t)(last - first) + 1;
	if (address->count + more > MOST_PORTS)
		return error_set(error, ERROR_INVALID, "these are more than %d ports", MOST_PORTS);
	address->ports =
		memory_realloc(address->ports, (address->count + more) * sizeof(*address->ports));
	for (size_t i = 0; i < more; i++)
		address->ports[address->count++] = (uint16_t)(first + i);
	return 0;
}

static int parse_ports(struct proxy_address *address, char *list, struct error **error)
{
	for (char *one; (one = strsep(&list, ","));)
		if (add_ports(address, one, error) < 0)
			return -1;
	return 0;
}

static int parse_internet(struct proxy_address *address, char *text, struct error **error)
{
	char *colon = strrchr(text, ':');
	if (!colon)
		return error_set(error, ERROR_INVALID, "it has no port");
	*colon = '\0';
	size_t length = strlen(text);
	address->family = AF_INET;
	if (length > 2 && text[0] == '[' && text[length - 1] == ']') {
		address->family = AF_INET6;
		text[length - 1] = '\0';
		text++;
	}
	if (inet_pton(address->family, text, address->address) != 1)
		return error_set(error, ERROR_INVALID,
				 "\"%s\" is not an IP address (IPv6 goes in brackets)", text);
	return parse_ports(address, colon + 1, error);
}

static int parse_unix(struct proxy_address *address, const char *text, struct error **error)
{
	const char *slash = strrchr(text, '/');
	bool abstract = text[0] == '@' && text[1];
	address->family = AF_UNIX;
	address->count = 1;
	address->path = memory_strdup(text);
	if (!abstract && (text[0] != '/' || !slash[1]))
		return error_set(error, ERROR_INVALID,
				 "\"%s\" is neither an absolute path nor @NAME", text);
	if (strlen(text) > LONGEST_NAME)
		return error_set(error, ERROR_INVALID,
				 "the path of a socket has at most %d characters", LONGEST_NAME);
	return 0;
}

int proxy_address_parse(const char *text, struct proxy_address *address, struct error **error)
{
	static const struct {
		const char *name;
		enum proxy_kind kind;
	} kinds[] = {{"tcp:", PROXY_TCP}, {"udp:", PROXY_UDP}, {"unix:", PROXY_UNIX}};
	*address = (struct proxy_address){0};
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		size_t length = strlen(kinds[i].name);
		if (strncmp(text, kinds[i].name, length) != 0)
			continue;
		cleanup_free char *rest = memory_strdup(text + length);
		address->kind = kinds[i].kind;
		int result = address->kind == PROXY_UNIX ? parse_unix(address, rest, error)
							 : parse_internet(address, rest, error);
		return result < 0 ? error_prefix(error, "address \"%s\"", text) : 0;
	}
	return error_set(error, ERROR_INVALID,
			 "address \"%s\": it must be tcp:ADDRESS:PORTS, udp:ADDRESS:PORTS, "
			 "unix:PATH or unix:@NAME",
			 text);
}

void proxy_address_free(struct proxy_address *address)
{
	free(address->ports);
	free(address->path);
	*address = (struct proxy_address){0};
}

bool proxy_address_is_path(const struct proxy_address *address)
{
	return address->kind == PROXY_UNIX && address->path[0] == '/';
}

static socklen_t fill_unix(const char *path, struct sockaddr_un *to)
{
	size_t length = strnlen(path, LONGEST_NAME);
	to->sun_family = AF_UNIX;
	memcpy(to->sun_path, path, length);
	if (path[0] != '@')
		return sizeof(*to);
	to->sun_path[0] = '\0';
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
}

socklen_t proxy_address_fill(const struct proxy_address *address, size_t index,
			     struct sockaddr_storage *socket_address)
{
	memset(socket_address, 0, sizeof(*socket_address));
	if (address->family == AF_UNIX)
		return fill_unix(address->path, (struct sockaddr_un *)socket_address);
	uint16_t port = htons(address->ports[index]);
	if (address->family == AF_INET) {
		struct sockaddr_in *four = (struct sockaddr_in *)socket_address;
		four->sin_family = AF_INET;
		four->sin_port = port;
		memcpy(&four->sin_addr, address->address, 4);
		return sizeof(*four);
	}
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)socket_address;
	six->sin6_family = AF_INET6;
	six->sin6_port = port;
	memcpy(&six->sin6_addr, address->address, 16);
	return sizeof(*six);
}
