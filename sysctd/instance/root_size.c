/* "size" of root disks: a limit that the pool's driver keeps. */
#include "cleanup.h"
#include "db/layers.h"
#include "instance/config_keys_values.h"
#include "instance/device_types.h"
#include "instance/internal.h"
#include "log.h"
#include "server.h"
#include "storage/storage.h"

static int parse(const json_t *devices, uint64_t *bytes, struct error **error)
{
	const json_t *root = devices_find_root(devices, NULL);
	const char *text = json_string_value(json_object_get(root, "size"));
	*bytes = 0;
	return text && *text ? size_parse(text, bytes, error) : 0;
}

uint64_t instance_root_size(const json_t *devices)
{
	uint64_t bytes = 0;
	return devices && parse(devices, &bytes, NULL) == 0 ? bytes : 0;
}

int instance_check_root_size(struct server *server, const char *pool, const json_t *devices,
			     struct error **error)
{
	uint64_t bytes;
	if (parse(devices, &bytes, error) < 0)
		return -1;
	return bytes ? storage_check_limit(server, pool, error) : 0;
}

int instance_check_root_fits(struct server *server, const struct instance_row *row,
			     const json_t *old, const json_t *devices, struct error **error)
{
	cleanup_layer_list struct layer_list chain = {0};
	uint64_t before, bytes;
	if (parse(devices, &bytes, error) < 0)
		return -1;
	if (parse(old, &before, NULL) == 0 && before == bytes)
		return 0;
	if (db_layer_chain(server->db, row->layer_id, &chain, error) < 0)
		return -1;
	return storage_check_fits(server, &chain, bytes, error) < 0
		       ? error_prefix(error, "the root disk")
		       : 0;
}

int instance_limit_root(struct server *server, const struct instance_row *row,
			const json_t *devices, struct error **error)
{
	cleanup_layer_list struct layer_list chain = {0};
	uint64_t bytes;
	if (parse(devices, &bytes, error) < 0 ||
	    db_layer_chain(server->db, row->layer_id, &chain, error) < 0)
		return -1;
	return storage_limit(server, &chain, bytes, error) < 0
		       ? error_prefix(error, "the root disk")
		       : 0;
}

static void limit_one(struct instance *instance, void *data)
{
	struct server *server = instance->server;
	cleanup_instance_row struct instance_row row = {0};
	cleanup_error struct error *error = NULL;
	json_t *devices = NULL;
	(void)data;
	/* Others get theirs when they start. */
	if (instance_get_state(instance) == INSTANCE_STOPPED)
		return;
	if (db_instance_get_by_id(server->db, instance->id, &row, &error) < 0 ||
	    instance_expand(server, &row, NULL, &devices, &error) < 0 ||
	    instance_limit_root(server, &row, devices, &error) < 0)
		log_event(LOG_LEVEL_WARNING, instance->name, "%s", error_message(error));
	json_decref(devices);
}

void instances_limit_roots(struct server *server)
{
	instance_registry_each(server, limit_one, NULL);
}
