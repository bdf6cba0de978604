/*
 * The files that are virtualised: a table, a row for each, with the function that writes it. Directories are made of
 * the rows' paths. doc/lxcfs.md tells where each value comes from.
 */
#ifndef SYSCT_LXCFS_FILES_H
#define SYSCT_LXCFS_FILES_H

#include "lxcfs/instance.h"
#include "lxcfs/text.h"

struct file {
	/* Below the mount point. "*" stands for a number ("cpu*"), of which there is one at most. */
	const char *path;
	/*
	 * Writes the whole file as @instance sees it; @number is that of "*".
	 * Returns false when what it is made of is gone, since the instance ends, or was never there.
	 */
	bool (*write)(struct instance *instance, unsigned number, struct text *text);
	/* Which numbers there are, as bits; @instance NULL: of the host. Only where there is a "*". */
	void (*numbers)(struct instance *instance, struct host *host,
			uint64_t bits[HOST_CPU_WORDS]);
};

extern const struct file files[];
extern const unsigned files_count;

#endif
