#include "lxcfs/values_vmstat.h"

#include <stddef.h>
#include <string.h>
#include <unistd.h>

/* Of bytes to what the kernel tells (vmstat_text and what is done with it in mm/vmstat.c). */
enum unit { PAGES, HUGE_PAGES, KIB, ONE };

static const struct {
	const char *name;
	enum unit unit;
	size_t offset;
} counters[] = {
	{"nr_free_pages", PAGES, offsetof(struct vmstat, memory.free)},
	{"nr_zone_inactive_anon", PAGES, offsetof(struct vmstat, memory.inactive_anon)},
	{"nr_zone_active_anon", PAGES, offsetof(struct vmstat, memory.active_anon)},
	{"nr_zone_inactive_file", PAGES, offsetof(struct vmstat, memory.inactive_file)},
	{"nr_zone_active_file", PAGES, offsetof(struct vmstat, memory.active_file)},
	{"nr_zone_unevictable", PAGES, offsetof(struct vmstat, memory.unevictable)},
	{"nr_zone_write_pending", PAGES, offsetof(struct vmstat, memory.write_pending)},
	{"nr_mlock", PAGES, offsetof(struct vmstat, memory.unevictable)},
	{"nr_inactive_anon", PAGES, offsetof(struct vmstat, memory.inactive_anon)},
	{"nr_active_anon", PAGES, offsetof(struct vmstat, memory.active_anon)},
	{"nr_inactive_file", PAGES, offsetof(struct vmstat, memory.inactive_file)},
	{"nr_active_file", PAGES, offsetof(struct vmstat, memory.active_file)},
	{"nr_unevictable", PAGES, offsetof(struct vmstat, memory.unevictable)},
	{"nr_slab_reclaimable", PAGES, offsetof(struct vmstat, memory.slab_reclaimable)},
	{"nr_slab_unreclaimable", PAGES, offsetof(struct vmstat, memory.slab_unreclaimable)},
	{"nr_anon_pages", PAGES, offsetof(struct vmstat, memory.anon)},
	{"nr_mapped", PAGES, offsetof(struct vmstat, memory.mapped)},
	{"nr_file_pages", PAGES, offsetof(struct vmstat, memory.file_pages)},
	{"nr_dirty", PAGES, offsetof(struct vmstat, memory.dirty)},
	{"nr_writeback", PAGES, offsetof(struct vmstat, memory.writeback)},
	{"nr_shmem", PAGES, offsetof(struct vmstat, memory.shmem)},
	{"nr_shmem_hugepages", HUGE_PAGES, offsetof(struct vmstat, memory.shmem_huge)},
	{"nr_file_hugepages", HUGE_PAGES, offsetof(struct vmstat, memory.file_huge)},
	{"nr_anon_transparent_hugepages", HUGE_PAGES, offsetof(struct vmstat, memory.anon_huge)},
	{"nr_kernel_stack", KIB, offsetof(struct vmstat, memory.kernel_stack)},
	{"nr_page_table_pages", PAGES, offsetof(struct vmstat, memory.page_tables)},
	{"nr_sec_page_table_pages", PAGES, offsetof(struct vmstat, memory.other_page_tables)},
	{"nr_swapcached", PAGES, offsetof(struct vmstat, memory.swap_cached)},
	{"pgpgin", KIB, offsetof(struct vmstat, read)},
	{"pgpgout", KIB, offsetof(struct vmstat, written)},
	{"oom_kill", ONE, offsetof(struct vmstat, oom_kills)},
};

static unsigned unit_shift(enum unit unit)
{
	/* A huge page is a page full of entries of eight bytes, each for a page. */
	enum { ENTRY_SHIFT = 3 };
	unsigned page = (unsigned)__builtin_ctzl((unsigned long)sysconf(_SC_PAGESIZE));
	switch (unit) {
	case PAGES:
		return page;
	case HUGE_PAGES:
		return 2 * page - ENTRY_SHIFT;
	case KIB:
		return 10;
	default:
		return 0;
	}
}

void vmstat_add(struct form *form, const char *name, int width)
{
	for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++)
		if (strcmp(counters[i].name, name) == 0) {
			form_add_blank(form, (struct blank){.offset = counters[i].offset,
							    .shift = unit_shift(counters[i].unit),
							    .width = width});
			return;
		}
	int event = memory_event_index(name);
	if (event < 0)
		strbuf_printf(&form->text, "%*d", width, 0);
	else
		form_add_blank(form,
			       (struct blank){.offset = offsetof(struct vmstat, memory.events) +
							(size_t)event * sizeof(uint64_t),
					      .width = width});
}

/* The numbers after @before in @text, added up. */
static uint64_t sum_after(const char *text, const char *before)
{
	uint64_t sum = 0;
	size_t length = strlen(before);
	while ((text = strstr(text, before)))
		sum += source_number(text + length, &text);
	return sum;
}

bool vmstat_read(struct instance *instance, struct vmstat *vmstat)
{
	char text[8192];
	vmstat->read = vmstat->written = vmstat->oom_kills = 0;
	/* "8:0 rbytes=1 wbytes=2 ..." or "8:0 Read 1", "8:0 Write 2", ... */
	if (instance_read(instance, GROUP_IO, text, sizeof(text)) > 0) {
		bool v2 = instance_is_v2(instance, GROUP_IO);
		vmstat->read = sum_after(text, v2 ? " rbytes=" : " Read ");
		vmstat->written = sum_after(text, v2 ? " wbytes=" : " Write ");
	}
	if (instance_read(instance, GROUP_MEMORY_EVENTS, text, sizeof(text)) > 0)
		source_field(text, "oom_kill", &vmstat->oom_kills);
	return memory_read(instance, &vmstat->memory);
}
