/* The instance's first process, from clone3 to the exec of its init. */
#ifndef SYSCT_CONTAINER_H
#define SYSCT_CONTAINER_H

#include <stddef.h>
#include <sys/types.h>

#include "cgroup.h"
#include "error.h"
#include "spec.h"

struct container {
	pid_t pid;
	int pidfd;
	int pid_namespace;     /* of the instance, for attached processes */
	int listener;	       /* of system calls that its init's filter asks about, or -1 */
	int network_namespace; /* to get interfaces of the host out of it in the end */
	char **disks;	       /* the mark of each of spec->disks (disk_mark()), or NULL */
	size_t disk_count;
};

#define CONTAINER_INIT                                                                             \
	{                                                                                          \
		-1, -1, -1, -1, -1, NULL, 0                                                        \
	}

/* What the host gives it. */
struct container_host {
	const struct cgroup *cgroup;
	const char *console; /* path of the console's pty slave */
	int mounts;	     /* the mount namespace that sources of disks are in */
};

/* Values that both init and attached processes are given. */
struct container_filter {
	void *bytes;
	size_t length;
};

/**
 * container_start - make namespaces, root file system and mounts, and run init.
 * Returns when init has been executed; on failure nothing of it is left but
 * what the caller made (the cgroup, the monitor's mount namespace), and the
 * error is the child's own: "mounting /proc in mybox: ...".
 * The working directory must be the monitor's, in a mount namespace of its own.
 */
int container_start(const struct spec *spec, const struct container_host *host,
		    const struct container_filter *filter, struct container *container,
		    struct error **error);

/**
 * container_end - give back interfaces of the host that are in @nics, and close the descriptors.
 * Its init must have been waited for.
 */
void container_end(struct container *container, const json_t *nics);

/* A descriptor of one of the namespaces of a process. */
int container_open_namespace(pid_t pid, const char *kind, int *fd, struct error **error);

/* uid and gid 0 of the user namespace that the caller is in. */
int container_become_root(struct error **error);

/* clone3(2) with CLONE_PIDFD and CLONE_INTO_CGROUP; like fork, -1 with errno. */
pid_t container_clone(unsigned long long flags, int cgroup, int *pidfd);

#endif
