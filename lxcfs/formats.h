/* The functions of the table in files.c, one for each file: values into the kernel's text. */
#ifndef SYSCT_LXCFS_FORMATS_H
#define SYSCT_LXCFS_FORMATS_H

#include "lxcfs/instance.h"
#include "lxcfs/text.h"

bool format_meminfo(struct instance *instance, unsigned number, struct text *text);
bool format_slabinfo(struct instance *instance, unsigned number, struct text *text);
bool format_swaps(struct instance *instance, unsigned number, struct text *text);
bool format_uptime(struct instance *instance, unsigned number, struct text *text);
bool format_vmstat(struct instance *instance, unsigned number, struct text *text);
bool format_zoneinfo(struct instance *instance, unsigned number, struct text *text);

#endif
