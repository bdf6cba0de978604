/* The answer of sysinfo(2), from the texts of an instance's virtualised files, so that both agree. */
#ifndef SYSCT_SYSINFO_READ_H
#define SYSCT_SYSINFO_READ_H

#include <stdbool.h>
#include <sys/sysinfo.h>

/**
 * sysinfo_read - @lxcfs: where the file server is mounted; the caller is in the instance's pid namespace.
 * Returns false when it does not answer.
 */
bool sysinfo_read(const char *lxcfs, struct sysinfo *info);

#endif
