/* See scheduler.h. */
#include "instance/scheduler.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "backup/backup.h"
#include "cleanup.h"
#include "db/backups.h"
#include "db/snapshots.h"
#include "instance/config_keys.h"
#include "instance/config_keys_values.h"
#include "instance/internal.h"
#include "instance/schedule.h"
#include "instance/snapshots.h"
#include "log.h"
#include "memory.h"
#include "operation.h"
#include "server.h"

enum { MINUTE = 60, MOST_SLEEP = 3600 /* seconds: the clock may be set */ };

#define NANOSECONDS 1000000000LL

struct scheduler {
	struct server *server;
	pthread_t thread;
	int wake; /* eventfd(2) */
	atomic_bool stopping;
};

/* ---- operations ---- */

struct job {
	struct instance *instance;
	char *name; /* of a snapshot to remove; NULL: one is taken */
};

static void job_free(void *data)
{
	struct job *job = data;
	instance_unref(job->instance);
	free(job->name);
	free(job);
}

static int run_job(struct operation *operation, void *data, struct error **error)
{
	struct job *job = data;
	cleanup_snapshot_row struct snapshot_row taken = {0};
	const struct snapshot_request request = {.scheduled = true, .expires_at = -1};
	(void)operation;
	int result = job->name ? instance_snapshot_delete(job->instance, job->name, error)
			       : instance_snapshot(job->instance, &request, &taken, error);
	if (result < 0)
		log_event(LOG_LEVEL_WARNING, job->instance->name, "snapshot by schedule: %s",
			  error_message(*error));
	return result;
}

static void start_job(struct instance *instance, const char *name)
{
	cleanup_error struct error *error = NULL;
	struct operation *operation = NULL;
	struct job *job = memory_alloc(sizeof(*job));
	*job = (struct job){instance_ref(instance), name ? memory_strdup(name) : NULL};
	cleanup_free char *url = memory_printf("/1.0/instances/%s", instance->name);
	struct operation_spec spec = {
		.class = OPERATION_TASK,
		.description = name ? "Deleting snapshot" : "Snapshotting instance",
		.resources = json_pack("{s:[s]}", "instances", url),
		.run = run_job,
		.data = job,
		.destroy = job_free,
	};
	if (operation_run(instance->server->operations, &spec, &operation, &error) < 0)
		log_event(LOG_LEVEL_WARNING, instance->name, "snapshot by schedule: %s",
			  error_message(error));
	else
		operation_unref(operation);
}

/* ---- what is due ---- */

static bool may_be_taken(struct instance *instance, const json_t *config)
{
	enum instance_state state = instance_get_state(instance);
	const char *text = config_get(config, "snapshots.schedule.stopped");
	bool stopped = false;
	if (text)
		bool_parse(text, &stopped, NULL);
	return stopped || state == INSTANCE_RUNNING || state == INSTANCE_FROZEN;
}

/* @time NULL: it has just started. */
static bool is_due(struct instance *instance, const struct tm *time)
{
	cleanup_instance_row struct instance_row row = {0};
	struct schedule schedule;
	json_t *config = NULL;
	if (db_instance_get_by_id(instance->server->db, instance->id, &row, NULL) < 0 ||
	    instance_expand(instance->server, &row, &config, NULL, NULL) < 0)
		return false;
	const char *text = config_get(config, "snapshots.schedule");
	bool due = text && schedule_parse(text, &schedule, NULL) == 0 &&
		   (time ? schedule_matches(&schedule, time) : schedule.startup) &&
		   may_be_taken(instance, config);
	json_decref(config);
	return due;
}

static void look_at(struct instance *instance, void *data)
{
	if (is_due(instance, data))
		start_job(instance, NULL);
}

static void take_due(struct server *server, time_t now)
{
	struct tm local;
	localtime_r(&now, &local);
	instance_registry_each(server, look_at, &local);
}

static void expire(struct instance *instance, void *data)
{
	const int64_t *now = data;
	cleanup_snapshot_list struct snapshot_list list = {0};
	if (db_snapshot_list(instance->server->db, instance->id, &list, NULL) < 0)
		return;
	for (size_t i = 0; i < list.count; i++)
		if (list.rows[i].expires_at && list.rows[i].expires_at <= *now)
			start_job(instance, list.rows[i].name);
}

void scheduler_started(struct instance *instance)
{
	bool any = false;
	if (db_snapshot_any_schedule(instance->server->db, &any, NULL) == 0 && any &&
	    is_due(instance, NULL))
		start_job(instance, NULL);
}

/* ---- the thread ---- */

/* The shorter one of @wait (-1: none) and what is left until @expiry (0: never). */
static int64_t until(int64_t wait, int64_t expiry, int64_t now)
{
	if (!expiry)
		return wait;
	int64_t left = expiry <= now ? 1 : (expiry - now) / NANOSECONDS + 1;
	return wait < 0 || left < wait ? left : wait;
}

/* Seconds until something is to be done; -1: nothing is. */
static int next_wait(struct server *server)
{
	int64_t expiry = 0, now = db_now(), wait = -1;
	bool any = false;
	if (db_snapshot_any_schedule(server->db, &any, NULL) == 0 && any)
		wait = MINUTE - now / NANOSECONDS % MINUTE;
	if (db_snapshot_next_expiry(server->db, &expiry, NULL) == 0)
		wait = until(wait, expiry, now);
	if (db_backup_next_expiry(server->db, &expiry, NULL) == 0)
		wait = until(wait, expiry, now);
	return (int)(wait > MOST_SLEEP ? MOST_SLEEP : wait);
}

static void expire_all(struct server *server)
{
	int64_t expiry = 0, now = db_now();
	if (db_snapshot_next_expiry(server->db, &expiry, NULL) == 0 && expiry && expiry <= now)
		instance_registry_each(server, expire, &now);
	if (db_backup_next_expiry(server->db, &expiry, NULL) == 0 && expiry && expiry <= now)
		backups_expire(server, now);
}

static void *run(void *data)
{
	struct scheduler *scheduler = data;
	struct server *server = scheduler->server;
	time_t done = time(NULL) / MINUTE;
	while (!scheduler->stopping) {
		struct pollfd event = {.fd = scheduler->wake, .events = POLLIN};
		uint64_t count;
		bool any = false;
		int wait = next_wait(server);
		if (poll(&event, 1, wait < 0 ? -1 : wait * 1000) > 0 &&
		    read(scheduler->wake, &count, sizeof(count)) < 0)
			continue;
		time_t now = time(NULL);
		if (scheduler->stopping)
			break;
		if (now / MINUTE != done && db_snapshot_any_schedule(server->db, &any, NULL) == 0 &&
		    any)
			take_due(server, now);
		done = now / MINUTE;
		expire_all(server);
	}
	return NULL;
}

struct scheduler *scheduler_create(struct server *server, struct error **error)
{
	struct scheduler *scheduler = memory_alloc(sizeof(*scheduler));
	*scheduler = (struct scheduler){
		.server = server,
		.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
	};
	int problem = scheduler->wake < 0
			      ? errno
			      : pthread_create(&scheduler->thread, NULL, run, scheduler);
	if (!problem)
		return scheduler;
	error_errno(error, problem, "starting the thread of schedules");
	cleanup_close_fd(&scheduler->wake);
	free(scheduler);
	return NULL;
}

void scheduler_free(struct scheduler *scheduler)
{
	if (!scheduler)
		return;
	scheduler->stopping = true;
	scheduler_wake(scheduler);
	pthread_join(scheduler->thread, NULL);
	close(scheduler->wake);
	free(scheduler);
}

void scheduler_wake(struct scheduler *scheduler)
{
	static const uint64_t one = 1;
	/* Full is as good. */
	if (scheduler && write(scheduler->wake, &one, sizeof(one)) < 0)
		return;
}
