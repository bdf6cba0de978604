/* See disks.h. */
#include "instance/disks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "fault.h"
#include "instance/config_keys_values.h"
#include "instance/disk_check.h"
#include "instance/internal.h"
#include "log.h"
#include "server.h"
#include "volume/volume.h"

/* ---- the spec ---- */

static int describe_tmpfs(const json_t *device, json_t *disk, struct error **error)
{
	const char *size = disk_value(device, "size");
	uint64_t bytes = 0;
	if (size && size_parse(size, &bytes, error) < 0)
		return -1;
	if (size)
		json_object_set_new(disk, "size", json_integer((json_int_t)bytes));
	return json_object_set_new(disk, "source", json_string("tmpfs:"));
}

/* What is below a volume's root may be the work of an instance: it is walked by the monitor, strictly. */
static int describe_volume(struct server *server, const json_t *device, json_t *disk,
			   struct error **error)
{
	const char *sub;
	cleanup_free char *volume = volume_of_source(disk_value(device, "source"), &sub);
	cleanup_free char *path = volume_path(server, disk_value(device, "pool"), volume, error);
	if (!path)
		return -1;
	if (*sub)
		json_object_set_new(disk, "sub", json_string(sub));
	json_object_set_new(disk, "shift", json_true());
	return json_object_set_new(disk, "source", json_string(path));
}

static int describe_host(const json_t *device, json_t *disk)
{
	const char *propagation = disk_value(device, "propagation");
	if (propagation && strstr(propagation, "slave"))
		json_object_set_new(disk, "propagation", json_string("slave"));
	if (disk_is_true(device, "recursive", false))
		json_object_set_new(disk, "recursive", json_true());
	if (disk_is_true(device, "shift", false))
		json_object_set_new(disk, "shift", json_true());
	return json_object_set_new(disk, "source", json_string(disk_value(device, "source")));
}

static json_t *describe(struct server *server, const char *name, const json_t *device,
			struct error **error)
{
	json_t *disk = json_pack("{s:s, s:s}", "device", name, "path", disk_value(device, "path"));
	if (disk_is_true(device, "readonly", false))
		json_object_set_new(disk, "readonly", json_true());
	if (!disk_is_true(device, "required", true))
		json_object_set_new(disk, "optional", json_true());
	int result = disk_is_tmpfs(device)	  ? describe_tmpfs(device, disk, error)
		     : disk_value(device, "pool") ? describe_volume(server, device, disk, error)
						  : describe_host(device, disk);
	if (result == 0)
		return disk;
	error_prefix(error, "device \"%s\"", name);
	json_decref(disk);
	return NULL;
}

/* What is mounted below another comes after it. */
static void insert(json_t *disks, json_t *disk)
{
	const char *path = json_string_value(json_object_get(disk, "path"));
	size_t i = 0;
	while (i < json_array_size(disks) &&
	       strcmp(json_string_value(json_object_get(json_array_get(disks, i), "path")), path) <
		       0)
		i++;
	json_array_insert_new(disks, i, disk);
}

json_t *disks_spec(struct server *server, const json_t *devices, struct error **error)
{
	json_t *disks = json_array(), *device;
	const char *name;
	json_object_foreach ((json_t *)devices, name, device) {
		if (!disk_is(device) || disk_is_root(device))
			continue;
		json_t *disk = describe(server, name, device, error);
		if (!disk) {
			json_decref(disks);
			return NULL;
		}
		insert(disks, disk);
	}
	return disks;
}

/* ---- sources ---- */

static int check_source(struct server *server, const json_t *device, struct error **error)
{
	struct stat status;
	const char *source = disk_value(device, "source");
	if (disk_is_tmpfs(device))
		return 0;
	if (disk_value(device, "pool")) {
		json_t *unused = json_object();
		int result = describe_volume(server, device, unused, error);
		json_decref(unused);
		return result;
	}
	if (stat(source, &status) < 0) {
		if (errno != ENOENT && errno != ENOTDIR)
			return error_errno(error, errno, "source %s", source);
		if (!disk_is_true(device, "required", true))
			return 0;
		return error_set(error, ERROR_INVALID,
				 "source %s is missing: make it, or set required=false", source);
	}
	if (S_ISBLK(status.st_mode) || S_ISCHR(status.st_mode))
		return error_set(error, ERROR_UNSUPPORTED,
				 "source %s is a device: mount it on the host, and give the "
				 "directory that it is mounted at",
				 source);
	return 0;
}

int disks_check_sources(struct server *server, const json_t *old, const json_t *devices,
			struct error **error)
{
	const char *name;
	json_t *device;
	json_object_foreach ((json_t *)devices, name, device) {
		const json_t *before = json_object_get(old, name);
		if (!disk_is(device) || disk_is_root(device) ||
		    (before && json_equal(before, device)))
			continue;
		if (check_source(server, device, error) < 0)
			return error_prefix(error, "device \"%s\"", name);
	}
	return 0;
}

/* ---- running instances ---- */

static json_t *running_disks(const char *directory)
{
	json_t *spec = monitor_read_spec(directory);
	json_t *disks = json_incref(json_object_get(json_object_get(spec, "sysct"), "disks"));
	json_decref(spec);
	return disks ? disks : json_array();
}

/* Also told what should be there already: the monitor knows what is. */
static int change(const char *directory, const json_t *old, const json_t *new, struct error **error)
{
	if (json_array_size(old) + json_array_size(new) == 0)
		return 0;
	return monitor_change_disks(directory, new, error);
}

int disks_replug(struct instance *instance, const json_t *devices, struct error **error)
{
	cleanup_free char *directory = instance_run_directory(instance);
	json_t *old = running_disks(directory);
	json_t *new = disks_spec(instance->server, devices, error);
	int result = new ? 0 : -1;
	if (new &&json_equal(old, new)) /* as it should be, but for what failed before */
		change(directory, old, new, NULL);
	else if (new)
		result = change(directory, old, new, error);
	fault_point("disks.changed");
	if (result < 0)
		change(directory, old, old, NULL);
	json_decref(old);
	json_decref(new);
	return result;
}

void disks_restore(struct instance *instance)
{
	cleanup_free char *directory = instance_run_directory(instance);
	json_t *old = running_disks(directory);
	change(directory, old, old, NULL);
	json_decref(old);
}

/* ---- a starting daemon ---- */

static int refresh(struct instance *instance, const json_t *disks, struct error **error)
{
	cleanup_free char *directory = instance_run_directory(instance);
	json_t *spec = monitor_read_spec(directory);
	json_t *members = json_object_get(spec, "sysct");
	json_t *old = json_incref(json_object_get(members, "disks"));
	int result = change(directory, old, disks, error);
	if (result == 0 && members && !(old && json_equal(old, disks))) {
		json_object_set(members, "disks", (json_t *)disks);
		result = monitor_update_spec(directory, spec, error);
	}
	json_decref(old);
	json_decref(spec);
	return result;
}

static void refresh_one(struct instance *instance, void *data)
{
	cleanup_instance_row struct instance_row row = {0};
	cleanup_error struct error *error = NULL;
	json_t *devices = NULL;
	(void)data;
	if (instance_get_state(instance) == INSTANCE_STOPPED ||
	    db_instance_get_by_id(instance->server->db, instance->id, &row, &error) < 0 ||
	    instance_expand(instance->server, &row, NULL, &devices, &error) < 0)
		return;
	json_t *disks = disks_spec(instance->server, devices, &error);
	if (!disks || refresh(instance, disks, &error) < 0)
		log_event(LOG_LEVEL_WARNING, instance->name, "%s", error_message(error));
	json_decref(disks);
	json_decref(devices);
}

void disks_refresh(struct server *server)
{
	instance_registry_each(server, refresh_one, NULL);
}
