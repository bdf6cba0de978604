/* The functions of the table in files.c, one for each file: values into the kernel's text. */
#ifndef SYSCT_LXCFS_FORMATS_H
#define SYSCT_LXCFS_FORMATS_H

#include "lxcfs/instance.h"
#include "lxcfs/text.h"

bool format_diskstats(struct instance *instance, unsigned number, struct text *text);
bool format_loadavg(struct instance *instance, unsigned number, struct text *text);
bool format_pressure_cpu(struct instance *instance, unsigned number, struct text *text);
bool format_pressure_io(struct instance *instance, unsigned number, struct text *text);
bool format_pressure_memory(struct instance *instance, unsigned number, struct text *text);
bool format_stat(struct instance *instance, unsigned number, struct text *text);
bool format_uptime(struct instance *instance, unsigned number, struct text *text);

#endif
