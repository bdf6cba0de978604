/*
 * Memory of a node. On v1 no control group knows where its pages are, and a limit is one for all nodes: what the instance
 * has is divided as the host's memory is between the nodes that it may use, so that their sums are meminfo's numbers.
 */
#include "lxcfs/formats.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "lxcfs/values_memory.h"
#include "lxcfs/values_nodes.h"

/* kB */
struct node_memory {
	struct memory memory; /* first: offsets are those of struct memory */
	uint64_t number, used;
};

/* A part of 1 / SHARES of the memory of all nodes: from the first up to the second. */
struct share {
	uint64_t begin, end;
};

enum { SHARES = 1 << 16 };

static uint64_t host_total(struct host *host, unsigned number)
{
	char path[64], bytes[4096];
	uint64_t total = 0;
	snprintf(path, sizeof(path), "sys/devices/system/node/node%u/meminfo", number);
	if (host_read(host, path, bytes, sizeof(bytes)) < 0)
		return 0;
	const char *line = strstr(bytes, " MemTotal:");
	if (line)
		source_field(line + 1, "MemTotal", &total);
	return total;
}

static struct share share_of(struct instance *instance, unsigned number)
{
	struct nodes nodes;
	uint64_t before = 0, own = 0, all = 0;
	nodes_read(instance, &nodes);
	for (unsigned word = 0; word < HOST_CPU_WORDS; word++)
		for (uint64_t rest = nodes.memory[word]; rest; rest &= rest - 1) {
			unsigned node = word * 64 + (unsigned)__builtin_ctzll(rest);
			uint64_t total = host_total(instance->host, node);
			all += total;
			before += node < number ? total : 0;
			own = node == number ? total : own;
		}
	if (all == 0)
		return (struct share){0};
	return (struct share){before * SHARES / all, (before + own) * SHARES / all};
}

static uint64_t part(uint64_t value, const struct share *share)
{
	return value * share->end / SHARES - value * share->begin / SHARES;
}

/* From bytes of all nodes to kB of one. */
static void divide(struct node_memory *node, const struct share *share)
{
	enum { COUNT = offsetof(struct memory, events) / sizeof(uint64_t), KB = 1024 };
	uint64_t *values = (uint64_t *)&node->memory;
	node->used = part(node->memory.total / KB - node->memory.free / KB, share);
	for (size_t i = 0; i < COUNT; i++)
		values[i] = part(values[i] / KB, share);
	node->memory.total = node->used + node->memory.free;
}

static ptrdiff_t offset_of(const char *name)
{
	if (strcmp(name, "MemUsed") == 0)
		return offsetof(struct node_memory, used);
	if (strcmp(name, "FilePages") == 0)
		return offsetof(struct node_memory, memory.file_pages);
	return meminfo_offset(name);
}

/* "Node 0 MemTotal:        1030000 kB", with the columns of the host. */
static void make_form(char *source, struct form *form)
{
	for (char *line; (line = strsep(&source, "\n"));) {
		char *name = line;
		strsep(&name, " ");
		strsep(&name, " ");
		char *value = name ? strchr(name, ':') : NULL;
		if (!value)
			continue;
		*value++ = '\0';
		size_t spaces = strspn(value, " ");
		int width = (int)(spaces + strspn(value + spaces, "0123456789"));
		ptrdiff_t offset = offset_of(name);
		strbuf_append(&form->text, "Node ");
		form_add_blank(form,
			       (struct blank){.offset = offsetof(struct node_memory, number)});
		strbuf_printf(&form->text, " %s:", name);
		if (offset >= 0)
			form_add_blank(form,
				       (struct blank){.offset = (size_t)offset, .width = width});
		else
			strbuf_printf(&form->text, "%*d", width, 0);
		strbuf_append(&form->text, strstr(value, " kB") ? " kB\n" : "\n");
	}
}

bool format_node_meminfo(struct instance *instance, unsigned number, struct text *text)
{
	char path[64];
	struct host *host = instance->host;
	struct node_memory node;
	snprintf(path, sizeof(path), "devices/system/node/node%u/meminfo", number);
	const struct form *form =
		form_get(&host->forms[HOST_NODE_MEMINFO], host->sys, path, make_form);
	if (!form || !memory_read(instance, &node.memory))
		return false;
	struct share share = share_of(instance, number);
	node.number = number;
	divide(&node, &share);
	form_write(form, &node, text);
	return true;
}
