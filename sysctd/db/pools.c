/* See pools.h. */
#include "db/pools.h"

#include <stdlib.h>

#include "cleanup.h"
#include "db/internal.h"
#include "memory.h"

#define SELECT_POOLS	 "SELECT id, name, driver, description FROM storage_pools"
#define SELECT_CONFIG	 "SELECT pool_id, key, value FROM storage_pools_config"
#define SELECT_INSTANCES "SELECT pool_id, name FROM instances"
#define SELECT_PROFILES                                                                            \
	"SELECT sp.id, p.name FROM storage_pools sp"                                               \
	" JOIN profiles_devices d ON d.key = 'pool' AND d.value = sp.name"                         \
	" JOIN profiles_devices at ON at.profile_id = d.profile_id AND at.device = d.device"       \
	" AND at.key = 'path' AND at.value = '/'"                                                  \
	" JOIN profiles p ON p.id = d.profile_id"

void pool_row_clear(struct pool_row *row)
{
	free(row->name);
	free(row->driver);
	free(row->description);
	json_decref(row->config);
	json_decref(row->used_by_instances);
	json_decref(row->used_by_profiles);
	*row = (struct pool_row){0};
}

void pool_list_clear(struct pool_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		pool_row_clear(&list->rows[i]);
	free(list->rows);
	*list = (struct pool_list){0};
}

static int read_rows(struct connection *connection, const char *sql, const struct value *values,
		     size_t value_count, struct pool_list *list, struct error **error)
{
	cleanup_query struct query query = {0};
	if (query_start(&query, connection, sql, values, value_count, error) < 0)
		return -1;
	int result;
	while ((result = query_next(&query, error)) > 0) {
		list->rows = memory_realloc(list->rows, (list->count + 1) * sizeof(*list->rows));
		list->rows[list->count++] = (struct pool_row){
			.id = query_number(&query, 0),
			.name = query_text(&query, 1),
			.driver = query_text(&query, 2),
			.description = query_text(&query, 3),
			.config = json_object(),
			.used_by_instances = json_array(),
			.used_by_profiles = json_array(),
		};
	}
	return result;
}

static int load_maps(struct connection *connection, const char *const sql[3],
		     const struct value *values, size_t value_count, struct pool_list *list,
		     struct error **error)
{
	cleanup_free struct map_owner *owners = memory_alloc(list->count * sizeof(*owners));
	for (int which = 0; which < 3; which++) {
		for (size_t i = 0; i < list->count; i++) {
			struct pool_row *row = &list->rows[i];
			json_t *maps[] = {row->config, row->used_by_instances,
					  row->used_by_profiles};
			owners[i] = (struct map_owner){row->id, maps[which]};
		}
		if (maps_load(connection, sql[which], values, value_count, owners, list->count,
			      error) < 0)
			return -1;
	}
	return 0;
}

/* A list of one. */
static int read_one(struct connection *connection, const char *name, struct pool_list *list,
		    struct error **error)
{
	static const char *const sql[3] = {
		SELECT_CONFIG " WHERE pool_id = ?1",
		SELECT_INSTANCES " WHERE pool_id = ?1 ORDER BY name",
		SELECT_PROFILES " WHERE sp.id = ?1 ORDER BY p.name",
	};
	if (read_rows(connection, SELECT_POOLS " WHERE name = ?1", VALUES(TEXT(name)), list,
		      error) < 0)
		return -1;
	if (list->count == 0)
		return error_set(error, ERROR_NOT_FOUND, "Storage pool not found: \"%s\"", name);
	return load_maps(connection, sql, VALUES(NUMBER(list->rows[0].id)), list, error);
}

int db_pool_get(struct db *db, const char *name, struct pool_row *row, struct error **error)
{
	*row = (struct pool_row){0};
	cleanup_pool_list struct pool_list list = {0};
	cleanup_reader struct reader reader = {0};
	if (reader_open(db, &reader, error) < 0 ||
	    read_one(reader.connection, name, &list, error) < 0)
		return -1;
	*row = list.rows[0];
	list.count = 0;
	return 0;
}

int db_pool_list(struct db *db, struct pool_list *list, struct error **error)
{
	static const char *const sql[3] = {
		SELECT_CONFIG " ORDER BY pool_id",
		SELECT_INSTANCES " ORDER BY pool_id, name",
		SELECT_PROFILES " ORDER BY sp.id, p.name",
	};
	*list = (struct pool_list){0};
	cleanup_reader struct reader reader = {0};
	if (reader_open(db, &reader, error) < 0)
		return -1;
	if (read_rows(reader.connection, SELECT_POOLS " ORDER BY name", NO_VALUES, list, error) ==
		    0 &&
	    load_maps(reader.connection, sql, NO_VALUES, list, error) == 0)
		return 0;
	pool_list_clear(list);
	return -1;
}

static int store_config(struct connection *connection, const struct pool_row *row,
			struct error **error)
{
	return map_store(connection, "DELETE FROM storage_pools_config WHERE pool_id = ?1",
			 "INSERT INTO storage_pools_config (pool_id, key, value)"
			 " VALUES (?1, ?2, ?3)",
			 row->id, row->config, error);
}

static int create(struct connection *connection, struct pool_row *row, struct error **error)
{
	int64_t id;
	int found = query_find_number(connection, "SELECT id FROM storage_pools WHERE name = ?1",
				      VALUES(TEXT(row->name)), &id, error);
	if (found > 0)
		return error_set(error, ERROR_EXISTS, "storage pool \"%s\" already exists",
				 row->name);
	if (found < 0 ||
	    query_run(connection,
		      "INSERT INTO storage_pools (name, driver, description) VALUES (?1, ?2, ?3)",
		      VALUES(TEXT(row->name), TEXT(row->driver),
			     TEXT(row->description ? row->description : "")),
		      error) < 0)
		return -1;
	row->id = connection_last_id(connection);
	return store_config(connection, row, error);
}

int db_pool_create(struct db *db, struct pool_row *row, struct error **error)
{
	if (db_begin(db, DB_DURABLE, error) < 0)
		return -1;
	return db_end(db, create(&db->writer, row, error), error);
}

static int update(struct connection *connection, const struct pool_row *row, struct error **error)
{
	if (query_run(connection, "UPDATE storage_pools SET description = ?2 WHERE id = ?1",
		      VALUES(NUMBER(row->id), TEXT(row->description ? row->description : "")),
		      error) < 0)
		return -1;
	if (!connection_changed_a_row(connection))
		return error_set(error, ERROR_NOT_FOUND,
				 "Storage pool not found: it was deleted meanwhile");
	return store_config(connection, row, error);
}

int db_pool_update(struct db *db, const struct pool_row *row, struct error **error)
{
	if (db_begin(db, DB_DURABLE, error) < 0)
		return -1;
	return db_end(db, update(&db->writer, row, error), error);
}

static int fail_used(const char *name, const char *by, const json_t *users, struct error **error)
{
	cleanup_free char *names = names_join(users);
	return error_set(error, ERROR_BUSY, "storage pool \"%s\" is in use by %s %s", name, by,
			 names);
}

static int delete_row(struct connection *connection, const char *name, struct error **error)
{
	cleanup_pool_list struct pool_list list = {0};
	if (read_one(connection, name, &list, error) < 0 || list.count == 0)
		return -1;
	const struct pool_row *row = &list.rows[0];
	if (json_array_size(row->used_by_instances) > 0)
		return fail_used(name, "instance", row->used_by_instances, error);
	if (json_array_size(row->used_by_profiles) > 0)
		return fail_used(name, "profile", row->used_by_profiles, error);
	return query_run(connection, "DELETE FROM storage_pools WHERE id = ?1",
			 VALUES(NUMBER(row->id)), error);
}

int db_pool_delete(struct db *db, const char *name, struct error **error)
{
	if (db_begin(db, DB_DURABLE, error) < 0)
		return -1;
	return db_end(db, delete_row(&db->writer, name, error), error);
}
