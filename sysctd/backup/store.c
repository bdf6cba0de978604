/* Backups that are kept: their files and rows. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uuid/uuid.h>

#include "compression.h"
#include "backup/internal.h"
#include "cleanup.h"
#include "fault.h"
#include "file.h"
#include "instance/instance.h"
#include "instance/internal.h"
#include "instance/schedule.h"
#include "instance/scheduler.h"
#include "log.h"
#include "memory.h"
#include "operation.h"
#include "server.h"
#include "storage/pool_space.h"
#include "storage/storage.h"
#include "sysctd/events.h"

char *backups_directory(const struct server *server)
{
	return memory_printf("%s/backups", server->paths.state);
}

char *backup_path(const struct server *server, const char *prefix, const char *file)
{
	return memory_printf("%s/backups/%s%s", server->paths.state, prefix, file);
}

static void publish(const struct backup_owner *owner, const char *what, const char *name)
{
	static const char *const of[] = {"instance-backup", "storage-volume-backup"};
	cleanup_free char *url = backup_owner_url(owner);
	cleanup_free char *source = memory_printf("%s/backups/%s", url, name);
	cleanup_free char *action = memory_printf("%s-%s", of[owner->kind], what);
	log_event(LOG_LEVEL_INFO, backup_owner_instance(owner), "%s %s", action, source);
	event_hub_lifecycle(owner->server->events, action, source, NULL);
}

/* ---- making one ---- */

static int find_pool(const struct backup_owner *owner, struct object_row *pool,
		     struct error **error)
{
	cleanup_instance_row struct instance_row row = {0};
	struct db *db = owner->server->db;
	if (owner->instance && db_instance_get_by_id(db, owner->id, &row, error) < 0)
		return -1;
	return db_object_get(db, &db_pools, owner->instance ? row.pool : owner->pool, pool, error);
}

int backup_check(const struct backup_owner *owner, const struct backup_request *request,
		 struct error **error)
{
	cleanup_object_row struct object_row pool = {0};
	if (!compression_find(request->compression, error) || find_pool(owner, &pool, error) < 0)
		return -1;
	if (request->optimized && !storage_sends(pool.kind))
		return error_set(error, ERROR_UNSUPPORTED,
				 "the pool's driver is %s: it has no optimized format", pool.kind);
	if (!request->name || !*request->name || snapshot_check_name(request->name, NULL) == 0)
		return 0;
	return error_set(error, ERROR_INVALID,
			 "\"%s\" is not a name for a backup: letters, digits and -_.:+@, not "
			 "\".\" first",
			 request->name);
}

static void tell_progress(void *data, uint64_t bytes)
{
	cleanup_free char *text = memory_printf("%.2fMB", (double)bytes / 1000000);
	operation_progress(data, "create_backup", -1, text);
}

static int write_file(const struct backup_owner *owner, const struct backup_request *request,
		      struct operation *operation, int fd, struct error **error)
{
	struct backup_source source;
	struct pack_process process = PACK_PROCESS_INIT;
	int result = backup_source_open(&source, owner, request, error);
	if (result == 0)
		result = pack_process_start(&process, owner->server, source.request, fd, true,
					    error);
	if (result == 0)
		result = pack_process_wait(&process, operation_cancel_fd(operation), tell_progress,
					   operation, error);
	pack_process_clear(&process);
	backup_source_close(&source);
	if (result == 0 && fsync(fd) < 0)
		result = error_errno(error, errno, "writing the backup to the disk");
	return result;
}

static int keep(const struct backup_owner *owner, const struct backup_request *request,
		struct operation *operation, struct backup_row *row, struct error **error)
{
	cleanup_free char *new = backup_path(owner->server, BACKUP_NEW, row->file);
	cleanup_free char *path = backup_path(owner->server, "", row->file);
	cleanup_free char *directory = backups_directory(owner->server);
	if (file_make_directories(directory, 0700, error) < 0)
		return -1;
	cleanup_space struct space space = space_look(directory, memory_strdup(directory));
	cleanup_close int fd = open(new, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_errno(error, errno, "creating %s", new);
	fault_point("backup.file");
	if (write_file(owner, request, operation, fd, error) < 0 ||
	    db_backup_create(owner->server->db, row, error) < 0) {
		unlink(new);
		/* How much it takes compressed is known when it is done. */
		return space_explain(&space, "the backup", -1, error);
	}
	fault_point("backup.row");
	return rename(new, path) < 0 ? error_errno(error, errno, "creating %s", path) : 0;
}

int backup_create(const struct backup_owner *owner, const struct backup_request *request,
		  struct operation *operation, struct backup_row *made, struct error **error)
{
	*made = (struct backup_row){
		.kind = owner->kind,
		.owner_id = owner->id,
		.name = memory_strdup(request->name),
		.file = memory_alloc(UUID_STR_LEN),
		.created_at = db_now(),
		.expires_at = request->expires_at,
		.only = request->only,
		.optimized = request->optimized,
	};
	instance_make_uuid(made->file);
	if (backup_check(owner, request, error) < 0 ||
	    keep(owner, request, operation, made, error) < 0) {
		backup_row_clear(made);
		return -1;
	}
	if (made->expires_at)
		scheduler_wake(owner->server->scheduler);
	publish(owner, "created", made->name);
	return 0;
}

/* ---- changing and reading ---- */

int backup_rename(const struct backup_owner *owner, const char *name, const char *new_name,
		  struct error **error)
{
	cleanup_backup_row struct backup_row row = {0};
	struct db *db = owner->server->db;
	cleanup_free char *reserved = backup_name_reserve(owner, new_name, error);
	if (!reserved)
		return -1;
	int result = db_backup_get(db, owner->kind, owner->id, name, &row, error);
	if (result == 0)
		result = db_backup_rename(db, &row, new_name, error);
	backup_name_release(owner, reserved);
	if (result == 0)
		publish(owner, "renamed", new_name);
	return result;
}

static int remove_row(struct server *server, const struct backup_row *row, struct error **error)
{
	cleanup_free char *path = backup_path(server, "", row->file);
	if (db_backup_delete(server->db, row, error) < 0)
		return -1;
	fault_point("backup.deleted");
	if (unlink(path) < 0 && errno != ENOENT)
		log_event(LOG_LEVEL_WARNING, NULL, "removing %s: %s", path, strerror(errno));
	return 0;
}

int backup_delete(const struct backup_owner *owner, const char *name, struct error **error)
{
	cleanup_backup_row struct backup_row row = {0};
	if (db_backup_get(owner->server->db, owner->kind, owner->id, name, &row, error) < 0 ||
	    remove_row(owner->server, &row, error) < 0)
		return -1;
	publish(owner, "deleted", name);
	return 0;
}

int backup_open(struct server *server, const struct backup_row *row, uint64_t *size,
		struct error **error)
{
	cleanup_free char *path = backup_path(server, "", row->file);
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat status;
	if (fd < 0 || fstat(fd, &status) < 0)
		return error_errno(error, errno, "opening the file of backup %s", row->name);
	*size = (uint64_t)status.st_size;
	return steal_fd(&fd);
}

/* ---- those that nobody removes ---- */

static bool has_file(const struct backup_list *lists, const char *file)
{
	for (int kind = 0; kind < BACKUP_KIND_COUNT; kind++)
		for (size_t i = 0; i < lists[kind].count; i++)
			if (strcmp(lists[kind].rows[i].file, file) == 0)
				return true;
	return false;
}

/* @start: nobody makes one now, so that what is new was left by a crash. */
static void sweep(struct server *server, const struct backup_list *lists, bool start)
{
	cleanup_free char *path = backups_directory(server);
	cleanup_dir DIR *dir = opendir(path);
	const struct dirent *entry;
	while (dir && (entry = readdir(dir))) {
		const char *name = entry->d_name;
		bool new = strncmp(name, BACKUP_NEW, strlen(BACKUP_NEW)) == 0;
		const char *file = new ? name + strlen(BACKUP_NEW) : name;
		if ((new && !start) || (!new &&name[0] == '.'))
			continue;
		/* Those of a lost database can be imported still. */
		if (!has_file(lists, file) && storage_any_guarded(server->storage))
			continue;
		if (!has_file(lists, file))
			unlinkat(dirfd(dir), name, 0);
		else if (new)
			renameat(dirfd(dir), name, dirfd(dir), file);
	}
}

/* Of all owners. */
static int list_all(struct server *server, struct backup_list lists[static BACKUP_KIND_COUNT],
		    struct error **error)
{
	for (int kind = 0; kind < BACKUP_KIND_COUNT; kind++)
		if (db_backup_list(server->db, (enum backup_kind)kind, 0, &lists[kind], error) < 0)
			return -1;
	return 0;
}

static void clear_all(struct backup_list lists[static BACKUP_KIND_COUNT])
{
	for (int kind = 0; kind < BACKUP_KIND_COUNT; kind++)
		backup_list_clear(&lists[kind]);
}

int backups_repair(struct server *server, struct error **error)
{
	struct backup_list lists[BACKUP_KIND_COUNT] = {0};
	int result = list_all(server, lists, error);
	if (result == 0)
		result = db_layers_bury(server->db, error);
	if (result == 0)
		sweep(server, lists, true);
	clear_all(lists);
	if (result < 0)
		return -1;
	storage_tidy(server);
	return 0;
}

void backups_tidy(struct server *server)
{
	struct backup_list lists[BACKUP_KIND_COUNT] = {0};
	if (list_all(server, lists, NULL) == 0)
		sweep(server, lists, false);
	clear_all(lists);
}

static void expire(struct server *server, const struct backup_row *row)
{
	cleanup_error struct error *problem = NULL;
	if (remove_row(server, row, &problem) < 0)
		log_event(LOG_LEVEL_WARNING, NULL, "%s", error_message(problem));
	else
		log_event(LOG_LEVEL_INFO, NULL, "backup %s has expired", row->name);
}

void backups_expire(struct server *server, int64_t now)
{
	struct backup_list lists[BACKUP_KIND_COUNT] = {0};
	if (list_all(server, lists, NULL) == 0)
		for (int kind = 0; kind < BACKUP_KIND_COUNT; kind++)
			for (size_t i = 0; i < lists[kind].count; i++) {
				const struct backup_row *row = &lists[kind].rows[i];
				if (row->expires_at && row->expires_at <= now)
					expire(server, row);
			}
	clear_all(lists);
}
