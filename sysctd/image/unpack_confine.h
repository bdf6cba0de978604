/* Takes everything away that unpacking an archive does not need. */
#ifndef SYSCT_IMAGE_UNPACK_CONFINE_H
#define SYSCT_IMAGE_UNPACK_CONFINE_H

#include "error.h"

/**
 * unpack_confine - make @directory the root of this process, and all it can reach.
 * Namespaces of its own for mounts, network, IPC and host name; the file
 * system without devices, programs and set-uid; five capabilities.
 */
int unpack_confine(const char *directory, struct error **error);

#endif
