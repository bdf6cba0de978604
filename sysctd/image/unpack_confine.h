/* Takes everything away that unpacking an archive does not need. */
#ifndef SYSCT_IMAGE_UNPACK_CONFINE_H
#define SYSCT_IMAGE_UNPACK_CONFINE_H

#include <sys/capability.h>

#include "error.h"

/**
 * unpack_confine - make @directory the root of this process, and all it can reach.
 * Namespaces of its own for mounts, network, IPC and host name; the file
 * system without devices, programs and set-uid; five capabilities.
 */
int unpack_confine(const char *directory, struct error **error);

/* ---- its parts, for others that are confined likewise ---- */

/* Namespaces of its own for mounts (private), network, IPC and host name. */
int confine_namespaces(struct error **error);

/* @directory, which is a mount point, becomes the root; the old one goes. */
int confine_pivot(const char *directory, struct error **error);

/* Keeps these capabilities alone, and no way to get others. */
int confine_capabilities(const cap_value_t *wanted, int count, struct error **error);

/* Those that unpacking needs. */
int unpack_confine_capabilities(struct error **error);

#endif
