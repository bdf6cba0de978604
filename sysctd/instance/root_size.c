/* "size" of root disks: a limit that the pool's driver keeps. */
#include "cleanup.h"
#include "db/layers.h"
#include "db/objects.h"
#include "instance/config_keys_values.h"
#include "instance/device_types.h"
#include "instance/internal.h"
#include "server.h"
#include "storage/storage.h"

static int parse(const json_t *devices, uint64_t *bytes, struct error **error)
{
	const json_t *root = devices_find_root(devices, NULL);
	const char *text = json_string_value(json_object_get(root, "size"));
	*bytes = 0;
	return text && *text ? size_parse(text, bytes, error) : 0;
}

int instance_check_root_size(struct server *server, const char *pool, const json_t *devices,
			     struct error **error)
{
	cleanup_object_row struct object_row row = {0};
	uint64_t bytes;
	if (parse(devices, &bytes, error) < 0)
		return -1;
	if (bytes == 0)
		return 0;
	if (db_object_get(server->db, &db_pools, pool, &row, error) < 0)
		return -1;
	return storage_can_limit(row.kind) ? 0
					   : error_set(error, ERROR_UNSUPPORTED,
						       "pool \"%s\" cannot keep a disk to a "
						       "\"size\": its driver is %s, and "
						       "only btrfs and lvm can",
						       pool, row.kind);
}

int instance_limit_root(struct server *server, const struct instance_row *row,
			const json_t *devices, struct error **error)
{
	cleanup_object_row struct object_row pool = {0};
	cleanup_layer_list struct layer_list chain = {0};
	uint64_t bytes;
	if (parse(devices, &bytes, error) < 0 ||
	    db_object_get(server->db, &db_pools, row->pool, &pool, error) < 0)
		return -1;
	if (!storage_can_limit(pool.kind))
		return 0;
	if (storage_pool_require(server, row->pool, error) < 0 ||
	    db_layer_chain(server->db, row->layer_id, &chain, error) < 0)
		return -1;
	return storage_layer_limit(server->storage, pool.kind, &chain.rows[0], bytes, error);
}
