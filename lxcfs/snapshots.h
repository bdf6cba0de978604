/*
 * What an open file shows: one text, made when it is read from its beginning, so that all later reads, wherever and
 * however short, fit together. It lies in shared memory and so goes on with the next worker.
 *
 * The memory is bounded: whoever opens thousands of files and never reads on loses the oldest of them, and nobody
 * else's. Of a snapshot that was lost a new one is made at the next read.
 */
#ifndef SYSCT_LXCFS_SNAPSHOTS_H
#define SYSCT_LXCFS_SNAPSHOTS_H

#include <stdint.h>
#include <sys/types.h>

#include "lxcfs/shared.h"

struct snapshots;

/* Takes over what an earlier worker left in @shared, which must outlive it. */
struct snapshots *snapshots_open(struct shared *shared);
void snapshots_close(struct snapshots *snapshots);

/**
 * snapshots_store - keep a text for a handle, in place of what it had.
 * @handle: not 0.
 * @owner: whose memory it counts as (a pid namespace).
 */
void snapshots_store(struct snapshots *snapshots, uint64_t handle, uint64_t owner,
		     const char *bytes, size_t length);

/* Copies a part; the length (0 at and behind the end), or -1 when there is no snapshot of this handle. */
ssize_t snapshots_read(struct snapshots *snapshots, uint64_t handle, uint64_t offset, char *bytes,
		       size_t size);

void snapshots_drop(struct snapshots *snapshots, uint64_t handle);

#endif
