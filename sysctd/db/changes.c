/* See changes.h. */
#include "db/changes.h"

#include <stdlib.h>
#include <uuid/uuid.h>

#include "cleanup.h"
#include "db/internal.h"
#include "memory.h"

void change_list_clear(struct change_list *list)
{
	free(list->rows);
	*list = (struct change_list){0};
}

static void add(struct change_list *list, struct change change)
{
	for (size_t i = list->count; i > 0; i--)
		if (list->rows[i - 1].kind == change.kind && list->rows[i - 1].id == change.id)
			return;
	list->rows = memory_realloc(list->rows, (list->count + 1) * sizeof(*list->rows));
	list->rows[list->count++] = change;
}

/* ---- noticing ---- */

/* A table whose rows belong to something: the column that says to what, and of its own row what matters. */
struct watched {
	const char *table;
	enum change_kind kind;
	const char *owner;
	const char *columns; /* NULL: all */
};

static const struct watched watched[] = {
	{"instances", CHANGE_INSTANCE, "id",
	 "uuid, name, description, architecture, ephemeral, image, pool_id, layer_id"},
	{"instances_config", CHANGE_INSTANCE, "instance_id", NULL},
	{"instances_devices", CHANGE_INSTANCE, "instance_id", NULL},
	{"instances_profiles", CHANGE_INSTANCE, "instance_id", NULL},
	{"instances_snapshots", CHANGE_INSTANCE, "instance_id", NULL},
	{"storage_volumes", CHANGE_VOLUME, "id", NULL},
	{"storage_volumes_config", CHANGE_VOLUME, "volume_id", NULL},
	{"storage_volumes_snapshots", CHANGE_VOLUME, "volume_id", NULL},
	{"images", CHANGE_IMAGE, "id",
	 "fingerprint, filename, architecture, type, size, public, auto_update, cached, "
	 "expires_at"},
	{"images_properties", CHANGE_IMAGE, "image_id", NULL},
	{"images_aliases", CHANGE_IMAGE, "image_id", NULL},
	{"storage_pools", CHANGE_POOL, "id", NULL},
	{"storage_pools_config", CHANGE_POOL, "pool_id", NULL},
	{"storage_layers", CHANGE_LAYER, "id", "directory, parent_id, id_base, image, flat"},
};

/* Profiles are told with the instances that use them. */
static const struct {
	const char *table, *profile;
} profiles[] = {
	{"profiles", "id"},
	{"profiles_config", "profile_id"},
	{"profiles_devices", "profile_id"},
};

/* sysct_changed(KIND, ID): the triggers run in the transaction of who holds the writer. */
static void note(sqlite3_context *context, int count, sqlite3_value **values)
{
	struct db *db = sqlite3_user_data(context);
	(void)count;
	add(&db->changes.noted, (struct change){(enum change_kind)sqlite3_value_int(values[0]),
						sqlite3_value_int64(values[1])});
	sqlite3_result_null(context);
}

static int make_trigger(struct connection *connection, const char *table, const char *event,
			const char *columns, const char *statement, struct error **error)
{
	cleanup_free char *sql =
		memory_printf("CREATE TEMP TRIGGER changed_%s_%s AFTER %s%s%s ON main.%s"
			      " BEGIN %s; END",
			      table, event, event, columns ? " OF " : "", columns ? columns : "",
			      table, statement);
	return connection_run_script(connection, sql, error);
}

static int watch_table(struct connection *connection, const struct watched *row,
		       struct error **error)
{
	static const struct {
		const char *event, *which;
	} events[] = {{"INSERT", "NEW"}, {"UPDATE", "NEW"}, {"DELETE", "OLD"}};
	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
		const char *event = events[i].event;
		cleanup_free char *statement = memory_printf(
			"SELECT sysct_changed(%d, %s.%s)", row->kind, events[i].which, row->owner);
		/* A new layer tells nothing before something names it, a dead one nothing any more. */
		if (row->kind == CHANGE_LAYER && *event != 'U')
			continue;
		if (make_trigger(connection, row->table, event, *event == 'U' ? row->columns : NULL,
				 statement, error) < 0)
			return -1;
	}
	return 0;
}

static int watch_profile(struct connection *connection, size_t index, struct error **error)
{
	static const char *const events[] = {"INSERT", "UPDATE", "DELETE"};
	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
		cleanup_free char *statement = memory_printf(
			"SELECT sysct_changed(%d, p.instance_id) FROM instances_profiles p"
			" WHERE p.profile_id = %s.%s",
			CHANGE_INSTANCE, *events[i] == 'D' ? "OLD" : "NEW",
			profiles[index].profile);
		if (make_trigger(connection, profiles[index].table, events[i], NULL, statement,
				 error) < 0)
			return -1;
	}
	return 0;
}

static int make_triggers(struct db *db, struct error **error)
{
	if (sqlite3_create_function(db->writer.handle, "sysct_changed", 2, SQLITE_UTF8, db, note,
				    NULL, NULL) != SQLITE_OK)
		return connection_fail(&db->writer, error);
	for (size_t i = 0; i < sizeof(watched) / sizeof(watched[0]); i++)
		if (watch_table(&db->writer, &watched[i], error) < 0)
			return -1;
	for (size_t i = 0; i < sizeof(profiles) / sizeof(profiles[0]); i++)
		if (watch_profile(&db->writer, i, error) < 0)
			return -1;
	return 0;
}

int db_changes_watch(struct db *db, void (*wake)(void *data), void *data, struct error **error)
{
	if (db_begin(db, DB_VOLATILE, error) < 0)
		return -1;
	int result = make_triggers(db, error);
	if (result == 0) {
		db->changes.wake = wake;
		db->changes.data = data;
	}
	return db_end(db, result, error);
}

/* ---- telling ---- */

void changes_publish(struct db *db)
{
	if (db->changes.noted.count == 0)
		return;
	pthread_mutex_lock(&db->changes.lock);
	for (size_t i = 0; i < db->changes.noted.count; i++)
		add(&db->changes.told, db->changes.noted.rows[i]);
	pthread_mutex_unlock(&db->changes.lock);
	change_list_clear(&db->changes.noted);
	db->changes.wake(db->changes.data);
}

void db_changes_take(struct db *db, struct change_list *list)
{
	pthread_mutex_lock(&db->changes.lock);
	*list = db->changes.told;
	db->changes.told = (struct change_list){0};
	pthread_mutex_unlock(&db->changes.lock);
}

void changes_clear(struct db *db)
{
	change_list_clear(&db->changes.noted);
	change_list_clear(&db->changes.told);
	pthread_mutex_destroy(&db->changes.lock);
}

/* ---- whose they are ---- */

static int find_identity(struct connection *connection, char **identity, struct error **error)
{
	cleanup_query struct query query = {0};
	if (query_start(&query, connection, "SELECT value FROM meta WHERE key = 'identity'",
			NO_VALUES, error) < 0)
		return -1;
	int found = query_next(&query, error);
	*identity = found > 0 ? query_text(&query, 0) : NULL;
	return found;
}

static int make_identity(struct connection *connection, char **identity, struct error **error)
{
	uuid_t uuid;
	int found = find_identity(connection, identity, error);
	if (found != 0)
		return found < 0 ? -1 : 0;
	*identity = memory_alloc(UUID_STR_LEN);
	uuid_generate(uuid);
	uuid_unparse_lower(uuid, *identity);
	return query_run(connection, "INSERT INTO meta (key, value) VALUES ('identity', ?1)",
			 VALUES(TEXT(*identity)), error);
}

char *db_identity(struct db *db, struct error **error)
{
	char *identity = NULL;
	if (db_begin(db, DB_DURABLE, error) < 0)
		return NULL;
	if (db_end(db, make_identity(&db->writer, &identity, error), error) == 0)
		return identity;
	free(identity);
	return NULL;
}
