/* See networks.h. */
#include "db/networks.h"

#include <stdlib.h>

#include "cleanup.h"
#include "db/internal.h"
#include "memory.h"

#define SELECT_NETWORKS "SELECT id, name, type, description FROM networks"
#define SELECT_CONFIG	"SELECT network_id, key, value FROM networks_config"
#define SELECT_INSTANCES                                                                           \
	"SELECT DISTINCT n.id, i.name FROM networks n"                                             \
	" JOIN instances_devices d ON d.key IN ('network', 'parent') AND d.value = n.name"         \
	" JOIN instances i ON i.id = d.instance_id"
#define SELECT_PROFILES                                                                            \
	"SELECT DISTINCT n.id, p.name FROM networks n"                                             \
	" JOIN profiles_devices d ON d.key IN ('network', 'parent') AND d.value = n.name"          \
	" JOIN profiles p ON p.id = d.profile_id"

void network_row_clear(struct network_row *row)
{
	free(row->name);
	free(row->type);
	free(row->description);
	json_decref(row->config);
	json_decref(row->used_by_instances);
	json_decref(row->used_by_profiles);
	*row = (struct network_row){0};
}

void network_list_clear(struct network_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		network_row_clear(&list->rows[i]);
	free(list->rows);
	*list = (struct network_list){0};
}

static int read_rows(struct connection *connection, const char *sql, const struct value *values,
		     size_t value_count, struct network_list *list, struct error **error)
{
	cleanup_query struct query query = {0};
	if (query_start(&query, connection, sql, values, value_count, error) < 0)
		return -1;
	int result;
	while ((result = query_next(&query, error)) > 0) {
		list->rows = memory_realloc(list->rows, (list->count + 1) * sizeof(*list->rows));
		list->rows[list->count++] = (struct network_row){
			.id = query_number(&query, 0),
			.name = query_text(&query, 1),
			.type = query_text(&query, 2),
			.description = query_text(&query, 3),
			.config = json_object(),
			.used_by_instances = json_array(),
			.used_by_profiles = json_array(),
		};
	}
	return result;
}

static int load_maps(struct connection *connection, const char *const sql[3],
		     const struct value *values, size_t value_count, struct network_list *list,
		     struct error **error)
{
	cleanup_free struct map_owner *owners = memory_alloc(list->count * sizeof(*owners));
	for (int which = 0; which < 3; which++) {
		for (size_t i = 0; i < list->count; i++) {
			struct network_row *row = &list->rows[i];
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
static int read_one(struct connection *connection, const char *name, struct network_list *list,
		    struct error **error)
{
	static const char *const sql[3] = {
		SELECT_CONFIG " WHERE network_id = ?1",
		SELECT_INSTANCES " WHERE n.id = ?1 ORDER BY i.name",
		SELECT_PROFILES " WHERE n.id = ?1 ORDER BY p.name",
	};
	if (read_rows(connection, SELECT_NETWORKS " WHERE name = ?1", VALUES(TEXT(name)), list,
		      error) < 0)
		return -1;
	if (list->count == 0)
		return error_set(error, ERROR_NOT_FOUND, "Network not found: \"%s\"", name);
	return load_maps(connection, sql, VALUES(NUMBER(list->rows[0].id)), list, error);
}

int db_network_get(struct db *db, const char *name, struct network_row *row, struct error **error)
{
	*row = (struct network_row){0};
	cleanup_network_list struct network_list list = {0};
	cleanup_reader struct reader reader = {0};
	if (reader_open(db, &reader, error) < 0 ||
	    read_one(reader.connection, name, &list, error) < 0)
		return -1;
	*row = list.rows[0];
	list.count = 0;
	return 0;
}

int db_network_list(struct db *db, struct network_list *list, struct error **error)
{
	static const char *const sql[3] = {
		SELECT_CONFIG " ORDER BY network_id",
		SELECT_INSTANCES " ORDER BY n.id, i.name",
		SELECT_PROFILES " ORDER BY n.id, p.name",
	};
	*list = (struct network_list){0};
	cleanup_reader struct reader reader = {0};
	if (reader_open(db, &reader, error) < 0)
		return -1;
	if (read_rows(reader.connection, SELECT_NETWORKS " ORDER BY name", NO_VALUES, list,
		      error) == 0 &&
	    load_maps(reader.connection, sql, NO_VALUES, list, error) == 0)
		return 0;
	network_list_clear(list);
	return -1;
}

static int store_config(struct connection *connection, const struct network_row *row,
			struct error **error)
{
	return map_store(connection, "DELETE FROM networks_config WHERE network_id = ?1",
			 "INSERT INTO networks_config (network_id, key, value)"
			 " VALUES (?1, ?2, ?3)",
			 row->id, row->config, error);
}

static int create(struct connection *connection, struct network_row *row, struct error **error)
{
	int64_t id;
	int found = query_find_number(connection, "SELECT id FROM networks WHERE name = ?1",
				      VALUES(TEXT(row->name)), &id, error);
	if (found > 0)
		return error_set(error, ERROR_EXISTS, "network \"%s\" already exists", row->name);
	if (found < 0 ||
	    query_run(connection,
		      "INSERT INTO networks (name, type, description) VALUES (?1, ?2, ?3)",
		      VALUES(TEXT(row->name), TEXT(row->type),
			     TEXT(row->description ? row->description : "")),
		      error) < 0)
		return -1;
	row->id = connection_last_id(connection);
	return store_config(connection, row, error);
}

int db_network_create(struct db *db, struct network_row *row, struct error **error)
{
	if (db_begin(db, DB_DURABLE, error) < 0)
		return -1;
	return db_end(db, create(&db->writer, row, error), error);
}

static int update(struct connection *connection, const struct network_row *row,
		  struct error **error)
{
	if (query_run(connection, "UPDATE networks SET description = ?2 WHERE id = ?1",
		      VALUES(NUMBER(row->id), TEXT(row->description ? row->description : "")),
		      error) < 0)
		return -1;
	if (!connection_changed_a_row(connection))
		return error_set(error, ERROR_NOT_FOUND,
				 "Network not found: it was deleted meanwhile");
	return store_config(connection, row, error);
}

int db_network_update(struct db *db, const struct network_row *row, struct error **error)
{
	if (db_begin(db, DB_DURABLE, error) < 0)
		return -1;
	return db_end(db, update(&db->writer, row, error), error);
}

static int fail_used(const char *name, const char *by, const json_t *users, struct error **error)
{
	cleanup_free char *names = names_join(users);
	return error_set(error, ERROR_BUSY, "network \"%s\" is in use by %s %s", name, by, names);
}

static int check_unused(struct connection *connection, const char *name, int64_t *id,
			struct error **error)
{
	cleanup_network_list struct network_list list = {0};
	if (read_one(connection, name, &list, error) < 0 || list.count == 0)
		return -1;
	const struct network_row *row = &list.rows[0];
	*id = row->id;
	if (json_array_size(row->used_by_instances) > 0)
		return fail_used(name, "instance", row->used_by_instances, error);
	if (json_array_size(row->used_by_profiles) > 0)
		return fail_used(name, "profile", row->used_by_profiles, error);
	return 0;
}

static int delete_row(struct connection *connection, const char *name, struct error **error)
{
	int64_t id;
	if (check_unused(connection, name, &id, error) < 0)
		return -1;
	return query_run(connection, "DELETE FROM networks WHERE id = ?1", VALUES(NUMBER(id)),
			 error);
}

static int rename_row(struct connection *connection, const char *name, const char *new_name,
		      struct error **error)
{
	int64_t id, other;
	int found = query_find_number(connection, "SELECT id FROM networks WHERE name = ?1",
				      VALUES(TEXT(new_name)), &other, error);
	if (found > 0)
		return error_set(error, ERROR_EXISTS, "network \"%s\" already exists", new_name);
	if (found < 0 || check_unused(connection, name, &id, error) < 0)
		return -1;
	return query_run(connection, "UPDATE networks SET name = ?2 WHERE id = ?1",
			 VALUES(NUMBER(id), TEXT(new_name)), error);
}

int db_network_rename(struct db *db, const char *name, const char *new_name, struct error **error)
{
	if (db_begin(db, DB_DURABLE, error) < 0)
		return -1;
	return db_end(db, rename_row(&db->writer, name, new_name, error), error);
}

int db_network_delete(struct db *db, const char *name, struct error **error)
{
	if (db_begin(db, DB_DURABLE, error) < 0)
		return -1;
	return db_end(db, delete_row(&db->writer, name, error), error);
}
