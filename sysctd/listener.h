/* The socket of the API: our own, or systemd's by socket activation. */
#ifndef SYSCT_LISTENER_H
#define SYSCT_LISTENER_H

#include "error.h"

/**
 * listener_open - the listening descriptor.
 * @path: where to bind when no socket was passed (sd_listen_fds(3)).
 * @group: that may connect; NULL is "sysct" where that exists, else root alone.
 */
int listener_open(const char *path, const char *group, struct error **error);

/* Removes our own socket; one of systemd's stays. */
void listener_remove(const char *path);

/* Tells systemd that clients are served from now on (sd_notify(3)). */
void listener_notify_ready(void);

#endif
