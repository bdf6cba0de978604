/* See objects.h. */
#include "db/objects.h"

#include <stdlib.h>

#include "cleanup.h"
#include "db/internal.h"
#include "memory.h"

void object_row_clear(struct object_row *row)
{
	free(row->name);
	free(row->kind);
	free(row->description);
	json_decref(row->config);
	json_decref(row->used_by_instances);
	json_decref(row->used_by_profiles);
	json_decref(row->used_by_networks);
	json_decref(row->used_by_acls);
	*row = (struct object_row){0};
}

void object_list_clear(struct object_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		object_row_clear(&list->rows[i]);
	free(list->rows);
	*list = (struct object_list){0};
}

static int read_rows(struct connection *connection, const char *sql, const struct value *values,
		     size_t value_count, struct object_list *list, struct error **error)
{
	cleanup_query struct query query = {0};
	if (query_start(&query, connection, sql, values, value_count, error) < 0)
		return -1;
	int result;
	while ((result = query_next(&query, error)) > 0) {
		list->rows = memory_realloc(list->rows, (list->count + 1) * sizeof(*list->rows));
		list->rows[list->count++] = (struct object_row){
			.id = query_number(&query, 0),
			.name = query_text(&query, 1),
			.kind = query_text(&query, 2),
			.description = query_text(&query, 3),
			.config = json_object(),
			.used_by_instances = json_array(),
			.used_by_profiles = json_array(),
			.used_by_networks = json_array(),
			.used_by_acls = json_array(),
		};
	}
	return result;
}

static int load_maps(struct connection *connection, const char *const sql[OBJECT_MAPS],
		     const struct value *values, size_t value_count, struct object_list *list,
		     struct error **error)
{
	cleanup_free struct map_owner *owners = memory_alloc(list->count * sizeof(*owners));
	for (int which = 0; which < OBJECT_MAPS && sql[which]; which++) {
		for (size_t i = 0; i < list->count; i++) {
			struct object_row *row = &list->rows[i];
			json_t *maps[OBJECT_MAPS] = {row->config, row->used_by_instances,
						     row->used_by_profiles, row->used_by_networks,
						     row->used_by_acls};
			owners[i] = (struct map_owner){row->id, maps[which]};
		}
		if (maps_load(connection, sql[which], values, value_count, owners, list->count,
			      error) < 0)
			return -1;
	}
	return 0;
}

/* A list of one. */
static int read_one(struct connection *connection, const struct object_table *table,
		    const char *name, struct object_list *list, struct error **error)
{
	if (read_rows(connection, table->select_one, VALUES(TEXT(name)), list, error) < 0)
		return -1;
	if (list->count == 0)
		return error_set(error, ERROR_NOT_FOUND, "%s not found: \"%s\"", table->title,
				 name);
	return load_maps(connection, table->maps_one, VALUES(NUMBER(list->rows[0].id)), list,
			 error);
}

int db_object_get(struct db *db, const struct object_table *table, const char *name,
		  struct object_row *row, struct error **error)
{
	*row = (struct object_row){0};
	cleanup_object_list struct object_list list = {0};
	cleanup_reader struct reader reader = {0};
	if (reader_open(db, &reader, error) < 0 ||
	    read_one(reader.connection, table, name, &list, error) < 0)
		return -1;
	*row = list.rows[0];
	list.count = 0;
	return 0;
}

int db_object_list(struct db *db, const struct object_table *table, struct object_list *list,
		   struct error **error)
{
	*list = (struct object_list){0};
	cleanup_reader struct reader reader = {0};
	if (reader_open(db, &reader, error) < 0)
		return -1;
	if (read_rows(reader.connection, table->select_all, NO_VALUES, list, error) == 0 &&
	    load_maps(reader.connection, table->maps_all, NO_VALUES, list, error) == 0)
		return 0;
	object_list_clear(list);
	return -1;
}

static int store_config(struct connection *connection, const struct object_table *table,
			const struct object_row *row, struct error **error)
{
	return map_store(connection, table->delete_config, table->insert_config, row->id,
			 row->config, error);
}

static int create(struct connection *connection, const struct object_table *table,
		  struct object_row *row, struct error **error)
{
	int64_t id;
	int found = query_find_number(connection, table->find, VALUES(TEXT(row->name)), &id, error);
	if (found > 0)
		return error_set(error, ERROR_EXISTS, "%s \"%s\" already exists", table->noun,
				 row->name);
	if (found < 0 || query_run(connection, table->insert,
				   VALUES(TEXT(row->name), TEXT(row->kind),
					  TEXT(row->description ? row->description : "")),
				   error) < 0)
		return -1;
	row->id = connection_last_id(connection);
	return store_config(connection, table, row, error);
}

int db_object_create(struct db *db, const struct object_table *table, struct object_row *row,
		     struct error **error)
{
	if (db_begin(db, DB_DURABLE, error) < 0)
		return -1;
	return db_end(db, create(&db->writer, table, row, error), error);
}

static int update(struct connection *connection, const struct object_table *table,
		  const struct object_row *row, struct error **error)
{
	const char *description = row->description ? row->description : "";
	if (table->kind_changes
		    ? query_run(connection, table->update,
				VALUES(NUMBER(row->id), TEXT(description), TEXT(row->kind)), error)
		    : query_run(connection, table->update,
				VALUES(NUMBER(row->id), TEXT(description)), error))
		return -1;
	if (!connection_changed_a_row(connection))
		return error_set(error, ERROR_NOT_FOUND, "%s not found: it was deleted meanwhile",
				 table->title);
	return store_config(connection, table, row, error);
}

int db_object_update(struct db *db, const struct object_table *table, const struct object_row *row,
		     struct error **error)
{
	if (db_begin(db, DB_DURABLE, error) < 0)
		return -1;
	return db_end(db, update(&db->writer, table, row, error), error);
}

static int fail_used(const struct object_table *table, const char *name, const char *by,
		     const json_t *users, struct error **error)
{
	cleanup_free char *names = names_join(users);
	return error_set(error, ERROR_BUSY, "%s \"%s\" is in use by %s %s", table->noun, name, by,
			 names);
}

static int check_unused(struct connection *connection, const struct object_table *table,
			const char *name, int64_t *id, struct error **error)
{
	cleanup_object_list struct object_list list = {0};
	if (read_one(connection, table, name, &list, error) < 0 || list.count == 0)
		return -1;
	const struct object_row *row = &list.rows[0];
	*id = row->id;
	if (json_array_size(row->used_by_instances) > 0)
		return fail_used(table, name, table->user ? table->user : "instance",
				 row->used_by_instances, error);
	if (json_array_size(row->used_by_profiles) > 0)
		return fail_used(table, name, "profile", row->used_by_profiles, error);
	if (json_array_size(row->used_by_networks) > 0)
		return fail_used(table, name, "network", row->used_by_networks, error);
	if (json_array_size(row->used_by_acls) > 0)
		return fail_used(table, name, "network ACL", row->used_by_acls, error);
	return 0;
}

static int delete_row(struct connection *connection, const struct object_table *table,
		      const char *name, struct error **error)
{
	int64_t id;
	if (check_unused(connection, table, name, &id, error) < 0)
		return -1;
	return query_run(connection, table->delete, VALUES(NUMBER(id)), error);
}

static int rename_row(struct connection *connection, const struct object_table *table,
		      const char *name, const char *new_name, struct error **error)
{
	int64_t id, other;
	int found =
		query_find_number(connection, table->find, VALUES(TEXT(new_name)), &other, error);
	if (found > 0)
		return error_set(error, ERROR_EXISTS, "%s \"%s\" already exists", table->noun,
				 new_name);
	if (found < 0 || check_unused(connection, table, name, &id, error) < 0)
		return -1;
	return query_run(connection, table->rename, VALUES(NUMBER(id), TEXT(new_name)), error);
}

int db_object_rename(struct db *db, const struct object_table *table, const char *name,
		     const char *new_name, struct error **error)
{
	if (db_begin(db, DB_DURABLE, error) < 0)
		return -1;
	return db_end(db, rename_row(&db->writer, table, name, new_name, error), error);
}

int db_object_delete(struct db *db, const struct object_table *table, const char *name,
		     struct error **error)
{
	if (db_begin(db, DB_DURABLE, error) < 0)
		return -1;
	return db_end(db, delete_row(&db->writer, table, name, error), error);
}
