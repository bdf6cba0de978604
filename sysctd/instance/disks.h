/* Disks of instances beside the root disk: their part of the runtime's spec (runtime/disks.h). */
#ifndef SYSCT_INSTANCE_DISKS_H
#define SYSCT_INSTANCE_DISKS_H

#include "instance/instance.h"

/* "sysct.disks" of the spec from expanded devices; NULL on failure. */
json_t *disks_spec(struct server *server, const json_t *devices, struct error **error);

/**
 * disks_check_sources - what is new or changed in @devices has a source, unless it is not required.
 * @old: the expanded devices so far; NULL: none. A volume must be there in any case.
 */
int disks_check_sources(struct server *server, const json_t *old, const json_t *devices,
			struct error **error);

/* A running instance has disks as @devices say; before them comes back when one cannot be mounted. */
int disks_replug(struct instance *instance, const json_t *devices, struct error **error);

/* Back to what it had before the last disks_replug(), which was not stored. */
void disks_restore(struct instance *instance);

/* A starting daemon: running instances get the disks that are stored, should one have been killed
 * between a change and its commit. */
void disks_refresh(struct server *server);

#endif
