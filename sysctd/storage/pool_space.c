/* See pool_space.h. */
#include "storage/pool_space.h"

#include "cleanup.h"
#include "memory.h"
#include "storage/pool_source.h"
#include "storage/usage.h"

struct space space_of_pool(const struct storage *storage, const char *pool)
{
	cleanup_free char *path = pool_path(storage, pool);
	return space_look(path, memory_printf("pool \"%s\"", pool));
}

int64_t space_for_layer(struct server *server, int64_t layer_id, bool own)
{
	struct storage_usage usage = storage_usage(server, layer_id, true);
	if (own || usage.own < 0)
		return usage.own;
	return usage.shared < 0 ? -1 : usage.own + usage.shared;
}
