/* What the daemon needs of its host: ids, limits, its own programs. */
#ifndef SYSCT_HOST_H
#define SYSCT_HOST_H

#include "db/instances.h"
#include "error.h"

/**
 * host_read_id_pool - root's range in /etc/subuid and /etc/subgid (subuid(5)).
 * Both must name the same range; without lines 1000000:1000000000 is used.
 */
int host_read_id_pool(struct id_pool *pool, struct error **error);

enum { HOST_OPEN_FILES = 1048576 }; /* for the daemon and, as the hard limit, for instances */

/* Raises the kernel's limits that many instances reach (etc/60-sysct.conf), and says so. */
void host_raise_limits(void);

/* @variable of the environment (for running from the build tree), or @fallback; caller frees. */
char *host_program_directory(const char *variable, const char *fallback);

#endif
