/* The trees of a backup, mounted read-only with ids from 0 in a mount namespace of this process. */
#ifndef SYSCT_BACKUP_PACK_MOUNTS_H
#define SYSCT_BACKUP_PACK_MOUNTS_H

#include <jansson.h>

#include "error.h"

/**
 * pack_mounts_make - what the entries of pack.h need; then nothing else of the host can be reached.
 * @scratch: a directory to mount over. Entry number i is at "/ti" then. Of the capabilities the one
 * to read everything is left.
 */
int pack_mounts_make(const json_t *entries, const char *scratch, struct error **error);

#endif
