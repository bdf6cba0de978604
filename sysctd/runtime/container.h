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
	int network_namespace; /* to get interfaces of the host out of it in the end */
};

#define CONTAINER_INIT                                                                             \
	{                                                                                          \
		-1, -1, -1, -1                                                                     \
	}

/* Values that both init and attached processes are given. */
struct container_filter {
	void *bytes;
	size_t length;
};

/**
 * container_start - make namespaces, root file system and mounts, and run init.
 * @console: path of the console's pty slave on the host.
 * Returns when init has been executed; on failure nothing of it is left but
 * what the caller made (the cgroup, the monitor's mount namespace), and the
 * error is the child's own: "mounting /proc in mybox: ...".
 * The working directory must be the monitor's, in a mount namespace of its own.
 */
int container_start(const struct spec *spec, const struct cgroup *cgroup, const char *console,
		    const struct container_filter *filter, struct container *container,
		    struct error **error);

/**
 * container_end - give back interfaces of the host that are in @nics, and close the descriptors.
 * Its init must have been waited for.
 */
void container_end(struct container *container, const json_t *nics);

/* clone3(2) with CLONE_PIDFD and CLONE_INTO_CGROUP; like fork, -1 with errno. */
pid_t container_clone(unsigned long long flags, int cgroup, int *pidfd);

#endif
