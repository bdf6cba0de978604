/* What lies in pools: their descriptions are read, those of another database and those that no row knows. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/render.h"
#include "cleanup.h"
#include "file.h"
#include "image/store.h"
#include "memory.h"
#include "recover/internal.h"
#include "server.h"
#include "storage/storage.h"
#include "yaml_text.h"

static void tell(struct recover_set *set, const char *text)
{
	json_array_append_new(set->problems, json_string(text));
}

static bool has_suffix(const char *text, const char *suffix)
{
	size_t length = strlen(text), end = strlen(suffix);
	return length > end && strcmp(text + length - end, suffix) == 0;
}

/* ---- items ---- */

/* Takes the text @file. */
static void add_known_file(struct recover_set *set, const char *pool, char *file)
{
	cleanup_free char *path = memory_printf("%s/%s", pool, file);
	json_object_set_new(set->known, path, json_true());
	free(file);
}

static int read_known(struct recover_set *set, struct server *server, struct error **error)
{
	cleanup_instance_list struct instance_list instances = {0};
	cleanup_volume_list struct volume_list volumes = {0};
	cleanup_image_list struct image_list images = {0};
	if (db_instance_list(server->db, &instances, error) < 0 ||
	    db_volume_list(server->db, NULL, &volumes, error) < 0 ||
	    db_image_list(server->db, &images, error) < 0)
		return -1;
	for (size_t i = 0; i < instances.count; i++) {
		char *file = describe_instance_file(instances.rows[i].uuid);
		json_object_set_new(set->known, file, json_true());
		add_known_file(set, instances.rows[i].pool, file);
	}
	for (size_t i = 0; i < volumes.count; i++)
		add_known_file(set, volumes.rows[i].pool,
			       describe_volume_file(volumes.rows[i].name));
	for (size_t i = 0; i < images.count; i++)
		add_known_file(set, image_pool(server),
			       describe_image_file(images.rows[i].fingerprint));
	return 0;
}

/* Of our own database, by its name: most are, and need not be read. */
static bool is_current(const struct recover_set *set, const char *pool, const char *file)
{
	cleanup_free char *path = memory_printf("%s/%s", pool, file);
	return json_object_get(set->known, path);
}

static bool is_known(const struct recover_set *set, struct server *server,
		     const struct recover_item *item)
{
	cleanup_image_row struct image_row image = {0};
	bool known = false;
	if (item->kind == RECOVER_IMAGE)
		return db_image_get(server->db, item->image.fingerprint, &image, NULL) == 0;
	/* Of a volume what it writes into is what makes it that one. */
	if (item->kind == RECOVER_VOLUME)
		return db_layer_known(server->db, item->pool,
				      item->layers[item->layer].row.directory, &known, NULL) == 0 &&
		       known;
	cleanup_free char *file = describe_instance_file(item->instance.uuid);
	return json_object_get(set->known, file);
}

static bool is_same(const struct recover_item *one, const struct recover_item *other)
{
	if (one->kind != other->kind)
		return false;
	if (one->kind == RECOVER_INSTANCE)
		return strcmp(one->instance.uuid, other->instance.uuid) == 0;
	return strcmp(recover_item_name(one), recover_item_name(other)) == 0 &&
	       (one->kind == RECOVER_IMAGE || strcmp(one->pool, other->pool) == 0);
}

/* Of several descriptions of one the newest counts: the item is the set's then. */
static void add_item(struct recover_set *set, struct recover_item *item)
{
	for (size_t i = 0; i < set->count; i++) {
		struct recover_item *other = &set->items[i];
		if (!is_same(item, other))
			continue;
		if (item->changed_at > other->changed_at) {
			struct recover_item older = *other;
			*other = *item;
			*item = older;
		}
		recover_item_clear(item);
		return;
	}
	set->items = memory_realloc(set->items, (set->count + 1) * sizeof(*set->items));
	set->items[set->count++] = *item;
}

static void read_item(struct recover_set *set, struct server *server, const char *pool,
		      const char *path, bool foreign)
{
	struct recover_item item = {0};
	struct stat status;
	cleanup_error struct error *error = NULL;
	cleanup_free char *text = file_read_at(AT_FDCWD, path, NULL, &error);
	if (!text || recover_item_parse(&item, pool, text, &error) < 0) {
		cleanup_free char *problem =
			memory_printf("%s is left out: %s", path, error_message(error));
		tell(set, problem);
		recover_item_clear(&item);
		return;
	}
	item.file = memory_strdup(path);
	item.foreign = foreign;
	if (stat(path, &status) == 0)
		item.changed_at = status.st_mtim.tv_sec * 1000000000LL + status.st_mtim.tv_nsec;
	if (is_known(set, server, &item))
		recover_item_clear(&item);
	else
		add_item(set, &item);
}

static void read_directory(struct recover_set *set, struct server *server, const char *pool,
			   const char *path)
{
	bool foreign = strcmp(strrchr(path, '/') + 1, server->recovery->identity) != 0;
	cleanup_dir DIR *dir = opendir(path);
	const struct dirent *entry;
	while (dir && (entry = readdir(dir))) {
		cleanup_free char *file = memory_printf("%s/%s", path, entry->d_name);
		if (has_suffix(entry->d_name, ".yaml") && strcmp(entry->d_name, POOLS_FILE) != 0 &&
		    (foreign || !is_current(set, pool, entry->d_name)))
			read_item(set, server, pool, file, foreign);
	}
}

/* Calls @visit for the directory of each database. */
static void each_directory(struct recover_set *set, struct server *server, const char *pool,
			   void (*visit)(struct recover_set *set, struct server *server,
					 const char *pool, const char *path))
{
	cleanup_free char *path = storage_descriptions(server->storage, pool);
	cleanup_dir DIR *dir = opendir(path);
	const struct dirent *entry;
	while (dir && (entry = readdir(dir))) {
		cleanup_free char *directory = memory_printf("%s/%s", path, entry->d_name);
		if (entry->d_name[0] != '.')
			visit(set, server, pool, directory);
	}
}

/* ---- pools ---- */

static bool has_pool(const struct recover_set *set, const char *name)
{
	for (size_t i = 0; i < set->pool_count; i++)
		if (strcmp(set->pools[i].row.name, name) == 0)
			return true;
	return false;
}

static struct recover_pool *add_pool(struct recover_set *set)
{
	set->pools = memory_realloc(set->pools, (set->pool_count + 1) * sizeof(*set->pools));
	struct recover_pool *pool = &set->pools[set->pool_count++];
	*pool = (struct recover_pool){.known = false};
	return pool;
}

static int add_known(struct recover_set *set, struct server *server, const char *name,
		     struct error **error)
{
	struct recover_pool pool = {.known = true};
	if (db_object_get(server->db, &db_pools, name, &pool.row, error) < 0)
		return -1;
	*add_pool(set) = pool;
	return 0;
}

/* @object: {name, driver, config}. */
static int add_unknown(struct recover_set *set, struct server *server, const json_t *object,
		       struct error **error)
{
	const char *name = json_string_value(json_object_get(object, "name"));
	const char *driver = json_string_value(json_object_get(object, "driver"));
	struct recover_pool pool = {.row = {
					    .name = memory_strdup(name),
					    .kind = memory_strdup(driver ? driver : ""),
					    .config = render_map_field(object, "config", error),
				    }};
	if (pool.row.config &&
	    storage_pool_attach(server, &pool.row, &pool.attachment, error) == 0) {
		*add_pool(set) = pool;
		return 0;
	}
	object_row_clear(&pool.row);
	return -1;
}

static int add_named(struct recover_set *set, struct server *server, const json_t *object,
		     struct error **error)
{
	const char *name = json_string_value(json_object_get(object, "name"));
	cleanup_object_row struct object_row row = {0};
	if (!name || !*name)
		return error_set(error, ERROR_INVALID, "a storage pool needs a name");
	if (has_pool(set, name))
		return error_set(error, ERROR_INVALID, "pool \"%s\" is named twice", name);
	return db_object_get(server->db, &db_pools, name, &row, NULL) == 0
		       ? add_known(set, server, name, error)
		       : add_unknown(set, server, object, error);
}

static int add_all_known(struct recover_set *set, struct server *server, struct error **error)
{
	cleanup_object_list struct object_list pools = {0};
	if (db_object_list(server->db, &db_pools, &pools, error) < 0)
		return -1;
	for (size_t i = 0; i < pools.count; i++)
		if (!has_pool(set, pools.rows[i].name) &&
		    add_known(set, server, pools.rows[i].name, error) < 0)
			return -1;
	return 0;
}

/* One that was heard of: a failure is no reason to leave the others. */
static void try_unknown(struct recover_set *set, struct server *server, const json_t *object)
{
	cleanup_error struct error *error = NULL;
	cleanup_object_row struct object_row row = {0};
	const char *name = json_string_value(json_object_get(object, "name"));
	if (!name || has_pool(set, name) || json_object_get(set->tried, name) ||
	    db_object_get(server->db, &db_pools, name, &row, NULL) == 0)
		return;
	json_object_set_new(set->tried, name, json_true());
	if (add_unknown(set, server, object, &error) < 0)
		tell(set, error_message(error));
}

static void note_was(struct recover_set *set, json_t *object)
{
	const char *name = json_string_value(json_object_get(object, "name"));
	for (size_t i = 0; name && i < set->pool_count; i++)
		if (set->pools[i].known && strcmp(set->pools[i].row.name, name) == 0) {
			json_decref(set->pools[i].was);
			set->pools[i].was = json_incref(object);
		}
}

static void follow_list(struct recover_set *set, struct server *server, const char *pool,
			const char *path)
{
	cleanup_free char *file = memory_printf("%s/" POOLS_FILE, path);
	cleanup_free char *text = file_try_read_at(AT_FDCWD, file);
	json_t *list = text ? yaml_to_json(text, NULL) : NULL;
	size_t i;
	json_t *object;
	(void)pool;
	/* Ours says what the database does. */
	if (strcmp(strrchr(path, '/') + 1, server->recovery->identity) == 0)
		json_object_clear(list);
	json_array_foreach (json_object_get(list, "pools"), i, object) {
		note_was(set, object);
		try_unknown(set, server, object);
	}
	json_decref(list);
}

/* Those that others tell of, then those whose places are left. */
static void find_unknown(struct recover_set *set, struct server *server)
{
	cleanup_free char *root = memory_printf("%s/storage-pools", server->paths.state);
	cleanup_dir DIR *dir = opendir(root);
	const struct dirent *entry;
	for (size_t i = 0; i < set->pool_count; i++)
		each_directory(set, server, set->pools[i].row.name, follow_list);
	while (dir && (entry = readdir(dir))) {
		json_t *object = json_pack("{s:s}", "name", entry->d_name);
		if (entry->d_name[0] != '.')
			try_unknown(set, server, object);
		json_decref(object);
	}
}

/* ---- all ---- */

static int by_kind(const void *a, const void *b)
{
	const struct recover_item *one = a, *other = b;
	if (one->kind != other->kind)
		return one->kind < other->kind ? -1 : 1;
	int pools = strcmp(one->pool, other->pool);
	return pools ? pools : strcmp(recover_item_name(one), recover_item_name(other));
}

static int find_pools(struct recover_set *set, struct server *server, const json_t *pools,
		      bool search, struct error **error)
{
	size_t i;
	const json_t *object;
	json_array_foreach (pools, i, object)
		if (add_named(set, server, object, error) < 0)
			return -1;
	if (!search)
		return 0;
	if (add_all_known(set, server, error) < 0)
		return -1;
	find_unknown(set, server);
	return 0;
}

int recover_set_fill(struct recover_set *set, struct server *server, const json_t *pools,
		     bool search, struct error **error)
{
	*set = (struct recover_set){
		.problems = json_array(),
		.missing = json_array(),
		.differ = json_object(),
		.tried = json_object(),
		.known = json_object(),
	};
	if (read_known(set, server, error) < 0 || find_pools(set, server, pools, search, error) < 0)
		return -1;
	for (size_t at = 0; at < set->pool_count; at++) {
		const char *name = set->pools[at].row.name;
		cleanup_error struct error *problem = NULL;
		if (set->pools[at].known && storage_pool_require(server, name, &problem) < 0)
			tell(set, error_message(problem));
		else
			each_directory(set, server, name, read_directory);
	}
	if (set->count)
		qsort(set->items, set->count, sizeof(*set->items), by_kind);
	return 0;
}

void recover_set_clear(struct recover_set *set, struct server *server)
{
	for (size_t i = 0; i < set->count; i++)
		recover_item_clear(&set->items[i]);
	for (size_t i = 0; i < set->pool_count; i++) {
		struct recover_pool *pool = &set->pools[i];
		if (pool->attachment.mounted || pool->attachment.made)
			storage_pool_detach(server, &pool->row, &pool->attachment);
		object_row_clear(&pool->row);
		free(pool->problem);
		json_decref(pool->was);
	}
	free(set->items);
	free(set->pools);
	json_decref(set->problems);
	json_decref(set->missing);
	json_decref(set->differ);
	json_decref(set->tried);
	json_decref(set->known);
	*set = (struct recover_set){0};
}
