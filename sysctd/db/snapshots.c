/* See snapshots.h. */
#include "db/snapshots.h"

#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "db/internal.h"
#include "db/layers_internal.h"
#include "memory.h"

#define SELECT_SNAPSHOTS                                                                           \
	"SELECT id, instance_id, name, description, created_at, layer_id, content, expires_at,"    \
	" (SELECT bytes FROM storage_layers l WHERE l.id = layer_id) FROM instances_snapshots"

void snapshot_row_clear(struct snapshot_row *row)
{
	free(row->name);
	free(row->description);
	free(row->architecture);
	json_decref(row->config);
	json_decref(row->devices);
	json_decref(row->profiles);
	*row = (struct snapshot_row){0};
}

void snapshot_list_clear(struct snapshot_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		snapshot_row_clear(&list->rows[i]);
	free(list->rows);
	*list = (struct snapshot_list){0};
}

static json_t *take_member(const json_t *content, const char *key, json_t *otherwise)
{
	json_t *value = json_object_get(content, key);
	if (!value)
		return otherwise;
	json_decref(otherwise);
	return json_incref(value);
}

/* Snapshots of an instance mostly have the same: what was read last. */
struct content {
	char *text;
	json_t *object;
};

static void read_content(struct content *last, const char *text, struct snapshot_row *row)
{
	if (!last->text || strcmp(last->text, text) != 0) {
		free(last->text);
		json_decref(last->object);
		*last = (struct content){memory_strdup(text), json_loads(text, 0, NULL)};
	}
	const json_t *content = last->object;
	const char *architecture = json_string_value(json_object_get(content, "architecture"));
	row->architecture = memory_strdup(architecture ? architecture : "");
	row->ephemeral = json_is_true(json_object_get(content, "ephemeral"));
	row->config = take_member(content, "config", json_object());
	row->devices = take_member(content, "devices", json_object());
	row->profiles = take_member(content, "profiles", json_array());
}

static void read_row(const struct query *query, struct content *last, struct snapshot_row *row)
{
	const char *text = query_peek(query, 6);
	*row = (struct snapshot_row){
		.id = query_number(query, 0),
		.instance_id = query_number(query, 1),
		.name = query_text(query, 2),
		.description = query_text(query, 3),
		.created_at = query_number(query, 4),
		.expires_at = query_number(query, 7),
		.layer_id = query_number(query, 5),
		.bytes = query_number(query, 8),
	};
	if (text)
		read_content(last, text, row);
}

static int read_rows(struct db *db, const char *sql, const struct value *values, size_t count,
		     struct snapshot_list *list, struct error **error)
{
	cleanup_reader struct reader reader = {0};
	*list = (struct snapshot_list){0};
	if (reader_open(db, &reader, error) < 0)
		return -1;
	cleanup_query struct query query = {0};
	if (query_start(&query, reader.connection, sql, values, count, error) < 0)
		return -1;
	struct content last = {0};
	int result;
	while ((result = query_next(&query, error)) > 0) {
		list->rows = memory_realloc(list->rows, (list->count + 1) * sizeof(*list->rows));
		read_row(&query, &last, &list->rows[list->count++]);
	}
	free(last.text);
	json_decref(last.object);
	if (result < 0)
		snapshot_list_clear(list);
	return result;
}

int db_snapshot_list(struct db *db, int64_t instance_id, struct snapshot_list *list,
		     struct error **error)
{
	static const char sql[] =
		SELECT_SNAPSHOTS " WHERE ?1 = 0 OR instance_id = ?1 ORDER BY instance_id, id";
	return read_rows(db, sql, VALUES(NUMBER(instance_id)), list, error);
}

int db_snapshot_list_names(struct db *db, struct snapshot_list *list, struct error **error)
{
	static const char sql[] = "SELECT id, instance_id, name, '', created_at, layer_id, NULL,"
				  " expires_at, -1 FROM instances_snapshots"
				  " ORDER BY instance_id, id";
	return read_rows(db, sql, NO_VALUES, list, error);
}

static int fail_not_found(const char *name, struct error **error)
{
	return error_set(error, ERROR_NOT_FOUND, "Snapshot not found: \"%s\"", name);
}

int db_snapshot_get(struct db *db, int64_t instance_id, const char *name, struct snapshot_row *row,
		    struct error **error)
{
	static const char sql[] = SELECT_SNAPSHOTS " WHERE instance_id = ?1 AND name = ?2";
	cleanup_snapshot_list struct snapshot_list list = {0};
	*row = (struct snapshot_row){0};
	if (read_rows(db, sql, VALUES(NUMBER(instance_id), TEXT(name)), &list, error) < 0)
		return -1;
	if (list.count == 0)
		return fail_not_found(name, error);
	*row = list.rows[0];
	list.rows[0] = (struct snapshot_row){0};
	return 0;
}

static int check_name_free(struct connection *connection, int64_t instance_id, const char *name,
			   struct error **error)
{
	static const char sql[] =
		"SELECT id FROM instances_snapshots WHERE instance_id = ?1 AND name = ?2";
	int64_t id;
	int found = query_find_number(connection, sql, VALUES(NUMBER(instance_id), TEXT(name)), &id,
				      error);
	if (found > 0)
		return error_set(error, ERROR_EXISTS, "Snapshot \"%s\" already exists", name);
	return found;
}

static int insert(struct connection *connection, struct snapshot_row *snapshot,
		  const struct instance_row *instance, struct error **error)
{
	static const char sql[] =
		"INSERT INTO instances_snapshots"
		" (instance_id, name, description, created_at, layer_id, content, expires_at)"
		" VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
	json_t *content =
		json_pack("{s:s, s:b, s:O*, s:O*, s:O*}", "architecture", instance->architecture,
			  "ephemeral", instance->ephemeral, "config", instance->config, "devices",
			  instance->devices, "profiles", instance->profiles);
	cleanup_free char *text = json_dumps(content, JSON_COMPACT);
	json_decref(content);
	if (check_name_free(connection, instance->id, snapshot->name, error) < 0 ||
	    query_run(connection, sql,
		      VALUES(NUMBER(instance->id), TEXT(snapshot->name),
			     TEXT(snapshot->description ? snapshot->description : ""),
			     NUMBER(snapshot->created_at), NUMBER(snapshot->layer_id), TEXT(text),
			     NUMBER(snapshot->expires_at)),
		      error) < 0)
		return -1;
	snapshot->id = connection_last_id(connection);
	snapshot->instance_id = instance->id;
	return 0;
}

int db_snapshot_create(struct db *db, struct snapshot_row *snapshot,
		       const struct instance_row *instance, struct error **error)
{
	if (db_begin(db, DB_DURABLE, error) < 0)
		return -1;
	return db_end(db, insert(&db->writer, snapshot, instance, error), error);
}

int db_snapshots_copy(struct db *db, int64_t from, int64_t to, struct error **error)
{
	static const char sql[] =
		"INSERT INTO instances_snapshots"
		" (instance_id, name, description, created_at, layer_id, content, expires_at)"
		" SELECT ?2, name, description, created_at, layer_id, content, expires_at"
		" FROM instances_snapshots WHERE instance_id = ?1 ORDER BY id";
	if (db_begin(db, DB_DURABLE, error) < 0)
		return -1;
	return db_end(db, query_run(&db->writer, sql, VALUES(NUMBER(from), NUMBER(to)), error),
		      error);
}

static int change(struct connection *connection, const char *sql, const struct value *values,
		  size_t count, struct error **error)
{
	if (query_run(connection, sql, values, count, error) < 0)
		return -1;
	return connection_changed_a_row(connection)
		       ? 0
		       : error_set(error, ERROR_NOT_FOUND,
				   "Snapshot not found: it was deleted meanwhile");
}

int db_snapshot_update(struct db *db, const struct snapshot_row *row, struct error **error)
{
	static const char sql[] =
		"UPDATE instances_snapshots SET description = ?2, expires_at = ?3 WHERE id = ?1";
	if (db_begin(db, DB_DURABLE, error) < 0)
		return -1;
	return db_end(
		db,
		change(&db->writer, sql,
		       VALUES(NUMBER(row->id), TEXT(row->description), NUMBER(row->expires_at)),
		       error),
		error);
}

int db_snapshot_any_schedule(struct db *db, bool *any, struct error **error)
{
	static const char sql[] =
		"SELECT 1 FROM instances_config WHERE key = 'snapshots.schedule' AND value <> ''"
		" UNION ALL SELECT 1 FROM profiles_config"
		" WHERE key = 'snapshots.schedule' AND value <> ''"
		" UNION ALL SELECT 1 FROM storage_volumes_config"
		" WHERE key = 'snapshots.schedule' AND value <> '' LIMIT 1";
	int64_t number;
	cleanup_reader struct reader reader = {0};
	if (reader_open(db, &reader, error) < 0)
		return -1;
	int found = query_find_number(reader.connection, sql, NO_VALUES, &number, error);
	*any = found > 0;
	return found < 0 ? -1 : 0;
}

int db_snapshot_next_expiry(struct db *db, int64_t after, int64_t *time, struct error **error)
{
	static const char sql[] = "SELECT expires_at FROM instances_snapshots WHERE expires_at > ?1"
				  " ORDER BY expires_at LIMIT 1";
	return db_next_time(db, sql, after, time, error);
}

int db_snapshot_rename(struct db *db, const struct snapshot_row *snapshot, const char *name,
		       struct error **error)
{
	static const char sql[] = "UPDATE instances_snapshots SET name = ?2 WHERE id = ?1";
	if (db_begin(db, DB_DURABLE, error) < 0)
		return -1;
	int result = check_name_free(&db->writer, snapshot->instance_id, name, error);
	if (result == 0)
		result = change(&db->writer, sql, VALUES(NUMBER(snapshot->id), TEXT(name)), error);
	return db_end(db, result, error);
}

int db_snapshot_delete(struct db *db, int64_t id, struct error **error)
{
	static const char sql[] = "DELETE FROM instances_snapshots WHERE id = ?1";
	if (db_begin(db, DB_DURABLE, error) < 0)
		return -1;
	int result = change(&db->writer, sql, VALUES(NUMBER(id)), error);
	if (result == 0)
		result = layers_bury(&db->writer, error);
	return db_end(db, result, error);
}
