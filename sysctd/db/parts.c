/* See parts.h. */
#include "db/parts.h"

#include <stdlib.h>

#include "cleanup.h"
#include "db/internal.h"
#include "memory.h"

void part_row_clear(struct part_row *row)
{
	free(row->owner);
	free(row->name);
	free(row->description);
	json_decref(row->list);
	json_decref(row->config);
	*row = (struct part_row){0};
}

void part_list_clear(struct part_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		part_row_clear(&list->rows[i]);
	free(list->rows);
	*list = (struct part_list){0};
}

static int read_rows(struct connection *connection, const struct part_table *table,
		     const char *owner, const char *name, struct part_list *list,
		     struct error **error)
{
	cleanup_query struct query query = {0};
	if (query_start(&query, connection, table->select, VALUES(TEXT(owner), TEXT(name)), error) <
	    0)
		return -1;
	int result;
	while ((result = query_next(&query, error)) > 0) {
		list->rows = memory_realloc(list->rows, (list->count + 1) * sizeof(*list->rows));
		json_t *parts = json_loads(query_peek(&query, 4), 0, NULL);
		list->rows[list->count++] = (struct part_row){
			.id = query_number(&query, 0),
			.owner = query_text(&query, 1),
			.name = query_text(&query, 2),
			.description = query_text(&query, 3),
			.list = parts ? parts : json_array(),
			.config = json_object(),
		};
	}
	return result;
}

static int load(struct connection *connection, const struct part_table *table, const char *owner,
		const char *name, struct part_list *list, struct error **error)
{
	if (read_rows(connection, table, owner, name, list, error) < 0)
		return -1;
	cleanup_free struct map_owner *owners = memory_alloc((list->count + 1) * sizeof(*owners));
	for (size_t i = 0; i < list->count; i++)
		owners[i] = (struct map_owner){list->rows[i].id, list->rows[i].config};
	return maps_load(connection, table->select_config, NO_VALUES, owners, list->count, error);
}

int db_part_list(struct db *db, const struct part_table *table, const char *owner,
		 struct part_list *list, struct error **error)
{
	*list = (struct part_list){0};
	cleanup_reader struct reader reader = {0};
	if (reader_open(db, &reader, error) < 0)
		return -1;
	if (load(reader.connection, table, owner, NULL, list, error) == 0)
		return 0;
	part_list_clear(list);
	return -1;
}

static int fail_not_found(const struct part_table *table, const char *name, struct error **error)
{
	return error_set(error, ERROR_NOT_FOUND, "%s not found: \"%s\"", table->title, name);
}

static int read_one(struct connection *connection, const struct part_table *table,
		    const char *owner, const char *name, struct part_row *row, struct error **error)
{
	cleanup_part_list struct part_list list = {0};
	*row = (struct part_row){0};
	if (load(connection, table, owner, name, &list, error) < 0)
		return -1;
	if (list.count == 0)
		return fail_not_found(table, name, error);
	*row = list.rows[0];
	list.rows[0] = (struct part_row){0};
	return 0;
}

int db_part_get(struct db *db, const struct part_table *table, const char *owner, const char *name,
		struct part_row *row, struct error **error)
{
	cleanup_reader struct reader reader = {0};
	*row = (struct part_row){0};
	if (reader_open(db, &reader, error) < 0)
		return -1;
	return read_one(reader.connection, table, owner, name, row, error);
}

static int store_config(struct connection *connection, const struct part_table *table,
			const struct part_row *row, struct error **error)
{
	return map_store(connection, table->delete_config, table->insert_config, row->id,
			 row->config, error);
}

static const char *text_or_empty(const char *text)
{
	return text ? text : "";
}

static int create(struct connection *connection, const struct part_table *table,
		  struct part_row *row, struct error **error)
{
	int64_t id;
	int found = query_find_number(connection, table->find,
				      VALUES(TEXT(row->owner), TEXT(row->name)), &id, error);
	if (found > 0)
		return error_set(error, ERROR_EXISTS, "%s \"%s\" already exists", table->title,
				 row->name);
	cleanup_free char *list = json_dumps(row->list, JSON_COMPACT);
	if (found < 0 || query_run(connection, table->insert,
				   VALUES(TEXT(row->owner), TEXT(row->name),
					  TEXT(text_or_empty(row->description)), TEXT(list)),
				   error) < 0)
		return -1;
	if (!connection_changed_a_row(connection))
		return error_set(error, ERROR_NOT_FOUND, "%s not found: \"%s\"", table->owner_title,
				 row->owner);
	row->id = connection_last_id(connection);
	return store_config(connection, table, row, error);
}

int db_part_create(struct db *db, const struct part_table *table, struct part_row *row,
		   struct error **error)
{
	if (db_begin(db, DB_DURABLE, error) < 0)
		return -1;
	return db_end(db, create(&db->writer, table, row, error), error);
}

static int update(struct connection *connection, const struct part_table *table,
		  const struct part_row *row, struct error **error)
{
	cleanup_free char *list = json_dumps(row->list, JSON_COMPACT);
	if (query_run(connection, table->update,
		      VALUES(NUMBER(row->id), TEXT(text_or_empty(row->description)), TEXT(list)),
		      error) < 0)
		return -1;
	if (!connection_changed_a_row(connection))
		return fail_not_found(table, row->name, error);
	return store_config(connection, table, row, error);
}

int db_part_update(struct db *db, const struct part_table *table, const struct part_row *row,
		   struct error **error)
{
	if (db_begin(db, DB_DURABLE, error) < 0)
		return -1;
	return db_end(db, update(&db->writer, table, row, error), error);
}

static int delete_row(struct connection *connection, const struct part_table *table,
		      const char *owner, const char *name, struct error **error)
{
	cleanup_part_row struct part_row row = {0};
	if (read_one(connection, table, owner, name, &row, error) < 0)
		return -1;
	return query_run(connection, table->delete, VALUES(NUMBER(row.id)), error);
}

int db_part_delete(struct db *db, const struct part_table *table, const char *owner,
		   const char *name, struct error **error)
{
	if (db_begin(db, DB_DURABLE, error) < 0)
		return -1;
	return db_end(db, delete_row(&db->writer, table, owner, name, error), error);
}
