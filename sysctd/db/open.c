/*
 * Opening, creating and migrating the file.
 *
 * A new database is made under another name and renamed when it is complete,
 * so that a file of the right name is always whole. A migration happens outside
 * WAL mode, after a copy of the old file was put beside it as
 * "<path>.before-v<N>", N being the first version it did not have.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "db/check.h"
#include "db/internal.h"
#include "db/schema.h"
#include "memory.h"

static int sync_directory_of(const char *path, struct error **error)
{
	cleanup_free char *directory = memory_strdup(path);
	char *slash = strrchr(directory, '/');
	if (slash)
		slash[slash == directory] = '\0';
	cleanup_close int fd = open(slash ? directory : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		return error_errno(error, errno, "writing the directory of %s", path);
	return 0;
}

/* Gives a complete file its name, for good. */
static int publish(const char *from, const char *to, struct error **error)
{
	cleanup_close int fd = open(from, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0 || rename(from, to) < 0)
		return error_errno(error, errno, "writing %s", to);
	return sync_directory_of(to, error);
}

/* An empty file that only root can read: SQLite would make it readable for all. */
static int make_private_file(const char *path, struct error **error)
{
	cleanup_free char *journal = memory_printf("%s-journal", path);
	if ((unlink(journal) < 0 && errno != ENOENT) || (unlink(path) < 0 && errno != ENOENT))
		return error_errno(error, errno, "removing the half-made %s", path);
	cleanup_close int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	return fd < 0 ? error_errno(error, errno, "creating %s", path) : 0;
}

static int fill_new(const char *path, struct error **error)
{
	cleanup_free char *mark = memory_printf("PRAGMA application_id = %d", DB_APPLICATION_ID);
	cleanup_connection struct connection connection = {0};
	if (connection_open(&connection, path, SQLITE_OPEN_READWRITE, error) < 0 ||
	    connection_run_script(&connection, mark, error) < 0)
		return -1;
	return schema_upgrade(&connection, 0, error);
}

static int create(const char *path, struct error **error)
{
	cleanup_free char *new = memory_printf("%s.new", path);
	if (make_private_file(new, error) < 0)
		return -1;
	if (fill_new(new, error) == 0 && publish(new, path, error) == 0)
		return 0;
	unlink(new);
	return -1;
}

static int copy_to(struct connection *source, const char *path, struct error **error)
{
	cleanup_connection struct connection copy = {0};
	if (connection_open(&copy, path, SQLITE_OPEN_READWRITE, error) < 0)
		return -1;
	sqlite3_backup *backup = sqlite3_backup_init(copy.handle, "main", source->handle, "main");
	if (!backup)
		return connection_fail(&copy, error);
	sqlite3_backup_step(backup, -1);
	if (sqlite3_backup_finish(backup) != SQLITE_OK)
		return connection_fail(&copy, error);
	return 0;
}

static int back_up(struct connection *connection, const char *to, struct error **error)
{
	cleanup_free char *new = memory_printf("%s.new", to);
	if (make_private_file(new, error) < 0)
		return -1;
	if (copy_to(connection, new, error) == 0 && publish(new, to, error) == 0)
		return 0;
	unlink(new);
	return error_prefix(error, "backing the database up before changing it");
}

/* The first read of a file with a journal takes back what was half done. */
static int take_back(const char *path, struct error **error)
{
	int64_t count;
	cleanup_connection struct connection connection = {0};
	if (connection_open(&connection, path, SQLITE_OPEN_READWRITE, error) < 0)
		return -1;
	return query_find_number(&connection, "SELECT count(*) FROM meta", NO_VALUES, &count,
				 error) < 0
		       ? -1
		       : 0;
}

static int migrate(const char *path, int version, struct error **error)
{
	cleanup_free char *backup = memory_printf("%s.before-v%d", path, version + 1);
	cleanup_connection struct connection connection = {0};
	if (connection_open(&connection, path, SQLITE_OPEN_READWRITE, error) < 0 ||
	    connection_run_script(&connection, "PRAGMA journal_mode=DELETE", error) < 0 ||
	    back_up(&connection, backup, error) < 0)
		return -1;
	if (schema_upgrade(&connection, version, error) < 0)
		return error_prefix(error, "the database as it was is in %s", backup);
	return 0;
}

/*
 * A descriptor of the log for transaction.c to sync, and room reserved for as much
 * as the log holds between two checkpoints (1,000 pages): to delete something is to
 * write to the log, which must be possible on a disk that instances have filled. A
 * file system that cannot reserve does without.
 */
static int open_log(struct db *db, struct error **error)
{
	enum { RESERVED_BYTES = 1000 * (4096 + 24) + 65536 };
	cleanup_free char *log = memory_printf("%s-wal", db->path);
	db->log_fd = open(log, O_RDWR | O_CLOEXEC);
	if (db->log_fd < 0)
		return error_errno(error, errno, "opening %s", log);
	(void)fallocate(db->log_fd, FALLOC_FL_KEEP_SIZE, 0, RESERVED_BYTES);
	return 0;
}

static int open_writer(struct db *db, struct error **error)
{
	static const char settings[] = "PRAGMA journal_mode=WAL;"
				       "PRAGMA synchronous=NORMAL;"
				       "PRAGMA foreign_keys=ON;"
				       "PRAGMA cache_size=-1024;"
				       "PRAGMA temp_store=MEMORY;"
				       /* layers.h: what this process holds */
				       "CREATE TEMP TABLE layers_held (layer_id INTEGER NOT NULL);";
	if (connection_open(&db->writer, db->path, SQLITE_OPEN_READWRITE, error) < 0 ||
	    connection_run_script(&db->writer, settings, error) < 0)
		return -1;
	/* The first read opens the log. */
	int64_t count;
	if (query_find_number(&db->writer, "SELECT count(*) FROM meta", NO_VALUES, &count, error) <
	    0)
		return -1;
	if (open_log(db, error) < 0)
		return -1;
	return sync_directory_of(db->path, error);
}

static struct db *new_db(const char *path)
{
	struct db *db = memory_alloc(sizeof(*db));
	db->path = memory_strdup(path);
	db->log_fd = -1;
	pthread_mutex_init(&db->writer_lock, NULL);
	pthread_mutex_init(&db->sync_lock, NULL);
	pthread_mutex_init(&db->readers_lock, NULL);
	pthread_mutex_init(&db->changes.lock, NULL);
	pthread_cond_init(&db->reader_free, NULL);
	return db;
}

static int prepare_file(const char *path, struct error **error)
{
	struct database_state state;
	if (check_database(path, &state, error) < 0)
		return -1;
	if (state.version == 0)
		return create(path, error);
	if (state.half_changed &&
	    (take_back(path, error) < 0 || check_database(path, &state, error) < 0))
		return -1;
	return state.version < DB_SCHEMA_VERSION ? migrate(path, state.version, error) : 0;
}

struct db *db_open(const char *path, struct error **error)
{
	if (prepare_file(path, error) < 0)
		return NULL;
	struct db *db = new_db(path);
	if (open_writer(db, error) < 0) {
		db_close(db);
		return NULL;
	}
	return db;
}

void db_close(struct db *db)
{
	if (!db)
		return;
	for (int i = 0; i < DB_READERS; i++)
		connection_close(&db->readers[i]);
	connection_close(&db->writer);
	if (db->log_fd >= 0)
		close(db->log_fd);
	pthread_mutex_destroy(&db->writer_lock);
	pthread_mutex_destroy(&db->sync_lock);
	pthread_mutex_destroy(&db->readers_lock);
	changes_clear(db);
	pthread_cond_destroy(&db->reader_free);
	free(db->path);
	free(db);
}
