/* sysctd's side of a monitor: starting one, finding one again, asking it. */
#ifndef SYSCT_MONITOR_LINK_H
#define SYSCT_MONITOR_LINK_H

#include <jansson.h>
#include <sys/types.h>

#include "error.h"
#include "message.h"

struct monitor_link {
	int socket; /* events of the instance come here */
	int pidfd;  /* of its init */
	pid_t pid;
	long long started_at; /* nanoseconds since the epoch */
};

#define MONITOR_LINK_INIT                                                                          \
	{                                                                                          \
		.socket = -1, .pidfd = -1                                                          \
	}

/**
 * monitor_spawn - start an instance.
 * @program: path of sysct-monitor. @directory: of the instance below /run,
 * made here; it holds config.json, the socket and the state, and stays until
 * monitor_forget().
 * @spec: see spec.h.
 * Returns when init runs; on failure nothing is left.
 */
int monitor_spawn(const char *program, const char *directory, const json_t *spec,
		  struct monitor_link *link, struct error **error);

/* Writes a new spec for the next boot from inside (config.json). */
int monitor_update_spec(const char *directory, const json_t *spec, struct error **error);

/* The spec that it has now; a new reference, or NULL. */
json_t *monitor_read_spec(const char *directory);

/* Finds a running monitor again; ERROR_NOT_FOUND when none serves that directory. */
int monitor_reconnect(const char *directory, struct monitor_link *link, struct error **error);

/**
 * monitor_request - one question on a connection of its own.
 * @fds: go with it, and stay the caller's.
 * @answer: NULL when the monitor answers elsewhere (exec, console).
 */
int monitor_request(const char *directory, const json_t *request, const int *fds, size_t fd_count,
		    struct message *answer, struct error **error);

/* A running instance has these "sysct.proxies" from now on; ERROR_* names the device that does not start. */
int monitor_change_proxies(const char *directory, const json_t *proxies, struct error **error);

/* The same of "sysct.disks". */
int monitor_change_disks(const char *directory, const json_t *disks, struct error **error);

/* The state that a monitor left when it ended, or NULL. */
json_t *monitor_last_state(const char *directory);

/* Removes the directory, and the control group @cgroup with whatever is still in it. */
int monitor_forget(const char *directory, const char *cgroup, struct error **error);

void monitor_link_close(struct monitor_link *link);

#endif
