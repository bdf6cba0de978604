/*
 * memory.max is what an instance is told to have, not memory.high: the latter slows it down and is by many managers
 * set a little below the former, from which nobody wants to learn. Where there is no memory.max, memory.high is the
 * size, since it is then what holds.
 */
#include "lxcfs/values_memory.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lxcfs/memory_stat.h"

enum { STAT_BYTES = 8192 };

/* What is read, before it is made to fit. */
struct inputs {
	uint64_t stat[STAT_COUNT];
	uint64_t usage;
	uint64_t limit; /* of all levels */
	uint64_t room;	/* the least that a limited group above, or the host, could still give */
};

static uint64_t lesser(uint64_t one, uint64_t other)
{
	return one < other ? one : other;
}

static uint64_t difference(uint64_t from, uint64_t what)
{
	return from > what ? from - what : 0;
}

static uint64_t take(uint64_t *left, uint64_t bytes)
{
	uint64_t taken = lesser(*left, bytes);
	*left -= taken;
	return taken;
}

static uint64_t whole_pages(uint64_t bytes)
{
	return bytes & -(uint64_t)sysconf(_SC_PAGESIZE);
}

/* What the kernel gives up when memory is needed. */
static uint64_t reclaimable(const uint64_t stat[STAT_COUNT])
{
	return stat[STAT_ACTIVE_FILE] + stat[STAT_INACTIVE_FILE] + stat[STAT_SLAB_RECLAIMABLE];
}

/* What a group above of that limit could still give: others are in it, too. */
static uint64_t level_room(struct instance *instance, int level, uint64_t limit)
{
	char text[STAT_BYTES];
	uint64_t stat[STAT_COUNT] = {0}, usage = 0;
	if (instance_read_level(instance, GROUP_MEMORY_USAGE, level, text, sizeof(text)) > 0)
		usage = source_number(text, NULL);
	if (instance_read_level(instance, GROUP_MEMORY_STAT, level, text, sizeof(text)) > 0)
		memory_stat_parse(text, instance_is_v2(instance, GROUP_MEMORY_STAT), stat);
	return difference(limit, difference(usage, reclaimable(stat)));
}

static void read_limits(struct instance *instance, struct inputs *inputs)
{
	char text[64];
	ssize_t length;
	uint64_t host = instance->host->memory;
	inputs->limit = inputs->stat[STAT_LIMIT]; /* also of what is above our own view */
	inputs->room = UINT64_MAX;
	for (int level = 0; (length = instance_read_level(instance, GROUP_MEMORY_LIMIT, level, text,
							  sizeof(text))) != -2;
	     level++) {
		uint64_t limit = length > 0 ? source_number(text, NULL) : UINT64_MAX;
		if (level > 0 && limit < host)
			inputs->room = lesser(inputs->room, level_room(instance, level, limit));
		inputs->limit = lesser(inputs->limit, limit);
	}
	if (inputs->limit >= host)
		inputs->limit = instance_read_tightest(instance, GROUP_MEMORY_HIGH);
	if (inputs->limit < host)
		return;
	uint64_t available;
	host_memory(instance->host, &inputs->limit, &available);
	inputs->room = lesser(inputs->room, available);
}

/* Returns false when the group has gone. */
static bool read_stat(struct instance *instance, uint64_t stat[STAT_COUNT])
{
	char text[STAT_BYTES];
	memset(stat, 0, STAT_COUNT * sizeof(stat[0]));
	stat[STAT_LIMIT] = UINT64_MAX;
	ssize_t length = instance_read(instance, GROUP_MEMORY_STAT, text, sizeof(text));
	if (length > 0)
		memory_stat_parse(text, instance_is_v2(instance, GROUP_MEMORY_STAT), stat);
	return length >= 0 || errno != ENODEV;
}

static bool read_inputs(struct instance *instance, struct inputs *inputs)
{
	if (!read_stat(instance, inputs->stat))
		return false;
	inputs->usage = 0;
	instance_read_number(instance, GROUP_MEMORY_USAGE, &inputs->usage);
	if (!instance_is_v2(instance, GROUP_KERNEL_MEMORY))
		instance_read_number(instance, GROUP_KERNEL_MEMORY,
				     &inputs->stat[STAT_SLAB_UNRECLAIMABLE]);
	read_limits(instance, inputs);
	return true;
}

/*
 * The parts of what is @used: first those that cannot be given up, so that caches are what a usage above the
 * limit takes.
 */
static void set_parts(struct memory *memory, const uint64_t stat[STAT_COUNT], uint64_t used)
{
	uint64_t left = used;
	memory->anon = take(&left, stat[STAT_ANON]);
	memory->shmem = take(&left, stat[STAT_SHMEM]);
	memory->slab_unreclaimable = take(&left, stat[STAT_SLAB_UNRECLAIMABLE]);
	memory->kernel_stack = take(&left, stat[STAT_KERNEL_STACK]);
	memory->page_tables = take(&left, stat[STAT_PAGE_TABLES]);
	memory->other_page_tables = take(&left, stat[STAT_OTHER_PAGE_TABLES]);
	uint64_t files =
		take(&left, difference(stat[STAT_FILE], stat[STAT_SHMEM] + stat[STAT_SWAP_CACHED]));
	memory->slab_reclaimable = take(&left, stat[STAT_SLAB_RECLAIMABLE]);
	memory->per_cpu = take(&left, stat[STAT_PER_CPU]);
	memory->vmalloc = take(&left, stat[STAT_VMALLOC]);
	memory->cached = memory->shmem + files;
	memory->slab = memory->slab_reclaimable + memory->slab_unreclaimable;
	memory->mapped = lesser(stat[STAT_FILE_MAPPED], memory->cached);
	memory->dirty = lesser(stat[STAT_FILE_DIRTY], memory->cached);
	memory->writeback = lesser(stat[STAT_FILE_WRITEBACK], memory->cached - memory->dirty);
	memory->write_pending = memory->dirty + memory->writeback;
	memory->anon_huge = lesser(stat[STAT_ANON_HUGE], memory->anon);
	memory->shmem_huge = lesser(stat[STAT_SHMEM_HUGE], memory->shmem);
	memory->file_huge = lesser(stat[STAT_FILE_HUGE], files);

	left = used;
	memory->unevictable = take(&left, stat[STAT_UNEVICTABLE]);
	memory->active_anon = take(&left, stat[STAT_ACTIVE_ANON]);
	memory->inactive_anon = take(&left, stat[STAT_INACTIVE_ANON]);
	memory->active_file = take(&files, lesser(left, stat[STAT_ACTIVE_FILE]));
	left -= memory->active_file;
	memory->inactive_file = take(&files, lesser(left, stat[STAT_INACTIVE_FILE]));
	memory->active = memory->active_anon + memory->active_file;
	memory->inactive = memory->inactive_anon + memory->inactive_file;
}

static void set_memory(struct memory *memory, const struct inputs *inputs)
{
	/* It is divided by. */
	memory->total = whole_pages(inputs->limit);
	if (memory->total == 0)
		memory->total = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t used = lesser(inputs->usage, memory->total);
	set_parts(memory, inputs->stat, used);
	uint64_t cache = memory->active_file + memory->inactive_file + memory->slab_reclaimable;
	/* The room counts the instance's own caches as well as those of others. In whole pages, as vmstat tells it. */
	memory->free = whole_pages(lesser(memory->total - used, difference(inputs->room, cache)));
	memory->available = memory->free + cache;
}

/*
 * What the limits leave of @host, the host's swap space, and what of it is used. On v1 memory and swap space have one
 * limit together: what that has over the limit of memory is swap space. @stat is looked at on v1 alone.
 */
static void limit_swap(struct instance *instance, const uint64_t stat[STAT_COUNT], uint64_t host,
		       uint64_t *total, uint64_t *used)
{
	uint64_t limit;
	if (instance_is_v2(instance, GROUP_SWAP_USAGE)) {
		limit = instance_read_number(instance, GROUP_SWAP_USAGE, used)
				? instance_read_tightest(instance, GROUP_SWAP_LIMIT)
				: 0;
	} else {
		limit = difference(stat[STAT_LIMIT_WITH_SWAP], stat[STAT_LIMIT]);
		if (stat[STAT_LIMIT] >= instance->host->memory)
			limit = stat[STAT_LIMIT_WITH_SWAP];
		*used = stat[STAT_SWAP];
	}
	*total = lesser(limit, host) / 1024 * 1024;
	*used = lesser(*used / 1024 * 1024, *total);
}

bool memory_read_swap(struct instance *instance, uint64_t *total, uint64_t *used)
{
	uint64_t stat[STAT_COUNT], host = host_swap(instance->host);
	*total = *used = 0;
	if (host == 0)
		return true;
	if (!instance_is_v2(instance, GROUP_SWAP_USAGE) && !read_stat(instance, stat))
		return false;
	limit_swap(instance, stat, host, total, used);
	return true;
}

static void set_swap(struct instance *instance, struct memory *memory,
		     const uint64_t stat[STAT_COUNT])
{
	uint64_t used = 0, host = host_swap(instance->host);
	if (host)
		limit_swap(instance, stat, host, &memory->swap_total, &used);
	memory->swap_free = memory->swap_total - used;
	memory->swap_cached = lesser(stat[STAT_SWAP_CACHED], used);
	memory->zswapped = lesser(stat[STAT_ZSWAPPED], used);
	memory->zswap = lesser(stat[STAT_ZSWAP], memory->zswapped);
}

bool memory_read(struct instance *instance, struct memory *memory)
{
	struct inputs inputs;
	if (!read_inputs(instance, &inputs))
		return false;
	memset(memory, 0, sizeof(*memory));
	set_memory(memory, &inputs);
	set_swap(instance, memory, inputs.stat);
	memory->file_pages = memory->cached + memory->swap_cached;
	memory->committed = memory->anon + memory->shmem + memory->swap_total - memory->swap_free;
	/* The kernel's rule with its own default of half of the memory. */
	memory->commit_limit = memory->total / 2 + memory->swap_total;
	memcpy(memory->events, &inputs.stat[STAT_EVENTS], sizeof(memory->events));
	return true;
}
