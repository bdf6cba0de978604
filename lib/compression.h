/* The compressions that a backup may have. */
#ifndef SYSCT_BACKUP_COMPRESSION_H
#define SYSCT_BACKUP_COMPRESSION_H

#include "error.h"

struct compression {
	const char *name;      /* as the API has it, and libarchive's filter; "none" */
	const char *extension; /* of a file: ".tar.zst" */
};

/* NULL and "" are the default, zstd. ERROR_UNSUPPORTED names those that there are. */
const struct compression *compression_find(const char *name, struct error **error);

#endif
