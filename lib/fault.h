/*
 * Points at which tests end a process as kill -9 would (--enable-faults). The
 * environment names one: SYSCT_FAULT=create.committed. In other builds they
 * are nothing. tests/integration/crash*.t find the names in the source.
 */
#ifndef SYSCT_FAULT_H
#define SYSCT_FAULT_H

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#ifdef ENABLE_FAULTS
void fault_point(const char *name);
#else
static inline void fault_point(const char *name)
{
	(void)name;
}
#endif

#endif
