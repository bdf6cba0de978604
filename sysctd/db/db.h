/*
 * The database of a daemon: one SQLite file, used by many threads at once.
 * Only this directory contains SQL. Rows are plain C structs; maps are JSON
 * objects of strings; times are nanoseconds since the epoch, 0 for "never".
 */
#ifndef SYSCT_DB_DB_H
#define SYSCT_DB_DB_H

#include <jansson.h>
#include <stdint.h>

#include "error.h"

struct db;

/*
 * What a power cut may take back. DB_DURABLE: nothing, once the commit has
 * returned. DB_VOLATILE: the commits of the last seconds, always a suffix of
 * them; the file stays consistent.
 */
enum db_durability { DB_DURABLE, DB_VOLATILE };

/**
 * db_open - open the database, create it, or migrate it to this version.
 * @path: of the file; its directory exists and belongs to the daemon.
 * A file that is not ours, comes from a newer version or is damaged is refused
 * with ERROR_PRECONDITION, and neither it nor its directory is changed.
 */
struct db *db_open(const char *path, struct error **error);

/* Closes it; a clean end leaves one file, with no -wal and -shm beside it. NULL is fine. */
void db_close(struct db *db);

/**
 * db_begin - start a transaction that belongs to the calling thread.
 * Every db_* function that the thread calls until db_commit() or db_rollback()
 * is part of it, reads too. Other writers wait: keep it short, no I/O inside.
 * Each function is a transaction of its own without it, so this is only for
 * several changes that must hold together. Transactions nest: a rollback inside
 * undoes the inner part alone; the durability is the strongest of all.
 */
int db_begin(struct db *db, enum db_durability durability, struct error **error);

/**
 * db_commit - make it permanent.
 * On failure nothing was changed and no transaction is open. (One exception: the disk
 * refused to sync, which is ERROR_INTERNAL with EIO: then what is on disk is unknown.)
 */
int db_commit(struct db *db, struct error **error);

/* Undoes everything since the last db_begin() of this thread; without one it does nothing. */
void db_rollback(struct db *db);

/* Now, in the unit of all times here. */
int64_t db_now(void);

/**
 * db_seed - the rows a daemon needs to work: pool "default" (driver overlay) and
 * profile "default" with a root disk in it. Only where they were never made before.
 */
int db_seed(struct db *db, struct error **error);

/* Marks of what is done once in the life of a database, such as making the default network. */
int db_mark_set(struct db *db, const char *mark, struct error **error);
bool db_mark_is_set(struct db *db, const char *mark);

/* Configuration of the server. A missing key is NULL without an error; the caller frees the text.
 */
json_t *db_server_config_get_all(struct db *db, struct error **error);
char *db_server_config_get(struct db *db, const char *key, struct error **error);
int db_server_config_set(struct db *db, const char *key, const char *value, struct error **error);

/* Replaces all keys by those of @config. */
int db_server_config_replace(struct db *db, const json_t *config, struct error **error);

#endif
