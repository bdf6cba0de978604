/* Changing configuration, devices and profiles, stopped and live. */
#include <string.h>

#include "cleanup.h"
#include "db/profiles.h"
#include "instance/config_keys.h"
#include "instance/device_types.h"
#include "instance/disks.h"
#include "instance/internal.h"
#include "instance/proxies.h"
#include "instance/scheduler.h"
#include "log.h"
#include "memory.h"
#include "network/nic.h"
#include "server.h"

static int check(struct server *server, const struct instance_row *old, struct instance_row *new,
		 json_t **config, json_t **devices, struct error **error)
{
	config_normalize(new->config);
	if (config_validate_change(old->config, new->config, CONFIG_SCOPE_INSTANCE, error) < 0 ||
	    devices_validate(new->devices, error) < 0 ||
	    instance_expand(server, new, config, devices, error) < 0)
		return -1;
	/* Also the sum: a second root disk under another name is an error only there. */
	const char *pool =
		devices_validate(*devices, error) < 0 ? NULL : devices_root_pool(*devices, error);
	if (!pool)
		return -1;
	if (strcmp(pool, old->pool) != 0)
		return error_set(error, ERROR_UNSUPPORTED,
				 "the root disk cannot be moved from pool %s to %s", old->pool,
				 pool);
	return instance_check_root_size(server, pool, *devices, error);
}

/* A new control group has these; in one that is there they must be written. */
static json_t *make_resources(struct instance *instance, const json_t *config, struct error **error)
{
	json_t *resources = instance_make_resources(instance->server, instance, config, error);
	json_t *cpu = json_object_get(resources, "cpu");
	if (cpu && !json_object_get(cpu, "quota"))
		json_object_set_new(cpu, "quota", json_integer(-1));
	if (cpu && !json_object_get(cpu, "shares"))
		json_object_set_new(cpu, "shares", json_integer(1024));
	return resources;
}

/* limits.* of a running instance; its processes must not be frozen half way, so
 * the old limits come back when one of the new is refused. */
static int apply_live(struct instance *instance, const json_t *old, const json_t *new,
		      struct error **error)
{
	json_t *resources = make_resources(instance, new, error);
	struct cgroup cgroup = CGROUP_INIT;
	cleanup_free char *path = instance_cgroup_path(instance);
	int result = -1;
	if (resources && cgroup_open(&cgroup, path, error) == 0) {
		result = cgroup_apply(&cgroup, resources, error);
		json_t *before = result < 0 ? make_resources(instance, old, NULL) : NULL;
		if (before)
			cgroup_apply(&cgroup, before, NULL);
		json_decref(before);
		cgroup_close(&cgroup);
	}
	json_decref(resources);
	return result;
}

static bool same_limits(const json_t *one, const json_t *other)
{
	static const char *const keys[] = {"limits.memory", "limits.cpu", "limits.cpu.allowance",
					   "limits.processes"};
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const json_t *a = json_object_get(one, keys[i]),
			     *b = json_object_get(other, keys[i]);
		if (a != b && !(a && b && json_equal(a, b)))
			return false;
	}
	return true;
}

json_t *instance_running_nics(struct instance *instance)
{
	cleanup_free char *directory = instance_run_directory(instance);
	json_t *spec = monitor_read_spec(directory);
	json_t *nics = json_deep_copy(json_object_get(json_object_get(spec, "sysct"), "nics"));
	json_decref(spec);
	return nics ? nics : json_array();
}

/* Interfaces come and go while it runs; when one cannot come, those that were there come back. */
static int replug_nics(struct instance *instance, const struct instance_row *row,
		       const json_t *devices, struct error **error)
{
	json_t *old = instance_running_nics(instance);
	json_t *new = nics_spec(instance->server, row, devices, error);
	int result = new ? 0 : -1;
	if (new && !json_equal(old, new)) {
		result = nics_change(instance->server, instance->uuid, instance->name, new, error);
		if (result == 0)
			result = nics_replug(old, new, instance->link.pid, error);
		if (result < 0) {
			nics_replug(new, old, instance->link.pid, NULL);
			nics_change(instance->server, instance->uuid, instance->name, old, NULL);
		}
	}
	json_decref(old);
	json_decref(new);
	return result;
}

static int translate(struct instance *instance, const struct instance_row *row,
		     const json_t *devices, struct error **error)
{
	json_t *nics = nics_spec(instance->server, row, devices, error);
	int result =
		nics ? proxies_translate(instance->server, instance->name, devices, nics, error)
		     : -1;
	json_decref(nics);
	return result;
}

/* @old: the devices that it has so far, for the way back; NULL where nobody knows them any more. */
static int replug(struct instance *instance, const json_t *old, const struct instance_row *row,
		  const json_t *devices, struct error **error)
{
	if (translate(instance, row, devices, error) < 0)
		return -1;
	if (proxies_replug(instance, row, devices, error) == 0) {
		if (disks_replug(instance, devices, error) == 0) {
			if (replug_nics(instance, row, devices, error) == 0)
				return 0;
			disks_restore(instance);
		}
		proxies_restore(instance);
	}
	if (old)
		translate(instance, row, old, NULL);
	return -1;
}

/* It goes on with the layers that it has mounted, also when they were merged meanwhile (storage/layers_used.c). */
static int keep_rootfs(const char *directory, json_t *spec, struct error **error)
{
	json_t *old = monitor_read_spec(directory);
	json_t *rootfs = json_object_get(json_object_get(old, "sysct"), "rootfs");
	int result =
		rootfs ? json_object_set(json_object_get(spec, "sysct"), "rootfs", rootfs)
		       : error_set(error, ERROR_INTERNAL, "%s has no specification", directory);
	json_decref(old);
	return result;
}

/* What the next boot from inside will use. */
static void refresh_spec(struct instance *instance, const struct instance_row *row)
{
	cleanup_error struct error *error = NULL;
	cleanup_free char *directory = instance_run_directory(instance);
	json_t *spec = instance_make_spec(instance, row, &error);
	if (!spec || keep_rootfs(directory, spec, &error) < 0 ||
	    monitor_update_spec(directory, spec, &error) < 0)
		log_event(LOG_LEVEL_WARNING, instance->name, "%s", error_message(error));
	json_decref(spec);
}

static bool is_up(struct instance *instance)
{
	enum instance_state state = instance_get_state(instance);
	return state == INSTANCE_RUNNING || state == INSTANCE_FROZEN || state == INSTANCE_STOPPING;
}

int instance_prepare_update(struct instance *instance, const struct instance_row *old,
			    struct instance_row *new, struct error **error)
{
	json_t *config = NULL, *devices = NULL;
	int result = check(instance->server, old, new, &config, &devices, error);
	if (result == 0)
		result = nics_assign(instance->server, new, devices, NULL, error);
	json_decref(config);
	json_decref(devices);
	return result;
}

/* Of one that runs; what was changed before something failed is as before. */
static int change_devices(struct instance *instance, const struct instance_row *old,
			  const json_t *old_devices, const struct instance_row *row,
			  const json_t *devices, struct error **error)
{
	struct server *server = instance->server;
	if (instance_limit_root(server, old, devices, error) < 0)
		return -1;
	if (replug(instance, old_devices, row, devices, error) == 0)
		return 0;
	instance_limit_root(server, old, old_devices, NULL);
	return -1;
}

static int update_locked(struct instance *instance, struct instance_row *row, struct error **error)
{
	struct server *server = instance->server;
	cleanup_instance_row struct instance_row old = {0};
	json_t *before = NULL, *after = NULL, *old_devices = NULL, *devices = NULL;
	int result = -1;
	bool up = is_up(instance);
	if (db_instance_get_by_id(server->db, instance->id, &old, error) == 0 &&
	    check(server, &old, row, &after, &devices, error) == 0 &&
	    nics_assign(server, row, devices, NULL, error) == 0 &&
	    instance_expand(server, &old, &before, &old_devices, error) == 0 &&
	    disks_check_sources(server, old_devices, devices, error) == 0 &&
	    instance_check_root_fits(server, &old, old_devices, devices, error) == 0 &&
	    (!up || same_limits(before, after) ||
	     apply_live(instance, before, after, error) == 0) &&
	    (!up || change_devices(instance, &old, old_devices, row, devices, error) == 0))
		result = db_instance_update(server->db, row, error);
	json_decref(before);
	json_decref(after);
	json_decref(old_devices);
	json_decref(devices);
	if (result < 0)
		return -1;
	instance->ephemeral = row->ephemeral;
	scheduler_wake(server->scheduler);
	if (up)
		refresh_spec(instance, row);
	instance_publish(instance, "instance-updated");
	return 0;
}

int instance_update(struct instance *instance, struct instance_row *row, struct error **error)
{
	if (instance_lock(instance, "update", 30000, error) < 0)
		return -1;
	cleanup_instance_lock struct instance *held = instance;
	return update_locked(held, row, error);
}

static int apply_to(struct server *server, const char *name, struct error **error)
{
	cleanup_instance struct instance *instance = instance_find(server, name, NULL);
	cleanup_instance_row struct instance_row row = {0};
	json_t *config = NULL, *devices = NULL;
	if (!instance || !is_up(instance))
		return 0;
	if (db_instance_get_by_id(server->db, instance->id, &row, error) < 0 ||
	    instance_expand(server, &row, &config, &devices, error) < 0)
		return -1;
	int result = apply_live(instance, config, config, error);
	if (result == 0)
		result = instance_limit_root(server, &row, devices, error);
	if (result == 0)
		result = instance_assign_nics(server, &row, devices, error);
	if (result == 0)
		result = replug(instance, NULL, &row, devices, error);
	json_decref(config);
	json_decref(devices);
	if (result == 0)
		refresh_spec(instance, &row);
	return result < 0 ? error_prefix(error, "%s", name) : 0;
}

int instances_profile_changed(struct server *server, const char *profile, struct error **error)
{
	cleanup_profile_row struct profile_row row = {0};
	if (db_profile_get(server->db, profile, &row, error) < 0)
		return -1;
	size_t i;
	const json_t *name;
	int result = 0;
	scheduler_wake(server->scheduler);
	json_array_foreach (row.used_by, i, name)
		if (apply_to(server, json_string_value(name), error) < 0)
			result = -1;
	return result;
}
