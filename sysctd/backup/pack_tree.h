/* Writes a tree into an archive. */
#ifndef SYSCT_BACKUP_PACK_TREE_H
#define SYSCT_BACKUP_PACK_TREE_H

#include <archive.h>
#include <stdint.h>

#include "error.h"

/* How many bytes of data were read so far; called now and then. */
typedef void (*pack_progress)(uint64_t bytes);

/**
 * pack_tree - all that is in the directory @root, and itself, below the name @prefix.
 * Owners are numbers. Hard links, holes, user.*, security.capability and POSIX ACLs are kept; sockets are
 * left out. The tree does not change meanwhile. @bytes: of data, counted on.
 */
int pack_tree(struct archive *writer, const char *root, const char *prefix, uint64_t *bytes,
	      pack_progress progress, struct error **error);

/* The failure of a writer in libarchive's words; ERROR_NO_SPACE for a full disk. Always -1. */
int pack_write_error(struct archive *writer, const char *path, struct error **error);

#endif
