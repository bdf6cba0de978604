/*
 * Owners in a backup. LXD writes them as they are on the disk: counted from 0, or, where it shifted the files of a
 * container, from a number that "volatile.last_state.idmap" tells. Here they become those of the
 * container, also in access control lists and file capabilities.
 */
#ifndef SYSCT_BACKUP_UNPACK_IDS_H
#define SYSCT_BACKUP_UNPACK_IDS_H

#include <archive_entry.h>
#include <jansson.h>
#include <stdint.h>

#include "error.h"

/* The map that @key of a "config" tells: an array, to be freed; empty: none is needed. */
json_t *unpack_ids_map(const json_t *config, const char *key, struct error **error);

/* What an id of the disk is in the container; -1: there is no such one. */
int64_t unpack_ids_uid(const json_t *map, int64_t id);
int64_t unpack_ids_gid(const json_t *map, int64_t id);

/* Changes the ids in the value of an extended attribute, in place; its size then. */
size_t unpack_ids_attribute(const json_t *map, const char *name, char *value, size_t size);

/* Changes owners and attributes. ERROR_INVALID for an id that is not in the map. */
int unpack_ids_change(const json_t *map, struct archive_entry *entry, struct error **error);

#endif
