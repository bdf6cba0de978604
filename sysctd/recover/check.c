/* Whether what was found can be recovered: its files are there, its name is free, and what it uses is known. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "db/profiles.h"
#include "image/store.h"
#include "memory.h"
#include "recover/internal.h"
#include "server.h"
#include "storage/storage.h"

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text ? text : "";
}

static void add_once(json_t *list, const char *text)
{
	size_t i;
	const json_t *one;
	json_array_foreach (list, i, one)
		if (strcmp(json_string_value(one), text) == 0)
			return;
	json_array_append_new(list, json_string(text));
}

/* ---- files ---- */

char *recover_layer_place(struct server *server, const char *pool, const char *directory)
{
	const char *name = strrchr(directory, '/') + 1;
	char *places[] = {
		memory_strdup(directory),
		memory_printf("%.*s.new-%s", (int)(name - directory), directory, name),
		memory_printf("layers/.del-%s", name),
	};
	char *found = NULL;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		const struct layer_row layer = {.pool = (char *)pool, .directory = places[i]};
		char *path = storage_layer_path(server->storage, &layer);
		bool there = !found && access(path, F_OK) == 0;
		if (there)
			found = path;
		else
			free(path);
		free(places[i]);
	}
	return found;
}

/* The first of the layers, from @index down, that is gone, or whose image is; NULL: all are there. */
static char *find_hole(const struct recover_item *item, struct server *server, size_t index)
{
	for (;;) {
		const struct recover_layer *layer = &item->layers[index];
		cleanup_free char *path =
			recover_layer_place(server, item->pool, layer->row.directory);
		if (!path)
			return memory_printf("%s is missing", layer->row.directory);
		if (layer->parent != index) {
			index = layer->parent;
			continue;
		}
		if (layer->row.flat ||
		    (layer->row.image &&
		     storage_image_exists(server->storage, item->pool, layer->row.image)))
			return NULL;
		return memory_printf("image %s is missing",
				     layer->row.image ? layer->row.image : "");
	}
}

/* Without a snapshot an instance can be, but not without what it writes into. */
static void check_files(struct recover_set *set, struct recover_item *item, struct server *server)
{
	size_t kept = 0;
	item->problem = find_hole(item, server, item->layer);
	for (size_t i = 0; !item->problem && i < item->snapshot_count; i++) {
		struct recover_snapshot *snapshot = &item->snapshots[i];
		cleanup_free char *hole = find_hole(item, server, snapshot->layer);
		if (!hole) {
			item->snapshots[kept++] = *snapshot;
			continue;
		}
		cleanup_free char *text =
			memory_printf("snapshot %s of %s is left out: %s", snapshot->row.name,
				      recover_item_name(item), hole);
		add_once(set->problems, text);
		snapshot_row_clear(&snapshot->row);
		instance_row_clear(&snapshot->content);
	}
	if (!item->problem)
		item->snapshot_count = kept;
}

/* ---- names ---- */

static void check_name(struct recover_item *item, struct server *server)
{
	const char *name = recover_item_name(item);
	cleanup_instance_row struct instance_row instance = {0};
	cleanup_volume_row struct volume_row volume = {0};
	if (item->kind == RECOVER_INSTANCE &&
	    db_instance_get(server->db, name, &instance, NULL) == 0)
		item->problem =
			memory_printf("another instance has the name \"%s\": rename that", name);
	if (item->kind == RECOVER_VOLUME &&
	    db_volume_get(server->db, item->pool, name, &volume, NULL) == 0)
		item->problem = memory_printf("another volume of pool %s has the name \"%s\": "
					      "rename that",
					      item->pool, name);
}

/* Two that are found at once: of two databases. */
static void check_twice(struct recover_set *set, size_t index)
{
	struct recover_item *item = &set->items[index];
	for (size_t i = 0; i < index && !item->problem; i++)
		if (item->kind == RECOVER_INSTANCE && set->items[i].kind == RECOVER_INSTANCE &&
		    !set->items[i].problem &&
		    strcmp(set->items[i].instance.name, item->instance.name) == 0)
			item->problem = memory_printf("\"%s\" in pool %s has the same name: "
						      "recover it, rename it, and try again",
						      item->instance.name, set->items[i].pool);
}

/* ---- what it uses ---- */

static bool has_pool(const struct recover_set *set, struct server *server, const char *name)
{
	cleanup_object_row struct object_row row = {0};
	for (size_t i = 0; i < set->pool_count; i++)
		if (strcmp(set->pools[i].row.name, name) == 0)
			return true;
	return db_object_get(server->db, &db_pools, name, &row, NULL) == 0;
}

static void miss(struct recover_set *set, struct recover_item *item, const char *noun,
		 const char *name)
{
	cleanup_free char *text = memory_printf("%s \"%s\"", noun, name);
	add_once(set->missing, text);
	if (!item->problem)
		item->problem = memory_printf("it needs the %s, which is missing: make it, and "
					      "try again",
					      text);
}

static void check_devices(struct recover_set *set, struct recover_item *item, struct server *server,
			  const json_t *devices)
{
	const char *name;
	json_t *device;
	json_object_foreach ((json_t *)devices, name, device) {
		const char *type = text_of(device, "type"), *network = text_of(device, "network");
		const char *pool = text_of(device, "pool");
		cleanup_object_row struct object_row row = {0};
		if (strcmp(type, "nic") == 0 && *network &&
		    db_object_get(server->db, &db_networks, network, &row, NULL) < 0)
			miss(set, item, "network", network);
		if (strcmp(type, "disk") == 0 && *pool && !has_pool(set, server, pool))
			miss(set, item, "storage pool", pool);
	}
}

static const json_t *find_profile(const struct recover_item *item, const char *name)
{
	size_t i;
	const json_t *profile;
	json_array_foreach (item->profiles, i, profile)
		if (strcmp(text_of(profile, "name"), name) == 0)
			return profile;
	return NULL;
}

static void compare_profile(struct recover_set *set, const struct recover_item *item,
			    const struct profile_row *now, const json_t *then)
{
	if (!then || json_object_get(set->differ, now->name) ||
	    (json_equal(now->config, json_object_get(then, "config")) &&
	     json_equal(now->devices, json_object_get(then, "devices"))))
		return;
	cleanup_free char *text = memory_printf(
		"profile \"%s\" is not what it was for %s: compare it with that in %s", now->name,
		item->instance.name, item->file);
	json_object_set_new(set->differ, now->name, json_true());
	add_once(set->problems, text);
}

/* Those that are missing are made as they were; what is there is not changed. */
static int check_uses(struct recover_set *set, struct recover_item *item, struct server *server,
		      struct error **error)
{
	cleanup_profile_list struct profile_list known = {0};
	size_t i;
	const json_t *name;
	if (db_profile_list(server->db, &known, error) < 0)
		return -1;
	check_devices(set, item, server, item->instance.devices);
	json_array_foreach (item->instance.profiles, i, name) {
		const char *text = json_string_value(name);
		const struct profile_row *there = profile_list_find(&known, text);
		const json_t *then = find_profile(item, text);
		if (there)
			compare_profile(set, item, there, then);
		if (there)
			check_devices(set, item, server, there->devices);
		else if (then)
			check_devices(set, item, server, json_object_get(then, "devices"));
		else
			miss(set, item, "profile", text);
	}
	return 0;
}

/* ---- all ---- */

static int check_item(struct recover_set *set, size_t index, struct server *server,
		      struct error **error)
{
	struct recover_item *item = &set->items[index];
	if (item->kind == RECOVER_IMAGE) {
		if (!storage_image_exists(server->storage, item->pool, item->image.fingerprint))
			item->problem = memory_strdup("its files are missing");
		else if (strcmp(item->pool, image_pool(server)) != 0)
			item->problem =
				memory_printf("images are kept in the pool %s", image_pool(server));
		return 0;
	}
	check_files(set, item, server);
	if (!item->problem)
		check_name(item, server);
	check_twice(set, index);
	return item->kind == RECOVER_INSTANCE ? check_uses(set, item, server, error) : 0;
}

int recover_set_check(struct recover_set *set, struct server *server, struct error **error)
{
	for (size_t i = 0; i < set->count; i++)
		if (check_item(set, i, server, error) < 0)
			return -1;
	return 0;
}
