/*
 * Transactions and readers.
 *
 * Durability. All connections use WAL with synchronous=NORMAL, so SQLite syncs
 * only around checkpoints: after a power cut the file is consistent, but the
 * last commits may be gone. That is right for volatile facts (last used, last
 * power state), which the daemon learns again. It is not for what a user was
 * told is done, so a DB_DURABLE commit is followed by our own fdatasync() of
 * the log before it returns: the same system call that synchronous=FULL makes,
 * with two differences. It happens after the writer lock is released, so other
 * writers go on meanwhile; and one call covers every commit made before it
 * began, so twenty parallel launches share a few syncs instead of queueing for
 * twenty. Measured on ext4 on a virtual disk, median of 300 commits: 0.012 ms
 * without a sync, 0.24 ms with one; ten commits by each of twenty threads: 33 ms
 * and some 90 syncs, and 230 ms where a sync takes 5 ms.
 * A reader may see a commit that is not on the disk yet; its author has not
 * been answered then. A commit implies those before it, in the log too.
 *
 * Invariant: log_fd is the -wal file of the writer's lifetime. SQLite deletes
 * and makes that file anew only when the last connection closes, and the
 * writer is the last. (SQLite keeps its locks on the database and -shm files,
 * so that closing a second descriptor of the log drops none.)
 */
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "db/internal.h"

static uintptr_t this_thread(void)
{
	return (uintptr_t)pthread_self();
}

int64_t db_now(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

bool db_in_transaction(const struct db *db)
{
	/* Only this thread can have stored its own id. */
	return atomic_load_explicit(&db->owner, memory_order_relaxed) == this_thread();
}

static void leave(struct db *db)
{
	db->depth = 0;
	atomic_store_explicit(&db->owner, 0, memory_order_relaxed);
	pthread_mutex_unlock(&db->writer_lock);
}

static int begin_inner(struct db *db, struct error **error)
{
	/* Outside a transaction SAVEPOINT would start one, and RELEASE commit it. */
	if (!connection_in_transaction(&db->writer))
		return error_set(error, ERROR_INTERNAL,
				 "the database undid this transaction after an earlier failure");
	if (query_run(&db->writer, "SAVEPOINT inner_part", NO_VALUES, error) < 0)
		return -1;
	db->depth++;
	return 0;
}

int db_begin(struct db *db, enum db_durability durability, struct error **error)
{
	if (!db_in_transaction(db)) {
		pthread_mutex_lock(&db->writer_lock);
		if (query_run(&db->writer, "BEGIN IMMEDIATE", NO_VALUES, error) < 0) {
			pthread_mutex_unlock(&db->writer_lock);
			return -1;
		}
		atomic_store_explicit(&db->owner, this_thread(), memory_order_relaxed);
		db->depth = 1;
		db->must_sync = false;
		db->changes_before = sqlite3_total_changes64(db->writer.handle);
	} else if (begin_inner(db, error) < 0) {
		return -1;
	}
	if (durability == DB_DURABLE)
		db->must_sync = true;
	return 0;
}

void db_rollback(struct db *db)
{
	if (!db_in_transaction(db))
		return;
	bool open = connection_in_transaction(&db->writer);
	if (db->depth > 1) {
		if (open)
			connection_run_script(&db->writer,
					      "ROLLBACK TO inner_part; RELEASE inner_part", NULL);
		db->depth--;
		return;
	}
	if (open)
		query_run(&db->writer, "ROLLBACK", NO_VALUES, NULL);
	leave(db);
}

/*
 * Returns once commit number @ticket is on the disk. After a failed sync the
 * kernel may have dropped the dirty pages and report success the next time, so
 * the first failure is kept: a daemon that goes on would promise what it
 * cannot hold.
 */
static int sync_log(struct db *db, uint64_t ticket, struct error **error)
{
	pthread_mutex_lock(&db->sync_lock);
	if (db->synced < ticket && !db->sync_errno) {
		uint64_t covered = atomic_load(&db->committed);
		if (fdatasync(db->log_fd) == 0)
			db->synced = covered;
		else
			db->sync_errno = errno;
	}
	int failure = db->synced < ticket ? db->sync_errno : 0;
	pthread_mutex_unlock(&db->sync_lock);
	if (failure)
		return error_errno(error, failure,
				   "writing the database %s to its disk failed; check the disk and "
				   "restart sysctd",
				   db->path);
	return 0;
}

static int commit_inner(struct db *db, struct error **error)
{
	if (!connection_in_transaction(&db->writer))
		error_set(error, ERROR_INTERNAL,
			  "the database undid this transaction after an earlier failure");
	else if (query_run(&db->writer, "RELEASE inner_part", NO_VALUES, error) == 0) {
		db->depth--;
		return 0;
	}
	db_rollback(db);
	return -1;
}

int db_commit(struct db *db, struct error **error)
{
	if (!db_in_transaction(db))
		return error_set(error, ERROR_INTERNAL, "there is no transaction to commit");
	if (db->depth > 1)
		return commit_inner(db, error);
	if (query_run(&db->writer, "COMMIT", NO_VALUES, error) < 0) {
		db_rollback(db);
		return -1;
	}
	bool changed = sqlite3_total_changes64(db->writer.handle) != db->changes_before;
	bool must_sync = db->must_sync && changed;
	uint64_t ticket = atomic_fetch_add(&db->committed, 1) + 1;
	changes_publish(db);
	leave(db);
	return must_sync ? sync_log(db, ticket, error) : 0;
}

int db_end(struct db *db, int result, struct error **error)
{
	if (result == 0)
		return db_commit(db, error);
	db_rollback(db);
	return -1;
}

static int take_slot(struct db *db)
{
	pthread_mutex_lock(&db->readers_lock);
	for (;;) {
		for (int i = 0; i < DB_READERS; i++) {
			if (db->reader_busy[i])
				continue;
			db->reader_busy[i] = true;
			pthread_mutex_unlock(&db->readers_lock);
			return i;
		}
		pthread_cond_wait(&db->reader_free, &db->readers_lock);
	}
}

static void give_slot(struct db *db, int slot)
{
	pthread_mutex_lock(&db->readers_lock);
	db->reader_busy[slot] = false;
	pthread_cond_signal(&db->reader_free);
	pthread_mutex_unlock(&db->readers_lock);
}

static int open_reader_connection(struct db *db, struct connection *connection,
				  struct error **error)
{
	if (connection->handle)
		return 0;
	if (connection_open(connection, db->path, SQLITE_OPEN_READONLY, error) < 0)
		return -1;
	if (connection_run_script(connection, "PRAGMA cache_size=-256", error) < 0) {
		connection_close(connection);
		return -1;
	}
	return 0;
}

int reader_open(struct db *db, struct reader *reader, struct error **error)
{
	if (db_in_transaction(db)) {
		*reader = (struct reader){db, &db->writer, -1};
		return 0;
	}
	int slot = take_slot(db);
	struct connection *connection = &db->readers[slot];
	if (open_reader_connection(db, connection, error) < 0 ||
	    query_run(connection, "BEGIN", NO_VALUES, error) < 0) {
		give_slot(db, slot);
		return -1;
	}
	*reader = (struct reader){db, connection, slot};
	return 0;
}

void reader_close(struct reader *reader)
{
	if (!reader->db || reader->slot < 0)
		return;
	if (connection_in_transaction(reader->connection))
		query_run(reader->connection, "ROLLBACK", NO_VALUES, NULL);
	give_slot(reader->db, reader->slot);
	*reader = (struct reader){0};
}

int db_next_time(struct db *db, const char *sql, int64_t after, int64_t *time, struct error **error)
{
	cleanup_reader struct reader reader = {0};
	*time = 0;
	if (reader_open(db, &reader, error) < 0)
		return -1;
	return query_find_number(reader.connection, sql, VALUES(NUMBER(after)), time, error) < 0
		       ? -1
		       : 0;
}
