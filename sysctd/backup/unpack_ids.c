/* See unpack_ids.h. */
#include "backup/unpack_ids.h"

#include <archive.h>
#include <endian.h>
#include <linux/capability.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "memory.h"

json_t *unpack_ids_map(const json_t *config, const char *key, struct error **error)
{
	const char *text = json_string_value(json_object_get(config, key));
	json_t *map = text && *text ? json_loads(text, 0, NULL) : json_array();
	if (json_is_array(map))
		return map;
	json_decref(map);
	error_set(error, ERROR_INVALID, "index.yaml: %s is no list", key);
	return NULL;
}

static int64_t number_of(const json_t *extent, const char *key)
{
	return json_integer_value(json_object_get(extent, key));
}

/* -1: there is no such id in the container. @kind: "Isuid", "Isgid". */
static int64_t change_id(const json_t *map, const char *kind, int64_t id)
{
	size_t i;
	const json_t *extent;
	if (json_array_size(map) == 0)
		return id;
	json_array_foreach (map, i, extent) {
		int64_t from = id - number_of(extent, "Hostid");
		if (json_is_true(json_object_get(extent, kind)) && from >= 0 &&
		    from < number_of(extent, "Maprange"))
			return from + number_of(extent, "Nsid");
	}
	return -1;
}

/* Its entries are in place. What is no list of entries is refused where it is set. */
static void change_acl(const json_t *map, char *value, size_t size)
{
	struct posix_acl_xattr_entry entry;
	for (size_t at = sizeof(struct posix_acl_xattr_header); at + sizeof(entry) <= size;
	     at += sizeof(entry)) {
		memcpy(&entry, value + at, sizeof(entry));
		uint16_t tag = le16toh(entry.e_tag);
		if (tag != ACL_USER && tag != ACL_GROUP)
			continue;
		int64_t id =
			change_id(map, tag == ACL_USER ? "Isuid" : "Isgid", le32toh(entry.e_id));
		entry.e_id = htole32((uint32_t)id);
		memcpy(value + at, &entry, sizeof(entry));
	}
}

/* A capability for the root of a user namespace becomes a plain one, where that root is the container's. */
static size_t change_capability(const json_t *map, char *value, size_t size)
{
	struct vfs_ns_cap_data data;
	if (size != sizeof(data))
		return size;
	memcpy(&data, value, sizeof(data));
	uint32_t root = le32toh(data.rootid), magic = le32toh(data.magic_etc);
	/* LXD writes 0 for it as well. */
	if (root != 0 && change_id(map, "Isuid", root) != 0)
		return size;
	data.magic_etc = htole32((magic & ~(uint32_t)VFS_CAP_REVISION_MASK) | VFS_CAP_REVISION_2);
	memcpy(value, &data, sizeof(data));
	return sizeof(struct vfs_cap_data);
}

int64_t unpack_ids_uid(const json_t *map, int64_t id)
{
	return change_id(map, "Isuid", id);
}

int64_t unpack_ids_gid(const json_t *map, int64_t id)
{
	return change_id(map, "Isgid", id);
}

size_t unpack_ids_attribute(const json_t *map, const char *name, char *value, size_t size)
{
	if (strcmp(name, "security.capability") == 0)
		return change_capability(map, value, size);
	if (strncmp(name, "system.posix_acl_", strlen("system.posix_acl_")) == 0)
		change_acl(map, value, size);
	return size;
}

static void change_attributes(const json_t *map, struct archive_entry *entry)
{
	const char *name;
	const void *value;
	size_t size;
	if (archive_entry_xattr_reset(entry) == 0)
		return;
	struct archive_entry *changed = archive_entry_new();
	while (archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK) {
		cleanup_free char *copy = memory_alloc(size + 1);
		memcpy(copy, value, size);
		size = unpack_ids_attribute(map, name, copy, size);
		archive_entry_xattr_add_entry(changed, name, copy, size);
	}
	archive_entry_xattr_clear(entry);
	archive_entry_xattr_reset(changed);
	while (archive_entry_xattr_next(changed, &name, &value, &size) == ARCHIVE_OK)
		archive_entry_xattr_add_entry(entry, name, value, size);
	archive_entry_free(changed);
}

int unpack_ids_change(const json_t *map, struct archive_entry *entry, struct error **error)
{
	int64_t uid = unpack_ids_uid(map, archive_entry_uid(entry));
	int64_t gid = unpack_ids_gid(map, archive_entry_gid(entry));
	if (uid < 0 || gid < 0)
		return error_set(error, ERROR_INVALID,
				 "%s belongs to %lld:%lld, which the backup's id map does not have",
				 archive_entry_pathname(entry), (long long)archive_entry_uid(entry),
				 (long long)archive_entry_gid(entry));
	archive_entry_set_uid(entry, uid);
	archive_entry_set_gid(entry, gid);
	change_attributes(map, entry);
	return 0;
}
