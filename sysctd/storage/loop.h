/* Loop devices (loop(4)): files as block devices. */
#ifndef SYSCT_STORAGE_LOOP_H
#define SYSCT_STORAGE_LOOP_H

#include "error.h"

/* The device that the file has, which the caller frees; NULL: it has none. */
char *loop_find(const char *file);

/**
 * loop_attach - a device with the content of the file, the one that it has or a new one.
 * It goes when its last user does: the descriptor, which the caller closes, or a mount.
 * @device: its path, which the caller frees.
 */
int loop_attach(const char *file, char **device, struct error **error);

/* After the file has grown: the device has its size, too. Nothing to do where there is none. */
int loop_grow(const char *file, struct error **error);

#endif
