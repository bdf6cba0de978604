/* Aliases of images. */
#include <stdlib.h>

#include "cleanup.h"
#include "db/images.h"
#include "db/internal.h"
#include "memory.h"

#define SELECT_ALIASES                                                                             \
	"SELECT a.id, a.name, a.description, i.fingerprint, i.type"                                \
	" FROM images_aliases a JOIN images i ON i.id = a.image_id"

void alias_row_clear(struct alias_row *row)
{
	free(row->name);
	free(row->description);
	free(row->fingerprint);
	free(row->type);
	*row = (struct alias_row){0};
}

void alias_list_clear(struct alias_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		alias_row_clear(&list->rows[i]);
	free(list->rows);
	*list = (struct alias_list){0};
}

static void read_row(const struct query *query, struct alias_row *row)
{
	*row = (struct alias_row){
		.id = query_number(query, 0),
		.name = query_text(query, 1),
		.description = query_text(query, 2),
		.fingerprint = query_text(query, 3),
		.type = query_text(query, 4),
	};
}

static int fail_not_found(const char *name, struct error **error)
{
	return error_set(error, ERROR_NOT_FOUND, "Image alias not found: \"%s\"", name);
}

int db_alias_get(struct db *db, const char *name, struct alias_row *row, struct error **error)
{
	*row = (struct alias_row){0};
	cleanup_reader struct reader reader = {0};
	cleanup_query struct query query = {0};
	if (reader_open(db, &reader, error) < 0 ||
	    query_start(&query, reader.connection, SELECT_ALIASES " WHERE a.name = ?1",
			VALUES(TEXT(name)), error) < 0)
		return -1;
	int found = query_next(&query, error);
	if (found > 0)
		read_row(&query, row);
	if (found == 0)
		return fail_not_found(name, error);
	return found < 0 ? -1 : 0;
}

int db_alias_list(struct db *db, struct alias_list *list, struct error **error)
{
	*list = (struct alias_list){0};
	cleanup_reader struct reader reader = {0};
	cleanup_query struct query query = {0};
	if (reader_open(db, &reader, error) < 0 ||
	    query_start(&query, reader.connection, SELECT_ALIASES " ORDER BY a.name", NO_VALUES,
			error) < 0)
		return -1;
	int result;
	while ((result = query_next(&query, error)) > 0) {
		list->rows = memory_realloc(list->rows, (list->count + 1) * sizeof(*list->rows));
		read_row(&query, &list->rows[list->count++]);
	}
	if (result < 0)
		alias_list_clear(list);
	return result;
}

static int find_image(struct connection *connection, const char *fingerprint, int64_t *id,
		      struct error **error)
{
	int found = query_find_number(connection, "SELECT id FROM images WHERE fingerprint = ?1",
				      VALUES(TEXT(fingerprint)), id, error);
	if (found == 0)
		return error_set(error, ERROR_NOT_FOUND, "Image not found: \"%s\"", fingerprint);
	return found < 0 ? -1 : 0;
}

static int check_name_free(struct connection *connection, const char *name, struct error **error)
{
	int64_t id;
	int found = query_find_number(connection, "SELECT id FROM images_aliases WHERE name = ?1",
				      VALUES(TEXT(name)), &id, error);
	if (found > 0)
		return error_set(error, ERROR_EXISTS, "image alias \"%s\" already exists", name);
	return found;
}

static int set(struct connection *connection, struct alias_row *row, struct error **error)
{
	static const char sql[] =
		"INSERT INTO images_aliases (name, description, image_id) VALUES (?1, ?2, ?3)"
		" ON CONFLICT (name) DO UPDATE SET description = excluded.description,"
		" image_id = excluded.image_id RETURNING id";
	int64_t image;
	if (find_image(connection, row->fingerprint, &image, error) < 0)
		return -1;
	return query_find_number(connection, sql,
				 VALUES(TEXT(row->name),
					TEXT(row->description ? row->description : ""),
					NUMBER(image)),
				 &row->id, error) < 0
		       ? -1
		       : 0;
}

static int create(struct connection *connection, struct alias_row *row, struct error **error)
{
	if (check_name_free(connection, row->name, error) < 0)
		return -1;
	return set(connection, row, error);
}

int db_alias_create(struct db *db, struct alias_row *row, struct error **error)
{
	if (db_begin(db, DB_DURABLE, error) < 0)
		return -1;
	return db_end(db, create(&db->writer, row, error), error);
}

int db_alias_set(struct db *db, struct alias_row *row, struct error **error)
{
	if (db_begin(db, DB_DURABLE, error) < 0)
		return -1;
	return db_end(db, set(&db->writer, row, error), error);
}

/* A statement that changes the row of one alias. */
static int change_row(struct connection *connection, const char *name, const char *sql,
		      const struct value *values, size_t count, struct error **error)
{
	if (query_run(connection, sql, values, count, error) < 0)
		return -1;
	return connection_changed_a_row(connection) ? 0 : fail_not_found(name, error);
}

static int update(struct connection *connection, const struct alias_row *row, struct error **error)
{
	int64_t image;
	if (find_image(connection, row->fingerprint, &image, error) < 0)
		return -1;
	return change_row(connection, row->name,
			  "UPDATE images_aliases SET description = ?2, image_id = ?3"
			  " WHERE name = ?1",
			  VALUES(TEXT(row->name), TEXT(row->description ? row->description : ""),
				 NUMBER(image)),
			  error);
}

int db_alias_update(struct db *db, const struct alias_row *row, struct error **error)
{
	if (db_begin(db, DB_DURABLE, error) < 0)
		return -1;
	return db_end(db, update(&db->writer, row, error), error);
}

static int rename_row(struct connection *connection, const char *name, const char *new_name,
		      struct error **error)
{
	if (check_name_free(connection, new_name, error) < 0)
		return -1;
	return change_row(connection, name, "UPDATE images_aliases SET name = ?2 WHERE name = ?1",
			  VALUES(TEXT(name), TEXT(new_name)), error);
}

int db_alias_rename(struct db *db, const char *name, const char *new_name, struct error **error)
{
	if (db_begin(db, DB_DURABLE, error) < 0)
		return -1;
	return db_end(db, rename_row(&db->writer, name, new_name, error), error);
}

int db_alias_delete(struct db *db, const char *name, struct error **error)
{
	if (db_begin(db, DB_DURABLE, error) < 0)
		return -1;
	return db_end(db,
		      change_row(&db->writer, name, "DELETE FROM images_aliases WHERE name = ?1",
				 VALUES(TEXT(name)), error),
		      error);
}
