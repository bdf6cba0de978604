/* Changing instances. Each public function is one transaction. */
#include "db/instances.h"

#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "db/id_ranges.h"
#include "db/internal.h"
#include "db/layers_internal.h"
#include "memory.h"

enum { DEFAULT_ID_COUNT = 65536 };

#define UNLESS_EMPTY(text) ((text) ? (text) : "")

static int fail_gone(struct error **error)
{
	return error_set(error, ERROR_NOT_FOUND, "Instance not found: it was deleted meanwhile");
}

/* A statement that changes the row of one instance. */
static int change_row(struct connection *connection, const char *sql, const struct value *values,
		      size_t count, struct error **error)
{
	if (query_run(connection, sql, values, count, error) < 0)
		return -1;
	return connection_changed_a_row(connection) ? 0 : fail_gone(error);
}

static int check_name_free(struct connection *connection, const char *name, struct error **error)
{
	int64_t id;
	int found = query_find_number(connection, "SELECT id FROM instances WHERE name = ?1",
				      VALUES(TEXT(name)), &id, error);
	if (found > 0)
		return error_set(error, ERROR_EXISTS, "instance \"%s\" already exists", name);
	return found;
}

static int store_profile(struct connection *connection, int64_t id, size_t position,
			 const char *name, struct error **error)
{
	int64_t profile;
	if (!name)
		return error_set(error, ERROR_INVALID, "the name of a profile is not a text");
	int found = query_find_number(connection, "SELECT id FROM profiles WHERE name = ?1",
				      VALUES(TEXT(name)), &profile, error);
	if (found == 0)
		error_set(error, ERROR_NOT_FOUND, "Profile not found: \"%s\"", name);
	if (found <= 0)
		return -1;
	int64_t other;
	found = query_find_number(connection,
				  "SELECT position FROM instances_profiles"
				  " WHERE instance_id = ?1 AND profile_id = ?2",
				  VALUES(NUMBER(id), NUMBER(profile)), &other, error);
	if (found > 0)
		return error_set(error, ERROR_INVALID, "profile \"%s\" is listed twice", name);
	if (found < 0)
		return -1;
	return query_run(connection,
			 "INSERT INTO instances_profiles (instance_id, position, profile_id)"
			 " VALUES (?1, ?2, ?3)",
			 VALUES(NUMBER(id), NUMBER(position), NUMBER(profile)), error);
}

static int store_profiles(struct connection *connection, int64_t id, const json_t *profiles,
			  struct error **error)
{
	if (profiles && !json_is_array(profiles))
		return error_set(error, ERROR_INVALID, "the profiles are not a list");
	if (query_run(connection, "DELETE FROM instances_profiles WHERE instance_id = ?1",
		      VALUES(NUMBER(id)), error) < 0)
		return -1;
	for (size_t i = 0; i < json_array_size(profiles); i++)
		if (store_profile(connection, id, i, json_string_value(json_array_get(profiles, i)),
				  error) < 0)
			return -1;
	return 0;
}

static int store_maps(struct connection *connection, const struct instance_row *row,
		      struct error **error)
{
	static const char delete_config[] = "DELETE FROM instances_config WHERE instance_id = ?1";
	static const char insert_config[] =
		"INSERT INTO instances_config (instance_id, key, value) VALUES (?1, ?2, ?3)";
	static const char delete_devices[] = "DELETE FROM instances_devices WHERE instance_id = ?1";
	static const char insert_devices[] =
		"INSERT INTO instances_devices (instance_id, device, key, value)"
		" VALUES (?1, ?2, ?3, ?4)";
	if (map_store(connection, delete_config, insert_config, row->id, row->config, error) < 0 ||
	    device_map_store(connection, delete_devices, insert_devices, row->id, row->devices,
			     error) < 0)
		return -1;
	return store_profiles(connection, row->id, row->profiles, error);
}

/* Fills pool and pool_id, whichever is missing. */
static int resolve_pool(struct connection *connection, struct instance_row *row,
			struct error **error)
{
	static const char sql[] = "SELECT id, name FROM storage_pools WHERE (?1 <> 0 AND id = ?1)"
				  " OR (?1 = 0 AND name = ?2)";
	cleanup_query struct query query = {0};
	if (query_start(&query, connection, sql, VALUES(NUMBER(row->pool_id), TEXT(row->pool)),
			error) < 0)
		return -1;
	int found = query_next(&query, error);
	if (found < 0)
		return -1;
	if (found == 0)
		return error_set(error, ERROR_NOT_FOUND, "Storage pool not found: \"%s\"",
				 UNLESS_EMPTY(row->pool));
	row->pool_id = query_number(&query, 0);
	free(row->pool);
	row->pool = query_text(&query, 1);
	return 0;
}

static int insert_row(struct connection *connection, struct instance_row *row, struct error **error)
{
	static const char sql[] =
		"INSERT INTO instances (uuid, name, description, architecture, ephemeral,"
		" created_at, last_used_at, image, pool_id, last_power)"
		" VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
	if (row->created_at == 0)
		row->created_at = db_now();
	if (query_run(connection, sql,
		      VALUES(TEXT(row->uuid), TEXT(row->name), TEXT(UNLESS_EMPTY(row->description)),
			     TEXT(row->architecture), NUMBER(row->ephemeral),
			     NUMBER(row->created_at), NUMBER(row->last_used_at), TEXT(row->image),
			     NUMBER(row->pool_id), TEXT(instance_power_to_string(row->last_power))),
		      error) < 0)
		return -1;
	row->id = connection_last_id(connection);
	return 0;
}

static int set_layer(struct connection *connection, int64_t id, int64_t layer_id,
		     struct error **error)
{
	return change_row(connection, "UPDATE instances SET layer_id = ?2 WHERE id = ?1",
			  VALUES(NUMBER(id), NUMBER(layer_id)), error);
}

static int create_layer(struct connection *connection, struct instance_row *row,
			struct error **error)
{
	cleanup_free char *directory = memory_printf("instances/%s", row->uuid);
	struct layer_row layer = {
		.pool = row->pool,
		.directory = directory,
		.parent_id = row->parent_layer,
		.image = row->parent_layer || row->flat_layer ? NULL : row->image,
		.id_base = row->flat_layer ? 0 : row->id_base,
		.flat = row->flat_layer,
	};
	if (layer_create(connection, &layer, error) < 0)
		return -1;
	row->layer_id = layer.id;
	return set_layer(connection, row->id, layer.id, error);
}

static int create(struct connection *connection, struct instance_row *row,
		  const struct id_pool *ids, struct error **error)
{
	if (row->id_count == 0)
		row->id_count = DEFAULT_ID_COUNT;
	if (check_name_free(connection, row->name, error) < 0 ||
	    resolve_pool(connection, row, error) < 0 || insert_row(connection, row, error) < 0 ||
	    id_range_take(connection, row->id, ids, row->id_count, &row->id_base, error) < 0 ||
	    create_layer(connection, row, error) < 0)
		return -1;
	return store_maps(connection, row, error);
}

int db_instance_create(struct db *db, struct instance_row *row, const struct id_pool *ids,
		       struct error **error)
{
	if (db_begin(db, DB_DURABLE, error) < 0)
		return -1;
	return db_end(db, create(&db->writer, row, ids, error), error);
}

static int check_uuid_free(struct connection *connection, const char *uuid, struct error **error)
{
	int64_t id;
	int found = query_find_number(connection, "SELECT id FROM instances WHERE uuid = ?1",
				      VALUES(TEXT(uuid)), &id, error);
	return found > 0 ? error_set(error, ERROR_EXISTS, "it is there already, by another name")
			 : found;
}

static int recover(struct connection *connection, struct instance_row *row,
		   const struct id_pool *ids, bool *moved, struct error **error)
{
	if (check_name_free(connection, row->name, error) < 0 ||
	    check_uuid_free(connection, row->uuid, error) < 0 ||
	    resolve_pool(connection, row, error) < 0 || insert_row(connection, row, error) < 0)
		return -1;
	int claimed = id_range_claim(connection, row->id, ids, row->id_base, row->id_count, error);
	*moved = claimed == 0;
	if (claimed < 0 ||
	    (*moved &&
	     id_range_take(connection, row->id, ids, row->id_count, &row->id_base, error) < 0) ||
	    set_layer(connection, row->id, row->layer_id, error) < 0)
		return -1;
	return store_maps(connection, row, error);
}

int db_instance_recover(struct db *db, struct instance_row *row, const struct id_pool *ids,
			bool *moved, struct error **error)
{
	if (db_begin(db, DB_DURABLE, error) < 0)
		return -1;
	return db_end(db, recover(&db->writer, row, ids, moved, error), error);
}

static int update(struct connection *connection, const struct instance_row *row,
		  struct error **error)
{
	if (change_row(connection,
		       "UPDATE instances SET description = ?2, ephemeral = ?3 WHERE id = ?1",
		       VALUES(NUMBER(row->id), TEXT(UNLESS_EMPTY(row->description)),
			      NUMBER(row->ephemeral)),
		       error) < 0)
		return -1;
	return store_maps(connection, row, error);
}

int db_instance_update(struct db *db, const struct instance_row *row, struct error **error)
{
	if (db_begin(db, DB_DURABLE, error) < 0)
		return -1;
	return db_end(db, update(&db->writer, row, error), error);
}

static int rename_row(struct connection *connection, int64_t id, const char *name,
		      struct error **error)
{
	if (check_name_free(connection, name, error) < 0)
		return -1;
	return change_row(connection, "UPDATE instances SET name = ?2 WHERE id = ?1",
			  VALUES(NUMBER(id), TEXT(name)), error);
}

int db_instance_rename(struct db *db, int64_t id, const char *name, struct error **error)
{
	if (db_begin(db, DB_DURABLE, error) < 0)
		return -1;
	return db_end(db, rename_row(&db->writer, id, name, error), error);
}

static int delete_row(struct connection *connection, int64_t id, struct error **error)
{
	if (id_range_give(connection, id, error) < 0 ||
	    change_row(connection, "DELETE FROM instances WHERE id = ?1", VALUES(NUMBER(id)),
		       error) < 0)
		return -1;
	return layers_bury(connection, error);
}

int db_instance_delete(struct db *db, int64_t id, struct error **error)
{
	if (db_begin(db, DB_DURABLE, error) < 0)
		return -1;
	return db_end(db, delete_row(&db->writer, id, error), error);
}

int db_instance_set_layer(struct db *db, int64_t id, int64_t layer_id, struct error **error)
{
	if (db_begin(db, DB_DURABLE, error) < 0)
		return -1;
	int result = set_layer(&db->writer, id, layer_id, error);
	if (result == 0)
		result = layers_bury(&db->writer, error);
	return db_end(db, result, error);
}

int db_instance_layer(struct db *db, int64_t id, int64_t *layer_id, struct error **error)
{
	cleanup_reader struct reader reader = {0};
	*layer_id = 0;
	if (reader_open(db, &reader, error) < 0)
		return -1;
	return query_find_number(reader.connection, "SELECT layer_id FROM instances WHERE id = ?1",
				 VALUES(NUMBER(id)), layer_id, error) < 0
		       ? -1
		       : 0;
}

/* Nothing is buried before all are named. */
static int move(struct connection *connection, int64_t id, const char *pool, int64_t layer_id,
		const struct snapshot_layer *snapshots, size_t count, struct error **error)
{
	static const char change_pool[] =
		"UPDATE instances SET layer_id = ?3,"
		" pool_id = (SELECT id FROM storage_pools WHERE name = ?2) WHERE id = ?1";
	static const char change_layer[] =
		"UPDATE instances_snapshots SET layer_id = ?2 WHERE id = ?1";
	if (change_row(connection, change_pool, VALUES(NUMBER(id), TEXT(pool), NUMBER(layer_id)),
		       error) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		if (change_row(
			    connection, change_layer,
			    VALUES(NUMBER(snapshots[i].snapshot_id), NUMBER(snapshots[i].layer_id)),
			    error) < 0)
			return -1;
	return layers_bury(connection, error);
}

int db_instance_move(struct db *db, int64_t id, const char *pool, int64_t layer_id,
		     const struct snapshot_layer *snapshots, size_t count, struct error **error)
{
	if (db_begin(db, DB_DURABLE, error) < 0)
		return -1;
	return db_end(db, move(&db->writer, id, pool, layer_id, snapshots, count, error), error);
}

int db_instance_touch(struct db *db, int64_t id, int64_t last_used_at, struct error **error)
{
	if (db_begin(db, DB_VOLATILE, error) < 0)
		return -1;
	return db_end(db,
		      change_row(&db->writer,
				 "UPDATE instances SET last_used_at = ?2 WHERE id = ?1",
				 VALUES(NUMBER(id), NUMBER(last_used_at)), error),
		      error);
}

int db_instance_set_power(struct db *db, int64_t id, enum instance_power power,
			  struct error **error)
{
	if (db_begin(db, DB_VOLATILE, error) < 0)
		return -1;
	return db_end(db,
		      change_row(&db->writer, "UPDATE instances SET last_power = ?2 WHERE id = ?1",
				 VALUES(NUMBER(id), TEXT(instance_power_to_string(power))), error),
		      error);
}

static int set_key(struct connection *connection, int64_t id, const char *key, const char *value,
		   struct error **error)
{
	static const char set[] =
		"INSERT INTO instances_config (instance_id, key, value)"
		" SELECT id, ?2, ?3 FROM instances WHERE id = ?1"
		" ON CONFLICT (instance_id, key) DO UPDATE SET value = excluded.value";
	static const char unset[] =
		"DELETE FROM instances_config WHERE instance_id = ?1 AND key = ?2";
	if (!value)
		return query_run(connection, unset, VALUES(NUMBER(id), TEXT(key)), error);
	return change_row(connection, set, VALUES(NUMBER(id), TEXT(key), TEXT(value)), error);
}

int db_instance_set_key(struct db *db, int64_t id, const char *key, const char *value,
			enum db_durability durability, struct error **error)
{
	if (db_begin(db, durability, error) < 0)
		return -1;
	return db_end(db, set_key(&db->writer, id, key, value, error), error);
}
