/* Pools that another database has made, and that lie there still. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "file.h"
#include "memory.h"
#include "server.h"
#include "storage/internal.h"
#include "storage/pool_config.h"
#include "storage/pool_source.h"

/* What was said of it here counts, then what it says of itself. @given: of which driver it shall be. */
static int take_marker(const struct storage *storage, struct object_row *row, bool given,
		       struct error **error)
{
	json_t *marker = storage_pool_marker(storage, row->name);
	const char *source = pool_config_get(row->config, "source");
	const char *name = json_string_value(json_object_get(marker, "name"));
	const char *driver = json_string_value(json_object_get(marker, "driver"));
	const char *description = json_string_value(json_object_get(marker, "description"));
	int result = 0;
	if (!name || !driver)
		result = error_set(
			error, ERROR_NOT_FOUND,
			"there is no pool of sysct at %s (it would have a file pool.json)",
			source ? source : "its place");
	else if (strcmp(name, row->name) != 0 || (given && strcmp(driver, row->kind) != 0))
		result = error_set(error, ERROR_INVALID,
				   "at %s is the pool \"%s\" of the driver %s: give it that name "
				   "and driver",
				   source ? source : "its place", name, driver);
	if (result == 0) {
		free(row->kind);
		row->kind = memory_strdup(driver);
		free(row->description);
		row->description = memory_strdup(description ? description : "");
		json_object_update_missing(row->config, json_object_get(marker, "config"));
	}
	json_decref(marker);
	return result;
}

/* Its place is made by a mount only: what lies below the daemon's own directory is there. */
static int find_place(const struct storage *storage, struct object_row *row, struct error **error)
{
	cleanup_free char *path = pool_path(storage, row->name);
	pool_source_find(storage, row);
	if (pool_config_get(row->config, "source") || access(path, F_OK) == 0)
		return 0;
	return error_set(error, ERROR_NOT_FOUND,
			 "pool \"%s\" is not in sysct's own directory: say what it is on (source=)",
			 row->name);
}

static void undo(const struct storage *storage, const struct object_row *row,
		 const struct pool_attachment *attachment)
{
	cleanup_free char *path = pool_path(storage, row->name);
	if (attachment->mounted)
		pool_source_unmount(storage, row, false, NULL);
	if (attachment->made)
		rmdir(path);
}

static int mount_as(struct storage *storage, struct object_row *row, bool given,
		    struct pool_attachment *attachment, struct error **error)
{
	cleanup_free char *path = pool_path(storage, row->name);
	*attachment = (struct pool_attachment){
		.mounted = !pool_is_mounted(storage, row->name) &&
			   pool_config_get(row->config, "source"),
		.made = access(path, F_OK) < 0,
	};
	if (pool_source_mount(storage, row, error) == 0 &&
	    take_marker(storage, row, given, error) == 0)
		return 0;
	undo(storage, row, attachment);
	return -1;
}

/* Any driver for directories mounts one; of the others each is tried. */
static int mount_somehow(struct storage *storage, struct object_row *row,
			 struct pool_attachment *attachment, struct error **error)
{
	bool device = pool_source_is_device(row);
	int result = -1;
	for (const struct storage_driver *const *at = storage_drivers(); *at && result < 0; at++) {
		if (device != ((*at)->mount != NULL))
			continue;
		free(row->kind);
		row->kind = memory_strdup((*at)->name);
		error_free(error ? steal_pointer(error) : NULL);
		result = mount_as(storage, row, false, attachment, error);
	}
	return result;
}

static int attach_locked(struct server *server, struct object_row *row,
			 struct pool_attachment *attachment, struct error **error)
{
	struct storage *storage = server->storage;
	cleanup_object_row struct object_row known = {0};
	if (db_object_get(server->db, &db_pools, row->name, &known, NULL) == 0)
		return error_set(error, ERROR_EXISTS, "storage pool \"%s\" already exists",
				 row->name);
	if (find_place(storage, row, error) < 0)
		return -1;
	return *row->kind ? mount_as(storage, row, true, attachment, error)
			  : mount_somehow(storage, row, attachment, error);
}

int storage_pool_attach(struct server *server, struct object_row *row,
			struct pool_attachment *attachment, struct error **error)
{
	if (pool_check_name(row->name, error) < 0 ||
	    (*row->kind && !storage_driver_find(row->kind, error)))
		return -1;
	pthread_mutex_lock(&server->storage->pools);
	int result = attach_locked(server, row, attachment, error);
	pthread_mutex_unlock(&server->storage->pools);
	return result < 0 ? error_prefix(error, "pool %s", row->name) : 0;
}

void storage_pool_detach(struct server *server, const struct object_row *row,
			 const struct pool_attachment *attachment)
{
	pthread_mutex_lock(&server->storage->pools);
	undo(server->storage, row, attachment);
	pthread_mutex_unlock(&server->storage->pools);
}

int storage_pool_take(struct server *server, struct object_row *row, struct error **error)
{
	const struct storage_driver *driver = storage_driver_find(row->kind, error);
	if (!driver || pool_config_check(driver, row->config, error) < 0)
		return -1;
	pthread_mutex_lock(&server->storage->pools);
	int result = storage_pool_bring_up(server->storage, row, error);
	if (result == 0)
		result = db_object_create(server->db, &db_pools, row, error);
	pthread_mutex_unlock(&server->storage->pools);
	return result;
}
