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
	/*
	 * In place of @write, for many files that are the host's or a part of it in one way: @path is that of this
	 * row with the number put in.
	 */
	bool (*write_path)(struct instance *instance, const char *path, struct text *text);
};

enum { FILE_MAX_PATH = 128 };

/* The path of a row with the number in it. */
void file_path(const struct file *file, unsigned number, char path[FILE_MAX_PATH]);

/* Writes the whole file by the function of its row; see @write above. */
bool file_write(const struct file *file, struct instance *instance, unsigned number,
		struct text *text);

/**
 * file_exists - whether the host has it: each file stands for one of the host's at the same path, and what a host
 * does not have (cache/index3, a node, pressure/) its instances do not see. A directory exists when a file in it does.
 * The number must be one of @numbers, which this does not look at.
 */
bool file_exists(const struct file *file, struct host *host, unsigned number);

extern const struct file files[];
extern const unsigned files_count;

#endif
