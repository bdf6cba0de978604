/* See forward_ports.h. */
#include "network/forward_ports.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "memory.h"

enum { PORT_MAX = 65535 };

void dnat_list_clear(struct dnat_list *list)
{
	free(list->entries);
	*list = (struct dnat_list){0};
}

/* ---- texts of ports ---- */

static bool parse_port(const char *text, unsigned *port)
{
	char *end;
	if (!isdigit((unsigned char)*text) || strlen(text) > 5)
		return false;
	*port = (unsigned)strtoul(text, &end, 10);
	return !*end && *port >= 1 && *port <= PORT_MAX;
}

static bool parse_range(char *text, unsigned *first, unsigned *last)
{
	char *dash = strchr(text, '-');
	if (dash)
		*dash = '\0';
	if (!parse_port(text, first))
		return false;
	*last = *first;
	return !dash || (parse_port(dash + 1, last) && *first <= *last);
}

int ports_parse(const char *text, uint16_t **ports, size_t *count, struct error **error)
{
	cleanup_free char *copy = memory_strdup(text);
	cleanup_free uint16_t *list = memory_alloc((PORT_MAX + 1) * sizeof(*list));
	char *rest = copy;
	*count = 0;
	for (char *one; (one = strsep(&rest, ","));) {
		unsigned first, last;
		one += strspn(one, " ");
		while (*one && one[strlen(one) - 1] == ' ')
			one[strlen(one) - 1] = '\0';
		if (!parse_range(one, &first, &last))
			return error_set(error, ERROR_INVALID,
					 "\"%s\" is not a list of ports and ranges between 1 and "
					 "65535, such as 80,90-99",
					 text);
		if (*count + (last - first) >= PORT_MAX)
			return error_set(error, ERROR_INVALID, "\"%s\" has too many ports", text);
		for (unsigned port = first; port <= last; port++)
			list[(*count)++] = (uint16_t)port;
	}
	*ports = steal_pointer(&list);
	return 0;
}

/* ---- entries ---- */

static void append(struct dnat_list *list, const struct dnat *entry)
{
	list->entries = memory_realloc(list->entries, (list->count + 1) * sizeof(*entry));
	list->entries[list->count++] = *entry;
}

/* Ports that follow each other on both sides are one entry. */
static void append_runs(struct dnat_list *list, struct dnat *entry, const uint16_t *listen,
			const uint16_t *target, size_t count, size_t targets)
{
	for (size_t i = 0; i < count;) {
		size_t end = i + 1;
		while (end < count && listen[end] == listen[end - 1] + 1 &&
		       (targets == 1 || target[end] == target[end - 1] + 1))
			end++;
		entry->listen_first = listen[i];
		entry->listen_last = listen[end - 1];
		entry->target_first = target[targets == 1 ? 0 : i];
		entry->target_last = target[targets == 1 ? 0 : end - 1];
		append(list, entry);
		i = end;
	}
}

static int take_target(const char *text, const struct network *network, struct dnat *entry,
		       struct error **error)
{
	int family = entry->listen.family;
	const struct subnet *subnet = family == AF_INET6 ? &network->ipv6 : &network->ipv4;
	if (!address_parse(family, text, &entry->target))
		return error_set(error, ERROR_INVALID,
				 "target_address: \"%s\" is not an %s address", text,
				 family == AF_INET6 ? "IPv6" : "IPv4");
	if (!subnet->address.family || !subnet_contains(subnet, &entry->target))
		return error_set(error, ERROR_INVALID,
				 "target_address: %s is not in a subnet of the network \"%s\"",
				 text, network->name);
	return 0;
}

static const char *text_of(const json_t *port, const char *field)
{
	const char *text = json_string_value(json_object_get(port, field));
	return text ? text : "";
}

static int add_port(json_t *port, const struct network *network, struct dnat entry,
		    struct dnat_list *list, struct error **error)
{
	cleanup_free uint16_t *listen = NULL, *target = NULL;
	size_t count, targets;
	char address[ADDRESS_TEXT];
	const char *protocol = text_of(port, "protocol"), *to = text_of(port, "target_port");
	entry.protocol = strcmp(protocol, "tcp") == 0	? IPPROTO_TCP
			 : strcmp(protocol, "udp") == 0 ? IPPROTO_UDP
							: 0;
	if (!entry.protocol)
		return error_set(error, ERROR_INVALID, "protocol: \"%s\" is not tcp or udp",
				 protocol);
	if (take_target(text_of(port, "target_address"), network, &entry, error) < 0)
		return -1;
	if (ports_parse(text_of(port, "listen_port"), &listen, &count, error) < 0)
		return error_prefix(error, "listen_port");
	if (ports_parse(*to ? to : text_of(port, "listen_port"), &target, &targets, error) < 0)
		return error_prefix(error, "target_port");
	if (targets != 1 && targets != count)
		return error_set(error, ERROR_INVALID,
				 "target_port: \"%s\" must be one port, or %zu as listen_port has",
				 to, count);
	append_runs(list, &entry, listen, target, count, targets);
	address_format(&entry.target, address);
	json_object_set_new(port, "target_address", json_string(address));
	return 0;
}

static int add_whole(struct part_row *row, const struct network *network, struct dnat entry,
		     struct dnat_list *list, struct error **error)
{
	char address[ADDRESS_TEXT];
	const char *target = json_string_value(json_object_get(row->config, "target_address"));
	if (!target)
		return 0;
	if (take_target(target, network, &entry, error) < 0)
		return -1;
	append(list, &entry);
	address_format(&entry.target, address);
	json_object_set_new(row->config, "target_address", json_string(address));
	return 0;
}

int forward_entries(struct part_row *row, const struct network *network, struct dnat_list *list,
		    struct error **error)
{
	struct dnat entry = {0};
	size_t i;
	json_t *port;
	if (!address_parse(AF_UNSPEC, row->name, &entry.listen))
		return error_set(error, ERROR_INVALID,
				 "listen_address: \"%s\" is not an IP address", row->name);
	if (add_whole(row, network, entry, list, error) < 0)
		return -1;
	json_array_foreach (row->list, i, port)
		if (add_port(port, network, entry, list, error) < 0)
			return error_prefix(error, "port %zu", i + 1);
	return 0;
}
