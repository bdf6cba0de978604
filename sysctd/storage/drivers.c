/* See driver.h: which there are, and which there are not. */
#include "storage/driver.h"

#include <string.h>

#include "strbuf.h"

static const struct storage_driver *const drivers[] = {&storage_overlay, &storage_btrfs,
						       &storage_lvm, &storage_dir, NULL};

const struct storage_driver *const *storage_drivers(void)
{
	return drivers;
}

static const struct {
	const char *name, *why;
} others[] = {
	{"zfs", "neither Debian's kernel nor this daemon has ZFS"},
	{"lvmcluster", "there are no clusters"},
	{"ceph", "there are no clusters"},
	{"cephfs", "there are no clusters"},
	{"cephobject", "there are no buckets"},
	{"linstor", "there are no clusters"},
	{"truenas", "there is no support for storage on the network"},
};

const struct storage_driver *storage_driver_find(const char *name, struct error **error)
{
	for (size_t i = 0; drivers[i]; i++)
		if (strcmp(drivers[i]->name, name) == 0)
			return drivers[i];
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (strcmp(others[i].name, name) == 0) {
			error_set(error, ERROR_UNSUPPORTED,
				  "storage driver \"%s\" is not supported: %s; use overlay, btrfs, "
				  "lvm or dir",
				  name, others[i].why);
			return NULL;
		}
	error_set(error, ERROR_INVALID,
		  "there is no storage driver \"%s\": use overlay, btrfs, lvm or dir", name);
	return NULL;
}
