/* Snapshots of custom volumes (db/volumes.h). */
#include <stdlib.h>

#include "cleanup.h"
#include "db/internal.h"
#include "db/layers_internal.h"
#include "db/volumes.h"
#include "memory.h"

void volume_snapshot_row_clear(struct volume_snapshot_row *row)
{
	free(row->name);
	free(row->description);
	json_decref(row->config);
	*row = (struct volume_snapshot_row){0};
}

void volume_snapshot_list_clear(struct volume_snapshot_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		volume_snapshot_row_clear(&list->rows[i]);
	free(list->rows);
	*list = (struct volume_snapshot_list){0};
}

static void read_row(const struct query *query, struct volume_snapshot_row *row)
{
	json_t *config = json_loads(query_peek(query, 7), 0, NULL);
	*row = (struct volume_snapshot_row){
		.id = query_number(query, 0),
		.volume_id = query_number(query, 1),
		.name = query_text(query, 2),
		.description = query_text(query, 3),
		.created_at = query_number(query, 4),
		.expires_at = query_number(query, 5),
		.layer_id = query_number(query, 6),
		.config = config ? config : json_object(),
	};
}

static int read_rows(struct db *db, int64_t volume_id, const char *name,
		     struct volume_snapshot_list *list, struct error **error)
{
	static const char sql[] =
		"SELECT id, volume_id, name, description, created_at, expires_at, layer_id, config"
		" FROM storage_volumes_snapshots"
		" WHERE volume_id = ?1 AND (?2 IS NULL OR name = ?2) ORDER BY id";
	cleanup_reader struct reader reader = {0};
	*list = (struct volume_snapshot_list){0};
	if (reader_open(db, &reader, error) < 0)
		return -1;
	cleanup_query struct query query = {0};
	if (query_start(&query, reader.connection, sql, VALUES(NUMBER(volume_id), TEXT(name)),
			error) < 0)
		return -1;
	int result;
	while ((result = query_next(&query, error)) > 0) {
		list->rows = memory_realloc(list->rows, (list->count + 1) * sizeof(*list->rows));
		read_row(&query, &list->rows[list->count++]);
	}
	if (result < 0)
		volume_snapshot_list_clear(list);
	return result;
}

int db_volume_snapshot_list(struct db *db, int64_t volume_id, struct volume_snapshot_list *list,
			    struct error **error)
{
	return read_rows(db, volume_id, NULL, list, error);
}

int db_volume_snapshot_get(struct db *db, int64_t volume_id, const char *name,
			   struct volume_snapshot_row *row, struct error **error)
{
	cleanup_volume_snapshot_list struct volume_snapshot_list list = {0};
	*row = (struct volume_snapshot_row){0};
	if (read_rows(db, volume_id, name, &list, error) < 0)
		return -1;
	if (list.count == 0)
		return error_set(error, ERROR_NOT_FOUND,
				 "Storage volume snapshot not found: \"%s\"", name);
	*row = list.rows[0];
	list.rows[0] = (struct volume_snapshot_row){0};
	return 0;
}

/* @id: of the snapshot that may have the name; 0: none. */
static int check_name_free(struct connection *connection, int64_t volume_id, const char *name,
			   int64_t id, struct error **error)
{
	static const char sql[] = "SELECT id FROM storage_volumes_snapshots"
				  " WHERE volume_id = ?1 AND name = ?2 AND id <> ?3";
	int64_t other;
	int found = query_find_number(
		connection, sql, VALUES(NUMBER(volume_id), TEXT(name), NUMBER(id)), &other, error);
	if (found > 0)
		return error_set(error, ERROR_EXISTS, "Snapshot \"%s\" already exists", name);
	return found;
}

static int insert(struct connection *connection, struct volume_snapshot_row *row,
		  struct error **error)
{
	static const char sql[] =
		"INSERT INTO storage_volumes_snapshots"
		" (volume_id, name, description, created_at, expires_at, layer_id, config)"
		" VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
	cleanup_free char *config = json_dumps(row->config, JSON_COMPACT);
	if (check_name_free(connection, row->volume_id, row->name, 0, error) < 0 ||
	    query_run(connection, sql,
		      VALUES(NUMBER(row->volume_id), TEXT(row->name),
			     TEXT(row->description ? row->description : ""),
			     NUMBER(row->created_at), NUMBER(row->expires_at),
			     NUMBER(row->layer_id), TEXT(config ? config : "{}")),
		      error) < 0)
		return -1;
	row->id = connection_last_id(connection);
	return 0;
}

int db_volume_snapshot_create(struct db *db, struct volume_snapshot_row *row, struct error **error)
{
	if (db_begin(db, DB_DURABLE, error) < 0)
		return -1;
	return db_end(db, insert(&db->writer, row, error), error);
}

static int changed(struct connection *connection, struct error **error)
{
	return connection_changed_a_row(connection)
		       ? 0
		       : error_set(error, ERROR_NOT_FOUND,
				   "Storage volume snapshot not found: it was deleted meanwhile");
}

static int update(struct connection *connection, const struct volume_snapshot_row *row,
		  struct error **error)
{
	static const char sql[] = "UPDATE storage_volumes_snapshots SET name = ?2,"
				  " description = ?3, expires_at = ?4, layer_id = ?5 WHERE id = ?1";
	if (check_name_free(connection, row->volume_id, row->name, row->id, error) < 0 ||
	    query_run(connection, sql,
		      VALUES(NUMBER(row->id), TEXT(row->name),
			     TEXT(row->description ? row->description : ""),
			     NUMBER(row->expires_at), NUMBER(row->layer_id)),
		      error) < 0 ||
	    changed(connection, error) < 0)
		return -1;
	return layers_bury(connection, error);
}

int db_volume_snapshot_update(struct db *db, const struct volume_snapshot_row *row,
			      struct error **error)
{
	if (db_begin(db, DB_DURABLE, error) < 0)
		return -1;
	return db_end(db, update(&db->writer, row, error), error);
}

static int delete_row(struct connection *connection, int64_t id, struct error **error)
{
	if (query_run(connection, "DELETE FROM storage_volumes_snapshots WHERE id = ?1",
		      VALUES(NUMBER(id)), error) < 0 ||
	    changed(connection, error) < 0)
		return -1;
	return layers_bury(connection, error);
}

int db_volume_snapshot_delete(struct db *db, int64_t id, struct error **error)
{
	if (db_begin(db, DB_DURABLE, error) < 0)
		return -1;
	return db_end(db, delete_row(&db->writer, id, error), error);
}

int db_volume_snapshot_next_expiry(struct db *db, int64_t after, int64_t *time,
				   struct error **error)
{
	static const char sql[] = "SELECT expires_at FROM storage_volumes_snapshots"
				  " WHERE expires_at > ?1 ORDER BY expires_at LIMIT 1";
	return db_next_time(db, sql, after, time, error);
}
