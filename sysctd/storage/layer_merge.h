/*
 * Two layers of an overlay that lie above each other, made into one that means the same, whatever
 * lies below and above (overlayfs.rst: whiteouts, opaque and redirected directories, multiple lower layers).
 *
 * Nothing of a file's data is copied: what is no directory is linked into the new layer, so all three
 * must be on one file system. Both layers stay as they are, and may be mounted meanwhile, but nobody
 * may write into them.
 */
#ifndef SYSCT_STORAGE_LAYER_MERGE_H
#define SYSCT_STORAGE_LAYER_MERGE_H

#include <stdatomic.h>

#include "error.h"

/**
 * layer_merge - fill the empty directory @target with what @upper above @lower means.
 * @stop: ERROR_CANCELLED soon after it becomes true; NULL: never.
 * ERROR_UNSUPPORTED: the two cannot be one layer. On failure the target is of no use.
 */
int layer_merge(int lower, int upper, int target, const atomic_bool *stop, struct error **error);

#endif
