/* See recover.h: pools that have something of another database, and bringing it back. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "db/layers.h"
#include "fault.h"
#include "file.h"
#include "log.h"
#include "memory.h"
#include "recover/internal.h"
#include "server.h"
#include "storage/storage.h"

/* ---- looking at a pool ---- */

/* That of an instance or volume that was deleted, or has another name now: of what it names nothing is left. */
static bool is_stale(struct server *server, const struct recover_item *item)
{
	bool known = false;
	if (item->kind == RECOVER_IMAGE)
		return true;
	const struct layer_row *top = &item->layers[item->layer].row;
	cleanup_free char *path = storage_layer_path(server->storage, top);
	return access(path, F_OK) < 0 ||
	       (db_layer_known(server->db, item->pool, top->directory, &known, NULL) == 0 && known);
}

static void note_lost(struct recovery *recovery, const struct recover_item *item)
{
	if (item->kind != RECOVER_INSTANCE)
		return;
	pthread_mutex_lock(&recovery->lock);
	json_object_set_new(recovery->lost, item->instance.name, json_string(item->pool));
	pthread_mutex_unlock(&recovery->lock);
}

/* Returns how many things are lost. Of our own database what is stale goes. */
static size_t examine_items(struct server *server, const struct recover_set *set)
{
	size_t count = 0;
	for (size_t i = 0; i < set->count; i++) {
		const struct recover_item *item = &set->items[i];
		if (!item->foreign && is_stale(server, item)) {
			unlink(item->file);
			continue;
		}
		note_lost(server->recovery, item);
		count++;
	}
	return count + json_array_size(set->problems);
}

static size_t look(struct server *server, const char *pool)
{
	cleanup_error struct error *error = NULL;
	struct recover_set set;
	json_t *pools = json_pack("[{s:s}]", "name", pool);
	size_t count = 0;
	if (recover_set_fill(&set, server, pools, false, &error) == 0)
		count = examine_items(server, &set);
	recover_set_clear(&set, server);
	json_decref(pools);
	return count;
}

void recovery_examine(struct server *server, const char *pool)
{
	if (!server->recovery)
		return;
	size_t count = look(server, pool);
	recovery_refresh(server->recovery);
	storage_pool_guard(server->storage, pool, count > 0);
	if (count)
		log_event(LOG_LEVEL_WARNING, NULL,
			  "pool %s has %zu things that the database does not know: nothing of them "
			  "is "
			  "removed; 'sysct admin recover' brings them back",
			  pool, count);
}

void recovery_search(struct server *server)
{
	struct recover_set set;
	if (recover_set_fill(&set, server, NULL, true, NULL) == 0)
		for (size_t i = 0; i < set.count; i++)
			note_lost(server->recovery, &set.items[i]);
	recover_set_clear(&set, server);
}

bool recovery_is_lost(struct server *server, const char *name)
{
	struct recovery *recovery = server->recovery;
	pthread_mutex_lock(&recovery->lock);
	bool lost = json_object_get(recovery->lost, name);
	pthread_mutex_unlock(&recovery->lock);
	return lost;
}

int recovery_check_name(struct server *server, const char *name, struct error **error)
{
	cleanup_free char *directory = memory_printf("%s/instances/%s", server->paths.run, name);
	if (!recovery_is_lost(server, name) || access(directory, F_OK) < 0)
		return 0;
	return error_set(
		error, ERROR_BUSY,
		"an instance \"%s\" of a lost database runs: bring it back by 'sysct admin "
		"recover', or choose another name",
		name);
}

/* ---- telling ---- */

static json_t *tell_item(const struct recover_item *item)
{
	return json_pack("{s:s, s:s, s:i, s:s, s:s, s:s*}", "name", recover_item_name(item), "type",
			 recover_kind_to_string(item->kind), "snapshotCount",
			 (int)item->snapshot_count, "project", "default", "pool", item->pool,
			 "problem", item->problem);
}

static json_t *tell_pools(const struct recover_set *set)
{
	json_t *array = json_array();
	for (size_t i = 0; i < set->pool_count; i++) {
		const struct object_row *row = &set->pools[i].row;
		json_array_append_new(array, json_pack("{s:s, s:s, s:O, s:b}", "name", row->name,
						       "driver", row->kind, "config", row->config,
						       "known", set->pools[i].known));
	}
	return array;
}

static json_t *tell_set(const struct recover_set *set)
{
	json_t *items = json_array();
	for (size_t i = 0; i < set->count; i++)
		json_array_append_new(items, tell_item(&set->items[i]));
	return json_pack("{s:o, s:O, s:o, s:O}", "UnknownVolumes", items, "DependencyErrors",
			 set->missing, "Pools", tell_pools(set), "Problems", set->problems);
}

static int find(struct recover_set *set, struct server *server, const json_t *pools, bool search,
		struct error **error)
{
	recovery_settle(server->recovery);
	return recover_set_fill(set, server, pools, search, error) < 0
		       ? -1
		       : recover_set_check(set, server, error);
}

json_t *recovery_validate(struct server *server, const json_t *pools, bool search,
			  struct error **error)
{
	struct recover_set set;
	pthread_mutex_lock(&server->recovery->recovering);
	json_t *answer = find(&set, server, pools, search, error) < 0 ? NULL : tell_set(&set);
	recover_set_clear(&set, server);
	pthread_mutex_unlock(&server->recovery->recovering);
	return answer;
}

/* ---- bringing back ---- */

/* With what lies in it. */
static void leave_pool(struct recover_set *set, struct recover_pool *pool,
		       const struct error *error)
{
	pool->problem = memory_strdup(error_message(error));
	for (size_t i = 0; i < set->count; i++)
		if (!set->items[i].problem && strcmp(set->items[i].pool, pool->row.name) == 0)
			set->items[i].problem = memory_strdup("its pool cannot be recovered");
}

/* The default one was made anew: what the user has said of it comes back. */
static void complete_pool(struct recover_pool *pool, struct server *server)
{
	struct object_row *row = &pool->row;
	cleanup_error struct error *error = NULL;
	const char *text = json_string_value(json_object_get(pool->was, "description"));
	const char *key;
	json_t *value;
	bool changed = false;
	if (text && *text && !(row->description && *row->description)) {
		free(row->description);
		row->description = memory_strdup(text);
		changed = true;
	}
	json_object_foreach (json_object_get(pool->was, "config"), key, value)
		if (strncmp(key, "user.", 5) == 0 && !json_object_get(row->config, key)) {
			json_object_set(row->config, key, value);
			changed = true;
		}
	if (changed && storage_pool_update(server, row, &error) < 0)
		log_event(LOG_LEVEL_WARNING, NULL, "pool %s: %s", row->name, error_message(error));
}

static void take_pools(struct recover_set *set, struct server *server)
{
	for (size_t i = 0; i < set->pool_count; i++) {
		struct recover_pool *pool = &set->pools[i];
		cleanup_error struct error *error = NULL;
		if (pool->known && pool->was)
			complete_pool(pool, server);
		if (pool->known)
			continue;
		if (storage_pool_take(server, &pool->row, &error) < 0) {
			leave_pool(set, pool, error);
			continue;
		}
		/* It is the database's now. */
		pool->attachment = (struct pool_attachment){.made = false};
		storage_pool_guard(server->storage, pool->row.name, true);
		log_event(LOG_LEVEL_INFO, NULL, "recovered pool %s", pool->row.name);
		fault_point("recover.pool");
	}
}

static void tell_taken(const struct recover_set *set, json_t *recovered, json_t *failed)
{
	for (size_t i = 0; i < set->pool_count; i++) {
		const struct recover_pool *pool = &set->pools[i];
		if (!pool->known)
			json_array_append_new(pool->problem ? failed : recovered,
					      json_pack("{s:s, s:s, s:s, s:s*}", "type", "pool",
							"name", pool->row.name, "pool",
							pool->row.name, "problem", pool->problem));
	}
}

static json_t *import_all(struct recover_set *set, struct server *server)
{
	json_t *recovered = json_array(), *failed = json_array();
	tell_taken(set, recovered, failed);
	for (size_t i = 0; i < set->count; i++) {
		struct recover_item *item = &set->items[i];
		cleanup_error struct error *error = NULL;
		json_t *told = tell_item(item);
		if (!item->problem && recover_item_import(item, server, &error) == 0) {
			json_array_append_new(recovered, told);
			continue;
		}
		if (!item->problem)
			item->problem = memory_strdup(error_message(error));
		json_object_set_new(told, "problem", json_string(item->problem));
		json_array_append_new(failed, told);
	}
	return json_pack("{s:o, s:o, s:O}", "Recovered", recovered, "Failed", failed, "Problems",
			 set->problems);
}

/* The descriptions of what has rows now; ours are written before. */
static void forget(const struct recover_set *set, struct server *server)
{
	struct recovery *recovery = server->recovery;
	recovery_refresh(recovery);
	if (!recovery_settle(recovery))
		return;
	for (size_t i = 0; i < set->count; i++) {
		const struct recover_item *item = &set->items[i];
		if (item->problem)
			continue;
		if (item->foreign)
			unlink(item->file);
		pthread_mutex_lock(&recovery->lock);
		if (item->kind == RECOVER_INSTANCE)
			json_object_del(recovery->lost, item->instance.name);
		pthread_mutex_unlock(&recovery->lock);
	}
}

/* Directories of databases with nothing in them, or with what is known by now. */
static void tidy_pool(struct server *server, const char *pool)
{
	cleanup_free char *path = storage_descriptions(server->storage, pool);
	cleanup_dir DIR *dir = opendir(path);
	const struct dirent *entry;
	while (dir && !storage_pool_is_guarded(server->storage, pool) && (entry = readdir(dir)))
		if (entry->d_name[0] != '.' &&
		    strcmp(entry->d_name, server->recovery->identity) != 0)
			file_remove_tree_at(dirfd(dir), entry->d_name, NULL);
}

static json_t *import_locked(struct recover_set *set, struct server *server, const json_t *pools,
			     bool search, struct error **error)
{
	if (find(set, server, pools, search, error) < 0)
		return NULL;
	take_pools(set, server);
	json_t *answer = import_all(set, server);
	forget(set, server);
	for (size_t i = 0; i < set->pool_count; i++) {
		const char *name = set->pools[i].row.name;
		if (set->pools[i].problem || !storage_pool_available(server->storage, name))
			continue;
		recovery_examine(server, name);
		tidy_pool(server, name);
	}
	storage_reclaim(server->storage);
	return answer;
}

json_t *recovery_import(struct server *server, const json_t *pools, bool search,
			struct error **error)
{
	struct recover_set set;
	pthread_mutex_lock(&server->recovery->recovering);
	json_t *answer = import_locked(&set, server, pools, search, error);
	recover_set_clear(&set, server);
	pthread_mutex_unlock(&server->recovery->recovering);
	return answer;
}
