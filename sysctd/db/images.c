/* Changing images. */
#include "db/images.h"

#include <string.h>

#include "cleanup.h"
#include "db/internal.h"
#include "memory.h"

#define UNLESS_EMPTY(text) ((text) ? (text) : "")

static int fail_gone(struct error **error)
{
	return error_set(error, ERROR_NOT_FOUND, "Image not found: it was deleted meanwhile");
}

static int change_row(struct connection *connection, const char *sql, const struct value *values,
		      size_t count, struct error **error)
{
	if (query_run(connection, sql, values, count, error) < 0)
		return -1;
	return connection_changed_a_row(connection) ? 0 : fail_gone(error);
}

static int store_properties(struct connection *connection, const struct image_row *row,
			    struct error **error)
{
	return map_store(connection, "DELETE FROM images_properties WHERE image_id = ?1",
			 "INSERT INTO images_properties (image_id, key, value) VALUES (?1, ?2, ?3)",
			 row->id, row->properties, error);
}

static int insert_row(struct connection *connection, struct image_row *row, struct error **error)
{
	static const char sql[] =
		"INSERT INTO images (fingerprint, filename, architecture, type, size, public,"
		" auto_update, cached, created_at, uploaded_at, expires_at, last_used_at, template,"
		" template_options)"
		" VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";
	cleanup_free char *options =
		row->template_options
			? json_dumps(row->template_options, JSON_COMPACT | JSON_ENCODE_ANY)
			: NULL;
	if (row->uploaded_at == 0)
		row->uploaded_at = db_now();
	if (!row->type)
		row->type = memory_strdup("container");
	if (query_run(connection, sql,
		      VALUES(TEXT(row->fingerprint), TEXT(UNLESS_EMPTY(row->filename)),
			     TEXT(row->architecture), TEXT(row->type), NUMBER(row->size),
			     NUMBER(row->public), NUMBER(row->auto_update), NUMBER(row->cached),
			     NUMBER(row->created_at), NUMBER(row->uploaded_at),
			     NUMBER(row->expires_at), NUMBER(row->last_used_at),
			     TEXT(row->template), TEXT(options)),
		      error) < 0)
		return -1;
	row->id = connection_last_id(connection);
	return 0;
}

static int create(struct connection *connection, struct image_row *row, struct error **error)
{
	int64_t id;
	int found = query_find_number(connection, "SELECT id FROM images WHERE fingerprint = ?1",
				      VALUES(TEXT(row->fingerprint)), &id, error);
	if (found > 0)
		return error_set(error, ERROR_EXISTS,
				 "an image with the fingerprint %s already exists",
				 row->fingerprint);
	if (found < 0 || insert_row(connection, row, error) < 0)
		return -1;
	return store_properties(connection, row, error);
}

int db_image_create(struct db *db, struct image_row *row, struct error **error)
{
	if (db_begin(db, DB_DURABLE, error) < 0)
		return -1;
	return db_end(db, create(&db->writer, row, error), error);
}

static int update(struct connection *connection, const struct image_row *row, struct error **error)
{
	static const char sql[] =
		"UPDATE images SET filename = ?2, public = ?3, auto_update = ?4, cached = ?5,"
		" expires_at = ?6 WHERE id = ?1";
	if (change_row(connection, sql,
		       VALUES(NUMBER(row->id), TEXT(UNLESS_EMPTY(row->filename)),
			      NUMBER(row->public), NUMBER(row->auto_update), NUMBER(row->cached),
			      NUMBER(row->expires_at)),
		       error) < 0)
		return -1;
	return store_properties(connection, row, error);
}

int db_image_update(struct db *db, const struct image_row *row, struct error **error)
{
	if (db_begin(db, DB_DURABLE, error) < 0)
		return -1;
	return db_end(db, update(&db->writer, row, error), error);
}

int db_image_delete(struct db *db, int64_t id, struct error **error)
{
	if (db_begin(db, DB_DURABLE, error) < 0)
		return -1;
	return db_end(db,
		      change_row(&db->writer, "DELETE FROM images WHERE id = ?1",
				 VALUES(NUMBER(id)), error),
		      error);
}

int db_image_touch(struct db *db, int64_t id, int64_t last_used_at, struct error **error)
{
	if (db_begin(db, DB_VOLATILE, error) < 0)
		return -1;
	return db_end(db,
		      change_row(&db->writer, "UPDATE images SET last_used_at = ?2 WHERE id = ?1",
				 VALUES(NUMBER(id), NUMBER(last_used_at)), error),
		      error);
}
