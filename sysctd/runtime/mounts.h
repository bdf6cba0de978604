/* The mounts of an instance, made by its first process inside its own mount namespace. */
#ifndef SYSCT_MOUNTS_H
#define SYSCT_MOUNTS_H

#include "error.h"
#include "spec.h"

/* Descriptors of what bind mounts bring in from the host, taken before pivot_root. */
struct mount_sources {
	int *fds; /* one for each entry of spec->mounts, -1 where none is needed */
	size_t count;
	int console; /* the slave of the console's pty, or -1 */
};

#define cleanup_mount_sources __attribute__((cleanup(mounts_sources_free)))

/**
 * mounts_take_sources - clone the host side of every bind mount.
 * @console: path of the console's pty slave on the host, or NULL.
 * Must run while the process still may walk the host's paths.
 */
int mounts_take_sources(const struct spec *spec, const char *console, struct mount_sources *sources,
			struct error **error);
void mounts_sources_free(struct mount_sources *sources);

/**
 * mounts_pivot - make the working directory the root.
 * Returns a descriptor of the old root, which is still mounted: a new /proc
 * or /sys is only allowed while the old one can be seen (mount_namespaces(7)).
 */
int mounts_pivot(struct error **error);

/* All of spec->mounts, /dev's contents, masked and read-only paths. */
int mounts_make(const struct spec *spec, const struct mount_sources *sources, struct error **error);

/* Detaches the old root and stops propagation. */
int mounts_leave_old_root(int old_root, struct error **error);

#endif
