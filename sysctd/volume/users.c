/* Who has a volume, and where its files are. */
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "db/instances.h"
#include "db/layers.h"
#include "db/profiles.h"
#include "instance/device_types.h"
#include "instance/disk_check.h"
#include "instance/instance.h"
#include "memory.h"
#include "server.h"
#include "storage/storage.h"
#include "storage/usage.h"
#include "strbuf.h"
#include "volume/internal.h"

char *volume_of_source(const char *source, const char **sub)
{
	size_t length = strcspn(source, "/");
	*sub = source[length] ? source + length + 1 : "";
	return memory_strndup(source, length);
}

static bool is_the_one(const json_t *device, const char *pool, const char *name)
{
	const char *sub, *source = disk_value(device, "source"),
			 *where = disk_value(device, "pool");
	if (!disk_is(device) || disk_is_root(device) || !source || !where ||
	    strcmp(where, pool) != 0)
		return false;
	cleanup_free char *volume = volume_of_source(source, &sub);
	return strcmp(volume, name) == 0;
}

static bool has_it(const json_t *devices, const char *pool, const char *name)
{
	const char *device_name;
	json_t *device;
	json_object_foreach ((json_t *)devices, device_name, device)
		if (is_the_one(device, pool, name))
			return true;
	return false;
}

static void add_instances(const struct instance_list *list, const struct profile_list *profiles,
			  const char *pool, const char *name, json_t *names)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct instance_row *row = &list->rows[i];
		json_t *devices = NULL;
		if (config_expand(profiles, row->profiles, row->config, row->devices, NULL,
				  &devices, NULL) == 0 &&
		    has_it(devices, pool, name))
			json_array_append_new(names, json_string(row->name));
		json_decref(devices);
	}
}

int volume_users(struct server *server, const char *pool, const char *name, json_t **instances,
		 json_t **profiles, struct error **error)
{
	cleanup_instance_list struct instance_list list = {0};
	cleanup_profile_list struct profile_list rows = {0};
	if (db_instance_list(server->db, &list, error) < 0 ||
	    db_profile_list(server->db, &rows, error) < 0)
		return -1;
	*instances = json_array();
	*profiles = json_array();
	add_instances(&list, &rows, pool, name, *instances);
	for (size_t i = 0; i < rows.count; i++)
		if (has_it(rows.rows[i].devices, pool, name))
			json_array_append_new(*profiles, json_string(rows.rows[i].name));
	return 0;
}

static bool is_running(struct server *server, const char *name)
{
	cleanup_instance struct instance *instance = instance_find(server, name, NULL);
	if (!instance)
		return false;
	enum instance_state state = instance_get_state(instance);
	return state != INSTANCE_STOPPED && state != INSTANCE_ERROR;
}

static void add_names(struct strbuf *text, const char *what, const json_t *names)
{
	size_t i;
	const json_t *name;
	json_array_foreach (names, i, name)
		strbuf_printf(text, "%s%s %s", text->length ? ", " : "", what,
			      json_string_value(name));
}

int volume_check_unused(struct server *server, const char *pool, const char *name, bool running,
			struct error **error)
{
	json_t *instances = NULL, *profiles = NULL;
	cleanup_strbuf struct strbuf text = {0};
	if (volume_users(server, pool, name, &instances, &profiles, error) < 0)
		return -1;
	for (size_t i = json_array_size(instances); running && i-- > 0;)
		if (!is_running(server, json_string_value(json_array_get(instances, i))))
			json_array_remove(instances, i);
	add_names(&text, "instance", instances);
	if (!running)
		add_names(&text, "profile", profiles);
	json_decref(instances);
	json_decref(profiles);
	if (!text.length)
		return 0;
	return error_set(error, ERROR_BUSY, "storage volume \"%s\" is in use by %s: %s", name,
			 text.text, running ? "stop it first" : "detach it first");
}

int volumes_check_none(struct server *server, const char *pool, struct error **error)
{
	cleanup_volume_list struct volume_list list = {0};
	cleanup_strbuf struct strbuf text = {0};
	if (db_volume_list(server->db, pool, &list, error) < 0)
		return -1;
	for (size_t i = 0; i < list.count && i < 5; i++)
		strbuf_printf(&text, "%s%s", i ? ", " : "", list.rows[i].name);
	if (list.count == 0)
		return 0;
	return error_set(error, ERROR_BUSY,
			 "storage pool \"%s\" has volumes (%s%s): delete or move them first", pool,
			 text.text, list.count > 5 ? " and more" : "");
}

/* ---- its files ---- */

char *volume_path(struct server *server, const char *pool, const char *name, struct error **error)
{
	cleanup_volume_row struct volume_row row = {0};
	cleanup_layer_list struct layer_list chain = {0};
	if (db_volume_get(server->db, pool, name, &row, error) < 0 ||
	    storage_pool_require(server, pool, error) < 0 ||
	    db_layer_chain(server->db, row.layer_id, &chain, error) < 0 ||
	    storage_layer_attach(server->storage, &chain.rows[0], error) < 0)
		return NULL;
	cleanup_free char *path = storage_layer_path(server->storage, &chain.rows[0]);
	return memory_printf("%s/rootfs", path);
}

int volume_usage(struct server *server, const struct volume_row *row, uint64_t *bytes,
		 struct error **error)
{
	if (storage_pool_require(server, row->pool, error) < 0)
		return -1;
	struct storage_usage usage = storage_usage(server, row->layer_id, true);
	*bytes = usage.own < 0 ? 0 : (uint64_t)usage.own;
	return 0;
}
