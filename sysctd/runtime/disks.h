/*
 * Disks of an instance beside its root: "sysct.disks" of the spec, in the order of their paths. Each has
 * "device" (its name), "path" (in the instance) and "source", a directory or file of the host or
 * "tmpfs:"; and may have "sub" (a path below the source that an instance can influence), "size" (of a
 * tmpfs), "propagation" ("private" or "slave"), and the booleans "readonly", "recursive", "shift" and
 * "optional".
 *
 * The way of one, at a start as well as later:
 *   disk_stage()    as root of the host, in a mount namespace of its own: ids and flags
 *   unshare(2)      by the user namespace of the instance: what is copied then is locked, so that the
 *                   instance cannot make it writable again or look below a mount
 *   disk_take()     a detached copy of that
 *   disk_attach()   in the instance, as its root: the mount point, which is made safely
 */
#ifndef SYSCT_DISKS_H
#define SYSCT_DISKS_H

#include <jansson.h>
#include <sys/types.h>

#include "error.h"

struct disk_context {
	int host_mounts;    /* mount namespace that sources are looked up in */
	int user_namespace; /* of the instance */
	uid_t root_uid;	    /* its root, on the host */
	gid_t root_gid;
};

/**
 * disks_stage - mount each at a place of its number below the working directory.
 * Nothing is there when an optional source is missing; on failure none is left.
 */
int disks_stage(const json_t *disks, const struct disk_context *context, struct error **error);
void disks_unstage(const json_t *disks);

/* @tree: the mount, in no namespace yet; -1 when nothing was staged. */
int disk_take(const json_t *disk, size_t number, int *tree, struct error **error);

/* The caller's root must be the instance's. @tree goes on being a descriptor of the mount. */
int disk_attach(const json_t *disk, int tree, struct error **error);

/**
 * disk_mark - what the mount is found by later; no descriptor, which would keep the instance from unmounting it.
 * @proc: the directory /proc/self, of an instance or the host. The caller frees it.
 */
char *disk_mark(int tree, int proc);

/* Away with it, also when it is busy, if it is still there, wherever the instance moved it. The
 * caller is in the instance's mount namespace. */
int disk_detach(const json_t *disk, const char *mark, int proc, struct error **error);

#endif
