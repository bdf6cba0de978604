/* A command in a running instance: the child of the monitor that becomes it. */
#ifndef SYSCT_ATTACH_H
#define SYSCT_ATTACH_H

#include <jansson.h>

#include "cgroup.h"
#include "container.h"
#include "error.h"
#include "spec.h"

struct attach_target {
	const struct spec *spec;
	const struct cgroup *cgroup;
	const struct container *container;
	const struct container_filter *filter;
};

/**
 * attach_start - run a command in the instance.
 * @request: {"args": [...], "env": {...}, "cwd": path, "user": number or name,
 * "group": number or name, "interactive": bool, "width": n, "height": n}.
 * @stdio: three descriptors for it, or NULL when interactive: then it gets a
 * pty of the instance's own devpts.
 * @pidfd, @sync: on success the caller's. On @sync come messages until the end
 * of file when the command has been executed: {"pty": true} with the master,
 * {"listener": true} with that of the seccomp filter,
 * or {"error": ..., "status": 126 or 127} when it could not be.
 * Returns the pid, or -1.
 */
pid_t attach_start(const struct attach_target *target, const json_t *request, const int *stdio,
		   int *pidfd, int *sync, struct error **error);

/**
 * attach_check_stdio - refuse descriptors that would be a way out of the
 * instance: directories and O_PATH descriptors of the host.
 */
int attach_check_stdio(const int *stdio, struct error **error);

#endif
