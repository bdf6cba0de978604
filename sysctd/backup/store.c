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

static void publish(struct instance *instance, const char *action, const char *name)
{
	cleanup_free char *source =
		memory_printf("/1.0/instances/%s/backups/%s", instance->name, name);
	log_event(LOG_LEVEL_INFO, instance->name, "%s %s", action, name);
	event_hub_lifecycle(instance->server->events, action, source, NULL);
}

/* ---- making one ---- */

int backup_check(struct instance *instance, const struct backup_request *request,
		 struct error **error)
{
	cleanup_instance_row struct instance_row row = {0};
	cleanup_object_row struct object_row pool = {0};
	cleanup_backup_row struct backup_row taken = {0};
	struct db *db = instance->server->db;
	if (!compression_find(request->compression, error) ||
	    db_instance_get_by_id(db, instance->id, &row, error) < 0 ||
	    db_object_get(db, &db_pools, row.pool, &pool, error) < 0)
		return -1;
	if (request->optimized)
		return error_set(error, ERROR_UNSUPPORTED,
				 "the pool's driver is %s: it has no optimized format", pool.kind);
	if (!request->name || !*request->name)
		return 0;
	if (snapshot_check_name(request->name, NULL) < 0)
		return error_set(error, ERROR_INVALID,
				 "\"%s\" is not a name for a backup: letters, digits and -_.:+@, "
				 "not \".\" first",
				 request->name);
	return db_backup_get(db, instance->id, request->name, &taken, NULL) < 0
		       ? 0
		       : error_set(error, ERROR_EXISTS, "Backup \"%s\" already exists",
				   request->name);
}

static void tell_progress(void *data, uint64_t bytes)
{
	cleanup_free char *text = memory_printf("%.2fMB", (double)bytes / 1000000);
	operation_progress(data, "create_backup", -1, text);
}

static int write_file(struct instance *instance, const struct backup_request *request,
		      struct operation *operation, int fd, struct error **error)
{
	struct backup_source source;
	struct pack_process process = PACK_PROCESS_INIT;
	int result = backup_source_open(&source, instance, request, error);
	if (result == 0)
		result = pack_process_start(&process, instance->server, source.request, fd, true,
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

char *backup_make_name(struct server *server, int64_t id, struct error **error)
{
	cleanup_backup_list struct backup_list list = {0};
	long next = 0;
	if (db_backup_list(server->db, id, &list, error) < 0)
		return NULL;
	for (size_t i = 0; i < list.count; i++) {
		const char *name = list.rows[i].name;
		char *end;
		if (strncmp(name, "backup", strlen("backup")) != 0)
			continue;
		long number = strtol(name + strlen("backup"), &end, 10);
		if (!*end && number >= next && number < 1000000000)
			next = number + 1;
	}
	return memory_printf("backup%ld", next);
}

static int keep(struct instance *instance, const struct backup_request *request,
		struct operation *operation, struct backup_row *row, struct error **error)
{
	cleanup_free char *new = backup_path(instance->server, BACKUP_NEW, row->file);
	cleanup_free char *path = backup_path(instance->server, "", row->file);
	cleanup_free char *directory = backups_directory(instance->server);
	if (file_make_directories(directory, 0700, error) < 0)
		return -1;
	cleanup_space struct space space = space_look(directory, memory_strdup(directory));
	cleanup_close int fd = open(new, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_errno(error, errno, "creating %s", new);
	fault_point("backup.file");
	if (write_file(instance, request, operation, fd, error) < 0 ||
	    db_backup_create(instance->server->db, row, error) < 0) {
		unlink(new);
		/* How much it takes compressed is known when it is done. */
		return space_explain(&space, "the backup", -1, error);
	}
	fault_point("backup.row");
	return rename(new, path) < 0 ? error_errno(error, errno, "creating %s", path) : 0;
}

int backup_create(struct instance *instance, const struct backup_request *request,
		  struct operation *operation, struct backup_row *made, struct error **error)
{
	*made = (struct backup_row){
		.instance_id = instance->id,
		.name = memory_strdup(request->name),
		.file = memory_alloc(UUID_STR_LEN),
		.created_at = db_now(),
		.expires_at = request->expires_at,
		.instance_only = request->instance_only,
	};
	instance_make_uuid(made->file);
	if (backup_check(instance, request, error) < 0 ||
	    keep(instance, request, operation, made, error) < 0) {
		backup_row_clear(made);
		return -1;
	}
	if (made->expires_at)
		scheduler_wake(instance->server->scheduler);
	publish(instance, "instance-backup-created", made->name);
	return 0;
}

/* ---- changing and reading ---- */

int backup_rename(struct instance *instance, const char *name, const char *new_name,
		  struct error **error)
{
	const struct backup_request request = {.name = new_name};
	cleanup_backup_row struct backup_row row = {0};
	struct db *db = instance->server->db;
	if (db_backup_get(db, instance->id, name, &row, error) < 0 ||
	    backup_check(instance, &request, error) < 0 ||
	    db_backup_rename(db, &row, new_name, error) < 0)
		return -1;
	publish(instance, "instance-backup-renamed", new_name);
	return 0;
}

static int remove_row(struct server *server, const struct backup_row *row, struct error **error)
{
	cleanup_free char *path = backup_path(server, "", row->file);
	if (db_backup_delete(server->db, row->id, error) < 0)
		return -1;
	fault_point("backup.deleted");
	if (unlink(path) < 0 && errno != ENOENT)
		log_event(LOG_LEVEL_WARNING, NULL, "removing %s: %s", path, strerror(errno));
	return 0;
}

int backup_delete(struct instance *instance, const char *name, struct error **error)
{
	cleanup_backup_row struct backup_row row = {0};
	if (db_backup_get(instance->server->db, instance->id, name, &row, error) < 0 ||
	    remove_row(instance->server, &row, error) < 0)
		return -1;
	publish(instance, "instance-backup-deleted", name);
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

static bool has_file(const struct backup_list *list, const char *file)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->rows[i].file, file) == 0)
			return true;
	return false;
}

/* @start: nobody makes one now, so that what is new was left by a crash. */
static void sweep(struct server *server, const struct backup_list *list, bool start)
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
		if (!has_file(list, file) && storage_any_guarded(server->storage))
			continue;
		if (!has_file(list, file))
			unlinkat(dirfd(dir), name, 0);
		else if (new)
			renameat(dirfd(dir), name, dirfd(dir), file);
	}
}

int backups_repair(struct server *server, struct error **error)
{
	cleanup_backup_list struct backup_list list = {0};
	if (db_backup_list(server->db, 0, &list, error) < 0 ||
	    db_layers_bury(server->db, error) < 0)
		return -1;
	sweep(server, &list, true);
	storage_tidy(server);
	return 0;
}

void backups_tidy(struct server *server)
{
	cleanup_backup_list struct backup_list list = {0};
	if (db_backup_list(server->db, 0, &list, NULL) == 0)
		sweep(server, &list, false);
}

void backups_expire(struct server *server, int64_t now)
{
	cleanup_backup_list struct backup_list list = {0};
	if (db_backup_list(server->db, 0, &list, NULL) < 0)
		return;
	for (size_t i = 0; i < list.count; i++) {
		const struct backup_row *row = &list.rows[i];
		cleanup_error struct error *problem = NULL;
		if (!row->expires_at || row->expires_at > now)
			continue;
		if (remove_row(server, row, &problem) < 0)
			log_event(LOG_LEVEL_WARNING, NULL, "%s", error_message(problem));
		else
			log_event(LOG_LEVEL_INFO, NULL, "backup %s has expired", row->name);
	}
}
