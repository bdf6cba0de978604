/* Taking an instance away, and renaming it. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <errno.h>

#include "backup/backup.h"
#include "cleanup.h"
#include "fault.h"
#include "file.h"
#include "instance/internal.h"
#include "log.h"
#include "memory.h"
#include "network/nic.h"
#include "recover/recover.h"
#include "server.h"
#include "storage/storage.h"

int instance_destroy(struct instance *instance, struct error **error)
{
	struct server *server = instance->server;
	cleanup_instance_row struct instance_row row = {0};
	cleanup_free char *log = instance_log_directory(instance);
	if (db_instance_get_by_id(server->db, instance->id, &row, error) < 0 ||
	    db_instance_delete(server->db, instance->id, error) < 0)
		return -1;
	fault_point("delete.row");
	storage_tidy(server);
	backups_tidy(server);
	nics_release(server, row.uuid);
	file_remove_tree_at(AT_FDCWD, log, NULL);
	pthread_mutex_lock(&instance->lock);
	instance->deleted = true;
	pthread_cond_broadcast(&instance->changed);
	pthread_mutex_unlock(&instance->lock);
	log_event(LOG_LEVEL_INFO, instance->name, "instance-deleted");
	instance_publish(instance, "instance-deleted");
	instance_remove(instance);
	return 0;
}

static int check_stopped(struct instance *instance, const char *what, struct error **error)
{
	enum instance_state state = instance_get_state(instance);
	if (state == INSTANCE_STOPPED || state == INSTANCE_ERROR)
		return 0;
	return error_set(error, ERROR_INVALID,
			 "%s of a running instance is not allowed: stop it first", what);
}

int instance_delete(struct instance *instance, struct error **error)
{
	if (instance_lock(instance, "delete", 30000, error) < 0)
		return -1;
	cleanup_instance_lock struct instance *held = instance;
	if (check_stopped(held, "Deletion", error) < 0)
		return -1;
	return instance_destroy(held, error);
}

int instance_rename(struct instance *instance, const char *name, struct error **error)
{
	if (instance_check_name(name, error) < 0 ||
	    recovery_check_name(instance->server, name, error) < 0 ||
	    instance_lock(instance, "rename", 30000, error) < 0)
		return -1;
	cleanup_instance_lock struct instance *held = instance;
	if (check_stopped(held, "Renaming", error) < 0)
		return -1;
	cleanup_free char *old_log = instance_log_directory(held);
	cleanup_free char *old_name = memory_strdup(held->name);
	if (db_instance_rename(held->server->db, held->id, name, error) < 0)
		return -1;
	fault_point("rename.row");
	instance_set_name(held, name);
	cleanup_free char *log = instance_log_directory(held);
	if (rename(old_log, log) < 0 && errno != ENOENT)
		log_event(LOG_LEVEL_WARNING, name, "its log stays in %s", old_log);
	log_event(LOG_LEVEL_INFO, name, "instance-renamed from %s", old_name);
	instance_publish(held, "instance-renamed");
	return 0;
}
