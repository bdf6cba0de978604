/* See profiles.h. */
#include "db/profiles.h"

#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "db/internal.h"
#include "memory.h"

#define SELECT_PROFILES "SELECT id, name, description FROM profiles"
#define SELECT_CONFIG	"SELECT profile_id, key, value FROM profiles_config"
#define SELECT_DEVICES	"SELECT profile_id, device, key, value FROM profiles_devices"
#define SELECT_USED_BY                                                                             \
	"SELECT ip.profile_id, i.name FROM instances_profiles ip"                                  \
	" JOIN instances i ON i.id = ip.instance_id"
#define OF_ONE " WHERE profile_id = ?1"

static const char default_name[] = "default";

void profile_row_clear(struct profile_row *row)
{
	free(row->name);
	free(row->description);
	json_decref(row->config);
	json_decref(row->devices);
	json_decref(row->used_by);
	*row = (struct profile_row){0};
}

void profile_list_clear(struct profile_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		profile_row_clear(&list->rows[i]);
	free(list->rows);
	*list = (struct profile_list){0};
}

const struct profile_row *profile_list_find(const struct profile_list *list, const char *name)
{
	for (size_t i = 0; name && i < list->count; i++)
		if (strcmp(list->rows[i].name, name) == 0)
			return &list->rows[i];
	return NULL;
}

static int read_rows(struct connection *connection, const char *sql, const struct value *values,
		     size_t value_count, struct profile_list *list, struct error **error)
{
	cleanup_query struct query query = {0};
	if (query_start(&query, connection, sql, values, value_count, error) < 0)
		return -1;
	int result;
	while ((result = query_next(&query, error)) > 0) {
		list->rows = memory_realloc(list->rows, (list->count + 1) * sizeof(*list->rows));
		list->rows[list->count++] = (struct profile_row){
			.id = query_number(&query, 0),
			.name = query_text(&query, 1),
			.description = query_text(&query, 2),
			.config = json_object(),
			.devices = json_object(),
			.used_by = json_array(),
		};
	}
	return result;
}

static int load_maps(struct connection *connection, const char *const sql[3],
		     const struct value *values, size_t value_count, struct profile_list *list,
		     struct error **error)
{
	cleanup_free struct map_owner *owners = memory_alloc(list->count * sizeof(*owners));
	for (int which = 0; which < 3; which++) {
		for (size_t i = 0; i < list->count; i++) {
			struct profile_row *row = &list->rows[i];
			json_t *maps[] = {row->config, row->devices, row->used_by};
			owners[i] = (struct map_owner){row->id, maps[which]};
		}
		if (maps_load(connection, sql[which], values, value_count, owners, list->count,
			      error) < 0)
			return -1;
	}
	return 0;
}

/* A list of one. */
static int read_one(struct connection *connection, const char *name, struct profile_list *list,
		    struct error **error)
{
	static const char *const sql[3] = {
		SELECT_CONFIG OF_ONE,
		SELECT_DEVICES OF_ONE,
		SELECT_USED_BY OF_ONE " ORDER BY i.name",
	};
	if (read_rows(connection, SELECT_PROFILES " WHERE name = ?1", VALUES(TEXT(name)), list,
		      error) < 0)
		return -1;
	if (list->count == 0)
		return error_set(error, ERROR_NOT_FOUND, "Profile not found: \"%s\"", name);
	return load_maps(connection, sql, VALUES(NUMBER(list->rows[0].id)), list, error);
}

int db_profile_get(struct db *db, const char *name, struct profile_row *row, struct error **error)
{
	*row = (struct profile_row){0};
	cleanup_profile_list struct profile_list list = {0};
	cleanup_reader struct reader reader = {0};
	if (reader_open(db, &reader, error) < 0 ||
	    read_one(reader.connection, name, &list, error) < 0)
		return -1;
	*row = list.rows[0];
	list.count = 0;
	return 0;
}

int db_profile_list(struct db *db, struct profile_list *list, struct error **error)
{
	static const char *const sql[3] = {
		SELECT_CONFIG " ORDER BY profile_id",
		SELECT_DEVICES " ORDER BY profile_id",
		SELECT_USED_BY " ORDER BY ip.profile_id, i.name",
	};
	*list = (struct profile_list){0};
	cleanup_reader struct reader reader = {0};
	if (reader_open(db, &reader, error) < 0)
		return -1;
	if (read_rows(reader.connection, SELECT_PROFILES " ORDER BY name", NO_VALUES, list,
		      error) == 0 &&
	    load_maps(reader.connection, sql, NO_VALUES, list, error) == 0)
		return 0;
	profile_list_clear(list);
	return -1;
}

static int store_maps(struct connection *connection, const struct profile_row *row,
		      struct error **error)
{
	static const char delete_config[] = "DELETE FROM profiles_config WHERE profile_id = ?1";
	static const char insert_config[] =
		"INSERT INTO profiles_config (profile_id, key, value) VALUES (?1, ?2, ?3)";
	static const char delete_devices[] = "DELETE FROM profiles_devices WHERE profile_id = ?1";
	static const char insert_devices[] =
		"INSERT INTO profiles_devices (profile_id, device, key, value)"
		" VALUES (?1, ?2, ?3, ?4)";
	if (map_store(connection, delete_config, insert_config, row->id, row->config, error) < 0)
		return -1;
	return device_map_store(connection, delete_devices, insert_devices, row->id, row->devices,
				error);
}

static int check_name_free(struct connection *connection, const char *name, struct error **error)
{
	int64_t id;
	int found = query_find_number(connection, "SELECT id FROM profiles WHERE name = ?1",
				      VALUES(TEXT(name)), &id, error);
	if (found > 0)
		return error_set(error, ERROR_EXISTS, "profile \"%s\" already exists", name);
	return found;
}

static int create(struct connection *connection, struct profile_row *row, struct error **error)
{
	if (check_name_free(connection, row->name, error) < 0 ||
	    query_run(connection, "INSERT INTO profiles (name, description) VALUES (?1, ?2)",
		      VALUES(TEXT(row->name), TEXT(row->description ? row->description : "")),
		      error) < 0)
		return -1;
	row->id = connection_last_id(connection);
	return store_maps(connection, row, error);
}

int db_profile_create(struct db *db, struct profile_row *row, struct error **error)
{
	if (db_begin(db, DB_DURABLE, error) < 0)
		return -1;
	return db_end(db, create(&db->writer, row, error), error);
}

static int update(struct connection *connection, const struct profile_row *row,
		  struct error **error)
{
	if (query_run(connection, "UPDATE profiles SET description = ?2 WHERE id = ?1",
		      VALUES(NUMBER(row->id), TEXT(row->description ? row->description : "")),
		      error) < 0)
		return -1;
	if (!connection_changed_a_row(connection))
		return error_set(error, ERROR_NOT_FOUND,
				 "Profile not found: it was deleted meanwhile");
	return store_maps(connection, row, error);
}

int db_profile_update(struct db *db, const struct profile_row *row, struct error **error)
{
	if (db_begin(db, DB_DURABLE, error) < 0)
		return -1;
	return db_end(db, update(&db->writer, row, error), error);
}

static int rename_row(struct connection *connection, const char *name, const char *new_name,
		      struct error **error)
{
	if (strcmp(name, default_name) == 0)
		return error_set(error, ERROR_INVALID, "the profile \"default\" cannot be renamed");
	if (check_name_free(connection, new_name, error) < 0 ||
	    query_run(connection, "UPDATE profiles SET name = ?2 WHERE name = ?1",
		      VALUES(TEXT(name), TEXT(new_name)), error) < 0)
		return -1;
	if (!connection_changed_a_row(connection))
		return error_set(error, ERROR_NOT_FOUND, "Profile not found: \"%s\"", name);
	return 0;
}

int db_profile_rename(struct db *db, const char *name, const char *new_name, struct error **error)
{
	if (db_begin(db, DB_DURABLE, error) < 0)
		return -1;
	return db_end(db, rename_row(&db->writer, name, new_name, error), error);
}

static int delete_row(struct connection *connection, const char *name, struct error **error)
{
	cleanup_profile_list struct profile_list list = {0};
	if (strcmp(name, default_name) == 0)
		return error_set(error, ERROR_INVALID, "the profile \"default\" cannot be deleted");
	if (read_one(connection, name, &list, error) < 0 || list.count == 0)
		return -1;
	if (json_array_size(list.rows[0].used_by) > 0) {
		cleanup_free char *users = names_join(list.rows[0].used_by);
		return error_set(error, ERROR_BUSY, "profile \"%s\" is in use by %s", name, users);
	}
	return query_run(connection, "DELETE FROM profiles WHERE id = ?1",
			 VALUES(NUMBER(list.rows[0].id)), error);
}

int db_profile_delete(struct db *db, const char *name, struct error **error)
{
	if (db_begin(db, DB_DURABLE, error) < 0)
		return -1;
	return db_end(db, delete_row(&db->writer, name, error), error);
}
