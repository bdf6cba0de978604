/*
 * Extended attributes and access control lists of an archive's files: which are
 * taken, and POSIX ACLs that come as plain attributes (GNU tar --xattrs), which
 * libarchive would leave out.
 */
#ifndef SYSCT_IMAGE_UNPACK_ATTRIBUTES_H
#define SYSCT_IMAGE_UNPACK_ATTRIBUTES_H

#include <archive_entry.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

struct unpack_acl; /* an ACL to be set */

struct unpack_attributes {
	uint32_t max_id;
	uint64_t dropped;
	struct unpack_acl *acls;
	size_t acl_count;
};

/* Leaves in @entry what libarchive shall set, keeps the ACLs; ERROR_INVALID for a bad one. */
int unpack_attributes_take(struct unpack_attributes *attributes, struct archive_entry *entry,
			   const char *path, struct error **error);

/* When all files are there: a default ACL set earlier would be inherited by what comes after. */
int unpack_attributes_apply(struct unpack_attributes *attributes, struct error **error);
void unpack_attributes_clear(struct unpack_attributes *attributes);

#endif
