/* See volumes.h. */
#include "db/volumes.h"

#include <stdlib.h>

#include "cleanup.h"
#include "db/internal.h"
#include "db/layers_internal.h"
#include "memory.h"

void volume_row_clear(struct volume_row *row)
{
	free(row->pool);
	free(row->name);
	free(row->description);
	json_decref(row->config);
	*row = (struct volume_row){0};
}

void volume_list_clear(struct volume_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		volume_row_clear(&list->rows[i]);
	free(list->rows);
	*list = (struct volume_list){0};
}

/* ---- reading ---- */

static int read_rows(struct connection *connection, const char *pool, const char *name,
		     struct volume_list *list, struct error **error)
{
	static const char sql[] =
		"SELECT v.id, p.name, v.name, v.description, v.created_at, v.layer_id"
		" FROM storage_volumes v JOIN storage_pools p ON p.id = v.pool_id"
		" WHERE (?1 IS NULL OR p.name = ?1) AND (?2 IS NULL OR v.name = ?2)"
		" ORDER BY p.name, v.name";
	cleanup_query struct query query = {0};
	if (query_start(&query, connection, sql, VALUES(TEXT(pool), TEXT(name)), error) < 0)
		return -1;
	int result;
	while ((result = query_next(&query, error)) > 0) {
		list->rows = memory_realloc(list->rows, (list->count + 1) * sizeof(*list->rows));
		list->rows[list->count++] = (struct volume_row){
			.id = query_number(&query, 0),
			.pool = query_text(&query, 1),
			.name = query_text(&query, 2),
			.description = query_text(&query, 3),
			.created_at = query_number(&query, 4),
			.layer_id = query_number(&query, 5),
			.config = json_object(),
		};
	}
	return result;
}

static int read_config(struct connection *connection, struct volume_list *list,
		       struct error **error)
{
	static const char sql[] =
		"SELECT volume_id, key, value FROM storage_volumes_config ORDER BY volume_id";
	cleanup_free struct map_owner *owners = memory_alloc(list->count * sizeof(*owners));
	for (size_t i = 0; i < list->count; i++)
		owners[i] = (struct map_owner){list->rows[i].id, list->rows[i].config};
	return maps_load(connection, sql, NO_VALUES, owners, list->count, error);
}

static int read_list(struct db *db, const char *pool, const char *name, struct volume_list *list,
		     struct error **error)
{
	cleanup_reader struct reader reader = {0};
	*list = (struct volume_list){0};
	if (reader_open(db, &reader, error) < 0)
		return -1;
	if (read_rows(reader.connection, pool, name, list, error) == 0 &&
	    (list->count == 0 || read_config(reader.connection, list, error) == 0))
		return 0;
	volume_list_clear(list);
	return -1;
}

int db_volume_list(struct db *db, const char *pool, struct volume_list *list, struct error **error)
{
	return read_list(db, pool, NULL, list, error);
}

int db_volume_get(struct db *db, const char *pool, const char *name, struct volume_row *row,
		  struct error **error)
{
	cleanup_volume_list struct volume_list list = {0};
	*row = (struct volume_row){0};
	if (read_list(db, pool, name, &list, error) < 0)
		return -1;
	if (list.count == 0)
		return error_set(error, ERROR_NOT_FOUND,
				 "Storage volume not found: \"%s\" in pool %s", name, pool);
	*row = list.rows[0];
	list.rows[0] = (struct volume_row){0};
	return 0;
}

/* ---- changing ---- */

static int store_config(struct connection *connection, int64_t id, const json_t *config,
			struct error **error)
{
	return map_store(connection, "DELETE FROM storage_volumes_config WHERE volume_id = ?1",
			 "INSERT INTO storage_volumes_config (volume_id, key, value)"
			 " VALUES (?1, ?2, ?3)",
			 id, config, error);
}

static int check_name_free(struct connection *connection, const char *pool, const char *name,
			   struct error **error)
{
	static const char sql[] =
		"SELECT v.id FROM storage_volumes v JOIN storage_pools p ON p.id = v.pool_id"
		" WHERE p.name = ?1 AND v.name = ?2";
	int64_t id;
	int found = query_find_number(connection, sql, VALUES(TEXT(pool), TEXT(name)), &id, error);
	if (found > 0)
		return error_set(error, ERROR_EXISTS,
				 "storage volume \"%s\" already exists in pool %s", name, pool);
	return found;
}

/* @missing: what is not there when no row was changed. */
static int change(struct connection *connection, const char *sql, const struct value *values,
		  size_t count, const char *missing, struct error **error)
{
	if (query_run(connection, sql, values, count, error) < 0)
		return -1;
	return connection_changed_a_row(connection)
		       ? 0
		       : error_set(error, ERROR_NOT_FOUND, "%s", missing);
}

static int create(struct connection *connection, struct volume_row *row, struct error **error)
{
	static const char sql[] =
		"INSERT INTO storage_volumes (pool_id, name, description, created_at, layer_id)"
		" SELECT id, ?2, ?3, ?4, ?5 FROM storage_pools WHERE name = ?1";
	if (check_name_free(connection, row->pool, row->name, error) < 0 ||
	    change(connection, sql,
		   VALUES(TEXT(row->pool), TEXT(row->name),
			  TEXT(row->description ? row->description : ""), NUMBER(row->created_at),
			  NUMBER(row->layer_id)),
		   "Storage pool not found", error) < 0)
		return -1;
	row->id = connection_last_id(connection);
	return store_config(connection, row->id, row->config, error);
}

int db_volume_create(struct db *db, struct volume_row *row, struct error **error)
{
	if (db_begin(db, DB_DURABLE, error) < 0)
		return -1;
	return db_end(db, create(&db->writer, row, error), error);
}

static const char gone[] = "Storage volume not found: it was deleted meanwhile";

static int update(struct connection *connection, const struct volume_row *row, struct error **error)
{
	static const char sql[] =
		"UPDATE storage_volumes SET description = ?2, layer_id = ?3 WHERE id = ?1";
	if (change(connection, sql,
		   VALUES(NUMBER(row->id), TEXT(row->description ? row->description : ""),
			  NUMBER(row->layer_id)),
		   gone, error) < 0 ||
	    store_config(connection, row->id, row->config, error) < 0)
		return -1;
	return layers_bury(connection, error);
}

int db_volume_update(struct db *db, const struct volume_row *row, struct error **error)
{
	if (db_begin(db, DB_DURABLE, error) < 0)
		return -1;
	return db_end(db, update(&db->writer, row, error), error);
}

static int move(struct connection *connection, int64_t id, const char *pool, const char *name,
		int64_t layer_id, struct error **error)
{
	static const char sql[] =
		"UPDATE storage_volumes SET name = ?3, layer_id = ?4,"
		" pool_id = (SELECT id FROM storage_pools WHERE name = ?2) WHERE id = ?1";
	if (check_name_free(connection, pool, name, error) < 0 ||
	    change(connection, sql, VALUES(NUMBER(id), TEXT(pool), TEXT(name), NUMBER(layer_id)),
		   gone, error) < 0)
		return -1;
	return layers_bury(connection, error);
}

int db_volume_move(struct db *db, const struct volume_row *row, const char *pool, const char *name,
		   int64_t layer_id, struct error **error)
{
	if (db_begin(db, DB_DURABLE, error) < 0)
		return -1;
	return db_end(db, move(&db->writer, row->id, pool, name, layer_id, error), error);
}

static int delete_row(struct connection *connection, int64_t id, struct error **error)
{
	if (change(connection, "DELETE FROM storage_volumes WHERE id = ?1", VALUES(NUMBER(id)),
		   gone, error) < 0)
		return -1;
	return layers_bury(connection, error);
}

int db_volume_delete(struct db *db, int64_t id, struct error **error)
{
	if (db_begin(db, DB_DURABLE, error) < 0)
		return -1;
	return db_end(db, delete_row(&db->writer, id, error), error);
}
