/* A new instance: image, row with an id range, root volume; all or nothing. */
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <uuid/uuid.h>

#include "cleanup.h"
#include "db/images.h"
#include "db/objects.h"
#include "db/profiles.h"
#include "fault.h"
#include "image/image.h"
#include "image/store.h"
#include "instance/config_keys.h"
#include "instance/device_types.h"
#include "instance/disks.h"
#include "instance/internal.h"
#include "instance/scheduler.h"
#include "log.h"
#include "memory.h"
#include "network/nic.h"
#include "recover/recover.h"
#include "server.h"
#include "storage/pool_space.h"
#include "storage/storage.h"

void instance_make_uuid(char text[static UUID_STR_LEN])
{
	uuid_t uuid;
	uuid_generate(uuid);
	uuid_unparse_lower(uuid, text);
}

static int check_free(struct server *server, const char *name, struct error **error)
{
	cleanup_instance struct instance *taken = instance_find(server, name, NULL);
	return taken ? error_set(error, ERROR_EXISTS, "Instance \"%s\" already exists", name) : 0;
}

/* Valid in itself, and as a change: volatile.* is not the client's to set. */
int instance_check_request(struct server *server, const struct instance_request *request,
			   struct error **error)
{
	if (request->name && (instance_check_name(request->name, error) < 0 ||
			      check_free(server, request->name, error) < 0 ||
			      recovery_check_name(server, request->name, error) < 0))
		return -1;
	if (request->config &&
	    config_validate_change(NULL, request->config, CONFIG_SCOPE_INSTANCE, error) < 0)
		return -1;
	return request->devices ? devices_validate(request->devices, error) : 0;
}

static void take_image(struct instance_row *row, const struct image_row *image)
{
	const char *key;
	const json_t *value;
	row->image = memory_strdup(image->fingerprint);
	row->architecture = memory_strdup(image->architecture);
	json_object_foreach (image->properties, key, value) {
		cleanup_free char *name = memory_printf("image.%s", key);
		json_object_set(row->config, name, (json_t *)value);
	}
	json_object_set_new(row->config, "volatile.base_image", json_string(image->fingerprint));
}

static void fill_row(struct server *server, const struct instance_request *request,
		     const struct image_row *image, struct instance_row *row)
{
	row->uuid = memory_alloc(UUID_STR_LEN);
	instance_make_uuid(row->uuid);
	row->name = request->name ? memory_strdup(request->name) : instance_make_name(server);
	row->description = memory_strdup(request->description ? request->description : "");
	row->ephemeral = request->ephemeral;
	row->profiles = json_is_array(request->profiles) ? json_deep_copy(request->profiles)
							 : json_pack("[s]", "default");
	row->devices = request->devices ? json_deep_copy(request->devices) : json_object();
	row->config = json_object();
	take_image(row, image);
	if (request->config)
		json_object_update(row->config, (json_t *)request->config);
	config_normalize(row->config);
	json_object_set_new(row->config, "volatile.uuid", json_string(row->uuid));
}

/* Everything that the row means together with its profiles must be valid before it is stored. */
int instance_check_new(struct server *server, struct instance_row *row, struct error **error)
{
	json_t *config = NULL, *devices = NULL;
	int result = -1;
	if (instance_expand(server, row, &config, &devices, error) == 0) {
		const char *pool = devices_validate(devices, error) < 0
					   ? NULL
					   : devices_root_pool(devices, error);
		json_t *resources =
			pool ? instance_make_resources(server, NULL, config, error) : NULL;
		if (resources && instance_check_root_size(server, pool, devices, error) == 0 &&
		    disks_check_sources(server, NULL, devices, error) == 0 &&
		    nics_assign(server, row, devices, NULL, error) == 0) {
			row->pool = memory_strdup(pool);
			result = 0;
		}
		json_decref(resources);
	}
	json_decref(config);
	json_decref(devices);
	return result;
}

int instance_place_volume(struct server *server, struct instance_row *row, struct object_row *pool,
			  struct layer_place *place, struct error **error)
{
	if (storage_pool_require(server, row->pool, error) < 0 ||
	    db_object_get(server->db, &db_pools, row->pool, pool, error) < 0)
		return -1;
	row->flat_layer = !storage_stacks(pool->kind);
	*place = (struct layer_place){pool->kind, pool->name, storage_instance_directory(row->uuid),
				      0};
	return 0;
}

/* The id range is known once the row is stored; a whole tree needs none, and takes longer than the database
 * should be kept for. */
static int make_volume(struct server *server, const struct instance_row *row,
		       const struct layer_place *place, bool stored, struct error **error)
{
	if (stored == row->flat_layer)
		return 0;
	return storage_layer_first(server, place, row->id_base, row->image, error);
}

static int store_rows(struct server *server, struct instance_row *row,
		      const struct layer_place *place, struct error **error)
{
	cleanup_image_row struct image_row image = {0};
	if (db_begin(server->db, DB_DURABLE, error) < 0)
		return -1;
	/* Seen in the same transaction: an image that is deleted now keeps its files for us. */
	if (db_image_get(server->db, row->image, &image, error) < 0 ||
	    db_instance_create(server->db, row, &server->ids, error) < 0) {
		db_rollback(server->db);
		return -1;
	}
	fault_point("create.row");
	if (make_volume(server, row, place, true, error) < 0) {
		db_rollback(server->db);
		return -1;
	}
	fault_point("create.volume");
	return db_commit(server->db, error);
}

/* A crash leaves a row without a volume or a volume without a row: storage_repair() knows both. */
static int store_at(struct server *server, struct instance_row *row,
		    const struct layer_place *place, struct error **error)
{
	if (storage_image_provide(server, place->driver, place->pool, row->image, error) < 0 ||
	    make_volume(server, row, place, false, error) < 0)
		return -1;
	if (store_rows(server, row, place, error) < 0) {
		storage_layer_abort(server->storage, place->pool, place->directory);
		return -1;
	}
	fault_point("create.committed");
	if (storage_layer_commit(server->storage, place->pool, place->directory, error) == 0)
		return 0;
	storage_layer_abort(server->storage, place->pool, place->directory);
	db_instance_delete(server->db, row->id, NULL);
	return -1;
}

static int store(struct server *server, struct instance_row *row, struct error **error)
{
	cleanup_object_row struct object_row pool = {0};
	struct layer_place place;
	if (instance_place_volume(server, row, &pool, &place, error) < 0)
		return -1;
	bool whole = !storage_clones(pool.kind) && row->flat_layer;
	whole = whole || !storage_image_exists(server->storage, row->pool, row->image);
	cleanup_space struct space space = space_of_pool(server->storage, row->pool);
	int result = store_at(server, row, &place, error);
	if (result < 0 && space_is_short(error))
		space_explain(
			&space, "the instance",
			whole ? storage_image_size(server->storage, image_pool(server), row->image)
			      : -1,
			error);
	free((char *)place.directory);
	return result;
}

void instance_announce(struct server *server, const struct instance_row *row)
{
	cleanup_instance struct instance *instance = instance_add(server, row);
	log_event(LOG_LEVEL_INFO, row->name, "instance-created image=%.12s ids=%u",
		  row->image ? row->image : "", row->id_base);
	instance_publish(instance, "instance-created");
	scheduler_wake(server->scheduler);
}

int instance_create(struct server *server, const struct instance_request *request,
		    struct operation *operation, struct instance_row *row, struct error **error)
{
	cleanup_image_row struct image_row image = {0};
	if (instance_check_request(server, request, error) < 0 ||
	    image_require(server, request->image, operation, &image, error) < 0)
		return -1;
	fill_row(server, request, &image, row);
	if (instance_check_new(server, row, error) < 0 || store(server, row, error) < 0) {
		nics_release(server, row->uuid);
		return -1;
	}
	fault_point("create.stored");
	db_image_touch(server->db, image.id, db_now(), NULL);
	instance_announce(server, row);
	return 0;
}
