/* Maps and lists that belong to a row (internal.h). */
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "db/internal.h"
#include "strbuf.h"

static int compare_owners(const void *left, const void *right)
{
	int64_t a = ((const struct map_owner *)left)->id;
	int64_t b = ((const struct map_owner *)right)->id;
	return (a > b) - (a < b);
}

static void add_device_key(json_t *devices, const struct query *query)
{
	json_t *device = json_object_get(devices, query_peek(query, 1));
	if (!device) {
		device = json_object();
		json_object_set_new(devices, query_peek(query, 1), device);
	}
	/* A device without keys is kept as one empty key. */
	if (*query_peek(query, 2))
		json_object_set_new(device, query_peek(query, 2),
				    json_string(query_peek(query, 3)));
}

static void add_row(json_t *map, const struct query *query)
{
	switch (sqlite3_column_count(query->statement)) {
	case 2:
		json_array_append_new(map, json_string(query_peek(query, 1)));
		break;
	case 3:
		json_object_set_new(map, query_peek(query, 1), json_string(query_peek(query, 2)));
		break;
	default:
		add_device_key(map, query);
	}
}

int maps_load(struct connection *connection, const char *sql, const struct value *values,
	      size_t value_count, struct map_owner *owners, size_t count, struct error **error)
{
	cleanup_query struct query query = {0};
	if (query_start(&query, connection, sql, values, value_count, error) < 0)
		return -1;
	if (count > 1)
		qsort(owners, count, sizeof(*owners), compare_owners);
	const struct map_owner *owner = NULL;
	int result;
	while ((result = query_next(&query, error)) > 0) {
		struct map_owner key = {.id = query_number(&query, 0)};
		/* Rows of one owner follow each other. */
		if (!owner || owner->id != key.id)
			owner = count ? bsearch(&key, owners, count, sizeof(*owners),
						compare_owners)
				      : NULL;
		if (owner)
			add_row(owner->map, &query);
	}
	return result;
}

static int insert_pair(struct connection *connection, const char *insert, int64_t id,
		       const char *device, const char *key, const json_t *value,
		       struct error **error)
{
	if (!json_is_string(value))
		return error_set(error, ERROR_INVALID, "the value of \"%s\" is not a text", key);
	if (device)
		return query_run(
			connection, insert,
			VALUES(NUMBER(id), TEXT(device), TEXT(key), TEXT(json_string_value(value))),
			error);
	return query_run(connection, insert,
			 VALUES(NUMBER(id), TEXT(key), TEXT(json_string_value(value))), error);
}

static int insert_pairs(struct connection *connection, const char *insert, int64_t id,
			const char *device, const json_t *map, struct error **error)
{
	const char *key;
	json_t *value;
	json_object_foreach ((json_t *)map, key, value)
		if (insert_pair(connection, insert, id, device, key, value, error) < 0)
			return -1;
	return 0;
}

int map_store(struct connection *connection, const char *delete, const char *insert, int64_t id,
	      const json_t *map, struct error **error)
{
	if (map && !json_is_object(map))
		return error_set(error, ERROR_INVALID, "a configuration is not an object");
	if (query_run(connection, delete, VALUES(NUMBER(id)), error) < 0)
		return -1;
	return insert_pairs(connection, insert, id, NULL, map, error);
}

static int insert_device(struct connection *connection, const char *insert, int64_t id,
			 const char *name, const json_t *device, struct error **error)
{
	if (!json_is_object(device))
		return error_set(error, ERROR_INVALID, "device \"%s\" is not an object", name);
	if (json_object_size(device) == 0)
		return query_run(connection, insert,
				 VALUES(NUMBER(id), TEXT(name), TEXT(""), TEXT("")), error);
	return insert_pairs(connection, insert, id, name, device, error);
}

int device_map_store(struct connection *connection, const char *delete, const char *insert,
		     int64_t id, const json_t *devices, struct error **error)
{
	if (devices && !json_is_object(devices))
		return error_set(error, ERROR_INVALID, "the devices are not an object");
	if (query_run(connection, delete, VALUES(NUMBER(id)), error) < 0)
		return -1;
	const char *name;
	json_t *device;
	json_object_foreach ((json_t *)devices, name, device)
		if (insert_device(connection, insert, id, name, device, error) < 0)
			return -1;
	return 0;
}

char *names_join(const json_t *names)
{
	enum { SHOWN = 5 };
	size_t count = json_array_size(names);
	cleanup_strbuf struct strbuf text = {0};
	for (size_t i = 0; i < count && i < SHOWN; i++) {
		if (i > 0)
			strbuf_append(&text, i + 1 == count ? " and " : ", ");
		strbuf_printf(&text, "\"%s\"", json_string_value(json_array_get(names, i)));
	}
	if (count > SHOWN)
		strbuf_printf(&text, " and %zu more", count - SHOWN);
	return strbuf_steal(&text);
}

int64_t connection_last_id(const struct connection *connection)
{
	return sqlite3_last_insert_rowid(connection->handle);
}

bool connection_changed_a_row(const struct connection *connection)
{
	return sqlite3_changes(connection->handle) > 0;
}
