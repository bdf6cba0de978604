#include "lxcfs/formats.h"

#include <stddef.h>
#include <string.h>

#include "lxcfs/values_memory.h"

/*
 * All other lines of the host are told as 0: Buffers (no group knows which of its cache that is), those of features
 * that nobody accounts to a group, huge pages, which are the host's pool, and DirectMap, which is the host's size.
 */
static const struct {
	const char *name;
	size_t offset;
} lines[] = {
	{"MemTotal", offsetof(struct memory, total)},
	{"MemFree", offsetof(struct memory, free)},
	{"MemAvailable", offsetof(struct memory, available)},
	{"Cached", offsetof(struct memory, cached)},
	{"SwapCached", offsetof(struct memory, swap_cached)},
	{"Active", offsetof(struct memory, active)},
	{"Inactive", offsetof(struct memory, inactive)},
	{"Active(anon)", offsetof(struct memory, active_anon)},
	{"Inactive(anon)", offsetof(struct memory, inactive_anon)},
	{"Active(file)", offsetof(struct memory, active_file)},
	{"Inactive(file)", offsetof(struct memory, inactive_file)},
	{"Unevictable", offsetof(struct memory, unevictable)},
	/* Nearly all of it: an instance can mount no ramfs. */
	{"Mlocked", offsetof(struct memory, unevictable)},
	{"SwapTotal", offsetof(struct memory, swap_total)},
	{"SwapFree", offsetof(struct memory, swap_free)},
	{"Zswap", offsetof(struct memory, zswap)},
	{"Zswapped", offsetof(struct memory, zswapped)},
	{"Dirty", offsetof(struct memory, dirty)},
	{"Writeback", offsetof(struct memory, writeback)},
	{"AnonPages", offsetof(struct memory, anon)},
	{"Mapped", offsetof(struct memory, mapped)},
	{"Shmem", offsetof(struct memory, shmem)},
	{"KReclaimable", offsetof(struct memory, slab_reclaimable)},
	{"Slab", offsetof(struct memory, slab)},
	{"SReclaimable", offsetof(struct memory, slab_reclaimable)},
	{"SUnreclaim", offsetof(struct memory, slab_unreclaimable)},
	{"KernelStack", offsetof(struct memory, kernel_stack)},
	{"PageTables", offsetof(struct memory, page_tables)},
	{"SecPageTables", offsetof(struct memory, other_page_tables)},
	{"CommitLimit", offsetof(struct memory, commit_limit)},
	{"Committed_AS", offsetof(struct memory, committed)},
	{"VmallocUsed", offsetof(struct memory, vmalloc)},
	{"Percpu", offsetof(struct memory, per_cpu)},
	{"AnonHugePages", offsetof(struct memory, anon_huge)},
	{"ShmemHugePages", offsetof(struct memory, shmem_huge)},
	{"FileHugePages", offsetof(struct memory, file_huge)},
};

ptrdiff_t meminfo_offset(const char *name)
{
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		if (strcmp(lines[i].name, name) == 0)
			return (ptrdiff_t)lines[i].offset;
	return -1;
}

/* What the processor and the kernel are like, for an instance as for the host. */
static const char *const kept[] = {"VmallocTotal", "Hugepagesize"};

static bool is_kept(const char *name)
{
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		if (strcmp(kept[i], name) == 0)
			return true;
	return false;
}

/* The kernel's columns: the name has 16, the number ends in the 24th. */
static void add_name(struct form *form, const char *name, int *width)
{
	enum { NAME_COLUMNS = 16, COLUMNS = 24 };
	strbuf_printf(&form->text, "%s:", name);
	size_t length = strlen(name) + 1;
	for (; length < NAME_COLUMNS; length++)
		strbuf_append_char(&form->text, ' ');
	*width = length < COLUMNS ? (int)(COLUMNS - length) : 0;
}

static void make_form(char *source, struct form *form)
{
	for (char *line; (line = strsep(&source, "\n")) && *line;) {
		const char *name = strsep(&line, ":");
		int width;
		if (!line)
			continue;
		if (is_kept(name)) {
			strbuf_printf(&form->text, "%s:%s\n", name, line);
			continue;
		}
		add_name(form, name, &width);
		ptrdiff_t offset = meminfo_offset(name);
		if (offset >= 0)
			form_add_blank(form, (struct blank){.offset = (size_t)offset,
							    .shift = 10,
							    .width = width});
		else
			strbuf_printf(&form->text, "%*d", width, 0);
		strbuf_append(&form->text, strstr(line, " kB") ? " kB\n" : "\n");
	}
}

bool format_meminfo(struct instance *instance, unsigned number, struct text *text)
{
	(void)number;
	struct host *host = instance->host;
	struct memory memory;
	const struct form *form =
		form_get(&host->forms[HOST_MEMINFO], host->proc, "meminfo", make_form);
	if (!form || !memory_read(instance, &memory))
		return false;
	form_write(form, &memory, text);
	return true;
}
