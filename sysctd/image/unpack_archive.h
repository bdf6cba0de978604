/* Unpacks an archive into the current directory, which is its root. */
#ifndef SYSCT_IMAGE_UNPACK_ARCHIVE_H
#define SYSCT_IMAGE_UNPACK_ARCHIVE_H

#include <stdint.h>

#include "error.h"
#include "image/unpack_input.h"

/* The ids an instance has: 0 to 65535. */
enum { UNPACK_MAX_ID = 65535 };

/**
 * struct unpack_limits - what an archive may cost; 0 is no limit.
 * @bytes: of data in all files; @entries: files of any kind.
 */
struct unpack_limits {
	uint64_t bytes;
	uint64_t entries;
};

struct unpack_counts {
	uint64_t bytes; /* of data written */
	uint64_t entries;
	uint64_t devices_dropped;
	uint64_t attributes_dropped;
};

struct archive;
struct archive_entry;

/**
 * struct unpack_filter - what is done with an entry before.
 * @take: may change it, and read its data: 1, it is unpacked; 0, it is left out; -1; UNPACK_STOP: enough was read.
 */
struct unpack_filter {
	int (*take)(void *data, struct archive *reader, struct archive_entry *entry,
		    struct error **error);
	void *data;
};

enum { UNPACK_STOP = 2 };

/**
 * unpack_archive - read @input and make the files.
 * Owners are numbers. Device nodes are left out and counted; extended
 * attributes other than user.* and security.capability too. Refused: ids above
 * UNPACK_MAX_ID, absolute names, "..", names that lead through a symbolic link.
 * @filter: may be NULL.
 */
int unpack_archive(struct unpack_input *input, const struct unpack_limits *limits,
		   const struct unpack_filter *filter, struct unpack_counts *counts,
		   struct error **error);

#endif
