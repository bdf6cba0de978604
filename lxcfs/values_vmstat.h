/* Counters of virtual memory by the kernel's names, as vmstat and zoneinfo have them. */
#ifndef SYSCT_LXCFS_VALUES_VMSTAT_H
#define SYSCT_LXCFS_VALUES_VMSTAT_H

#include "lxcfs/form.h"
#include "lxcfs/values_memory.h"

struct vmstat {
	struct memory memory;
	uint64_t read, written; /* bytes from and to block devices */
	uint64_t oom_kills;
};

/**
 * vmstat_add - a number for the counter @name: the instance's, or 0 where nobody counts it for a group.
 * @width: see text_add_number(). The blank's values are a struct vmstat.
 */
void vmstat_add(struct form *form, const char *name, int width);

/* Returns false when the instance has gone. */
bool vmstat_read(struct instance *instance, struct vmstat *vmstat);

#endif
