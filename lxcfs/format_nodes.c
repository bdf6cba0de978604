#include "lxcfs/formats.h"
#include "lxcfs/values_nodes.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

static bool has(const uint64_t bits[HOST_CPU_WORDS], unsigned number)
{
	return bits[number / 64] >> number % 64 & 1;
}

bool format_node_list(struct instance *instance, const char *path, struct text *text)
{
	struct nodes nodes;
	uint64_t bits[HOST_CPU_WORDS];
	const char *name = strrchr(path, '/') + 1;
	const uint64_t *own = strcmp(name, "has_cpu") == 0 ? nodes.cpus
			      : strstr(name, "memory")	   ? nodes.memory
							   : nodes.all;
	nodes_read(instance, &nodes);
	/* The host alone tells which of them have "normal" memory. */
	host_read_list(instance->host, path, bits);
	for (unsigned word = 0; word < HOST_CPU_WORDS; word++)
		bits[word] &= own[word];
	text_add_list(text, bits, HOST_MAX_CPUS);
	text_add_bytes(text, "\n", 1);
	return true;
}

/* The host's line has a number for each node that is online, in their order. */
bool format_node_distance(struct instance *instance, unsigned number, struct text *text)
{
	char path[64], line[PATH_MAX];
	struct nodes nodes;
	uint64_t online[HOST_CPU_WORDS];
	snprintf(path, sizeof(path), "sys/devices/system/node/node%u/distance", number);
	if (host_read(instance->host, path, line, sizeof(line)) < 0)
		return false;
	host_read_list(instance->host, "sys/devices/system/node/online", online);
	nodes_read(instance, &nodes);
	const char *at = line, *separator = "";
	for (unsigned node = 0; node < HOST_MAX_CPUS && *at >= '0' && *at <= '9'; node++) {
		if (!has(online, node))
			continue;
		uint64_t distance = source_number(at, &at);
		at += *at == ' ';
		if (!has(nodes.all, node))
			continue;
		text_add(text, separator);
		text_add_number(text, distance, 0);
		separator = " ";
	}
	text_add_bytes(text, "\n", 1);
	return true;
}

/* What of it was the instance's nobody counts. */
bool format_node_numastat(struct instance *instance, unsigned number, struct text *text)
{
	(void)instance;
	(void)number;
	text_add(text, "numa_hit 0\n"
		       "numa_miss 0\n"
		       "numa_foreign 0\n"
		       "interleave_hit 0\n"
		       "local_node 0\n"
		       "other_node 0\n");
	return true;
}
