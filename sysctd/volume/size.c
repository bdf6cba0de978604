/* "size" of volumes: a limit that the pool's driver keeps. */
#include <string.h>

#include "cleanup.h"
#include "db/layers.h"
#include "db/objects.h"
#include "instance/config_keys_values.h"
#include "log.h"
#include "memory.h"
#include "server.h"
#include "storage/pool_config.h"
#include "storage/storage.h"
#include "volume/internal.h"

int volume_size(const json_t *config, uint64_t *bytes, struct error **error)
{
	const char *text = json_string_value(json_object_get(config, "size"));
	*bytes = 0;
	return text && *text ? size_parse(text, bytes, error) : 0;
}

int volume_check_size(struct server *server, const char *pool, const json_t *config,
		      struct error **error)
{
	uint64_t bytes;
	if (volume_size(config, &bytes, error) < 0)
		return -1;
	return bytes ? storage_check_limit(server, pool, error) : 0;
}

json_t *volume_default_config(struct server *server, const char *pool, const json_t *config,
			      struct error **error)
{
	cleanup_object_row struct object_row row = {0};
	if (db_object_get(server->db, &db_pools, pool, &row, error) < 0)
		return NULL;
	const char *size = pool_config_get(row.config, "volume.size");
	json_t *all = config ? json_copy((json_t *)config) : json_object();
	if (size && !json_object_get(all, "size"))
		json_object_set_new(all, "size", json_string(size));
	return all;
}

/* What it has may be of another size. */
static int limit(struct server *server, const struct layer_list *chain, const json_t *config,
		 bool must_fit, struct error **error)
{
	uint64_t bytes;
	if (volume_size(config, &bytes, error) < 0)
		return -1;
	if (must_fit && storage_check_fits(server, chain, bytes, error) < 0)
		return error_prefix(error, "the volume");
	return storage_limit(server, chain, bytes, error) < 0 ? error_prefix(error, "the volume")
							      : 0;
}

int volume_layer_limit(struct server *server, const struct volume_layer *layer,
		       const json_t *config, bool must_fit, struct error **error)
{
	cleanup_free char *directory =
		storage_pending_directory(strrchr(layer->directory, '/') + 1);
	struct layer_row row = {.pool = layer->pool, .directory = directory, .flat = true};
	const struct layer_list chain = {&row, 1};
	return limit(server, &chain, config, must_fit, error);
}

int volume_resize(struct server *server, const struct volume_row *row, const json_t *config,
		  bool must_fit, struct error **error)
{
	cleanup_layer_list struct layer_list chain = {0};
	if (db_layer_chain(server->db, row->layer_id, &chain, error) < 0)
		return -1;
	return limit(server, &chain, config, must_fit, error);
}

void volumes_limit(struct server *server)
{
	cleanup_error struct error *error = NULL;
	cleanup_volume_list struct volume_list list = {0};
	if (db_volume_list(server->db, NULL, &list, &error) < 0)
		log_event(LOG_LEVEL_ERROR, NULL, "limiting volumes: %s", error_message(error));
	for (size_t i = 0; i < list.count; i++) {
		cleanup_error struct error *problem = NULL;
		const struct volume_row *row = &list.rows[i];
		if (storage_pool_available(server->storage, row->pool) &&
		    volume_resize(server, row, row->config, false, &problem) < 0)
			log_event(LOG_LEVEL_ERROR, NULL, "volume %s/%s: %s", row->pool, row->name,
				  error_message(problem));
	}
}
