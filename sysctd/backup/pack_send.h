/*
 * Subvolumes of btrfs in a backup, as the kernel sends them. LXD keeps the root directory of a container one level below
 * the subvolume, beside files of its own, and we do not: the stream is rewritten on the way.
 */
#ifndef SYSCT_BACKUP_PACK_SEND_H
#define SYSCT_BACKUP_PACK_SEND_H

#include <archive.h>
#include <jansson.h>

#include "backup/pack_tree.h"
#include "error.h"

struct pack_sends;

/**
 * pack_sends_start - before this process gives its rights up.
 * Starts one that sends what the entries of pack.h want, in their order; it dies with this one.
 * @scratch: the directory for a file that has each stream until its length is known. NULL on failure; pack_sends_free().
 */
struct pack_sends *pack_sends_start(const json_t *entries, const char *scratch,
				    struct error **error);

/* The next one into the archive, as the file @path. */
int pack_sends_write(struct pack_sends *sends, struct archive *writer, const char *path,
		     const json_t *entry, uint64_t *bytes, pack_progress progress,
		     struct error **error);
void pack_sends_free(struct pack_sends *sends);

#endif
