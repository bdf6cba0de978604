/* See operation.h: one operation, its state and its thread. */
#include "operation.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <uuid/uuid.h>

#include "cleanup.h"
#include "events.h"
#include "log.h"
#include "memory.h"
#include "operation_internal.h"

enum { STACK_SIZE = 1 << 20, PROGRESS_INTERVAL = 100 /* milliseconds */ };

static const struct {
	enum operation_status status;
	const char *name;
} status_names[] = {
	{OPERATION_RUNNING, "Running"}, {OPERATION_CANCELLING, "Cancelling"},
	{OPERATION_PENDING, "Pending"}, {OPERATION_SUCCESS, "Success"},
	{OPERATION_FAILURE, "Failure"}, {OPERATION_CANCELLED, "Cancelled"},
};

const char *operation_status_to_string(enum operation_status status)
{
	for (size_t i = 0; i < sizeof(status_names) / sizeof(status_names[0]); i++)
		if (status_names[i].status == status)
			return status_names[i].name;
	return "Unknown";
}

const char *operation_class_to_string(enum operation_class class)
{
	static const char *const names[] = {"task", "websocket", "token"};
	return names[class];
}

bool operation_ended(enum operation_status status)
{
	return status >= OPERATION_SUCCESS;
}

/* Which states may follow which. */
static bool transition_allowed(enum operation_status from, enum operation_status to)
{
	switch (from) {
	case OPERATION_PENDING:
		return to == OPERATION_RUNNING || to == OPERATION_FAILURE;
	case OPERATION_RUNNING:
		return to == OPERATION_CANCELLING || operation_ended(to);
	case OPERATION_CANCELLING:
		return operation_ended(to);
	default:
		return false;
	}
}

static void add_string(json_t *object, const char *key, const char *text)
{
	json_t *value = json_string(text);
	if (!value) /* an error message with bytes that are not UTF-8 */
		value = json_stringn_nocheck("(not text)", 10);
	json_object_set_new(object, key, value);
}

static void add_time(json_t *object, const char *key, const struct timespec *time)
{
	char text[EVENT_TIME_SIZE];
	event_format_time(time, text);
	add_string(object, key, text);
}

json_t *operation_describe(const struct operation *operation)
{
	json_t *object = json_object();
	add_string(object, "id", operation->id);
	add_string(object, "class", operation_class_to_string(operation->class));
	add_string(object, "description", operation->description);
	add_time(object, "created_at", &operation->created);
	add_time(object, "updated_at", &operation->updated);
	add_string(object, "status", operation_status_to_string(operation->status));
	json_object_set_new(object, "status_code", json_integer(operation->status));
	json_object_set_new(object, "resources",
			    operation->resources ? json_incref(operation->resources) : json_null());
	json_object_set_new(object, "metadata",
			    operation->metadata ? json_incref(operation->metadata) : json_null());
	json_object_set_new(object, "may_cancel", json_boolean(operation->may_cancel));
	add_string(object, "err", operation->error ? operation->error : "");
	add_string(object, "location", "none");
	return object;
}

static void publish(struct operation *operation)
{
	operation->late = false;
	clock_gettime(CLOCK_MONOTONIC, &operation->published);
	if (event_hub_wanted(operation->manager->hub, EVENT_OPERATION))
		event_hub_publish(operation->manager->hub, EVENT_OPERATION, operation->project,
				  operation_describe(operation));
}

/* Strictly later than the last time, also when the clock was set back. */
static void touch(struct operation *operation)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	if (!operation_time_before(&operation->updated, &now)) {
		now = operation->updated;
		if (++now.tv_nsec == 1000000000L) {
			now.tv_sec++;
			now.tv_nsec = 0;
		}
	}
	operation->updated = now;
}

static void wake(struct operation *operation)
{
	uint64_t one = 1;
	for (struct operation_waiter *waiter = operation->waiters; waiter; waiter = waiter->next)
		if (write(waiter->fd, &one, sizeof(one)) < 0)
			continue; /* the counter is full: it is readable */
}

void operation_changed(struct operation *operation)
{
	touch(operation);
	publish(operation);
	wake(operation);
}

void operation_set_status(struct operation *operation, enum operation_status status)
{
	if (!transition_allowed(operation->status, status)) {
		log_event(LOG_LEVEL_ERROR, NULL, "operation %s cannot go from %s to %s",
			  operation->id, operation_status_to_string(operation->status),
			  operation_status_to_string(status));
		return;
	}
	operation->status = status;
	if (operation_ended(status))
		operation->may_cancel = false;
	operation_changed(operation);
}

struct operation *operation_ref(struct operation *operation)
{
	__atomic_add_fetch(&operation->references, 1, __ATOMIC_RELAXED);
	return operation;
}

void operation_unref(struct operation *operation)
{
	if (!operation || __atomic_sub_fetch(&operation->references, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	operation_free_sockets(operation);
	if (operation->cancel_fd >= 0)
		close(operation->cancel_fd);
	json_decref(operation->resources);
	json_decref(operation->metadata);
	pthread_mutex_destroy(&operation->lock);
	pthread_cond_destroy(&operation->cancel_done);
	free(operation->error);
	free(operation->url);
	free(operation->description);
	free(operation->project);
	free(operation);
}

static void destroy_data(struct operation_spec *spec)
{
	if (spec->destroy)
		spec->destroy(spec->data);
	spec->destroy = NULL;
	spec->data = NULL;
}

/* The end of the work: result, state, and the books of the manager. */
/* A copy of the metadata that the caller may change and put back. Under the lock. */
static json_t *copy_metadata(const struct operation *operation)
{
	return operation->metadata ? json_copy(operation->metadata) : json_object();
}

static void replace_metadata(struct operation *operation, json_t *metadata)
{
	json_decref(operation->metadata);
	operation->metadata = metadata;
}

/* Beside the sentence in "err", for programs: metadata.error_kind = "not_found". */
static void add_error_kind(struct operation *operation, enum error_kind kind)
{
	json_t *metadata = copy_metadata(operation);
	json_object_set_new(metadata, "error_kind", json_string(error_kind_to_string(kind)));
	replace_metadata(operation, metadata);
}

static void finish(struct operation *operation, int result, const struct error *error)
{
	pthread_mutex_lock(&operation->lock);
	while (operation->cancel_running)
		pthread_cond_wait(&operation->cancel_done, &operation->lock);
	enum operation_status status = OPERATION_SUCCESS;
	if (result < 0) {
		bool cancelled = operation->cancelled || (error && error->kind == ERROR_CANCELLED);
		status = cancelled ? OPERATION_CANCELLED : OPERATION_FAILURE;
		operation->error = memory_strdup(error_message(error));
	}
	operation->may_cancel = false;
	int cancel_fd = steal_fd(&operation->cancel_fd);
	if (cancel_fd >= 0)
		close(cancel_fd);
	pthread_mutex_unlock(&operation->lock);
	/* What the work held is released before the client learns of the end. */
	destroy_data(&operation->spec);
	operation_free_sockets(operation);
	pthread_mutex_lock(&operation->lock);
	if (result < 0 && error)
		add_error_kind(operation, error->kind);
	operation_set_status(operation, status);
	pthread_mutex_unlock(&operation->lock);
	operation_manager_finish(operation->manager, operation);
}

static void *work(void *data)
{
	struct operation *operation = data;
	cleanup_error struct error *error = NULL;
	int result = operation->spec.run(operation, operation->spec.data, &error);
	finish(operation, result, error);
	operation_unref(operation);
	return NULL;
}

static int start_thread(struct operation *operation)
{
	pthread_attr_t attributes;
	pthread_t thread;
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	int problem = pthread_create(&thread, &attributes, work, operation_ref(operation));
	pthread_attr_destroy(&attributes);
	if (problem)
		operation_unref(operation);
	return problem;
}

static struct operation *operation_new(struct operation_manager *manager,
				       const struct operation_spec *spec)
{
	struct operation *operation = memory_alloc(sizeof(*operation));
	uuid_t id;
	uuid_generate_random(id);
	uuid_unparse_lower(id, operation->id);
	operation->references = 1;
	operation->manager = manager;
	operation->url = memory_printf("/1.0/operations/%s", operation->id);
	operation->class = spec->class;
	operation->description = memory_strdup(spec->description ? spec->description : "");
	operation->project = memory_strdup(spec->project ? spec->project : "default");
	operation->resources = spec->resources;
	operation->metadata = spec->metadata;
	operation->may_cancel = spec->may_cancel || spec->cancel;
	operation->cancel_fd = -1;
	operation->status = OPERATION_PENDING;
	operation->spec = (struct operation_spec){
		.run = spec->run,
		.cancel = spec->cancel,
		.data = spec->data,
		.destroy = spec->destroy,
	};
	pthread_mutex_init(&operation->lock, NULL);
	pthread_cond_init(&operation->cancel_done, NULL);
	clock_gettime(CLOCK_REALTIME, &operation->created);
	operation->updated = operation->created;
	return operation;
}

/* The state is Running before the thread exists, so that nobody sees it otherwise. */
static int begin(struct operation *operation, struct error **error)
{
	pthread_mutex_lock(&operation->lock);
	operation_changed(operation);
	operation_set_status(operation, OPERATION_RUNNING);
	pthread_mutex_unlock(&operation->lock);
	if (!operation->spec.run)
		return 0;
	int problem = start_thread(operation);
	if (!problem)
		return 0;
	cleanup_error struct error *own = NULL;
	error_errno(&own, problem, "starting a thread for \"%s\"", operation->description);
	finish(operation, -1, own);
	error_move(error, steal_pointer(&own));
	return -1;
}

static bool manager_accepts(struct operation_manager *manager)
{
	pthread_mutex_lock(&manager->lock);
	bool accepts = !manager->stopping;
	if (accepts)
		manager->running++;
	pthread_mutex_unlock(&manager->lock);
	return accepts;
}

int operation_run(struct operation_manager *manager, const struct operation_spec *spec,
		  struct operation **result, struct error **error)
{
	struct operation *operation = operation_new(manager, spec);
	if (!manager_accepts(manager)) {
		destroy_data(&operation->spec);
		operation_unref(operation);
		return error_set(error, ERROR_BUSY, "the daemon is shutting down");
	}
	if (operation_make_sockets(operation, spec->sockets, error) < 0) {
		operation_manager_finish(manager, NULL);
		destroy_data(&operation->spec);
		operation_unref(operation);
		return -1;
	}
	operation_manager_add(manager, operation);
	int outcome = begin(operation, error);
	if (outcome == 0 && result)
		*result = operation;
	else
		operation_unref(operation);
	return outcome;
}

const char *operation_id(const struct operation *operation)
{
	return operation->id;
}

const char *operation_url(const struct operation *operation)
{
	return operation->url;
}

json_t *operation_to_json(struct operation *operation)
{
	pthread_mutex_lock(&operation->lock);
	json_t *object = operation_describe(operation);
	pthread_mutex_unlock(&operation->lock);
	return object;
}

enum operation_status operation_get_status(struct operation *operation)
{
	pthread_mutex_lock(&operation->lock);
	enum operation_status status = operation->status;
	pthread_mutex_unlock(&operation->lock);
	return status;
}

void operation_set_metadata(struct operation *operation, const char *key, json_t *value)
{
	pthread_mutex_lock(&operation->lock);
	json_t *metadata = copy_metadata(operation);
	if (value)
		json_object_set_new(metadata, key, value);
	else
		json_object_del(metadata, key);
	replace_metadata(operation, metadata);
	operation_changed(operation);
	pthread_mutex_unlock(&operation->lock);
}

static void set_progress(struct operation *operation, const char *stage, int percent,
			 const char *text)
{
	json_t *metadata = copy_metadata(operation);
	json_t *progress = json_object();
	cleanup_free char *key = memory_printf("%s_progress", stage);
	json_object_set_new(progress, "stage", json_string(stage));
	if (percent >= 0)
		json_object_set_new(progress, "percent", json_sprintf("%d", percent));
	json_object_set_new(metadata, "progress", progress);
	if (text)
		json_object_set_new(metadata, key, json_string(text));
	replace_metadata(operation, metadata);
}

void operation_progress(struct operation *operation, const char *stage, int percent,
			const char *text)
{
	struct timespec now, due;
	bool first_late = false;
	clock_gettime(CLOCK_MONOTONIC, &now);
	pthread_mutex_lock(&operation->lock);
	set_progress(operation, stage, percent, text);
	due = operation->published;
	operation_add_milliseconds(&due, PROGRESS_INTERVAL);
	if (operation_time_before(&now, &due)) {
		first_late = !operation->late;
		operation->late = true;
	} else {
		operation_changed(operation);
	}
	pthread_mutex_unlock(&operation->lock);
	if (first_late)
		operation_manager_publish_late(operation->manager, operation);
}
