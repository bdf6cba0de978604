/*
 * See query.h. Connections are opened without SQLite's own mutexes, since each
 * is used by one thread at a time. Parsing SQL costs more than running most of
 * our statements, so each is prepared once per connection and found again by
 * the address of its text.
 */
#include "db/query.h"

#include <string.h>

#include "cleanup.h"
#include "memory.h"

enum { BUSY_TIMEOUT_MS = 5000 };

int connection_open(struct connection *connection, const char *path, int flags,
		    struct error **error)
{
	memset(connection, 0, sizeof(*connection));
	connection->path = memory_strdup(path);
	int result = sqlite3_open_v2(path, &connection->handle,
				     flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
	if (result != SQLITE_OK) {
		connection_fail(connection, error);
		connection_close(connection);
		return -1;
	}
	sqlite3_busy_timeout(connection->handle, BUSY_TIMEOUT_MS);
	sqlite3_db_config(connection->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(connection->handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	return 0;
}

void connection_close(struct connection *connection)
{
	for (size_t i = 0; i < CONNECTION_CACHE_SIZE; i++)
		sqlite3_finalize(connection->cache[i].statement);
	sqlite3_close(connection->handle);
	free(connection->path);
	memset(connection, 0, sizeof(*connection));
}

bool connection_in_transaction(const struct connection *connection)
{
	return !sqlite3_get_autocommit(connection->handle);
}

int connection_fail(struct connection *connection, struct error **error)
{
	const char *path = connection->path;
	int code = connection->handle ? sqlite3_errcode(connection->handle) : SQLITE_NOMEM;
	const char *text = connection->handle ? sqlite3_errmsg(connection->handle) : "no memory";
	switch (code & 0xff) {
	case SQLITE_FULL:
		return error_set(error, ERROR_NO_SPACE, "no space left for the database %s", path);
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return error_set(error, ERROR_BUSY,
				 "the database %s is in use by another program: close that first",
				 path);
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return error_set(
			error, ERROR_INTERNAL,
			"the database %s is damaged (%s): stop sysctd and restore a backup "
			"of it",
			path, text);
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN:
	case SQLITE_READONLY:
	case SQLITE_PERM:
		if (sqlite3_system_errno(connection->handle))
			return error_errno(error, sqlite3_system_errno(connection->handle),
					   "the database %s: %s", path, text);
		/* fall through */
	default:
		return error_set(error, ERROR_INTERNAL, "the database %s: %s", path, text);
	}
}

int connection_run_script(struct connection *connection, const char *sql, struct error **error)
{
	if (sqlite3_exec(connection->handle, sql, NULL, NULL, NULL) != SQLITE_OK)
		return connection_fail(connection, error);
	return 0;
}

static struct cached_statement *cache_slot(struct connection *connection, const char *sql)
{
	size_t hash = ((uintptr_t)sql >> 3) * 0x9e3779b1u;
	for (size_t i = 0; i < CONNECTION_CACHE_SIZE; i++) {
		struct cached_statement *slot =
			&connection->cache[(hash + i) % CONNECTION_CACHE_SIZE];
		if (slot->sql == sql || !slot->sql)
			return slot;
	}
	return NULL;
}

static sqlite3_stmt *prepare(struct connection *connection, const char *sql, struct error **error)
{
	struct cached_statement *slot = cache_slot(connection, sql);
	if (!slot) {
		error_set(error, ERROR_INTERNAL, "the cache of statements is too small");
		return NULL;
	}
	if (!slot->sql) {
		if (sqlite3_prepare_v3(connection->handle, sql, -1, SQLITE_PREPARE_PERSISTENT,
				       &slot->statement, NULL) != SQLITE_OK) {
			connection_fail(connection, error);
			return NULL;
		}
		slot->sql = sql;
	}
	if (sqlite3_stmt_busy(slot->statement)) {
		error_set(error, ERROR_INTERNAL, "a statement is used inside itself: %s", sql);
		return NULL;
	}
	return slot->statement;
}

static int bind_value(sqlite3_stmt *statement, int index, const struct value *value)
{
	if (value->is_number)
		return sqlite3_bind_int64(statement, index, value->number);
	return sqlite3_bind_text(statement, index, value->text, -1, SQLITE_STATIC);
}

int query_start(struct query *query, struct connection *connection, const char *sql,
		const struct value *values, size_t count, struct error **error)
{
	query->connection = connection;
	query->statement = prepare(connection, sql, error);
	if (!query->statement)
		return -1;
	for (size_t i = 0; i < count; i++)
		if (bind_value(query->statement, (int)i + 1, &values[i]) != SQLITE_OK)
			return connection_fail(connection, error);
	return 0;
}

int query_next(struct query *query, struct error **error)
{
	int result = sqlite3_step(query->statement);
	if (result == SQLITE_ROW)
		return 1;
	return result == SQLITE_DONE ? 0 : connection_fail(query->connection, error);
}

void query_end(struct query *query)
{
	if (!query->statement)
		return;
	sqlite3_reset(query->statement);
	sqlite3_clear_bindings(query->statement);
	query->statement = NULL;
}

int64_t query_number(const struct query *query, int column)
{
	return sqlite3_column_int64(query->statement, column);
}

const char *query_peek(const struct query *query, int column)
{
	return (const char *)sqlite3_column_text(query->statement, column);
}

char *query_text(const struct query *query, int column)
{
	const char *text = query_peek(query, column);
	return text ? memory_strdup(text) : NULL;
}

int query_run(struct connection *connection, const char *sql, const struct value *values,
	      size_t count, struct error **error)
{
	int64_t ignored;
	return query_find_number(connection, sql, values, count, &ignored, error) < 0 ? -1 : 0;
}

int query_find_number(struct connection *connection, const char *sql, const struct value *values,
		      size_t count, int64_t *number, struct error **error)
{
	cleanup_query struct query query = {0};
	if (query_start(&query, connection, sql, values, count, error) < 0)
		return -1;
	int result = query_next(&query, error);
	if (result > 0)
		*number = query_number(&query, 0);
	return result;
}
