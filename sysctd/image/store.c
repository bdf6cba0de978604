/*
 * See store.h.
 *
 * Order. An image appears as files first and row second, and goes in one
 * transaction with the rename of its files, so a kill -9 in between leaves
 * files without a row. image_repair() removes those that no instance needs, and
 * rows whose files are gone.
 */
#include "image/store.h"

#include <dirent.h>
#include <string.h>

#include "cleanup.h"
#include "db/images.h"
#include "db/layers.h"
#include "db/objects.h"
#include "sysctd/events.h"
#include "file.h"
#include "image/image.h"
#include "log.h"
#include "memory.h"
#include "server.h"
#include "storage/storage.h"

enum { FINGERPRINT_LENGTH = 64 };

const char *image_pool(const struct server *server)
{
	(void)server;
	return "default";
}

char *image_builds_directory(const struct server *server)
{
	return memory_printf("%s/tmp/image-builds", server->paths.state);
}

static void fill_row(struct image_row *row, const struct image_result *result)
{
	const json_t *metadata = result->metadata;
	const int64_t second = 1000000000;
	json_t *properties = json_object_get(metadata, "properties");
	const char *architecture = json_string_value(json_object_get(metadata, "architecture"));
	*row = (struct image_row){
		.fingerprint = memory_strdup(result->fingerprint),
		.filename = memory_strdup(""),
		.architecture = memory_strdup(architecture ? architecture : ""),
		.type = memory_strdup("container"),
		.size = result->size,
		.created_at =
			json_integer_value(json_object_get(metadata, "creation_date")) * second,
		.expires_at = json_integer_value(json_object_get(metadata, "expiry_date")) * second,
		.template = result->template ? memory_strdup(result->template) : NULL,
		.template_options = json_incref(result->options),
		.properties = json_is_object(properties) ? json_incref(properties) : json_object(),
	};
}

/*
 * Whether an alias may be pointed at the new image: those asked for always, of
 * the others only free ones and those of an older image of the same template.
 * A user's own "debian/stable" stays where it is.
 */
static bool may_take_alias(struct server *server, const struct image_result *result,
			   const char *name)
{
	cleanup_image_row struct image_row owner = {0};
	if (result->take_aliases || (result->wanted && strcmp(result->wanted, name) == 0))
		return true;
	if (db_image_get_by_alias(server->db, name, &owner, NULL) < 0)
		return true;
	return owner.template && result->template && strcmp(owner.template, result->template) == 0;
}

static int set_alias(struct server *server, const struct image_result *result, const char *name,
		     struct error **error)
{
	if (!name || !*name || !may_take_alias(server, result, name))
		return 0;
	cleanup_alias_row struct alias_row alias = {
		.name = memory_strdup(name),
		.description = memory_strdup(""),
		.fingerprint = memory_strdup(result->fingerprint),
	};
	return db_alias_set(server->db, &alias, error);
}

static int write_rows(struct server *server, const struct image_result *result,
		      struct error **error)
{
	cleanup_image_row struct image_row old = {0};
	cleanup_image_row struct image_row row = {0};
	size_t i;
	json_t *name;
	fill_row(&row, result);
	if (db_image_get(server->db, result->fingerprint, &old, NULL) < 0 &&
	    db_image_create(server->db, &row, error) < 0)
		return -1;
	json_array_foreach ((json_t *)result->aliases, i, name)
		if (set_alias(server, result, json_string_value(name), error) < 0)
			return -1;
	return set_alias(server, result, result->wanted, error);
}

static int commit_rows(struct server *server, const struct image_result *result,
		       struct error **error)
{
	if (db_begin(server->db, DB_DURABLE, error) < 0)
		return -1;
	if (write_rows(server, result, error) < 0) {
		db_rollback(server->db);
		return -1;
	}
	return db_commit(server->db, error);
}

int image_store_commit(struct server *server, const struct image_result *result,
		       struct error **error)
{
	const char *pool = image_pool(server);
	cleanup_error struct error *problem = NULL;
	bool made = storage_image_commit(server->storage, pool, result->token, result->fingerprint,
					 &problem) == 0;
	if (!made && (!problem || problem->kind != ERROR_EXISTS)) {
		error_move(error, steal_pointer(&problem));
		return -1;
	}
	if (commit_rows(server, result, error) < 0) {
		if (made)
			storage_image_discard(server->storage, pool, result->fingerprint, NULL);
		return -1;
	}
	cleanup_free char *url = memory_printf("/1.0/images/%s", result->fingerprint);
	event_hub_lifecycle(server->events, "image-created", url,
			    json_pack("{s:s}", "type", "container"));
	return 0;
}

/* In the transaction of the caller, when there is no such image any more: the files of it go from the pools
 * where no layer is above them. */
static int discard_unneeded(struct server *server, const char *fingerprint, struct error **error)
{
	cleanup_object_list struct object_list pools = {0};
	if (db_object_list(server->db, &db_pools, &pools, error) < 0)
		return -1;
	for (size_t i = 0; i < pools.count; i++) {
		const char *pool = pools.rows[i].name;
		bool used;
		if (db_layers_use_image(server->db, pool, fingerprint, &used, error) < 0)
			return -1;
		if (!used && storage_image_exists(server->storage, pool, fingerprint) &&
		    storage_image_discard(server->storage, pool, fingerprint, error) < 0)
			return -1;
	}
	return 0;
}

static int delete_in_transaction(struct server *server, const char *prefix, struct image_row *row,
				 struct error **error)
{
	if (db_image_get(server->db, prefix, row, error) < 0)
		return -1;
	if (db_image_delete(server->db, row->id, error) < 0)
		return -1;
	return discard_unneeded(server, row->fingerprint, error);
}

int image_delete(struct server *server, const char *fingerprint, struct error **error)
{
	cleanup_image_row struct image_row row = {0};
	if (db_begin(server->db, DB_DURABLE, error) < 0)
		return -1;
	if (delete_in_transaction(server, fingerprint, &row, error) < 0) {
		db_rollback(server->db);
		return -1;
	}
	if (db_commit(server->db, error) < 0)
		return -1;
	storage_reclaim(server->storage);
	cleanup_free char *url = memory_printf("/1.0/images/%s", row.fingerprint);
	event_hub_lifecycle(server->events, "image-deleted", url, NULL);
	return 0;
}

int image_store_release(struct server *server, const char *fingerprint, struct error **error)
{
	cleanup_image_row struct image_row row = {0};
	if (db_image_get(server->db, fingerprint, &row, NULL) == 0)
		return 0;
	if (db_begin(server->db, DB_VOLATILE, error) < 0)
		return -1;
	int result = discard_unneeded(server, fingerprint, error);
	if (result < 0)
		db_rollback(server->db);
	else
		result = db_commit(server->db, error);
	storage_reclaim(server->storage);
	return result;
}

static int repair_rows(struct server *server, struct error **error)
{
	cleanup_image_list struct image_list list = {0};
	/* A disk that is away may come back. */
	if (!storage_pool_available(server->storage, image_pool(server)))
		return 0;
	if (db_image_list(server->db, &list, error) < 0)
		return -1;
	for (size_t i = 0; i < list.count; i++) {
		const struct image_row *row = &list.rows[i];
		if (storage_image_exists(server->storage, image_pool(server), row->fingerprint))
			continue;
		log_event(LOG_LEVEL_WARNING, NULL, "image %s has no files any more; removing it",
			  row->fingerprint);
		if (db_image_delete(server->db, row->id, error) < 0)
			return -1;
	}
	return 0;
}

/* Files that appeared just before a kill -9, or whose last instance went just before one. */
static int repair_pool(struct server *server, const char *pool, struct error **error)
{
	cleanup_free char *path = storage_image_path(server->storage, pool, ".");
	cleanup_dir DIR *dir = path ? opendir(path) : NULL;
	struct dirent *entry;
	while (dir && (entry = readdir(dir))) {
		const char *name = entry->d_name;
		if (strlen(name) != FINGERPRINT_LENGTH ||
		    strspn(name, "0123456789abcdef") != FINGERPRINT_LENGTH)
			continue;
		if (image_store_release(server, name, error) < 0)
			return -1;
	}
	return 0;
}

static int repair_files(struct server *server, struct error **error)
{
	cleanup_object_list struct object_list pools = {0};
	if (db_object_list(server->db, &db_pools, &pools, error) < 0)
		return -1;
	for (size_t i = 0; i < pools.count; i++)
		if (!storage_pool_is_guarded(server->storage, pools.rows[i].name) &&
		    repair_pool(server, pools.rows[i].name, error) < 0)
			return -1;
	return 0;
}

int image_repair(struct server *server, struct error **error)
{
	cleanup_free char *temporary = image_builds_directory(server);
	if (file_remove_tree_at(-1, temporary, error) < 0)
		return error_prefix(error, "removing what an interrupted build left");
	if (repair_rows(server, error) < 0)
		return -1;
	return repair_files(server, error);
}
