/* See layers.h. */
#include "db/layers.h"

#include <stdlib.h>

#include "cleanup.h"
#include "db/internal.h"
#include "db/layers_internal.h"
#include "memory.h"

void layer_list_clear(struct layer_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		free(list->rows[i].pool);
		free(list->rows[i].directory);
		free(list->rows[i].image);
	}
	free(list->rows);
	*list = (struct layer_list){0};
}

static int read_rows(struct connection *connection, const char *sql, const struct value *values,
		     size_t count, struct layer_list *list, struct error **error)
{
	cleanup_query struct query query = {0};
	if (query_start(&query, connection, sql, values, count, error) < 0)
		return -1;
	int result;
	while ((result = query_next(&query, error)) > 0) {
		list->rows = memory_realloc(list->rows, (list->count + 1) * sizeof(*list->rows));
		list->rows[list->count++] = (struct layer_row){
			.id = query_number(&query, 0),
			.parent_id = query_number(&query, 1),
			.pool = query_text(&query, 2),
			.directory = query_text(&query, 3),
			.id_base = (uint32_t)query_number(&query, 4),
			.image = query_text(&query, 5),
			.flat = query_number(&query, 6) != 0,
			.bytes = query_number(&query, 7),
		};
	}
	return result;
}

int layers_read(struct db *db, const char *sql, const struct value *values, size_t count,
		struct layer_list *list, struct error **error)
{
	cleanup_reader struct reader reader = {0};
	*list = (struct layer_list){0};
	if (reader_open(db, &reader, error) < 0)
		return -1;
	if (read_rows(reader.connection, sql, values, count, list, error) == 0)
		return 0;
	layer_list_clear(list);
	return -1;
}

int layer_create(struct connection *connection, struct layer_row *layer, struct error **error)
{
	static const char sql[] =
		"INSERT INTO storage_layers (pool_id, directory, parent_id, id_base, image, flat)"
		" SELECT id, ?2, nullif(?3, 0), ?4, ?5, ?6 FROM storage_pools WHERE name = ?1";
	if (query_run(connection, sql,
		      VALUES(TEXT(layer->pool), TEXT(layer->directory), NUMBER(layer->parent_id),
			     NUMBER(layer->id_base), TEXT(layer->image), NUMBER(layer->flat)),
		      error) < 0)
		return -1;
	if (!connection_changed_a_row(connection))
		return error_set(error, ERROR_NOT_FOUND, "Storage pool not found: \"%s\"",
				 layer->pool);
	layer->id = connection_last_id(connection);
	return 0;
}

int layers_bury(struct connection *connection, struct error **error)
{
	static const char sql[] =
		"WITH RECURSIVE needed (id) AS ("
		" SELECT layer_id FROM instances WHERE layer_id IS NOT NULL"
		" UNION SELECT layer_id FROM instances_snapshots"
		" UNION SELECT layer_id FROM storage_volumes"
		" UNION SELECT layer_id FROM storage_volumes_snapshots"
		" UNION SELECT layer_id FROM temp.layers_held"
		" UNION SELECT l.parent_id FROM needed JOIN storage_layers l ON l.id = needed.id"
		"  WHERE l.parent_id IS NOT NULL)"
		" UPDATE storage_layers SET dead = 1 WHERE dead = 0 AND id NOT IN needed";
	return query_run(connection, sql, NO_VALUES, error);
}

int db_layer_create(struct db *db, struct layer_row *layer, struct error **error)
{
	if (db_begin(db, DB_DURABLE, error) < 0)
		return -1;
	return db_end(db, layer_create(&db->writer, layer, error), error);
}

static int check_alive(struct connection *connection, const struct layer_row *layer,
		       struct error **error)
{
	int64_t number;
	int dead = query_find_number(connection,
				     "SELECT 1 FROM storage_layers WHERE id = ?1 AND dead = 1",
				     VALUES(NUMBER(layer->id)), &number, error);
	return dead > 0 ? error_set(error, ERROR_BUSY, "%s is being removed", layer->directory)
			: dead;
}

/* Nobody writes into it, since two have it below them. */
static int check_unwritten(struct connection *connection, const struct layer_row *layer,
			   struct error **error)
{
	static const char sql[] =
		"SELECT 'instance', name FROM instances WHERE layer_id = ?1"
		" UNION ALL SELECT 'volume', name FROM storage_volumes WHERE layer_id = ?1";
	cleanup_query struct query query = {0};
	if (query_start(&query, connection, sql, VALUES(NUMBER(layer->id)), error) < 0)
		return -1;
	int written = query_next(&query, error);
	return written > 0
		       ? error_set(error, ERROR_EXISTS,
				   "%s is below it, which %s \"%s\" writes into", layer->directory,
				   query_peek(&query, 0), query_peek(&query, 1))
		       : written;
}

/* What others have below them stays as it is. */
static int share(struct connection *connection, const struct layer_row *found,
		 const struct layer_row *layer, struct error **error)
{
	if (check_alive(connection, found, error) < 0 ||
	    check_unwritten(connection, found, error) < 0)
		return -1;
	if (found->parent_id == layer->parent_id && found->id_base == layer->id_base &&
	    found->flat == layer->flat)
		return 0;
	return error_set(error, ERROR_EXISTS, "%s is below it, and above something else by now",
			 layer->directory);
}

static int recover(struct connection *connection, struct layer_row *layer, bool written,
		   struct error **error)
{
	static const char sql[] = SELECT_LAYERS " WHERE p.name = ?1 AND l.directory = ?2";
	cleanup_layer_list struct layer_list list = {0};
	if (read_rows(connection, sql, VALUES(TEXT(layer->pool), TEXT(layer->directory)), &list,
		      error) < 0)
		return -1;
	if (list.count == 0)
		return layer_create(connection, layer, error);
	if (written)
		return error_set(error, ERROR_EXISTS, "%s in pool %s belongs to another one",
				 layer->directory, layer->pool);
	layer->id = list.rows[0].id;
	return share(connection, &list.rows[0], layer, error);
}

int db_layer_recover(struct db *db, struct layer_row *layer, bool written, struct error **error)
{
	if (db_begin(db, DB_DURABLE, error) < 0)
		return -1;
	return db_end(db, recover(&db->writer, layer, written, error), error);
}

int db_layers_bury(struct db *db, struct error **error)
{
	if (db_begin(db, DB_VOLATILE, error) < 0)
		return -1;
	return db_end(db, layers_bury(&db->writer, error), error);
}

int db_layer_hold(struct db *db, int64_t id, struct error **error)
{
	if (db_begin(db, DB_VOLATILE, error) < 0)
		return -1;
	return db_end(db,
		      query_run(&db->writer, "INSERT INTO temp.layers_held (layer_id) VALUES (?1)",
				VALUES(NUMBER(id)), error),
		      error);
}

int db_layer_release(struct db *db, int64_t id, struct error **error)
{
	static const char sql[] =
		"DELETE FROM temp.layers_held WHERE rowid ="
		" (SELECT rowid FROM temp.layers_held WHERE layer_id = ?1 LIMIT 1)";
	if (db_begin(db, DB_VOLATILE, error) < 0)
		return -1;
	int result = query_run(&db->writer, sql, VALUES(NUMBER(id)), error);
	return db_end(db, result < 0 ? -1 : layers_bury(&db->writer, error), error);
}

int db_layer_chain(struct db *db, int64_t id, struct layer_list *list, struct error **error)
{
	static const char sql[] =
		"WITH RECURSIVE chain (id, depth) AS (SELECT ?1, 0"
		" UNION ALL SELECT l.parent_id, depth + 1 FROM chain"
		"  JOIN storage_layers l ON l.id = chain.id WHERE l.parent_id IS NOT "
		"NULL) " SELECT_LAYERS " JOIN chain c ON c.id = l.id ORDER BY c.depth";
	if (layers_read(db, sql, VALUES(NUMBER(id)), list, error) < 0)
		return -1;
	return list->count ? 0 : error_set(error, ERROR_NOT_FOUND, "the layer is missing");
}

static int exists(struct db *db, const char *sql, const struct value *values, bool *found,
		  struct error **error)
{
	cleanup_layer_list struct layer_list list = {0};
	if (layers_read(db, sql, values, 2, &list, error) < 0)
		return -1;
	*found = list.count > 0;
	return 0;
}

int db_layer_known(struct db *db, const char *pool, const char *directory, bool *known,
		   struct error **error)
{
	static const char sql[] = SELECT_LAYERS " WHERE p.name = ?1 AND l.directory = ?2";
	const struct value values[] = {TEXT(pool), TEXT(directory)};
	return exists(db, sql, values, known, error);
}

int db_layers_use_image(struct db *db, const char *pool, const char *fingerprint, bool *used,
			struct error **error)
{
	static const char sql[] =
		SELECT_LAYERS " WHERE p.name = ?1 AND l.image = ?2 AND l.dead = 0 LIMIT 1";
	const struct value values[] = {TEXT(pool), TEXT(fingerprint)};
	return exists(db, sql, values, used, error);
}

int db_layers_uncounted(struct db *db, struct layer_list *list, struct error **error)
{
	static const char sql[] = SELECT_LAYERS
		" WHERE l.bytes < 0 AND l.dead = 0"
		" AND l.id NOT IN (SELECT layer_id FROM instances WHERE layer_id IS NOT NULL)"
		" AND l.id NOT IN (SELECT layer_id FROM storage_volumes)";
	return layers_read(db, sql, NO_VALUES, list, error);
}

int db_layer_set_bytes(struct db *db, int64_t id, int64_t bytes, struct error **error)
{
	static const char sql[] =
		"UPDATE storage_layers SET bytes = ?2, counted_at = ?3 WHERE id = ?1";
	if (db_begin(db, DB_VOLATILE, error) < 0)
		return -1;
	return db_end(db,
		      query_run(&db->writer, sql,
				VALUES(NUMBER(id), NUMBER(bytes), NUMBER(db_now())), error),
		      error);
}

int db_layers_dead(struct db *db, struct layer_list *list, struct error **error)
{
	static const char sql[] = SELECT_LAYERS " WHERE l.dead = 1 ORDER BY l.id DESC";
	return layers_read(db, sql, NO_VALUES, list, error);
}

static int delete_row(struct connection *connection, int64_t id, struct error **error)
{
	/* One that is dead, too, may stay longer: mounted together with those that were there before a merge. */
	if (query_run(
		    connection,
		    "UPDATE storage_layers SET parent_id = NULL WHERE parent_id = ?1 AND dead = 1",
		    VALUES(NUMBER(id)), error) < 0)
		return -1;
	return query_run(connection, "DELETE FROM storage_layers WHERE id = ?1 AND dead = 1",
			 VALUES(NUMBER(id)), error);
}

int db_layer_delete(struct db *db, int64_t id, struct error **error)
{
	if (db_begin(db, DB_VOLATILE, error) < 0)
		return -1;
	return db_end(db, delete_row(&db->writer, id, error), error);
}
