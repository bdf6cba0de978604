/* See scheduler_jobs.h. */
#include "instance/scheduler_jobs.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "cleanup.h"
#include "db/db.h"
#include "instance/internal.h"
#include "instance/scheduler.h"
#include "instance/snapshots.h"
#include "log.h"
#include "memory.h"
#include "operation.h"
#include "server.h"
#include "volume/volume.h"

#define SECOND 1000000000LL

enum { FIRST_WAIT = 5, MOST_DOUBLINGS = 9 /* 5 s to 43 min */ };

/* Of one instance or volume, or of one snapshot of it. */
struct attempt {
	struct attempt *next;
	bool of_volume;
	int64_t owner;
	int64_t snapshot; /* 0: one is taken */
	bool runs;
	unsigned failures;
	int64_t not_before;
};

struct scheduler_jobs {
	struct server *server;
	struct scheduler *scheduler;
	pthread_mutex_t lock;
	struct attempt *first;
};

struct job {
	struct scheduler_jobs *jobs;
	struct attempt *attempt;
	struct instance *instance; /* NULL: it is a volume's */
	char *pool, *volume;
	char *name; /* of a snapshot to remove; NULL: one is taken */
};

struct scheduler_jobs *scheduler_jobs_create(struct server *server, struct scheduler *scheduler)
{
	struct scheduler_jobs *jobs = memory_alloc(sizeof(*jobs));
	*jobs = (struct scheduler_jobs){
		.server = server,
		.scheduler = scheduler,
		.lock = PTHREAD_MUTEX_INITIALIZER,
	};
	return jobs;
}

void scheduler_jobs_free(struct scheduler_jobs *jobs)
{
	for (struct attempt *next; jobs->first; jobs->first = next) {
		next = jobs->first->next;
		free(jobs->first);
	}
	pthread_mutex_destroy(&jobs->lock);
	free(jobs);
}

/* ---- attempts ---- */

static struct attempt **find(struct scheduler_jobs *jobs, const struct attempt *like)
{
	struct attempt **at = &jobs->first;
	while (*at && ((*at)->of_volume != like->of_volume || (*at)->owner != like->owner ||
		       (*at)->snapshot != like->snapshot))
		at = &(*at)->next;
	return at;
}

/* NULL: it runs, or is to wait. */
static struct attempt *begin(struct scheduler_jobs *jobs, const struct attempt *like)
{
	pthread_mutex_lock(&jobs->lock);
	struct attempt *found = *find(jobs, like);
	bool may = !found || (!found->runs && found->not_before <= db_now());
	if (may && !found) {
		found = memory_alloc(sizeof(*found));
		*found = *like;
		found->next = jobs->first;
		jobs->first = found;
	}
	if (may)
		found->runs = true;
	pthread_mutex_unlock(&jobs->lock);
	return may ? found : NULL;
}

/* What is taken by a schedule has its next time there. */
static void end(struct scheduler_jobs *jobs, struct attempt *attempt, bool again)
{
	pthread_mutex_lock(&jobs->lock);
	attempt->runs = false;
	if (again && attempt->snapshot) {
		unsigned doublings =
			attempt->failures < MOST_DOUBLINGS ? attempt->failures : MOST_DOUBLINGS;
		attempt->failures++;
		attempt->not_before = db_now() + ((int64_t)FIRST_WAIT << doublings) * SECOND;
	} else {
		*find(jobs, attempt) = attempt->next;
		free(attempt);
	}
	pthread_mutex_unlock(&jobs->lock);
	if (again)
		scheduler_wake(jobs->scheduler);
}

void scheduler_jobs_forget(struct scheduler_jobs *jobs, int64_t now)
{
	pthread_mutex_lock(&jobs->lock);
	for (struct attempt **at = &jobs->first, *gone; *at;) {
		gone = *at;
		if (gone->runs || gone->not_before > now) {
			at = &gone->next;
			continue;
		}
		*at = gone->next;
		free(gone);
	}
	pthread_mutex_unlock(&jobs->lock);
}

int64_t scheduler_jobs_next(struct scheduler_jobs *jobs)
{
	int64_t next = 0;
	pthread_mutex_lock(&jobs->lock);
	for (const struct attempt *one = jobs->first; one; one = one->next)
		if (!one->runs && (!next || one->not_before < next))
			next = one->not_before;
	pthread_mutex_unlock(&jobs->lock);
	return next;
}

/* ---- operations ---- */

static int remove_of_volume(const struct job *job, struct error **error)
{
	struct server *server = job->jobs->server;
	cleanup_volume_row struct volume_row volume = {0};
	if (db_volume_get(server->db, job->pool, job->volume, &volume, error) < 0)
		return -1;
	return volume_snapshot_delete(server, &volume, job->name, error);
}

static int take_of_volume(const struct job *job, struct error **error)
{
	cleanup_volume_snapshot_row struct volume_snapshot_row taken = {0};
	const struct volume_snapshot_request request = {
		.pool = job->pool, .volume = job->volume, .scheduled = true, .expires_at = -1};
	return volume_snapshot(job->jobs->server, &request, &taken, error);
}

static int take_of_instance(const struct job *job, struct error **error)
{
	cleanup_snapshot_row struct snapshot_row taken = {0};
	const struct snapshot_request request = {.scheduled = true, .expires_at = -1};
	return instance_snapshot(job->instance, &request, &taken, error);
}

static void complain(const struct job *job, const struct error *error)
{
	if (job->instance)
		log_event(LOG_LEVEL_WARNING, job->instance->name, "snapshot by schedule: %s",
			  error_message(error));
	else
		log_event(LOG_LEVEL_WARNING, NULL, "snapshot by schedule of volume %s/%s: %s",
			  job->pool, job->volume, error_message(error));
}

static int run(struct operation *operation, void *data, struct error **error)
{
	struct job *job = data;
	struct error *problem = NULL;
	(void)operation;
	int result =
		job->instance
			? (job->name ? instance_snapshot_delete(job->instance, job->name, &problem)
				     : take_of_instance(job, &problem))
			: (job->name ? remove_of_volume(job, &problem)
				     : take_of_volume(job, &problem));
	/* What somebody else removed meanwhile is no failure. */
	bool gone = result < 0 && job->name && problem->kind == ERROR_NOT_FOUND;
	if (result < 0 && !gone)
		complain(job, problem);
	end(job->jobs, job->attempt, result < 0 && !gone);
	job->attempt = NULL;
	if (result < 0 && !gone && error)
		*error = steal_pointer(&problem);
	error_free(problem);
	return gone ? 0 : result;
}

static void job_free(void *data)
{
	struct job *job = data;
	if (job->attempt) /* it never ran */
		end(job->jobs, job->attempt, true);
	if (job->instance)
		instance_unref(job->instance);
	free(job->pool);
	free(job->volume);
	free(job->name);
	free(job);
}

/* Takes it. */
static void start(struct job *job, const char *description, json_t *resources)
{
	cleanup_error struct error *error = NULL;
	struct operation *operation = NULL;
	struct operation_spec spec = {
		.class = OPERATION_TASK,
		.description = description,
		.resources = resources,
		.run = run,
		.data = job,
		.destroy = job_free,
	};
	if (operation_run(job->jobs->server->operations, &spec, &operation, &error) < 0)
		log_event(LOG_LEVEL_WARNING, NULL, "snapshot by schedule: %s",
			  error_message(error));
	else
		operation_unref(operation);
}

void scheduler_jobs_instance(struct scheduler_jobs *jobs, struct instance *instance,
			     const struct snapshot_row *snapshot)
{
	const struct attempt like = {.owner = instance->id,
				     .snapshot = snapshot ? snapshot->id : 0};
	struct attempt *attempt = begin(jobs, &like);
	if (!attempt)
		return;
	struct job *job = memory_alloc(sizeof(*job));
	*job = (struct job){
		.jobs = jobs,
		.attempt = attempt,
		.instance = instance_ref(instance),
		.name = snapshot ? memory_strdup(snapshot->name) : NULL,
	};
	cleanup_free char *url = memory_printf("/1.0/instances/%s", instance->name);
	start(job, snapshot ? "Deleting snapshot" : "Snapshotting instance",
	      json_pack("{s:[s]}", "instances", url));
}

void scheduler_jobs_volume(struct scheduler_jobs *jobs, const struct volume_row *volume,
			   const struct volume_snapshot_row *snapshot)
{
	const struct attempt like = {
		.of_volume = true, .owner = volume->id, .snapshot = snapshot ? snapshot->id : 0};
	struct attempt *attempt = begin(jobs, &like);
	if (!attempt)
		return;
	struct job *job = memory_alloc(sizeof(*job));
	*job = (struct job){
		.jobs = jobs,
		.attempt = attempt,
		.pool = memory_strdup(volume->pool),
		.volume = memory_strdup(volume->name),
		.name = snapshot ? memory_strdup(snapshot->name) : NULL,
	};
	cleanup_free char *url = memory_printf("/1.0/storage-pools/%s/volumes/custom/%s",
					       volume->pool, volume->name);
	start(job, snapshot ? "Deleting storage volume snapshot" : "Snapshotting storage volume",
	      json_pack("{s:[s]}", "storage_volumes", url));
}
