/* The device mapper (linux/dm-ioctl.h), asked without running a program. */
#ifndef SYSCT_STORAGE_DM_H
#define SYSCT_STORAGE_DM_H

#include <stdint.h>

#include "error.h"

/* Whether the kernel has the device mapper and, in it or as a module, its target ("thin-pool").
 * ERROR_UNSUPPORTED says which of the two is missing. */
int dm_check_target(const char *target, struct error **error);

/* The name that LVM gives to the device of a logical volume; the caller frees it. */
char *dm_name(const char *group, const char *volume);

enum { DM_TEXT = 512 };

/**
 * dm_status - of a device with one target.
 * @sectors: its size in units of 512 bytes.
 * @text: what the target says of itself; thin-pool and thin are told of in the kernel's
 * Documentation/admin-guide/device-mapper/thin-provisioning.rst.
 * -1 with errno: there is none, ENXIO.
 */
int dm_status(const char *name, uint64_t *sectors, char text[static DM_TEXT]);

#endif
