/*
 * Copying a tree whose owner goes on writing into it: a first run copies all, further ones only what
 * changed since, so that the owner need be held only for the last. Metadata, hard links, holes,
 * special files and extended attributes are kept, whiteouts of an overlay among them; what ties an
 * upper to its lower (trusted.overlay.origin and the like) is left out, as an upper that was
 * copied must not have it (overlayfs.rst, "Index").
 *
 * What changed is seen by inode and change time. The contents of a page that is mapped shared and
 * was dirty already change without the kernel setting it: tree_copy_protect() makes it set it for
 * such a file, and where that cannot be, tree_copy_distrust() has it copied again.
 */
#ifndef SYSCT_STORAGE_TREE_COPY_H
#define SYSCT_STORAGE_TREE_COPY_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"

struct tree_copy;

/* Both directories are there, the target is empty but for tree_copy_onto(); takes the descriptors. */
struct tree_copy *tree_copy_new(int source, int target);
void tree_copy_free(struct tree_copy *copy);

static inline void cleanup_tree_copy_pointer(struct tree_copy **copy)
{
	if (*copy)
		tree_copy_free(*copy);
}
#define cleanup_tree_copy __attribute__((cleanup(cleanup_tree_copy_pointer)))

/* The target may have something already: what is the same there (kind, size, times, owner, mode and
 * extended attributes) stays, and what the source has not goes. */
void tree_copy_onto(struct tree_copy *copy);

/* For tree_copy_onto() with times that may have been rounded to seconds, as archives have them: of a file with such
 * a time the bytes are compared, too. */
void tree_copy_rounded(struct tree_copy *copy);

/**
 * tree_copy_run - make the target what the source is.
 * What vanishes meanwhile is passed over. On failure the target is of no use. Links are
 * not followed, and file systems mounted in the source are not entered.
 */
int tree_copy_run(struct tree_copy *copy, struct error **error);

/**
 * tree_copy_protect - before a run: writes dirty pages of the file to the disk, after which the kernel
 * notices the next write to each by any mapping (sync_file_range(2); mm/page-writeback.c,
 * folio_clear_dirty_for_io()). What changes between this and the run is copied again in the next.
 * @path: relative to the source; one that is not there is fine. False: it is for tree_copy_distrust().
 */
bool tree_copy_protect(struct tree_copy *copy, const char *path);

/* Whether the source's file system notices writes by mappings at all: tmpfs does not. */
bool tree_copy_can_protect(const struct tree_copy *copy);

/* The next run copies the file again; @path is relative to the source. One that is not there is fine. */
void tree_copy_distrust(struct tree_copy *copy, const char *path);

/* What was copied is on the disk (syncfs(2)). */
int tree_copy_sync(const struct tree_copy *copy, struct error **error);

/* @watch is told now and then how many bytes the run has written; false ends it with ERROR_CANCELLED. */
void tree_copy_watch(struct tree_copy *copy, bool (*watch)(void *data, unsigned long long written),
		     void *data);

/* How many bytes the last run has written. */
unsigned long long tree_copy_written(const struct tree_copy *copy);

/* Owner, mode, extended attributes and times of one directory, without what is in it. @shift is added
 * to its ids, also to those in ACLs. */
int tree_copy_root(int source, int target, int64_t shift, struct error **error);

#endif
