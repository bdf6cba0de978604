/* Configuration of the server, and the rows that a new database begins with. */
#include "cleanup.h"
#include "db/internal.h"
#include "db/objects.h"
#include "db/profiles.h"
#include "memory.h"

json_t *db_server_config_get_all(struct db *db, struct error **error)
{
	cleanup_reader struct reader reader = {0};
	if (reader_open(db, &reader, error) < 0)
		return NULL;
	json_t *config = json_object();
	struct map_owner owner = {0, config};
	if (maps_load(reader.connection, "SELECT 0, key, value FROM server_config", NO_VALUES,
		      &owner, 1, error) == 0)
		return config;
	json_decref(config);
	return NULL;
}

char *db_server_config_get(struct db *db, const char *key, struct error **error)
{
	cleanup_reader struct reader reader = {0};
	cleanup_query struct query query = {0};
	if (reader_open(db, &reader, error) < 0 ||
	    query_start(&query, reader.connection, "SELECT value FROM server_config WHERE key = ?1",
			VALUES(TEXT(key)), error) < 0)
		return NULL;
	return query_next(&query, error) > 0 ? query_text(&query, 0) : NULL;
}

static int set_key(struct connection *connection, const char *key, const char *value,
		   struct error **error)
{
	if (!value)
		return query_run(connection, "DELETE FROM server_config WHERE key = ?1",
				 VALUES(TEXT(key)), error);
	return query_run(connection, "INSERT OR REPLACE INTO server_config VALUES (?1, ?2)",
			 VALUES(TEXT(key), TEXT(value)), error);
}

int db_server_config_set(struct db *db, const char *key, const char *value, struct error **error)
{
	if (db_begin(db, DB_DURABLE, error) < 0)
		return -1;
	return db_end(db, set_key(&db->writer, key, value, error), error);
}

static int replace(struct connection *connection, const json_t *config, struct error **error)
{
	const char *key;
	json_t *value;
	if (query_run(connection, "DELETE FROM server_config", NO_VALUES, error) < 0)
		return -1;
	json_object_foreach ((json_t *)config, key, value) {
		if (!json_is_string(value))
			return error_set(error, ERROR_INVALID, "the value of \"%s\" is not a text",
					 key);
		if (set_key(connection, key, json_string_value(value), error) < 0)
			return -1;
	}
	return 0;
}

int db_server_config_replace(struct db *db, const json_t *config, struct error **error)
{
	if (db_begin(db, DB_DURABLE, error) < 0)
		return -1;
	return db_end(db, replace(&db->writer, config, error), error);
}

static int seed_rows(struct db *db, struct error **error)
{
	cleanup_object_row struct object_row pool = {
		.name = memory_strdup("default"),
		.kind = memory_strdup("overlay"),
	};
	cleanup_profile_row struct profile_row profile = {
		.name = memory_strdup("default"),
		.description = memory_strdup("Default profile"),
		.devices = json_pack("{s:{s:s, s:s, s:s}}", "root", "type", "disk", "path", "/",
				     "pool", "default"),
	};
	if (db_object_create(db, &db_pools, &pool, error) < 0 ||
	    db_profile_create(db, &profile, error) < 0)
		return -1;
	return query_run(&db->writer, "INSERT INTO meta (key, value) VALUES ('seeded', '1')",
			 NO_VALUES, error);
}

int db_seed(struct db *db, struct error **error)
{
	int64_t seeded;
	if (db_begin(db, DB_DURABLE, error) < 0)
		return -1;
	int found = query_find_number(&db->writer, "SELECT 1 FROM meta WHERE key = 'seeded'",
				      NO_VALUES, &seeded, error);
	if (found == 0)
		found = seed_rows(db, error);
	return db_end(db, found < 0 ? -1 : 0, error);
}

int db_mark_set(struct db *db, const char *mark, struct error **error)
{
	if (db_begin(db, DB_DURABLE, error) < 0)
		return -1;
	return db_end(db,
		      query_run(&db->writer,
				"INSERT OR IGNORE INTO meta (key, value) VALUES (?1, '1')",
				VALUES(TEXT(mark)), error),
		      error);
}

bool db_mark_is_set(struct db *db, const char *mark)
{
	int64_t value;
	cleanup_reader struct reader reader = {0};
	return reader_open(db, &reader, NULL) == 0 &&
	       query_find_number(reader.connection, "SELECT 1 FROM meta WHERE key = ?1",
				 VALUES(TEXT(mark)), &value, NULL) > 0;
}
