/* A starting daemon: which instances run, which ended meanwhile, which shall start. */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "instance/config_keys.h"
#include "instance/config_keys_values.h"
#include "instance/internal.h"
#include "instance/scheduler.h"
#include "log.h"
#include "memory.h"
#include "network/nic.h"
#include "operation.h"
#include "recover/recover.h"
#include "server.h"

static bool adopt(struct instance *instance, const char *directory)
{
	struct monitor_link link;
	cleanup_free char *cgroup = instance_cgroup_path(instance);
	if (monitor_reconnect(directory, &link, NULL) < 0) {
		monitor_link_close(&link);
		return false;
	}
	instance->link = link;
	cgroup_open(&instance->cgroup, cgroup, NULL);
	instance_set_state(instance, INSTANCE_RUNNING);
	instance_thaw_forgotten(instance);
	if (cgroup_is_frozen(&instance->cgroup))
		instance_set_state(instance, INSTANCE_FROZEN);
	log_event(LOG_LEVEL_INFO, instance->name, "found running pid=%d", (int)link.pid);
	return instance_watch(instance, NULL) == 0;
}

static void load_one(struct server *server, const struct instance_row *row)
{
	cleanup_instance struct instance *instance = instance_find(server, row->name, NULL);
	cleanup_free char *directory = instance_run_directory(instance);
	cleanup_dir DIR *there = opendir(directory);
	bool ran = row->last_power == INSTANCE_POWER_RUNNING;
	if (there && adopt(instance, directory)) {
		instance_load_warning(instance);
		/* Killed between its start and this note? */
		if (!ran)
			db_instance_set_power(server->db, row->id, INSTANCE_POWER_RUNNING, NULL);
	} else if (there) {
		/* Its monitor ended or was killed while nobody watched. */
		json_t *state = monitor_last_state(directory);
		bool ended = json_object_get(state, "reason");
		instance_ended(instance, ended ? state : NULL);
		json_decref(state);
	} else if (ran && row->ephemeral) {
		instance_ended(instance, NULL); /* the whole host went down */
	} else {
		instance_load_reason(instance);
	}
}

/* A monitor whose instance has no row belongs to a creation that was undone, or to a database that was lost. */
static void drop_strangers(struct server *server)
{
	cleanup_free char *path = memory_printf("%s/instances", server->paths.run);
	cleanup_dir DIR *dir = opendir(path);
	struct dirent *entry;
	bool searched = false;
	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		cleanup_instance struct instance *known =
			instance_find(server, entry->d_name, NULL);
		if (!known && !searched)
			recovery_search(server);
		searched = searched || !known;
		if (known || recovery_is_lost(server, entry->d_name))
			continue;
		cleanup_free char *directory = memory_printf("%s/%s", path, entry->d_name);
		cleanup_free char *cgroup =
			memory_printf("%s/%s", server->paths.cgroup, entry->d_name);
		log_event(LOG_LEVEL_WARNING, entry->d_name,
			  "ending it: the database does not know it");
		monitor_forget(directory, cgroup, NULL);
	}
}

void instance_recall(struct server *server, const struct instance_row *row)
{
	instance_unref(instance_add(server, row));
	nics_note(server, row);
	load_one(server, row);
	cleanup_instance struct instance *instance = instance_find(server, row->name, NULL);
	if (instance)
		instance_publish(instance, "instance-created");
	scheduler_wake(server->scheduler);
}

int instance_registry_load(struct server *server, struct error **error)
{
	cleanup_instance_list struct instance_list list = {0};
	if (db_instance_list(server->db, &list, error) < 0)
		return -1;
	for (size_t i = 0; i < list.count; i++)
		instance_unref(instance_add(server, &list.rows[i]));
	for (size_t i = 0; i < list.count; i++)
		nics_note(server, &list.rows[i]);
	drop_strangers(server);
	for (size_t i = 0; i < list.count; i++)
		load_one(server, &list.rows[i]);
	return 0;
}

struct autostart {
	struct server *server;
	struct instance **instances; /* ended by NULL */
};

/* boot.autostart.delay: before the next one, or until the daemon stops. */
static void wait_delay(struct operation *operation, struct instance *instance)
{
	cleanup_instance_row struct instance_row row = {0};
	struct pollfd cancelled = {.fd = operation_cancel_fd(operation), .events = POLLIN};
	json_t *config = NULL;
	if (db_instance_get_by_id(instance->server->db, instance->id, &row, NULL) < 0 ||
	    instance_expand(instance->server, &row, &config, NULL, NULL) < 0)
		return;
	const char *text = config_get(config, "boot.autostart.delay");
	long seconds = text ? strtol(text, NULL, 10) : 0;
	json_decref(config);
	if (seconds > 0)
		poll(&cancelled, 1, seconds > 86400 ? 86400000 : (int)seconds * 1000);
}

static int run_autostart(struct operation *operation, void *data, struct error **error)
{
	struct autostart *autostart = data;
	(void)error;
	for (struct instance **at = autostart->instances; *at; at++) {
		cleanup_error struct error *problem = NULL;
		if (operation_cancelled(operation))
			break;
		instance_start(*at, &problem); /* logs its failure */
		if (at[1])
			wait_delay(operation, *at);
	}
	return 0;
}

static void free_autostart(void *data)
{
	struct autostart *autostart = data;
	for (struct instance **at = autostart->instances; *at; at++)
		instance_unref(*at);
	free(autostart->instances);
	free(autostart);
}

/* boot.autostart unset: as it was before the host went down. */
static bool shall_start(struct server *server, const struct instance_row *row, long *priority)
{
	json_t *config = NULL;
	if (instance_expand(server, row, &config, NULL, NULL) < 0)
		return false;
	const char *text = config_get(config, "boot.autostart");
	const char *order = config_get(config, "boot.autostart.priority");
	bool start = row->last_power == INSTANCE_POWER_RUNNING;
	if (text && *text)
		bool_parse(text, &start, NULL);
	*priority = order ? strtol(order, NULL, 10) : 0;
	json_decref(config);
	return start;
}

struct candidate {
	const struct instance_row *row;
	long priority;
};

static int by_priority(const void *a, const void *b)
{
	const struct candidate *one = a, *other = b;
	if (one->priority != other->priority)
		return one->priority > other->priority ? -1 : 1;
	return strcmp(one->row->name, other->row->name);
}

static struct instance **choose(struct server *server, const struct instance_list *list)
{
	struct candidate *candidates = memory_alloc((list->count + 1) * sizeof(*candidates));
	struct instance **chosen = memory_alloc((list->count + 1) * sizeof(*chosen));
	size_t count = 0, used = 0;
	for (size_t i = 0; i < list->count; i++)
		if (shall_start(server, &list->rows[i], &candidates[count].priority))
			candidates[count++].row = &list->rows[i];
	qsort(candidates, count, sizeof(*candidates), by_priority);
	for (size_t i = 0; i < count; i++) {
		struct instance *instance = instance_find(server, candidates[i].row->name, NULL);
		if (instance && instance_get_state(instance) == INSTANCE_STOPPED)
			chosen[used++] = instance;
		else if (instance)
			instance_unref(instance);
	}
	free(candidates);
	return chosen;
}

void instances_autostart(struct server *server)
{
	cleanup_instance_list struct instance_list list = {0};
	if (db_instance_list(server->db, &list, NULL) < 0)
		return;
	struct autostart *autostart = memory_alloc(sizeof(*autostart));
	*autostart = (struct autostart){server, choose(server, &list)};
	struct operation_spec spec = {
		.class = OPERATION_TASK,
		.description = "Starting instances",
		.may_cancel = true,
		.run = run_autostart,
		.data = autostart,
		.destroy = free_autostart,
	};
	if (!autostart->instances[0])
		free_autostart(autostart);
	else
		operation_run(server->operations, &spec, NULL, NULL);
}
