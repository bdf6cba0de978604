/* See unpack_attributes.h. */
#include "image/unpack_attributes.h"

#include <archive.h>
#include <endian.h>
#include <errno.h>
#include <linux/posix_acl_xattr.h>
#include <linux/posix_acl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#include "memory.h"

struct unpack_acl {
	char *path;
	char *name;
	void *value;
	size_t size;
};

static bool is_acl(const char *name)
{
	return strcmp(name, "system.posix_acl_access") == 0 ||
	       strcmp(name, "system.posix_acl_default") == 0;
}

/*
 * user.* is the image's own. A file capability is kept in the form for the
 * initial user namespace (20 bytes, capabilities(7)); a namespaced one names
 * an id that means something else here. trusted.*, which could make overlayfs
 * hide or redirect files, and security labels of another host are dropped.
 */
static bool is_wanted(const char *name, size_t size)
{
	if (strcmp(name, "security.capability") == 0)
		return size == 20;
	return strncmp(name, "user.", 5) == 0;
}

/* Ids of the entries; the kernel checks the rest when it is set. */
static bool acl_is_valid(const void *value, size_t size, uint32_t max_id)
{
	const size_t head = sizeof(struct posix_acl_xattr_header);
	struct posix_acl_xattr_entry entry;
	if (size < head || (size - head) % sizeof(entry) != 0)
		return false;
	for (size_t at = head; at < size; at += sizeof(entry)) {
		memcpy(&entry, (const char *)value + at, sizeof(entry));
		uint16_t tag = le16toh(entry.e_tag);
		if ((tag == ACL_USER || tag == ACL_GROUP) && le32toh(entry.e_id) > max_id)
			return false;
	}
	return true;
}

static int keep_acl(struct unpack_attributes *attributes, const char *path, const char *name,
		    const void *value, size_t size, struct error **error)
{
	if (!acl_is_valid(value, size, attributes->max_id))
		return error_set(error, ERROR_INVALID,
				 "%s has a broken access control list, or one with ids above %u",
				 path, attributes->max_id);
	struct unpack_acl acl = {
		.path = memory_strdup(path),
		.name = memory_strdup(name),
		.value = memory_alloc(size),
		.size = size,
	};
	memcpy(acl.value, value, size);
	attributes->acls = memory_realloc(attributes->acls,
					  (attributes->acl_count + 1) * sizeof(*attributes->acls));
	attributes->acls[attributes->acl_count++] = acl;
	return 0;
}

/* ACLs in libarchive's own form (SCHILY.acl.*), which it sets itself. */
static int check_native_acl(const struct unpack_attributes *attributes, struct archive_entry *entry,
			    const char *path, struct error **error)
{
	int type, permset, tag, id;
	const char *name;
	const int wanted = ARCHIVE_ENTRY_ACL_TYPE_ACCESS | ARCHIVE_ENTRY_ACL_TYPE_DEFAULT;
	if (archive_entry_acl_reset(entry, wanted) == 0)
		return 0;
	while (archive_entry_acl_next(entry, wanted, &type, &permset, &tag, &id, &name) ==
	       ARCHIVE_OK) {
		bool named = tag == ARCHIVE_ENTRY_ACL_USER || tag == ARCHIVE_ENTRY_ACL_GROUP;
		if (named && (id < 0 || (uint32_t)id > attributes->max_id))
			return error_set(
				error, ERROR_INVALID,
				"%s has an access control list with the id %d; an instance "
				"has 0 to %u only",
				path, id, attributes->max_id);
	}
	return 0;
}

int unpack_attributes_take(struct unpack_attributes *attributes, struct archive_entry *entry,
			   const char *path, struct error **error)
{
	const char *name;
	const void *value;
	size_t size;
	int result = check_native_acl(attributes, entry, path, error);
	if (result < 0 || archive_entry_xattr_reset(entry) == 0)
		return result;
	struct archive_entry *kept = archive_entry_new();
	while (result == 0 && archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK) {
		if (is_acl(name))
			result = keep_acl(attributes, path, name, value, size, error);
		else if (is_wanted(name, size))
			archive_entry_xattr_add_entry(kept, name, value, size);
		else
			attributes->dropped++;
	}
	archive_entry_xattr_clear(entry);
	archive_entry_xattr_reset(kept);
	while (archive_entry_xattr_next(kept, &name, &value, &size) == ARCHIVE_OK)
		archive_entry_xattr_add_entry(entry, name, value, size);
	archive_entry_free(kept);
	return result;
}

int unpack_attributes_apply(struct unpack_attributes *attributes, struct error **error)
{
	for (size_t i = 0; i < attributes->acl_count; i++) {
		const struct unpack_acl *acl = &attributes->acls[i];
		if (lsetxattr(acl->path, acl->name, acl->value, acl->size, 0) < 0)
			return error_errno(error, errno, "setting %s of %s", acl->name, acl->path);
	}
	return 0;
}

void unpack_attributes_clear(struct unpack_attributes *attributes)
{
	for (size_t i = 0; i < attributes->acl_count; i++) {
		free(attributes->acls[i].path);
		free(attributes->acls[i].name);
		free(attributes->acls[i].value);
	}
	free(attributes->acls);
}
