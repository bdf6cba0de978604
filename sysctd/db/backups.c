/* See backups.h. */
#include "db/backups.h"

#include <stdlib.h>

#include "cleanup.h"
#include "db/internal.h"
#include "memory.h"

/* The tables differ in the names of two columns. */
#define COLUMNS(owner, only) owner ", name, file, created_at, expires_at, " only ", optimized"
#define STATEMENTS(table, owner, only, owners)                                                     \
	{                                                                                          \
		.list = "SELECT id, " COLUMNS(owner, only) " FROM " table                          \
							   " WHERE (?1 = 0 OR " owner              \
							   " = ?1) AND (?2 IS NULL OR name = ?2)"  \
							   " ORDER BY id",                         \
		.taken = "SELECT id FROM " table " WHERE " owner " = ?1 AND name = ?2",            \
		.insert = "INSERT INTO " table " (" COLUMNS(                                       \
			owner, only) ")"                                                           \
				     " SELECT id, ?2, ?3, ?4, ?5, ?6, ?7 FROM " owners             \
				     " WHERE id = ?1",                                             \
		.rename = "UPDATE " table " SET name = ?2 WHERE id = ?1",                          \
		.remove = "DELETE FROM " table " WHERE id = ?1",                                   \
	}

static const struct {
	const char *list, *taken, *insert, *rename, *remove;
} statements[BACKUP_KIND_COUNT] = {
	[BACKUP_OF_INSTANCE] =
		STATEMENTS("instances_backups", "instance_id", "instance_only", "instances"),
	[BACKUP_OF_VOLUME] = STATEMENTS("storage_volumes_backups", "volume_id", "volume_only",
					"storage_volumes"),
};

void backup_row_clear(struct backup_row *row)
{
	free(row->name);
	free(row->file);
	*row = (struct backup_row){0};
}

void backup_list_clear(struct backup_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		backup_row_clear(&list->rows[i]);
	free(list->rows);
	*list = (struct backup_list){0};
}

static int read_rows(struct db *db, enum backup_kind kind, int64_t owner_id, const char *name,
		     struct backup_list *list, struct error **error)
{
	cleanup_reader struct reader reader = {0};
	*list = (struct backup_list){0};
	if (reader_open(db, &reader, error) < 0)
		return -1;
	cleanup_query struct query query = {0};
	if (query_start(&query, reader.connection, statements[kind].list,
			VALUES(NUMBER(owner_id), TEXT(name)), error) < 0)
		return -1;
	int result;
	while ((result = query_next(&query, error)) > 0) {
		list->rows = memory_realloc(list->rows, (list->count + 1) * sizeof(*list->rows));
		list->rows[list->count++] = (struct backup_row){
			.id = query_number(&query, 0),
			.kind = kind,
			.owner_id = query_number(&query, 1),
			.name = query_text(&query, 2),
			.file = query_text(&query, 3),
			.created_at = query_number(&query, 4),
			.expires_at = query_number(&query, 5),
			.only = query_number(&query, 6) != 0,
			.optimized = query_number(&query, 7) != 0,
		};
	}
	if (result < 0)
		backup_list_clear(list);
	return result;
}

int db_backup_list(struct db *db, enum backup_kind kind, int64_t owner_id, struct backup_list *list,
		   struct error **error)
{
	return read_rows(db, kind, owner_id, NULL, list, error);
}

int db_backup_get(struct db *db, enum backup_kind kind, int64_t owner_id, const char *name,
		  struct backup_row *row, struct error **error)
{
	cleanup_backup_list struct backup_list list = {0};
	*row = (struct backup_row){0};
	if (read_rows(db, kind, owner_id, name, &list, error) < 0)
		return -1;
	if (list.count == 0)
		return error_set(error, ERROR_NOT_FOUND, "Backup not found: \"%s\"", name);
	*row = list.rows[0];
	list.rows[0] = (struct backup_row){0};
	return 0;
}

static int check_name_free(struct connection *connection, const struct backup_row *row,
			   const char *name, struct error **error)
{
	int64_t id;
	int found = query_find_number(connection, statements[row->kind].taken,
				      VALUES(NUMBER(row->owner_id), TEXT(name)), &id, error);
	return found > 0 ? error_set(error, ERROR_EXISTS, "Backup \"%s\" already exists", name)
			 : found;
}

static int insert(struct connection *connection, struct backup_row *row, struct error **error)
{
	if (check_name_free(connection, row, row->name, error) < 0 ||
	    query_run(connection, statements[row->kind].insert,
		      VALUES(NUMBER(row->owner_id), TEXT(row->name), TEXT(row->file),
			     NUMBER(row->created_at), NUMBER(row->expires_at), NUMBER(row->only),
			     NUMBER(row->optimized)),
		      error) < 0)
		return -1;
	if (!connection_changed_a_row(connection))
		return error_set(error, ERROR_NOT_FOUND,
				 "the %s was deleted while its backup was made",
				 row->kind == BACKUP_OF_VOLUME ? "volume" : "instance");
	row->id = connection_last_id(connection);
	return 0;
}

int db_backup_create(struct db *db, struct backup_row *row, struct error **error)
{
	if (db_begin(db, DB_DURABLE, error) < 0)
		return -1;
	return db_end(db, insert(&db->writer, row, error), error);
}

static int change(struct connection *connection, const char *sql, const struct value *values,
		  size_t count, struct error **error)
{
	if (query_run(connection, sql, values, count, error) < 0)
		return -1;
	return connection_changed_a_row(connection)
		       ? 0
		       : error_set(error, ERROR_NOT_FOUND,
				   "Backup not found: it was deleted meanwhile");
}

int db_backup_rename(struct db *db, const struct backup_row *row, const char *name,
		     struct error **error)
{
	if (db_begin(db, DB_DURABLE, error) < 0)
		return -1;
	int result = check_name_free(&db->writer, row, name, error);
	if (result == 0)
		result = change(&db->writer, statements[row->kind].rename,
				VALUES(NUMBER(row->id), TEXT(name)), error);
	return db_end(db, result, error);
}

int db_backup_delete(struct db *db, const struct backup_row *row, struct error **error)
{
	if (db_begin(db, DB_DURABLE, error) < 0)
		return -1;
	return db_end(
		db,
		change(&db->writer, statements[row->kind].remove, VALUES(NUMBER(row->id)), error),
		error);
}

int db_backup_next_expiry(struct db *db, int64_t after, int64_t *time, struct error **error)
{
	static const char sql[] =
		"SELECT expires_at FROM instances_backups WHERE expires_at > ?1 UNION ALL"
		" SELECT expires_at FROM storage_volumes_backups WHERE expires_at > ?1"
		" ORDER BY expires_at LIMIT 1";
	return db_next_time(db, sql, after, time, error);
}
