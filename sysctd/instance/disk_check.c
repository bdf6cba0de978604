/* See disk_check.h. */
#include "instance/disk_check.h"

#include <limits.h>
#include <string.h>

#include "instance/config_keys_values.h"

static const char tmpfs[] = "tmpfs:";

const char *disk_value(const json_t *device, const char *key)
{
	const char *value = json_string_value(json_object_get(device, key));
	return value && *value ? value : NULL;
}

bool disk_is_true(const json_t *device, const char *key, bool unset)
{
	const char *value = disk_value(device, key);
	bool result = unset;
	return value && bool_parse(value, &result, NULL) < 0 ? unset : result;
}

bool disk_is(const json_t *device)
{
	const char *type = disk_value(device, "type");
	return type && strcmp(type, "disk") == 0;
}

bool disk_is_root(const json_t *device)
{
	const char *path = disk_value(device, "path");
	return disk_is(device) && path && strcmp(path, "/") == 0;
}

bool disk_is_tmpfs(const json_t *device)
{
	const char *source = disk_value(device, "source");
	return source && strcmp(source, tmpfs) == 0;
}

/* ---- single keys ---- */

/* "a/b": no part is empty, "." or "..". */
static bool is_clean(const char *path)
{
	for (;;) {
		size_t length = strcspn(path, "/");
		if (length == 0 || (length == 1 && *path == '.') ||
		    (length == 2 && strncmp(path, "..", 2) == 0) || length > NAME_MAX)
			return false;
		if (!path[length])
			return true;
		path += length + 1;
	}
}

static int check_absolute(const char *path, struct error **error)
{
	if (*path == '/' && (!path[1] || is_clean(path + 1)) && strlen(path) < PATH_MAX)
		return 0;
	return error_set(error, ERROR_INVALID,
			 "\"%s\" is not an absolute path without \"//\", \".\", \"..\" and a \"/\" "
			 "at its end",
			 path);
}

int disk_check_path(const char *value, struct error **error)
{
	return check_absolute(value, error);
}

int disk_check_pool(const char *value, struct error **error)
{
	if (*value && !strchr(value, '/'))
		return 0;
	return error_set(error, ERROR_INVALID, "\"%s\" is not the name of a storage pool", value);
}

int disk_check_source(const char *value, struct error **error)
{
	return *value ? 0 : error_set(error, ERROR_INVALID, "its source is empty");
}

int disk_check_bool(const char *value, struct error **error)
{
	bool unused;
	return bool_parse(value, &unused, error);
}

int disk_check_size(const char *value, struct error **error)
{
	uint64_t bytes;
	if (size_parse(value, &bytes, error) < 0)
		return -1;
	return bytes > 0 && bytes <= INT64_MAX
		       ? 0
		       : error_set(error, ERROR_INVALID, "\"%s\" is not a size for a disk", value);
}

int disk_check_propagation(const char *value, struct error **error)
{
	static const char *const good[] = {"private", "rprivate", "slave", "rslave"};
	static const char *const senseless[] = {"shared", "rshared", "unbindable", "runbindable"};
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (strcmp(value, good[i]) == 0)
			return 0;
	for (size_t i = 0; i < sizeof(senseless) / sizeof(senseless[0]); i++)
		if (strcmp(value, senseless[i]) == 0)
			return error_set(
				error, ERROR_UNSUPPORTED,
				"propagation \"%s\" is not supported: an instance mounts nothing "
				"on the host, and may bind what it has. Use private, or slave for "
				"what the host mounts later",
				value);
	return error_set(error, ERROR_INVALID,
			 "\"%s\" is not a propagation: use private, rprivate, slave or rslave",
			 value);
}

static const struct {
	const char *key, *why;
	bool prefix;
} missing[] = {
	{"attached", "it is for virtual machines", false},
	{"boot.priority", "it is for virtual machines, and a container boots from no disk", false},
	{"ceph.", "there are no Ceph pools: mount it on the host, and give the directory", true},
	{"dependent", "a volume lives on its own, and is deleted by itself", false},
	{"initial.", "give owner and mode to the files themselves", true},
	{"io.", "it is for virtual machines", true},
	{"limits.", "the I/O of a directory cannot be limited apart from its file system's", true},
	{"raw.mount.options", "mount it on the host with them, and give the directory", false},
	{"size.state", "it is for virtual machines", false},
	{"wwn", "it is for virtual machines", false},
};

const char *disk_key_missing(const char *key)
{
	for (size_t i = 0; i < sizeof(missing) / sizeof(missing[0]); i++)
		if (missing[i].prefix ? strncmp(key, missing[i].key, strlen(missing[i].key)) == 0
				      : strcmp(key, missing[i].key) == 0)
			return missing[i].why;
	return NULL;
}

/* ---- all keys of one ---- */

static int refuse_keys(const json_t *device, const char *const *keys, const char *what,
		       struct error **error)
{
	for (; *keys; keys++)
		if (disk_value(device, *keys))
			return error_set(error, ERROR_INVALID, "%s has no \"%s\"", what, *keys);
	return 0;
}

static int check_root(const json_t *device, struct error **error)
{
	static const char *const keys[] = {"source",   "propagation", "readonly", "recursive",
					   "required", "shift",	      NULL};
	if (!disk_value(device, "pool"))
		return error_set(error, ERROR_INVALID, "it has no \"pool\"");
	return refuse_keys(device, keys, "the root disk (path \"/\")", error);
}

static int check_tmpfs(const json_t *device, struct error **error)
{
	static const char *const keys[] = {"pool",     "propagation", "recursive",
					   "required", "shift",	      NULL};
	return refuse_keys(device, keys, "a tmpfs", error);
}

static int check_volume(const json_t *device, struct error **error)
{
	static const char *const keys[] = {"size", "propagation", "recursive", NULL};
	const char *source = disk_value(device, "source");
	if (!is_clean(source))
		return error_set(error, ERROR_INVALID,
				 "\"%s\" is neither VOLUME nor VOLUME/SUB/PATH, without \"//\", "
				 "\".\" and \"..\"",
				 source);
	if (!disk_is_true(device, "shift", true))
		return error_set(error, ERROR_INVALID,
				 "the ids of a volume are always shifted, not with shift=false");
	return refuse_keys(device, keys, "a disk that is a volume", error);
}

static int check_host(const json_t *device, struct error **error)
{
	const char *source = disk_value(device, "source");
	if (strncmp(source, "ceph:", 5) == 0 || strncmp(source, "cephfs:", 7) == 0 ||
	    strncmp(source, "tmpfs-overlay:", 14) == 0)
		return error_set(error, ERROR_UNSUPPORTED,
				 "source \"%s\" is not supported by sysct", source);
	if (disk_value(device, "size"))
		return error_set(error, ERROR_INVALID,
				 "a directory of the host has no \"size\", which is for "
				 "source=tmpfs:");
	return check_absolute(source, error) < 0 ? error_prefix(error, "source") : 0;
}

int disk_check_device(const json_t *device, struct error **error)
{
	if (disk_is_root(device))
		return check_root(device, error);
	if (!disk_value(device, "source"))
		return error_set(
			error, ERROR_INVALID,
			"it has no \"source\": a directory or file of the host, or tmpfs:, "
			"or with a pool a volume");
	if (disk_is_tmpfs(device))
		return check_tmpfs(device, error);
	return disk_value(device, "pool") ? check_volume(device, error) : check_host(device, error);
}

int disks_check_paths(const json_t *devices, struct error **error)
{
	const char *name, *other;
	json_t *device, *second;
	json_object_foreach ((json_t *)devices, name, device) {
		const char *path = disk_value(device, "path");
		if (!disk_is(device) || !path)
			continue;
		json_object_foreach ((json_t *)devices, other, second) {
			const char *same = disk_value(second, "path");
			if (device != second && disk_is(second) && same && strcmp(path, same) == 0)
				return error_set(error, ERROR_INVALID,
						 "devices \"%s\" and \"%s\" are both at %s", name,
						 other, path);
		}
	}
	return 0;
}
