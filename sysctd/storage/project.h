/*
 * Project quotas of ext4 and xfs (quotactl(2), "project" in ext4(5), xfs_quota(8)). The directory of a layer has
 * a project of its own, and so has what is made below it: the kernel counts it, and keeps it to a limit. The
 * project is told by the directory itself, so that no row can say something else.
 *
 * Only where a directory passes its project on does the kernel refuse to link and to rename what belongs to
 * another: such are layers that are written into. What was merged of several has none that is passed on.
 */
#ifndef SYSCT_STORAGE_PROJECT_H
#define SYSCT_STORAGE_PROJECT_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"

/* Whether the directory of a pool is where projects are counted and limited. ERROR_UNSUPPORTED says what is
 * missing. */
int project_check(const char *path, struct error **error);

/* Gives the directory of a layer, in which there are no more than empty directories, a project of its own, or that
 * of the directory @with if that has one. Nothing happens where projects are not limited, or are somebody else's. */
int project_begin(const char *path, const char *with, struct error **error);

/* The same directory is to be filled with links: most to files of the project of @with, which it is said to
 * belong to. It passes nothing on. */
int project_note(const char *path, const char *with, struct error **error);

/* The project of an open directory, if it is one of ours; 0: none, also for no descriptor. */
uint32_t project_of(int fd);

/* Whether both directories have the same one. */
bool project_same(const char *path, const char *other);

/* The most bytes that the project of the directory may have, 0 for no limit. ERROR_UNSUPPORTED for a directory
 * that has no project. */
int project_limit(const char *path, uint64_t bytes, struct error **error);

/* Bytes that the kernel counts for the project of the directory; -1: it does not. Both are the same: see driver.h. */
int project_usage(const char *path, int64_t *own, int64_t *all);

/* After something was removed from the file system of @directory: a project that nothing has any more loses
 * its limit. */
void project_forget(int directory, uint32_t project);

#endif
