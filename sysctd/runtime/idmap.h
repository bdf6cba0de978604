/* User namespace maps and idmapped mounts (user_namespaces(7), mount_setattr(2)). */
#ifndef SYSCT_IDMAP_H
#define SYSCT_IDMAP_H

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#include "error.h"

/* Writes the maps of a process that waits in a new user namespace. */
int idmap_write(pid_t pid, const json_t *uid_mappings, const json_t *gid_mappings,
		struct error **error);

/**
 * idmap_user_namespace - descriptor of a user namespace that maps ids written
 * with base @from to base @to: what an idmapped mount of a layer needs.
 */
int idmap_user_namespace(uid_t from, uid_t to, unsigned int count, struct error **error);

/**
 * idmap_attach - mount @source again at @target, through @user_namespace.
 * @target: a directory relative to the working directory or absolute. @user_namespace -1: as it is.
 * @writable: else it is read-only.
 */
int idmap_attach(const char *source, const char *target, int user_namespace, bool writable,
		 struct error **error);

#endif
