/* See pool_config.h. */
#include "storage/pool_config.h"

#include <string.h>

#include "instance/config_keys_values.h"

enum { NAME_LENGTH = 63 };

struct pool_key {
	const char *name;
	const char *driver; /* NULL: not of one alone */
	bool device;	    /* of drivers that make file systems only */
	bool fixed;	    /* cannot change afterwards */
	int (*check)(const char *value, struct error **error);
};

static int check_path(const char *value, struct error **error)
{
	return value[0] == '/'
		       ? 0
		       : error_set(error, ERROR_INVALID, "\"%s\" is no absolute path", value);
}

static int check_size(const char *value, struct error **error)
{
	uint64_t bytes;
	return size_parse(value, &bytes, error);
}

static int check_bool(const char *value, struct error **error)
{
	bool flag;
	return bool_parse(value, &flag, error);
}

static int check_thin(const char *value, struct error **error)
{
	bool thin;
	if (bool_parse(value, &thin, error) < 0)
		return -1;
	return thin ? 0
		    : error_set(error, ERROR_UNSUPPORTED,
				"\"%s\" is not supported by sysct: every volume is a thin one",
				value);
}

static int check_filesystem(const char *value, struct error **error)
{
	if (strcmp(value, "ext4") == 0 || strcmp(value, "xfs") == 0)
		return 0;
	if (strcmp(value, "btrfs") == 0)
		return error_set(
			error, ERROR_UNSUPPORTED,
			"\"btrfs\" is not supported by sysct here: it takes a snapshot of a "
			"device for that device; use ext4 or xfs");
	return error_set(error, ERROR_INVALID, "\"%s\" is neither ext4 nor xfs", value);
}

static const struct pool_key keys[] = {
	{"source", NULL, false, true, check_path},
	{"size", NULL, true, false, check_size},
	{"source.wipe", NULL, true, true, check_bool},
	{"btrfs.mount_options", "btrfs", true, false, NULL},
	{"btrfs.create_options", "btrfs", true, true, NULL},
	{"lvm.vg_name", "lvm", true, true, NULL},
	{"lvm.thinpool_name", "lvm", true, true, NULL},
	{"lvm.use_thinpool", "lvm", true, true, check_thin},
	{"lvm.vg.force_reuse", "lvm", true, true, check_bool},
	{"volume.size", NULL, false, false, check_size},
	{"volume.block.filesystem", "lvm", true, false, check_filesystem},
	{"volume.block.mount_options", "lvm", true, false, NULL},
	{"volatile.initial_source", NULL, false, true, NULL},
};

static const struct {
	const char *prefix, *why;
} others[] = {
	{"rsync.", "nothing is copied by rsync"},
	{"volume.", "give the volumes the key themselves"},
	{"lvm.", "of LVM the volume group and the thin pool can be named, and nothing else"},
	{"zfs.", "it is for the driver zfs"},
};

const char *pool_config_get(const json_t *config, const char *key)
{
	const char *value = json_string_value(json_object_get(config, key));
	return value && *value ? value : NULL;
}

static const struct pool_key *find(const char *name)
{
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (strcmp(keys[i].name, name) == 0)
			return &keys[i];
	return NULL;
}

static int refuse(const char *name, struct error **error)
{
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (strncmp(name, others[i].prefix, strlen(others[i].prefix)) == 0)
			return error_set(error, ERROR_UNSUPPORTED,
					 "key \"%s\" of storage pools is not supported: %s", name,
					 others[i].why);
	return error_set(error, ERROR_INVALID, "storage pools have no key \"%s\"", name);
}

static int check_key(const struct storage_driver *driver, const char *name, const char *value,
		     struct error **error)
{
	const struct pool_key *key = find(name);
	if (strncmp(name, "user.", 5) == 0 || (key && !*value))
		return 0;
	if (!key)
		return refuse(name, error);
	if (key->driver && strcmp(key->driver, driver->name) != 0)
		return error_set(error, ERROR_INVALID,
				 "key \"%s\" is for the driver %s, and this one is %s", name,
				 key->driver, driver->name);
	if (key->device && !driver->make)
		return error_set(error, ERROR_INVALID,
				 "key \"%s\" is not for the driver %s, whose pools are directories",
				 name, driver->name);
	/* A name is looked at by the driver. */
	if (key->check == check_path && driver->names_sources && value[0] != '/')
		return 0;
	if (key->check && key->check(value, error) < 0)
		return error_prefix(error, "key \"%s\"", name);
	return 0;
}

int pool_config_check(const struct storage_driver *driver, const json_t *config,
		      struct error **error)
{
	const char *name;
	const json_t *value;
	json_object_foreach ((json_t *)config, name, value)
		if (check_key(driver, name, json_string_value(value), error) < 0)
			return -1;
	return 0;
}

static bool same(const json_t *old, const json_t *new, const char *name)
{
	const char *before = pool_config_get(old, name), *after = pool_config_get(new, name);
	return strcmp(before ? before : "", after ? after : "") == 0;
}

int pool_config_check_change(const struct storage_driver *driver, const json_t *old,
			     const json_t *new, struct error **error)
{
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (keys[i].fixed && !same(old, new, keys[i].name))
			return error_set(error, ERROR_INVALID,
					 "key \"%s\" cannot be changed after the pool was made",
					 keys[i].name);
	return pool_config_check(driver, new, error);
}

int pool_check_name(const char *name, struct error **error)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
	if (*name && strlen(name) <= NAME_LENGTH && name[strspn(name, allowed)] == '\0' &&
	    name[0] != '.' && name[0] != '-')
		return 0;
	return error_set(error, ERROR_INVALID,
			 "\"%s\" is no name for a storage pool: letters, digits, \"-\", \"_\" and "
			 "\".\", at most %d, and the first is a letter or a digit",
			 name, NAME_LENGTH);
}
