/* Limits of what is written into, by what the driver counts (driver.h). */
#include "cleanup.h"
#include "db/objects.h"
#include "memory.h"
#include "server.h"
#include "storage/internal.h"
#include "storage/pool_source.h"
#include "storage/usage.h"

enum { LEAST = 4096 }; /* 0 would be no limit */

static const struct storage_driver *find_driver(struct server *server, const char *pool,
						struct error **error)
{
	cleanup_object_row struct object_row row = {0};
	return db_object_get(server->db, &db_pools, pool, &row, error) < 0
		       ? NULL
		       : storage_driver_find(row.kind, error);
}

int storage_check_limit(struct server *server, const char *pool, struct error **error)
{
	const struct storage_driver *driver = find_driver(server, pool, error);
	cleanup_free char *path = pool_path(server->storage, pool);
	if (!driver || storage_pool_require(server, pool, error) < 0)
		return -1;
	if (!driver->check_limit || driver->check_limit(path, error) == 0)
		return 0;
	return error_prefix(error, "pool \"%s\" cannot keep anything to a \"size\"", pool);
}

/* What is below the uppermost, and is not counted with it. */
static uint64_t count_below(struct server *server, const struct storage_driver *driver,
			    const struct layer_list *chain)
{
	uint64_t sum = 0;
	cleanup_free char *top = storage_layer_path(server->storage, &chain->rows[0]);
	for (size_t i = 1; i < chain->count; i++) {
		const struct layer_row *layer = &chain->rows[i];
		cleanup_free char *path = storage_layer_path(server->storage, layer);
		if (driver->together && driver->together(top, path))
			continue;
		int64_t bytes = layer->bytes >= 0 ? layer->bytes
						  : storage_usage(server, layer->id, true).own;
		sum += bytes > 0 ? (uint64_t)bytes : 0;
	}
	return sum;
}

int storage_limit(struct server *server, const struct layer_list *chain, uint64_t bytes,
		  struct error **error)
{
	const struct layer_row *top = &chain->rows[0];
	const struct storage_driver *driver = find_driver(server, top->pool, error);
	cleanup_free char *path = storage_layer_path(server->storage, top);
	if (!driver || storage_pool_require(server, top->pool, error) < 0)
		return -1;
	if (bytes == 0)
		return driver->limit(path, 0, error);
	uint64_t below = count_below(server, driver, chain);
	if (storage_check_limit(server, top->pool, error) < 0)
		return -1;
	return driver->limit(path, bytes > below + LEAST ? bytes - below : LEAST, error);
}

int storage_check_fits(struct server *server, const struct layer_list *chain, uint64_t bytes,
		       struct error **error)
{
	const struct layer_row *top = &chain->rows[0];
	const struct storage_driver *driver = find_driver(server, top->pool, error);
	cleanup_free char *path = storage_layer_path(server->storage, top);
	int64_t own, all;
	if (!driver || storage_pool_require(server, top->pool, error) < 0)
		return -1;
	if (bytes == 0 || driver->usage(path, &own, &all) < 0)
		return 0;
	uint64_t used = (uint64_t)all + count_below(server, driver, chain);
	if (used <= bytes)
		return 0;
	cleanup_strbuf struct strbuf text = {0};
	strbuf_append_size(&text, (double)used);
	strbuf_append(&text, " are used already, more than the size ");
	strbuf_append_size(&text, (double)bytes);
	return error_set(error, ERROR_INVALID, "%s", text.text);
}
