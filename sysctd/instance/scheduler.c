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
#include "db/volumes.h"
#include "instance/config_keys.h"
#include "instance/config_keys_values.h"
#include "instance/internal.h"
#include "instance/schedule.h"
#include "instance/scheduler_jobs.h"
#include "memory.h"
#include "server.h"

enum { MINUTE = 60, MOST_SLEEP = 3600 /* seconds: the clock may be set */ };

#define NANOSECONDS 1000000000LL

struct scheduler {
	struct server *server;
	pthread_t thread;
	int wake; /* eventfd(2) */
	atomic_bool stopping;
	struct scheduler_jobs *jobs;
};

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

struct look {
	struct scheduler *scheduler;
	struct tm local; /* in which schedules are told */
	int64_t now;
};

static void look_at(struct instance *instance, void *data)
{
	const struct look *look = data;
	if (is_due(instance, &look->local))
		scheduler_jobs_instance(look->scheduler->jobs, instance, NULL);
}

static void look_at_volumes(struct scheduler *scheduler, const struct tm *time)
{
	cleanup_volume_list struct volume_list list = {0};
	struct schedule schedule;
	if (db_volume_list(scheduler->server->db, NULL, &list, NULL) < 0)
		return;
	for (size_t i = 0; i < list.count; i++) {
		const char *text = config_get(list.rows[i].config, "snapshots.schedule");
		if (text && schedule_parse(text, &schedule, NULL) == 0 &&
		    schedule_matches(&schedule, time))
			scheduler_jobs_volume(scheduler->jobs, &list.rows[i], NULL);
	}
}

static void take_due(struct scheduler *scheduler, time_t now)
{
	struct look look = {.scheduler = scheduler};
	localtime_r(&now, &look.local);
	instance_registry_each(scheduler->server, look_at, &look);
	look_at_volumes(scheduler, &look.local);
}

static void expire(struct instance *instance, void *data)
{
	const struct look *look = data;
	cleanup_snapshot_list struct snapshot_list list = {0};
	if (db_snapshot_list(instance->server->db, instance->id, &list, NULL) < 0)
		return;
	for (size_t i = 0; i < list.count; i++)
		if (list.rows[i].expires_at && list.rows[i].expires_at <= look->now)
			scheduler_jobs_instance(look->scheduler->jobs, instance, &list.rows[i]);
}

static void expire_of_volume(struct scheduler *scheduler, const struct volume_row *volume,
			     int64_t now)
{
	cleanup_volume_snapshot_list struct volume_snapshot_list list = {0};
	if (db_volume_snapshot_list(scheduler->server->db, volume->id, &list, NULL) < 0)
		return;
	for (size_t i = 0; i < list.count; i++)
		if (list.rows[i].expires_at && list.rows[i].expires_at <= now)
			scheduler_jobs_volume(scheduler->jobs, volume, &list.rows[i]);
}

static void expire_of_volumes(struct scheduler *scheduler, int64_t now)
{
	cleanup_volume_list struct volume_list list = {0};
	if (db_volume_list(scheduler->server->db, NULL, &list, NULL) < 0)
		return;
	for (size_t i = 0; i < list.count; i++)
		expire_of_volume(scheduler, &list.rows[i], now);
}

void scheduler_started(struct instance *instance)
{
	bool any = false;
	if (db_snapshot_any_schedule(instance->server->db, &any, NULL) == 0 && any &&
	    is_due(instance, NULL))
		scheduler_jobs_instance(instance->server->scheduler->jobs, instance, NULL);
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

typedef int (*next_expiry)(struct db *db, int64_t after, int64_t *time, struct error **error);

/* Seconds until something is to be done; -1: nothing is. @looked: what expired until then was seen. */
static int next_wait(struct scheduler *scheduler, int64_t looked)
{
	static const next_expiry kinds[] = {db_snapshot_next_expiry, db_volume_snapshot_next_expiry,
					    db_backup_next_expiry};
	struct db *db = scheduler->server->db;
	int64_t expiry = 0, now = db_now(), wait = -1;
	bool any = false;
	if (db_snapshot_any_schedule(db, &any, NULL) == 0 && any)
		wait = MINUTE - now / NANOSECONDS % MINUTE;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i](db, looked, &expiry, NULL) == 0)
			wait = until(wait, expiry, now);
	wait = until(wait, scheduler_jobs_next(scheduler->jobs), now);
	return (int)(wait > MOST_SLEEP ? MOST_SLEEP : wait);
}

static bool is_past(next_expiry next, struct db *db, int64_t now)
{
	int64_t expiry = 0;
	return next(db, 0, &expiry, NULL) == 0 && expiry && expiry <= now;
}

static void expire_all(struct scheduler *scheduler, int64_t now)
{
	struct server *server = scheduler->server;
	struct look look = {.scheduler = scheduler, .now = now};
	if (is_past(db_snapshot_next_expiry, server->db, now))
		instance_registry_each(server, expire, &look);
	if (is_past(db_volume_snapshot_next_expiry, server->db, now))
		expire_of_volumes(scheduler, now);
	if (is_past(db_backup_next_expiry, server->db, now))
		backups_expire(server, now);
	scheduler_jobs_forget(scheduler->jobs, now);
}

static void *run(void *data)
{
	struct scheduler *scheduler = data;
	struct server *server = scheduler->server;
	time_t done = time(NULL) / MINUTE;
	int64_t looked = 0;
	while (!scheduler->stopping) {
		struct pollfd event = {.fd = scheduler->wake, .events = POLLIN};
		uint64_t count;
		bool any = false;
		int wait = next_wait(scheduler, looked);
		if (poll(&event, 1, wait < 0 ? -1 : wait * 1000) > 0 &&
		    read(scheduler->wake, &count, sizeof(count)) < 0)
			continue;
		time_t now = time(NULL);
		if (scheduler->stopping)
			break;
		if (now / MINUTE != done && db_snapshot_any_schedule(server->db, &any, NULL) == 0 &&
		    any)
			take_due(scheduler, now);
		done = now / MINUTE;
		looked = db_now();
		expire_all(scheduler, looked);
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
	scheduler->jobs = scheduler_jobs_create(server, scheduler);
	int problem = scheduler->wake < 0
			      ? errno
			      : pthread_create(&scheduler->thread, NULL, run, scheduler);
	if (!problem)
		return scheduler;
	error_errno(error, problem, "starting the thread of schedules");
	cleanup_close_fd(&scheduler->wake);
	scheduler_jobs_free(scheduler->jobs);
	free(scheduler);
	return NULL;
}

void scheduler_stop(struct scheduler *scheduler)
{
	scheduler->stopping = true;
	scheduler_wake(scheduler);
	pthread_join(scheduler->thread, NULL);
}

void scheduler_free(struct scheduler *scheduler)
{
	scheduler_jobs_free(scheduler->jobs);
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
