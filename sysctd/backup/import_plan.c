/*
 * What an instance and its snapshots become, by index.yaml. Of "volatile.*", which is the
 * daemon's own, the addresses of NICs are kept, as LXD does (others, if an instance here has them), and
 * what the instance was made from. Everything else must be valid here: nothing is dropped silently.
 */
#include <stdlib.h>
#include <string.h>

#include "api/architectures.h"
#include "api/render.h"
#include "backup/import_internal.h"
#include "cleanup.h"
#include "db/profiles.h"
#include "instance/config_keys.h"
#include "instance/device_types.h"
#include "instance/internal.h"
#include "instance/schedule.h"
#include "memory.h"
#include "network/nic.h"
#include "server.h"
#include "storage/storage.h"
#include "strbuf.h"

#define VOLATILE "volatile."

const char *import_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text ? text : "";
}

/* YAML has it as a word or as a text. */
static bool is_true(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key)) ||
	       strcmp(import_text(object, key), "true") == 0;
}

/* ---- configuration ---- */

static bool keeps_volatile(const char *key, const json_t *value)
{
	const char *last = strrchr(key, '.');
	if (strcmp(last, ".hwaddr") == 0)
		return nic_check_hwaddr(json_string_value(value), NULL) == 0;
	return strcmp(key, VOLATILE "base_image") == 0 || strcmp(last, ".ipv4.address") == 0 ||
	       (strcmp(last, ".address") == 0 && strstr(key, ".ipv4.address"));
}

/* @settings: what the user set; @own: the daemon's. */
static int split_config(const json_t *object, const json_t *over, json_t *settings, json_t *own,
			struct error **error)
{
	json_t *config = render_map_field(object, "config", error), *value;
	json_t *ours = config ? render_map_field(object, "sysct", error) : NULL;
	const char *key;
	if (!ours) {
		json_decref(config);
		return -1;
	}
	json_object_update(config, ours);
	json_decref(ours);
	json_object_update(config, (json_t *)over);
	json_object_foreach (config, key, value) {
		if (strncmp(key, VOLATILE, strlen(VOLATILE)) != 0)
			json_object_set(settings, key, value);
		else if (keeps_volatile(key, value))
			json_object_set(own, key, value);
	}
	json_decref(config);
	config_normalize(settings);
	return 0;
}

static int take_config(struct instance_row *row, const json_t *container, const json_t *over,
		       struct error **error)
{
	row->config = json_object();
	json_t *own = json_object();
	int result = split_config(container, over, row->config, own, error);
	struct error *problem = NULL;
	if (result == 0 && config_validate(row->config, CONFIG_SCOPE_INSTANCE, &problem) < 0)
		result = error_set(error, problem->kind,
				   "the backup's configuration: %s ('--config KEY=' of 'sysct "
				   "import' leaves a key out)",
				   error_message(problem));
	error_free(problem);
	json_object_update(row->config, own);
	json_decref(own);
	return result;
}

/* ---- devices ---- */

/* With all values as texts. */
static json_t *copy_devices(const json_t *object, struct error **error)
{
	const char *name;
	json_t *device, *devices = json_object();
	json_object_foreach (json_object_get(object, "devices"), name, device) {
		json_t *keys = render_map_field(json_object_get(object, "devices"), name, error);
		if (!keys) {
			json_decref(devices);
			return NULL;
		}
		json_object_set_new(devices, name, keys);
	}
	return devices;
}

static int take_devices(struct instance_row *row, const json_t *container, const json_t *over,
			struct error **error)
{
	struct error *problem = NULL;
	row->devices = copy_devices(container, error);
	if (!row->devices)
		return -1;
	json_object_update(row->devices, (json_t *)over);
	if (devices_validate(row->devices, &problem) == 0)
		return 0;
	error_set(error, problem->kind,
		  "the backup's devices: %s ('--device NAME,type=none' of 'sysct import' leaves "
		  "one out)",
		  error_message(problem));
	error_free(problem);
	return -1;
}

/* ---- profiles ---- */

static json_t *copy_profiles(const json_t *object)
{
	const json_t *profiles = json_object_get(object, "profiles");
	return json_is_array(profiles) ? json_deep_copy(profiles) : json_array();
}

static int take_profiles(struct server *server, struct instance_row *row, const json_t *container,
			 struct error **error)
{
	cleanup_profile_list struct profile_list known = {0};
	cleanup_strbuf struct strbuf missing = {0};
	size_t i;
	json_t *name;
	row->profiles = copy_profiles(container);
	if (db_profile_list(server->db, &known, error) < 0)
		return -1;
	json_array_foreach (row->profiles, i, name) {
		const char *text = json_string_value(name);
		if (!text)
			return error_set(error, ERROR_INVALID,
					 "index.yaml: a profile without a name");
		if (!profile_list_find(&known, text))
			strbuf_printf(&missing, "%s\"%s\"", missing.length ? ", " : "", text);
	}
	return missing.length
		       ? error_set(error, ERROR_NOT_FOUND,
				   "the backup uses profiles that are not here: %s; make them "
				   "before ('sysct profile create'), as index.yaml in it has them",
				   missing.text)
		       : 0;
}

/* ---- the pool ---- */

static int find_pool(struct import_plan *plan, struct server *server, const char *wanted,
		     const json_t *index, struct error **error)
{
	const char *own = import_text(index, "pool");
	cleanup_profile_row struct profile_row profile = {0};
	if (wanted)
		return db_object_get(server->db, &db_pools, wanted, &plan->pool, error);
	if (db_object_get(server->db, &db_pools, own, &plan->pool, NULL) == 0)
		return 0;
	if (db_profile_get(server->db, "default", &profile, error) < 0)
		return -1;
	const char *pool = import_text(devices_find_root(profile.devices, NULL), "pool");
	if (*pool)
		return db_object_get(server->db, &db_pools, pool, &plan->pool, error);
	return error_set(error, ERROR_NOT_FOUND,
			 "the backup's pool \"%s\" is not here: name another with '--storage'",
			 own);
}

/* The root disk is in that pool, whatever the backup or a profile says. */
static void place_root(struct server *server, struct instance_row *row, const char *pool)
{
	json_t *devices = NULL;
	const char *name = "root";
	if (instance_expand(server, row, NULL, &devices, NULL) < 0)
		return; /* the checks to come say why */
	const json_t *root = devices_find_root(devices, &name);
	if (!root || strcmp(import_text(root, "pool"), pool) != 0) {
		json_t *own = root ? json_deep_copy(root)
				   : json_pack("{s:s, s:s}", "type", "disk", "path", "/");
		json_object_set_new(own, "pool", json_string(pool));
		json_object_set_new(row->devices, root ? name : "root", own);
	}
	json_decref(devices);
}

/* ---- the instance ---- */

static int take_architecture(struct instance_row *row, const json_t *container,
			     struct error **error)
{
	const char *wanted = import_text(container, "architecture");
	json_t *known = architectures_of_host(), *one;
	size_t i;
	const char *found = *wanted ? NULL : json_string_value(json_array_get(known, 0));
	json_array_foreach (known, i, one)
		if (strcmp(json_string_value(one), wanted) == 0)
			found = wanted;
	row->architecture = found ? memory_strdup(found) : NULL;
	json_decref(known);
	return found ? 0
		     : error_set(error, ERROR_UNSUPPORTED,
				 "the backup is of the architecture %s, which cannot run here",
				 wanted);
}

static int take_times(struct instance_row *row, const json_t *object, struct error **error)
{
	return render_parse_time(json_object_get(object, "created_at"), "created_at",
				 &row->created_at, error) < 0 ||
			       render_parse_time(json_object_get(object, "last_used_at"),
						 "last_used_at", &row->last_used_at, error) < 0
		       ? -1
		       : 0;
}

static int take_name(struct server *server, struct instance_row *row,
		     const struct import_request *request, const json_t *index,
		     struct error **error)
{
	row->name = memory_strdup(request->name ? request->name : import_text(index, "name"));
	const struct instance_request wanted = {.name = row->name};
	return instance_check_request(server, &wanted, error);
}

static int take_instance(struct import_plan *plan, struct server *server,
			 const struct import_request *request, const json_t *index,
			 struct error **error)
{
	struct instance_row *row = &plan->row;
	const json_t *container = json_object_get(json_object_get(index, "config"), "container");
	row->uuid = memory_alloc(UUID_STR_LEN);
	instance_make_uuid(row->uuid);
	row->description = memory_strdup(import_text(container, "description"));
	row->ephemeral = is_true(container, "ephemeral");
	if (take_architecture(row, container, error) < 0 ||
	    take_name(server, row, request, index, error) < 0 ||
	    take_times(row, container, error) < 0 ||
	    take_config(row, container, request->config, error) < 0 ||
	    take_devices(row, container, request->devices, error) < 0 ||
	    take_profiles(server, row, container, error) < 0 ||
	    find_pool(plan, server, request->pool, index, error) < 0 ||
	    import_plan_format(plan, index, error) < 0)
		return -1;
	json_object_set_new(row->config, "volatile.uuid", json_string(row->uuid));
	place_root(server, row, plan->pool.name);
	plan->assigned = true;
	if (instance_check_new(server, row, error) < 0 ||
	    storage_pool_require(server, plan->pool.name, error) < 0)
		return -1;
	row->flat_layer = !storage_stacks(plan->pool.kind);
	plan->shares = !plan->streamed &&
		       (storage_stacks(plan->pool.kind) || storage_clones(plan->pool.kind));
	return 0;
}

/* ---- snapshots ---- */

static bool is_twice(const struct import_plan *plan, const char *name)
{
	for (size_t i = 0; i < plan->count; i++)
		if (strcmp(plan->snapshots[i].row.name, name) == 0)
			return true;
	return false;
}

/* Checked when it is restored, as profiles and networks of then may be there by that time. */
static int take_snapshot(struct import_plan *plan, struct server *server, const json_t *object,
			 struct error **error)
{
	const char *name = import_text(object, "name");
	if (snapshot_check_name(name, error) < 0)
		return -1;
	if (is_twice(plan, name))
		return error_set(error, ERROR_INVALID, "index.yaml: two snapshots \"%s\"", name);
	struct import_snapshot *snapshot = &plan->snapshots[plan->count++];
	struct instance_row *content = &snapshot->content;
	json_t *own = json_object();
	snapshot->row.name = memory_strdup(name);
	snapshot->row.description = memory_strdup(import_text(object, "description"));
	content->architecture = memory_strdup(import_text(object, "architecture"));
	content->ephemeral = is_true(object, "ephemeral");
	content->config = json_object();
	content->profiles = copy_profiles(object);
	int result = split_config(object, NULL, content->config, own, error);
	json_object_update(content->config, own);
	json_decref(own);
	content->devices = result < 0 ? NULL : copy_devices(object, error);
	if (!content->devices ||
	    render_parse_time(json_object_get(object, "created_at"), "created_at",
			      &snapshot->row.created_at, error) < 0 ||
	    render_parse_time(json_object_get(object, "expires_at"), "expires_at",
			      &snapshot->row.expires_at, error) < 0)
		return -1;
	place_root(server, content, plan->pool.name);
	import_plan_add_tree(plan, memory_printf("snapshots/%s", name), NULL);
	return 0;
}

int import_plan_instance(struct import_plan *plan, struct server *server,
			 const struct import_request *request, const json_t *index,
			 struct error **error)
{
	const json_t *snapshots = json_object_get(json_object_get(index, "config"), "snapshots");
	size_t i;
	const json_t *snapshot;
	if (take_instance(plan, server, request, index, error) < 0)
		return -1;
	plan->snapshots = memory_alloc((json_array_size(snapshots) + 1) * sizeof(*plan->snapshots));
	json_array_foreach (snapshots, i, snapshot)
		if (take_snapshot(plan, server, snapshot, error) < 0)
			return -1;
	import_plan_add_tree(plan, memory_strdup("container"),
			     plan->row.flat_layer ? storage_instance_directory(plan->row.uuid)
						  : NULL);
	return 0;
}
