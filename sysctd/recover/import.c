/*
 * Rows for what was found, each item in a transaction of its own. Layers are put in their places before
 * it, which does no harm when it fails; the old description goes after a new one is written. So a daemon that is
 * killed at any moment finds the item again, or has it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <stdio.h>
#include <unistd.h>

#include "cleanup.h"
#include "db/layers.h"
#include "db/profiles.h"
#include "events.h"
#include "fault.h"
#include "instance/internal.h"
#include "log.h"
#include "memory.h"
#include "network/nic.h"
#include "recover/internal.h"
#include "server.h"
#include "storage/storage.h"
#include "volume/internal.h"

/* ---- layers ---- */

static int place_layers(const struct recover_item *item, struct server *server,
			struct error **error)
{
	for (size_t i = 0; i < item->layer_count; i++) {
		cleanup_free char *path = storage_layer_path(server->storage, &item->layers[i].row);
		cleanup_free char *now =
			recover_layer_place(server, item->pool, item->layers[i].row.directory);
		/* One that only a snapshot needed, which was left out. */
		if (now && strcmp(now, path) != 0 && rename(now, path) < 0)
			return error_errno(error, errno, "moving %s to its place", now);
	}
	return 0;
}

static void want(const struct recover_item *item, bool *wanted, size_t layer)
{
	for (; !wanted[layer]; layer = item->layers[layer].parent)
		wanted[layer] = true;
}

/* Those that are needed, each after the one below it. */
static int store_layers(struct recover_item *item, struct server *server, struct error **error)
{
	cleanup_free bool *wanted = memory_alloc(item->layer_count * sizeof(*wanted));
	memset(wanted, 0, item->layer_count * sizeof(*wanted));
	want(item, wanted, item->layer);
	for (size_t i = 0; i < item->snapshot_count; i++)
		want(item, wanted, item->snapshots[i].layer);
	for (size_t i = 0; i < item->layer_count; i++) {
		struct recover_layer *layer = &item->layers[i];
		if (!wanted[i])
			continue;
		layer->row.parent_id = layer->parent == i ? 0 : item->layers[layer->parent].row.id;
		if (db_layer_recover(server->db, &layer->row, i == item->layer, error) < 0)
			return -1;
	}
	return 0;
}

/* ---- instances ---- */

static int store_profiles(const struct recover_item *item, struct server *server,
			  struct error **error)
{
	cleanup_profile_list struct profile_list known = {0};
	size_t i;
	json_t *object;
	if (db_profile_list(server->db, &known, error) < 0)
		return -1;
	json_array_foreach (item->profiles, i, object) {
		const char *name = json_string_value(json_object_get(object, "name"));
		const char *text = json_string_value(json_object_get(object, "description"));
		struct profile_row row = {
			.name = (char *)name,
			.description = (char *)(text ? text : ""),
			.config = json_object_get(object, "config"),
			.devices = json_object_get(object, "devices"),
		};
		if (name && !profile_list_find(&known, name) &&
		    db_profile_create(server->db, &row, error) < 0)
			return -1;
	}
	return 0;
}

static int store_snapshots(struct recover_item *item, struct server *server, struct error **error)
{
	for (size_t i = 0; i < item->snapshot_count; i++) {
		struct recover_snapshot *snapshot = &item->snapshots[i];
		snapshot->content.id = item->instance.id;
		snapshot->row.layer_id = item->layers[snapshot->layer].row.id;
		if (db_snapshot_create(server->db, &snapshot->row, &snapshot->content, error) < 0)
			return -1;
	}
	return 0;
}

/* It could not have its ids again: what it had becomes a lower layer, whose ids are shifted. */
static int put_above(const struct recover_item *item, struct server *server, const char *driver,
		     const char *directory, struct error **error)
{
	const struct layer_row *below = &item->layers[item->layer].row;
	const struct layer_place place = {driver, item->pool, directory, 0};
	struct layer_row above = {
		.parent_id = below->id,
		.pool = item->pool,
		.directory = (char *)directory,
		.id_base = item->instance.id_base,
	};
	if (storage_layer_above(server->storage, &place, below, above.id_base, error) < 0)
		return -1;
	return db_layer_create(server->db, &above, error) < 0
		       ? -1
		       : db_instance_set_layer(server->db, item->instance.id, above.id, error);
}

/* @above: of a layer that is to be committed afterwards, or NULL. */
static int store_instance(struct recover_item *item, struct server *server, const char *driver,
			  char **above, struct error **error)
{
	struct instance_row *row = &item->instance;
	bool moved;
	if (store_profiles(item, server, error) < 0 || store_layers(item, server, error) < 0)
		return -1;
	row->layer_id = item->layers[item->layer].row.id;
	if (db_instance_recover(server->db, row, &server->ids, &moved, error) < 0 ||
	    store_snapshots(item, server, error) < 0)
		return -1;
	if (!moved || !storage_stacks(driver))
		return 0;
	*above = storage_new_layer_directory();
	return put_above(item, server, driver, *above, error);
}

static int import_instance(struct recover_item *item, struct server *server, struct error **error)
{
	cleanup_object_row struct object_row pool = {0};
	cleanup_free char *above = NULL;
	if (db_object_get(server->db, &db_pools, item->pool, &pool, error) < 0 ||
	    place_layers(item, server, error) < 0 || db_begin(server->db, DB_DURABLE, error) < 0)
		return -1;
	int result = store_instance(item, server, pool.kind, &above, error);
	fault_point("recover.stored");
	if (result < 0)
		db_rollback(server->db);
	else
		result = db_commit(server->db, error);
	if (result < 0 && above)
		storage_layer_abort(server->storage, item->pool, above);
	if (result < 0)
		return -1;
	fault_point("recover.committed");
	if (above && storage_layer_commit(server->storage, item->pool, above, error) < 0)
		return -1;
	instance_recall(server, &item->instance);
	return 0;
}

/* ---- volumes and images ---- */

static int store_volume(struct recover_item *item, struct server *server, struct error **error)
{
	struct volume_row *row = &item->volume;
	if (store_layers(item, server, error) < 0)
		return -1;
	row->layer_id = item->layers[item->layer].row.id;
	if (db_volume_create(server->db, row, error) < 0)
		return -1;
	for (size_t i = 0; i < item->snapshot_count; i++) {
		const struct recover_snapshot *snapshot = &item->snapshots[i];
		struct volume_snapshot_row one = {
			.volume_id = row->id,
			.name = snapshot->row.name,
			.description = snapshot->row.description,
			.created_at = snapshot->row.created_at,
			.expires_at = snapshot->row.expires_at,
			.layer_id = item->layers[snapshot->layer].row.id,
			.config = snapshot->content.config,
		};
		if (db_volume_snapshot_create(server->db, &one, error) < 0)
			return -1;
	}
	return 0;
}

static int store_image(struct recover_item *item, struct server *server, struct error **error)
{
	size_t i;
	json_t *alias;
	if (db_image_create(server->db, &item->image, error) < 0)
		return -1;
	json_array_foreach (item->image.aliases, i, alias) {
		const char *name = json_string_value(json_object_get(alias, "name"));
		const char *text = json_string_value(json_object_get(alias, "description"));
		cleanup_alias_row struct alias_row there = {0};
		cleanup_alias_row struct alias_row row = {
			.name = memory_strdup(name ? name : ""),
			.description = memory_strdup(text ? text : ""),
			.fingerprint = memory_strdup(item->image.fingerprint),
		};
		/* One that points at another image by now stays. */
		if (name && db_alias_get(server->db, name, &there, NULL) < 0 &&
		    db_alias_create(server->db, &row, error) < 0)
			return -1;
	}
	return 0;
}

static int import_simple(struct recover_item *item, struct server *server, struct error **error)
{
	bool volume = item->kind == RECOVER_VOLUME;
	if (place_layers(item, server, error) < 0 || db_begin(server->db, DB_DURABLE, error) < 0)
		return -1;
	if ((volume ? store_volume(item, server, error) : store_image(item, server, error)) == 0)
		return db_commit(server->db, error);
	db_rollback(server->db);
	return -1;
}

int recover_item_import(struct recover_item *item, struct server *server, struct error **error)
{
	int result = item->kind == RECOVER_INSTANCE ? import_instance(item, server, error)
						    : import_simple(item, server, error);
	/* Instances get theirs when they start. */
	if (result == 0 && item->kind == RECOVER_VOLUME)
		result = volume_resize(server, &item->volume, item->volume.config, false, error);
	if (result == 0)
		log_event(LOG_LEVEL_INFO,
			  item->kind == RECOVER_INSTANCE ? item->instance.name : NULL,
			  "recovered %s %s in pool %s", recover_kind_to_string(item->kind),
			  recover_item_name(item), item->pool);
	return result;
}
