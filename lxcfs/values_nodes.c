#include "lxcfs/values_nodes.h"

#include <stdio.h>
#include <string.h>

#include "lxcfs/values_cpus.h"

static bool meet(const uint64_t a[HOST_CPU_WORDS], const uint64_t b[HOST_CPU_WORDS])
{
	for (unsigned word = 0; word < HOST_CPU_WORDS; word++)
		if (a[word] & b[word])
			return true;
	return false;
}

static bool has_cpus(struct host *host, unsigned number, const struct cpus *cpus)
{
	char path[64];
	uint64_t bits[HOST_CPU_WORDS];
	snprintf(path, sizeof(path), "sys/devices/system/node/node%u/cpulist", number);
	host_read_list(host, path, bits);
	return meet(bits, cpus->bits);
}

void nodes_read(struct instance *instance, struct nodes *nodes)
{
	struct host *host = instance->host;
	struct cpus cpus;
	char text[HOST_LIST_BYTES];
	uint64_t online[HOST_CPU_WORDS];
	memset(nodes, 0, sizeof(*nodes));
	host_read_list(host, "sys/devices/system/node/online", online);
	host_read_list(host, "sys/devices/system/node/has_memory", nodes->memory);
	if (instance_read(instance, GROUP_MEMORY_NODES, text, sizeof(text)) > 1) {
		uint64_t allowed[HOST_CPU_WORDS];
		host_parse_list(text, allowed);
		for (unsigned word = 0; word < HOST_CPU_WORDS; word++)
			nodes->memory[word] &= allowed[word];
	}
	cpus_read(instance, &cpus);
	for (unsigned word = 0; word < HOST_CPU_WORDS; word++) {
		for (uint64_t rest = online[word]; rest; rest &= rest - 1) {
			unsigned bit = (unsigned)__builtin_ctzll(rest);
			if (has_cpus(host, word * 64 + bit, &cpus))
				nodes->cpus[word] |= UINT64_C(1) << bit;
		}
		nodes->all[word] = nodes->cpus[word] | nodes->memory[word];
	}
}

void nodes_numbers(struct instance *instance, struct host *host, uint64_t bits[HOST_CPU_WORDS])
{
	struct nodes nodes;
	if (instance) {
		nodes_read(instance, &nodes);
		memcpy(bits, nodes.all, sizeof(nodes.all));
	} else {
		host_read_list(host, "sys/devices/system/node/online", bits);
	}
}
