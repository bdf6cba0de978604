/*
 * Reading instances. A list costs four queries whatever its length: the rows,
 * then all configuration, devices and profiles, each in the order of instances.
 */
#include "db/instances.h"

#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "db/internal.h"
#include "memory.h"

#define SELECT_INSTANCES                                                                           \
	"SELECT i.id, i.uuid, i.name, i.description, i.architecture, i.ephemeral, i.created_at,"   \
	" i.last_used_at, i.image, i.pool_id, p.name, r.base, r.count, i.last_power, i.layer_id"   \
	" FROM instances i JOIN storage_pools p ON p.id = i.pool_id"                               \
	" LEFT JOIN id_ranges r ON r.instance_id = i.id"
#define SELECT_CONFIG  "SELECT instance_id, key, value FROM instances_config"
#define SELECT_DEVICES "SELECT instance_id, device, key, value FROM instances_devices"
#define SELECT_PROFILES                                                                            \
	"SELECT ip.instance_id, p.name FROM instances_profiles ip"                                 \
	" JOIN profiles p ON p.id = ip.profile_id"
#define OF_ONE " WHERE instance_id = ?1"

static const char *const power_names[INSTANCE_POWER_COUNT] = {
	[INSTANCE_POWER_STOPPED] = "STOPPED",
	[INSTANCE_POWER_RUNNING] = "RUNNING",
};

const char *instance_power_to_string(enum instance_power power)
{
	return power < INSTANCE_POWER_COUNT ? power_names[power] : NULL;
}

int instance_power_from_string(const char *name)
{
	for (int i = 0; name && i < INSTANCE_POWER_COUNT; i++)
		if (strcmp(power_names[i], name) == 0)
			return i;
	return -1;
}

void instance_row_clear(struct instance_row *row)
{
	free(row->uuid);
	free(row->name);
	free(row->description);
	free(row->architecture);
	free(row->image);
	free(row->pool);
	json_decref(row->config);
	json_decref(row->devices);
	json_decref(row->profiles);
	*row = (struct instance_row){0};
}

void instance_list_clear(struct instance_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		instance_row_clear(&list->rows[i]);
	free(list->rows);
	*list = (struct instance_list){0};
}

static void read_row(const struct query *query, struct instance_row *row)
{
	int power = instance_power_from_string(query_peek(query, 13));
	*row = (struct instance_row){
		.id = query_number(query, 0),
		.uuid = query_text(query, 1),
		.name = query_text(query, 2),
		.description = query_text(query, 3),
		.architecture = query_text(query, 4),
		.ephemeral = query_number(query, 5) != 0,
		.created_at = query_number(query, 6),
		.last_used_at = query_number(query, 7),
		.image = query_text(query, 8),
		.pool_id = query_number(query, 9),
		.pool = query_text(query, 10),
		.id_base = (uint32_t)query_number(query, 11),
		.id_count = (uint32_t)query_number(query, 12),
		.layer_id = query_number(query, 14),
		.last_power = power < 0 ? INSTANCE_POWER_STOPPED : (enum instance_power)power,
		.config = json_object(),
		.devices = json_object(),
		.profiles = json_array(),
	};
}

/* Fills config, devices and profiles of rows by three queries, each with @values. */
static int load_maps(struct connection *connection, const char *const sql[3],
		     const struct value *values, size_t value_count, struct instance_row *rows,
		     size_t count, struct error **error)
{
	cleanup_free struct map_owner *owners = memory_alloc(count * sizeof(*owners));
	for (int which = 0; which < 3; which++) {
		for (size_t i = 0; i < count; i++) {
			json_t *maps[] = {rows[i].config, rows[i].devices, rows[i].profiles};
			owners[i] = (struct map_owner){rows[i].id, maps[which]};
		}
		if (maps_load(connection, sql[which], values, value_count, owners, count, error) <
		    0)
			return -1;
	}
	return 0;
}

static int load_one_maps(struct connection *connection, struct instance_row *row,
			 struct error **error)
{
	static const char *const sql[3] = {
		SELECT_CONFIG OF_ONE,
		SELECT_DEVICES OF_ONE,
		SELECT_PROFILES OF_ONE " ORDER BY ip.position",
	};
	return load_maps(connection, sql, VALUES(NUMBER(row->id)), row, 1, error);
}

/* 1 when found. */
static int read_one(struct connection *connection, const char *sql, const struct value *value,
		    struct instance_row *row, struct error **error)
{
	cleanup_query struct query query = {0};
	if (query_start(&query, connection, sql, value, 1, error) < 0)
		return -1;
	int result = query_next(&query, error);
	if (result > 0)
		read_row(&query, row);
	return result;
}

static int get(struct db *db, const char *sql, const struct value *value, struct instance_row *row,
	       struct error **error)
{
	*row = (struct instance_row){0};
	cleanup_reader struct reader reader = {0};
	if (reader_open(db, &reader, error) < 0)
		return -1;
	int found = read_one(reader.connection, sql, value, row, error);
	if (found <= 0)
		return found;
	if (load_one_maps(reader.connection, row, error) == 0)
		return 1;
	instance_row_clear(row);
	return -1;
}

int db_instance_get(struct db *db, const char *name, struct instance_row *row, struct error **error)
{
	static const char sql[] = SELECT_INSTANCES " WHERE i.name = ?1";
	int found = get(db, sql, &(struct value)TEXT(name), row, error);
	if (found == 0)
		return error_set(error, ERROR_NOT_FOUND, "Instance not found: \"%s\"", name);
	return found < 0 ? -1 : 0;
}

int db_instance_get_by_id(struct db *db, int64_t id, struct instance_row *row, struct error **error)
{
	static const char sql[] = SELECT_INSTANCES " WHERE i.id = ?1";
	int found = get(db, sql, &(struct value)NUMBER(id), row, error);
	if (found == 0)
		return error_set(error, ERROR_NOT_FOUND,
				 "Instance not found: it was deleted meanwhile");
	return found < 0 ? -1 : 0;
}

static int read_rows(struct connection *connection, struct instance_list *list,
		     struct error **error)
{
	cleanup_query struct query query = {0};
	if (query_start(&query, connection, SELECT_INSTANCES " ORDER BY i.name", NO_VALUES, error) <
	    0)
		return -1;
	size_t size = 0;
	int result;
	while ((result = query_next(&query, error)) > 0) {
		if (list->count == size) {
			size = size ? size * 2 : 16;
			list->rows = memory_realloc(list->rows, size * sizeof(*list->rows));
		}
		read_row(&query, &list->rows[list->count++]);
	}
	return result;
}

int db_instance_list(struct db *db, struct instance_list *list, struct error **error)
{
	static const char *const sql[3] = {
		SELECT_CONFIG " ORDER BY instance_id",
		SELECT_DEVICES " ORDER BY instance_id",
		SELECT_PROFILES " ORDER BY ip.instance_id, ip.position",
	};
	*list = (struct instance_list){0};
	cleanup_reader struct reader reader = {0};
	if (reader_open(db, &reader, error) < 0)
		return -1;
	if (read_rows(reader.connection, list, error) == 0 &&
	    load_maps(reader.connection, sql, NO_VALUES, list->rows, list->count, error) == 0)
		return 0;
	instance_list_clear(list);
	return -1;
}
