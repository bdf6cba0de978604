/* See layers_merge.h. */
#include "db/layers_merge.h"

#include <stdlib.h>

#include "cleanup.h"
#include "db/internal.h"
#include "db/layers_internal.h"
#include "memory.h"

#define NAMED                                                                                      \
	"SELECT layer_id FROM instances WHERE layer_id IS NOT NULL"                                \
	" UNION SELECT layer_id FROM instances_snapshots"                                          \
	" UNION SELECT layer_id FROM storage_volumes"                                              \
	" UNION SELECT layer_id FROM storage_volumes_snapshots"

/* Somebody reads the whole chain of what is held (db_layer_hold()), which the writer's connection knows. */
#define HELD                                                                                       \
	"WITH RECURSIVE held (id) AS (SELECT layer_id FROM temp.layers_held"                       \
	" UNION SELECT l.parent_id FROM held JOIN storage_layers l ON l.id = held.id"              \
	"  WHERE l.parent_id IS NOT NULL) "

#define MERGEABLE                                                                                  \
	" JOIN storage_layers b ON b.id = l.parent_id"                                             \
	" WHERE l.dead = 0 AND b.dead = 0 AND l.flat = 0 AND b.flat = 0"                           \
	" AND l.pool_id = b.pool_id AND l.id_base = b.id_base"                                     \
	" AND b.id NOT IN (" NAMED ")"                                                             \
	" AND l.id NOT IN (SELECT layer_id FROM instances WHERE layer_id IS NOT NULL)"             \
	" AND l.id NOT IN (SELECT id FROM held) AND b.id NOT IN (SELECT id FROM held)"             \
	" AND (SELECT count(*) FROM storage_layers o WHERE o.parent_id = b.id AND o.dead = 0) = 1"

int db_layers_mergeable(struct db *db, struct layer_list *uppers, struct error **error)
{
	/* Of many the small ones at the top come first, and the largest but once. */
	static const char sql[] = HELD SELECT_LAYERS MERGEABLE " ORDER BY l.id DESC";
	if (db_begin(db, DB_VOLATILE, error) < 0)
		return -1;
	return db_end(db, layers_read(db, sql, NO_VALUES, uppers, error), error);
}

void layer_owners_clear(struct layer_owners *owners)
{
	free(owners->ids);
	*owners = (struct layer_owners){0};
}

static int read_owners(struct connection *connection, int64_t layer, struct layer_owners *owners,
		       struct error **error)
{
	static const char sql[] =
		"WITH RECURSIVE above (id) AS (SELECT ?1 UNION ALL"
		" SELECT l.id FROM above JOIN storage_layers l ON l.parent_id = above.id"
		"  WHERE l.dead = 0)"
		" SELECT id FROM instances WHERE layer_id IN (SELECT id FROM above)"
		" UNION SELECT instance_id FROM instances_snapshots"
		"  WHERE layer_id IN (SELECT id FROM above) ORDER BY 1";
	cleanup_query struct query query = {0};
	if (query_start(&query, connection, sql, VALUES(NUMBER(layer)), error) < 0)
		return -1;
	int result;
	while ((result = query_next(&query, error)) > 0) {
		owners->ids =
			memory_realloc(owners->ids, (owners->count + 1) * sizeof(owners->ids[0]));
		owners->ids[owners->count++] = query_number(&query, 0);
	}
	return result;
}

int db_layer_owners(struct db *db, int64_t layer, struct layer_owners *owners, struct error **error)
{
	cleanup_reader struct reader reader = {0};
	*owners = (struct layer_owners){0};
	if (reader_open(db, &reader, error) < 0)
		return -1;
	if (read_owners(reader.connection, layer, owners, error) == 0)
		return 0;
	layer_owners_clear(owners);
	return -1;
}

/* Who holds a layer reads those below it, too (db_layer_hold()). */
static int check_held(struct connection *connection, const struct layer_row *lower,
		      const struct layer_row *upper, struct error **error)
{
	static const char sql[] =
		"WITH RECURSIVE held (id) AS (SELECT layer_id FROM temp.layers_held"
		" UNION SELECT l.parent_id FROM held JOIN storage_layers l ON l.id = held.id"
		"  WHERE l.parent_id IS NOT NULL)"
		" SELECT id FROM held WHERE id IN (?1, ?2)";
	int64_t id;
	int found = query_find_number(connection, sql, VALUES(NUMBER(upper->id), NUMBER(lower->id)),
				      &id, error);
	return found > 0 ? error_set(error, ERROR_BUSY, "the layers are being read") : found;
}

static int check(struct connection *connection, const struct layer_row *lower,
		 const struct layer_row *upper, struct error **error)
{
	static const char sql[] =
		HELD "SELECT l.id FROM storage_layers l" MERGEABLE " AND l.id = ?1 AND b.id = ?2";
	int64_t id;
	int found = query_find_number(connection, sql, VALUES(NUMBER(upper->id), NUMBER(lower->id)),
				      &id, error);
	if (found == 0)
		return error_set(error, ERROR_BUSY, "the layers are used otherwise by now");
	return found < 0 ? -1 : check_held(connection, lower, upper, error);
}

static int merge(struct connection *connection, const struct layer_row *lower,
		 const struct layer_row *upper, struct layer_row *merged, struct error **error)
{
	merged->parent_id = lower->parent_id;
	merged->pool = lower->pool;
	merged->image = lower->image;
	merged->id_base = lower->id_base;
	if (check(connection, lower, upper, error) < 0 ||
	    layer_create(connection, merged, error) < 0)
		return -1;
	const struct value ids[] = {NUMBER(upper->id), NUMBER(merged->id)};
	if (query_run(connection,
		      "UPDATE storage_layers SET parent_id = ?2 WHERE parent_id = ?1 AND dead = 0",
		      ids, 2, error) < 0 ||
	    query_run(connection,
		      "UPDATE instances_snapshots SET layer_id = ?2 WHERE layer_id = ?1", ids, 2,
		      error) < 0)
		return -1;
	return layers_bury(connection, error);
}

int db_layers_merge(struct db *db, const struct layer_row *lower, const struct layer_row *upper,
		    struct layer_row *merged, struct error **error)
{
	if (db_begin(db, DB_DURABLE, error) < 0)
		return -1;
	return db_end(db, merge(&db->writer, lower, upper, merged, error), error);
}
