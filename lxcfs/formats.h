/* The functions of the table in files.c, one for each file: values into the kernel's text. */
#ifndef SYSCT_LXCFS_FORMATS_H
#define SYSCT_LXCFS_FORMATS_H

#include <stddef.h>

#include "lxcfs/instance.h"
#include "lxcfs/text.h"

bool format_cmdline(struct instance *instance, unsigned number, struct text *text);
bool format_cpu_list(struct instance *instance, unsigned number, struct text *text);
bool format_cpuinfo(struct instance *instance, unsigned number, struct text *text);
bool format_diskstats(struct instance *instance, unsigned number, struct text *text);
bool format_empty_list(struct instance *instance, unsigned number, struct text *text);
bool format_loadavg(struct instance *instance, unsigned number, struct text *text);
bool format_meminfo(struct instance *instance, unsigned number, struct text *text);
bool format_node_distance(struct instance *instance, unsigned number, struct text *text);
bool format_node_meminfo(struct instance *instance, unsigned number, struct text *text);
bool format_node_numastat(struct instance *instance, unsigned number, struct text *text);
bool format_partitions(struct instance *instance, unsigned number, struct text *text);
bool format_pressure_cpu(struct instance *instance, unsigned number, struct text *text);
bool format_pressure_io(struct instance *instance, unsigned number, struct text *text);
bool format_pressure_memory(struct instance *instance, unsigned number, struct text *text);
bool format_slabinfo(struct instance *instance, unsigned number, struct text *text);
bool format_stat(struct instance *instance, unsigned number, struct text *text);
bool format_swaps(struct instance *instance, unsigned number, struct text *text);
bool format_uptime(struct instance *instance, unsigned number, struct text *text);
bool format_vmstat(struct instance *instance, unsigned number, struct text *text);
bool format_zoneinfo(struct instance *instance, unsigned number, struct text *text);

/* Where in struct memory is what the line @name of meminfo tells, -1: nowhere. */
ptrdiff_t meminfo_offset(const char *name);

/* The host's file as it is. */
bool format_copied(struct instance *instance, const char *path, struct text *text);

/* The host's list ("0-3,8") or mask ("0000010f") of processors, without those of others. */
bool format_cut_list(struct instance *instance, const char *path, struct text *text);
bool format_cut_mask(struct instance *instance, const char *path, struct text *text);

/* A list of nodes: by its name those with processors, with memory, or with either. */
bool format_node_list(struct instance *instance, const char *path, struct text *text);

#endif
