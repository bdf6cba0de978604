/*
 * SQLite with our errors: connections, each with its statements prepared once,
 * and queries that are reset when their scope ends. Internal to sysctd/db.
 */
#ifndef SYSCT_DB_QUERY_H
#define SYSCT_DB_QUERY_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

enum { CONNECTION_CACHE_SIZE = 256 }; /* a power of two, more than there are statements */

struct cached_statement {
	const char *sql; /* compared by address: SQL is a constant of the program */
	sqlite3_stmt *statement;
};

/* Used by one thread at a time. */
struct connection {
	sqlite3 *handle;
	char *path;
	struct cached_statement cache[CONNECTION_CACHE_SIZE];
};

/* @flags: SQLITE_OPEN_*; the path may be a URI where SQLITE_OPEN_URI is given. */
int connection_open(struct connection *connection, const char *path, int flags,
		    struct error **error);
void connection_close(struct connection *connection);
#define cleanup_connection __attribute__((cleanup(connection_close)))

/* Several statements without results, not cached. */
int connection_run_script(struct connection *connection, const char *sql, struct error **error);

/* Turns the last failure of SQLite into *error; always -1. */
int connection_fail(struct connection *connection, struct error **error);

/* Whether a transaction is open; SQLite ends one by itself after some failures. */
bool connection_in_transaction(const struct connection *connection);

/* A parameter: VALUES(TEXT(name), NUMBER(id)) binds ?1 and ?2. NULL text is NULL. */
struct value {
	bool is_number;
	int64_t number;
	const char *text;
};

#define TEXT(t)                                                                                    \
	{                                                                                          \
		.text = (t)                                                                        \
	}
#define NUMBER(n)                                                                                  \
	{                                                                                          \
		.is_number = true, .number = (int64_t)(n)                                          \
	}
#define VALUES(...)                                                                                \
	((const struct value[]){__VA_ARGS__}),                                                     \
		(sizeof((const struct value[]){__VA_ARGS__}) / sizeof(struct value))
#define NO_VALUES NULL, 0

struct query {
	struct connection *connection;
	sqlite3_stmt *statement;
};

#define cleanup_query __attribute__((cleanup(query_end)))

/**
 * query_start - bind the parameters of a cached statement.
 * The texts must stay as they are until query_end(). A statement cannot be
 * started again while it runs.
 */
int query_start(struct query *query, struct connection *connection, const char *sql,
		const struct value *values, size_t count, struct error **error);

/* 1 for a row, 0 at the end, -1 with an error. */
int query_next(struct query *query, struct error **error);
void query_end(struct query *query);

int64_t query_number(const struct query *query, int column);
char *query_text(const struct query *query, int column);       /* NULL for NULL */
const char *query_peek(const struct query *query, int column); /* valid until query_next() */

/* A statement without rows. */
int query_run(struct connection *connection, const char *sql, const struct value *values,
	      size_t count, struct error **error);

/* The first column of the first row: 1 and *number, 0 without a row, -1. */
int query_find_number(struct connection *connection, const char *sql, const struct value *values,
		      size_t count, int64_t *number, struct error **error);

#endif
