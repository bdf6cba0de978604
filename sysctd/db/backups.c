/* See backups.h. */
#include "db/backups.h"

#include <stdlib.h>

#include "cleanup.h"
#include "db/internal.h"
#include "memory.h"

#define SELECT_BACKUPS                                                                             \
	"SELECT id, instance_id, name, file, created_at, expires_at, instance_only, optimized"     \
	" FROM instances_backups"

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

static int read_rows(struct db *db, const char *sql, const struct value *values, size_t count,
		     struct backup_list *list, struct error **error)
{
	cleanup_reader struct reader reader = {0};
	*list = (struct backup_list){0};
	if (reader_open(db, &reader, error) < 0)
		return -1;
	cleanup_query struct query query = {0};
	if (query_start(&query, reader.connection, sql, values, count, error) < 0)
		return -1;
	int result;
	while ((result = query_next(&query, error)) > 0) {
		list->rows = memory_realloc(list->rows, (list->count + 1) * sizeof(*list->rows));
		list->rows[list->count++] = (struct backup_row){
			.id = query_number(&query, 0),
			.instance_id = query_number(&query, 1),
			.name = query_text(&query, 2),
			.file = query_text(&query, 3),
			.created_at = query_number(&query, 4),
			.expires_at = query_number(&query, 5),
			.instance_only = query_number(&query, 6) != 0,
			.optimized = query_number(&query, 7) != 0,
		};
	}
	if (result < 0)
		backup_list_clear(list);
	return result;
}

int db_backup_list(struct db *db, int64_t instance_id, struct backup_list *list,
		   struct error **error)
{
	static const char sql[] = SELECT_BACKUPS " WHERE ?1 = 0 OR instance_id = ?1 ORDER BY id";
	return read_rows(db, sql, VALUES(NUMBER(instance_id)), list, error);
}

int db_backup_get(struct db *db, int64_t instance_id, const char *name, struct backup_row *row,
		  struct error **error)
{
	static const char sql[] = SELECT_BACKUPS " WHERE instance_id = ?1 AND name = ?2";
	cleanup_backup_list struct backup_list list = {0};
	*row = (struct backup_row){0};
	if (read_rows(db, sql, VALUES(NUMBER(instance_id), TEXT(name)), &list, error) < 0)
		return -1;
	if (list.count == 0)
		return error_set(error, ERROR_NOT_FOUND, "Backup not found: \"%s\"", name);
	*row = list.rows[0];
	list.rows[0] = (struct backup_row){0};
	return 0;
}

static int check_name_free(struct connection *connection, int64_t instance_id, const char *name,
			   struct error **error)
{
	static const char sql[] =
		"SELECT id FROM instances_backups WHERE instance_id = ?1 AND name = ?2";
	int64_t id;
	int found = query_find_number(connection, sql, VALUES(NUMBER(instance_id), TEXT(name)), &id,
				      error);
	return found > 0 ? error_set(error, ERROR_EXISTS, "Backup \"%s\" already exists", name)
			 : found;
}

static int insert(struct connection *connection, struct backup_row *row, struct error **error)
{
	static const char sql[] =
		"INSERT INTO instances_backups"
		" (instance_id, name, file, created_at, expires_at, instance_only, optimized)"
		" SELECT id, ?2, ?3, ?4, ?5, ?6, ?7 FROM instances WHERE id = ?1";
	if (check_name_free(connection, row->instance_id, row->name, error) < 0 ||
	    query_run(connection, sql,
		      VALUES(NUMBER(row->instance_id), TEXT(row->name), TEXT(row->file),
			     NUMBER(row->created_at), NUMBER(row->expires_at),
			     NUMBER(row->instance_only), NUMBER(row->optimized)),
		      error) < 0)
		return -1;
	if (!connection_changed_a_row(connection))
		return error_set(error, ERROR_NOT_FOUND,
				 "the instance was deleted while its backup was made");
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
	static const char sql[] = "UPDATE instances_backups SET name = ?2 WHERE id = ?1";
	if (db_begin(db, DB_DURABLE, error) < 0)
		return -1;
	int result = check_name_free(&db->writer, row->instance_id, name, error);
	if (result == 0)
		result = change(&db->writer, sql, VALUES(NUMBER(row->id), TEXT(name)), error);
	return db_end(db, result, error);
}

int db_backup_delete(struct db *db, int64_t id, struct error **error)
{
	static const char sql[] = "DELETE FROM instances_backups WHERE id = ?1";
	if (db_begin(db, DB_DURABLE, error) < 0)
		return -1;
	return db_end(db, change(&db->writer, sql, VALUES(NUMBER(id)), error), error);
}

int db_backup_next_expiry(struct db *db, int64_t *time, struct error **error)
{
	static const char sql[] = "SELECT expires_at FROM instances_backups WHERE expires_at > 0"
				  " ORDER BY expires_at LIMIT 1";
	cleanup_reader struct reader reader = {0};
	*time = 0;
	if (reader_open(db, &reader, error) < 0)
		return -1;
	return query_find_number(reader.connection, sql, NO_VALUES, time, error) < 0 ? -1 : 0;
}
