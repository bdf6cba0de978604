/*
 * What of the file server's mount (sysctd/lxcfs.h) goes over files of /proc and /sys: "sysct.lxcfs" of the spec, with
 * "source", where it is mounted on the host, and "paths", which are the same below that and in the instance, so
 * that who checkpoints it can name each mount. The instance may unmount them, as other mounts of its own namespace.
 */
#ifndef SYSCT_LXCFS_FILES_H
#define SYSCT_LXCFS_FILES_H

#include <jansson.h>

#include "error.h"

struct lxcfs_files {
	int *trees; /* a detached mount for each path, -1 where there is none */
	size_t count;
};

#define cleanup_lxcfs_files __attribute__((cleanup(lxcfs_files_free)))

/**
 * lxcfs_files_take - clone each while the host's paths can be walked.
 * @lxcfs: NULL: none. What cannot be taken, since the server has gone, is left out, and the log says so: an instance
 * can do without.
 */
void lxcfs_files_take(const json_t *lxcfs, struct lxcfs_files *files);
void lxcfs_files_free(struct lxcfs_files *files);

/* The root must be the instance's, with its /proc and /sys; what this kernel does not have there is left out. */
int lxcfs_files_attach(const json_t *lxcfs, const struct lxcfs_files *files, struct error **error);

#endif
