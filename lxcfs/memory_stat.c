/*
 * The order of the names is about the kernel's (memory_stats, memcg_vm_event_stat and memcg1_stats in its mm/), so
 * that the next line's name is mostly found where the last one's was: reading is a walk through both. Names that
 * nobody asks for are there for that the walk goes on at them.
 */
#include "lxcfs/memory_stat.h"

#include <assert.h>
#include <string.h>

static const char *const names[] = {
	[STAT_ANON] = "anon",
	[STAT_FILE] = "file",
	[STAT_KERNEL] = "kernel",
	[STAT_KERNEL_STACK] = "kernel_stack",
	[STAT_PAGE_TABLES] = "pagetables",
	[STAT_OTHER_PAGE_TABLES] = "sec_pagetables",
	[STAT_PER_CPU] = "percpu",
	[STAT_SOCKETS] = "sock",
	[STAT_VMALLOC] = "vmalloc",
	[STAT_SHMEM] = "shmem",
	[STAT_ZSWAP] = "zswap",
	[STAT_ZSWAPPED] = "zswapped",
	[STAT_FILE_MAPPED] = "file_mapped",
	[STAT_FILE_DIRTY] = "file_dirty",
	[STAT_FILE_WRITEBACK] = "file_writeback",
	[STAT_SWAP] = "swap",
	[STAT_SWAP_CACHED] = "swapcached",
	[STAT_ANON_HUGE] = "anon_thp",
	[STAT_FILE_HUGE] = "file_thp",
	[STAT_SHMEM_HUGE] = "shmem_thp",
	[STAT_INACTIVE_ANON] = "inactive_anon",
	[STAT_ACTIVE_ANON] = "active_anon",
	[STAT_INACTIVE_FILE] = "inactive_file",
	[STAT_ACTIVE_FILE] = "active_file",
	[STAT_UNEVICTABLE] = "unevictable",
	[STAT_SLAB_RECLAIMABLE] = "slab_reclaimable",
	[STAT_SLAB_UNRECLAIMABLE] = "slab_unreclaimable",
	[STAT_SLAB] = "slab",
	[STAT_LIMIT] = "hierarchical_memory_limit",
	[STAT_LIMIT_WITH_SWAP] = "hierarchical_memsw_limit",
	[STAT_EVENTS] = "workingset_refault_anon",
	"workingset_refault_file",
	"workingset_activate_anon",
	"workingset_activate_file",
	"workingset_restore_anon",
	"workingset_restore_file",
	"workingset_nodereclaim",
	"pgdemote_kswapd",
	"pgdemote_direct",
	"pgdemote_khugepaged",
	"pgdemote_proactive",
	"pgpromote_success",
	"pgscan",
	"pgsteal",
	"pgpgin",
	"pgpgout",
	"pswpin",
	"pswpout",
	"pgscan_kswapd",
	"pgscan_direct",
	"pgscan_khugepaged",
	"pgscan_proactive",
	"pgsteal_kswapd",
	"pgsteal_direct",
	"pgsteal_khugepaged",
	"pgsteal_proactive",
	"pgfault",
	"pgmajfault",
	"pgrefill",
	"pgactivate",
	"pgdeactivate",
	"pglazyfree",
	"pglazyfreed",
	"swpin_zero",
	"swpout_zero",
	"zswpin",
	"zswpout",
	"zswpwb",
	"thp_fault_alloc",
	"thp_collapse_alloc",
	"thp_swpout",
	"thp_swpout_fallback",
	"numa_pages_migrated",
	"numa_pte_updates",
	"numa_hint_faults",
	"numa_task_migrated",
	"numa_task_swapped",
};
static_assert(sizeof(names) / sizeof(names[0]) == STAT_COUNT, "MEMORY_EVENTS is their number");

/* Those that version 1 calls otherwise. */
static const struct {
	const char *name;
	enum memory_stat stat;
} first_version[] = {
	{"cache", STAT_FILE},	      {"rss", STAT_ANON},
	{"rss_huge", STAT_ANON_HUGE}, {"mapped_file", STAT_FILE_MAPPED},
	{"dirty", STAT_FILE_DIRTY},   {"writeback", STAT_FILE_WRITEBACK},
};

/* The value after @name at the start of @line, or NULL. */
static const char *value_of(const char *line, const char *name)
{
	while (*name && *line == *name) {
		line++;
		name++;
	}
	return *name == '\0' && *line == ' ' ? line + 1 : NULL;
}

static const char *find_first_version(const char *line, unsigned *stat)
{
	for (size_t i = 0; i < sizeof(first_version) / sizeof(first_version[0]); i++) {
		const char *value = value_of(line, first_version[i].name);
		if (value) {
			*stat = first_version[i].stat;
			return value;
		}
	}
	return NULL;
}

/* From *stat on and round; there it stays when it is none of them. */
static const char *find(const char *line, unsigned *stat)
{
	unsigned at = *stat;
	for (unsigned tries = 0; tries < STAT_COUNT; tries++) {
		const char *value = value_of(line, names[at]);
		if (value) {
			*stat = at;
			return value;
		}
		at = at + 1 < STAT_COUNT ? at + 1 : 0;
	}
	return NULL;
}

void memory_stat_parse(const char *text, bool v2, uint64_t stat[STAT_COUNT])
{
	static const char total[] = "total_";
	unsigned at = 0;
	/* What comes before it is that of the group alone. */
	const char *line = v2 ? text : strstr(text, names[STAT_LIMIT]);
	while (line && *line) {
		if (!v2 && strncmp(line, total, sizeof(total) - 1) == 0)
			line += sizeof(total) - 1;
		unsigned other = 0;
		const char *value = v2 ? NULL : find_first_version(line, &other);
		if (value)
			stat[other] = source_number(value, &line);
		else if ((value = find(line, &at)))
			stat[at] = source_number(value, &line);
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
}

int memory_event_index(const char *name)
{
	for (int i = STAT_EVENTS; i < STAT_COUNT; i++)
		if (strcmp(names[i], name) == 0)
			return i - STAT_EVENTS;
	return -1;
}
