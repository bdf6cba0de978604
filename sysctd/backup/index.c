/*
 * index.yaml, from which LXD and we make the instance again. Owners are counted from 0 in our archives,
 * which is what the empty map of "volatile.last_state.idmap" says to LXD: it shifts the files itself
 * at the next start. What LXD does not know stands in a field "sysct" of the instance.
 */
#include <string.h>

#include "api/instance_render.h"
#include "api/instance_snapshots.h"
#include "api/render.h"
#include "backup/internal.h"
#include "cleanup.h"
#include "db/profiles.h"
#include "instance/instance.h"
#include "memory.h"
#include "server.h"
#include "yaml_text.h"

#define VOLATILE "volatile."
#define NEVER	 "0001-01-01T00:00:00Z"

/* LXD refuses the whole backup for a key that it does not know. */
static bool is_ours(const char *key)
{
	static const char *const known[] = {"base_image", "uuid", "last_state.power",
					    "cloud-init.instance-id"};
	const char *last = strrchr(key, '.');
	if (strncmp(key, VOLATILE, strlen(VOLATILE)) != 0)
		return false;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(key + strlen(VOLATILE), known[i]) == 0)
			return false;
	return strcmp(last, ".hwaddr") != 0;
}

/* A copy, for rendering shares it with the row. @ours: what only we keep. */
static json_t *make_config(const json_t *from, json_t *ours)
{
	json_t *config = json_object(), *value;
	const char *key;
	json_object_foreach ((json_t *)from, key, value)
		json_object_set(is_ours(key) ? ours : config, key, value);
	json_object_set_new(config, VOLATILE "last_state.idmap", json_string("[]"));
	return config;
}

/* "sysct" is a field that LXD passes over. */
static void change_config(json_t *object)
{
	static const char *const names[] = {"expanded_config", "config"};
	json_t *ours = json_object();
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		json_object_clear(ours);
		json_object_set_new(object, names[i],
				    make_config(json_object_get(object, names[i]), ours));
	}
	json_object_set_new(object, "sysct", ours);
}

static json_t *describe_instance(struct instance *instance, const struct backup_content *content,
				 const struct profile_list *profiles, struct error **error)
{
	json_t *object = instance_render(content->row, profiles, instance, INSTANCE_PLAIN, error);
	if (object)
		change_config(object);
	return object;
}

static json_t *describe_snapshots(const struct backup_content *content,
				  const struct profile_list *profiles, struct error **error)
{
	json_t *array = json_array();
	for (size_t i = 0; i < content->snapshots->count; i++) {
		json_t *object = snapshot_render(&content->snapshots->rows[i], profiles, error);
		if (!object) {
			json_decref(array);
			return NULL;
		}
		change_config(object);
		json_array_append_new(array, object);
	}
	return array;
}

static json_t *describe_profiles(const struct instance_row *row,
				 const struct profile_list *profiles)
{
	json_t *array = json_array(), *name;
	size_t i;
	json_array_foreach (row->profiles, i, name) {
		const struct profile_row *profile =
			profile_list_find(profiles, json_string_value(name));
		if (profile)
			json_array_append_new(array, json_pack("{s:O, s:s, s:O, s:s, s:[]}",
							       "config", profile->config,
							       "description", profile->description,
							       "devices", profile->devices, "name",
							       profile->name, "used_by"));
	}
	return array;
}

static json_t *describe_volume(const char *name)
{
	return json_pack("{s:{}, s:s, s:s, s:s, s:[], s:s, s:s, s:s, s:s}", "config", "description",
			 "", "name", name, "type", "container", "used_by", "location", "none",
			 "content_type", "filesystem", "project", "default", "created_at", NEVER);
}

static json_t *describe_volume_snapshots(const struct snapshot_list *snapshots)
{
	json_t *array = json_array();
	for (size_t i = 0; i < snapshots->count; i++)
		json_array_append_new(array,
				      json_pack("{s:s, s:s, s:s, s:{}, s:s, s:s}", "description",
						"", "expires_at", NEVER, "name",
						snapshots->rows[i].name, "config", "content_type",
						"filesystem", "created_at", NEVER));
	return array;
}

static json_t *describe_pool(const struct object_row *pool)
{
	return json_pack("{s:{}, s:s, s:s, s:s, s:[], s:s, s:[s]}", "config", "description",
			 pool->description ? pool->description : "", "name", pool->name, "driver",
			 pool->kind, "used_by", "status", "Created", "locations", "none");
}

static json_t *snapshot_names(const struct snapshot_list *snapshots)
{
	json_t *names = json_array();
	for (size_t i = 0; i < snapshots->count; i++)
		json_array_append_new(names, json_string(snapshots->rows[i].name));
	return names;
}

json_t *backup_index_of(const char *name, const char *type, const struct object_row *pool,
			json_t *snapshots, json_t *config, struct error **error)
{
	json_t *index =
		json_pack("{s:s, s:s, s:s, s:o, s:b, s:b, s:s, s:o}", "name", name, "backend",
			  pool->kind, "pool", pool->name, "snapshots", snapshots, "optimized", 0,
			  "optimized_header", 0, "type", type, "config", config);
	if (!index)
		error_set(error, ERROR_INTERNAL, "the %s cannot be described", type);
	return index;
}

json_t *backup_index(struct server *server, struct instance *instance,
		     const struct backup_content *content, struct error **error)
{
	cleanup_profile_list struct profile_list profiles = {0};
	const struct instance_row *row = content->row;
	if (db_profile_list(server->db, &profiles, error) < 0)
		return NULL;
	json_t *container = describe_instance(instance, content, &profiles, error);
	json_t *snapshots = container ? describe_snapshots(content, &profiles, error) : NULL;
	if (!snapshots) {
		json_decref(container);
		return NULL;
	}
	json_t *config =
		json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "container", container, "snapshots",
			  snapshots, "pool", describe_pool(content->pool), "profiles",
			  describe_profiles(row, &profiles), "volume", describe_volume(row->name),
			  "volume_snapshots", describe_volume_snapshots(content->snapshots));
	return backup_index_of(row->name, "container", content->pool,
			       snapshot_names(content->snapshots), config, error);
}

char *backup_metadata(const char *architecture, const json_t *config, int64_t created_at,
		      struct error **error)
{
	const size_t prefix = strlen("image.");
	json_t *properties = json_object(), *value;
	const char *key;
	json_object_foreach ((json_t *)config, key, value)
		if (strncmp(key, "image.", prefix) == 0)
			json_object_set(properties, key + prefix, value);
	json_t *metadata = json_pack("{s:s, s:I, s:o, s:{}}", "architecture", architecture,
				     "creation_date", (json_int_t)(created_at / 1000000000),
				     "properties", properties, "templates");
	char *text = yaml_from_json(metadata, error);
	json_decref(metadata);
	return text;
}
