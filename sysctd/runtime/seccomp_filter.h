/* The default seccomp denylist, compiled by sysctd, loaded by the monitor. */
#ifndef SYSCT_SECCOMP_FILTER_H
#define SYSCT_SECCOMP_FILTER_H

#include <stdbool.h>

#include "error.h"

/**
 * seccomp_filter_write - compile the denylist for this machine into a file.
 * @path: replaced atomically; instances that run keep what they loaded.
 * @ask_sysinfo: sysinfo(2) waits for who listens (runtime/monitor_sysinfo.c).
 */
int seccomp_filter_write(const char *path, bool ask_sysinfo, struct error **error);

#endif
