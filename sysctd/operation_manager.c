/* See operation.h: the books of all operations, and the one timer they need. */
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cleanup.h"
#include "memory.h"
#include "operation_internal.h"

enum { TIMER_STACK = 128 << 10, LATE = 100 /* milliseconds */ };

/* Ids are random: their first two hexadecimal digits are a good hash. */
static size_t bucket_of(const char *id)
{
	char digits[3] = {id[0], id[0] ? id[1] : '\0', '\0'};
	return strtoul(digits, NULL, 16) % OPERATION_BUCKETS;
}

/* Under the lock: takes an operation out of its bucket; the reference goes with it. */
static void forget(struct operation_manager *manager, struct operation *operation)
{
	struct operation **at = &manager->buckets[bucket_of(operation->id)];
	while (*at != operation)
		at = &(*at)->next;
	*at = operation->next;
}

/* Under the lock: the first finished operation, if it is old enough. */
static struct operation *take_expired(struct operation_manager *manager, const struct timespec *now)
{
	struct operation *operation = manager->finished;
	if (!operation)
		return NULL;
	struct timespec end = operation->finished;
	end.tv_sec += OPERATION_KEEP_SECONDS;
	if (!manager->ending && manager->finished_count <= OPERATION_KEEP_MAX &&
	    operation_time_before(now, &end))
		return NULL;
	manager->finished = operation->next_finished;
	manager->finished_count--;
	if (!manager->finished)
		manager->finished_end = &manager->finished;
	forget(manager, operation);
	return operation;
}

static void publish_all_late(struct operation_manager *manager, struct operation *list)
{
	while (list) {
		pthread_mutex_lock(&manager->lock);
		struct operation *next = list->next_late;
		list->listed_late = false;
		pthread_mutex_unlock(&manager->lock);
		pthread_mutex_lock(&list->lock);
		if (list->late)
			operation_changed(list);
		pthread_mutex_unlock(&list->lock);
		operation_unref(list);
		list = next;
	}
}

/* Under the lock, which is given up meanwhile: one thing that is due; false when there is none. */
static bool do_due(struct operation_manager *manager)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	struct operation *expired = take_expired(manager, &now);
	struct operation *late = NULL;
	if (!expired && manager->late &&
	    (manager->ending || !operation_time_before(&now, &manager->late_at))) {
		late = manager->late;
		manager->late = NULL;
	}
	if (!expired && !late)
		return false;
	pthread_mutex_unlock(&manager->lock);
	operation_unref(expired);
	publish_all_late(manager, late);
	pthread_mutex_lock(&manager->lock);
	return true;
}

/* Under the lock: until the next thing is due or somebody signals. */
static void wait_for_due(struct operation_manager *manager)
{
	struct timespec end;
	if (manager->finished) {
		end = manager->finished->finished;
		end.tv_sec += OPERATION_KEEP_SECONDS;
	}
	if (manager->late && (!manager->finished || operation_time_before(&manager->late_at, &end)))
		end = manager->late_at;
	if (manager->finished || manager->late)
		pthread_cond_timedwait(&manager->timer, &manager->lock, &end);
	else
		pthread_cond_wait(&manager->timer, &manager->lock);
}

/* Under the lock, which is given up meanwhile: work is over, and its memory goes back
 * to the host (malloc_trim(3)), or a daemon would stay as large as its busiest moment. */
static void give_memory_back(struct operation_manager *manager)
{
	pthread_mutex_unlock(&manager->lock);
	malloc_trim(0);
	pthread_mutex_lock(&manager->lock);
}

static void *run_timer(void *data)
{
	struct operation_manager *manager = data;
	pthread_mutex_lock(&manager->lock);
	for (;;) {
		bool forgot = false;
		while (do_due(manager))
			forgot = true;
		if (forgot && !manager->finished && !manager->ending)
			give_memory_back(manager);
		if (manager->ending)
			break;
		wait_for_due(manager);
	}
	pthread_mutex_unlock(&manager->lock);
	return NULL;
}

static int start_timer(struct operation_manager *manager)
{
	pthread_attr_t attributes;
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, TIMER_STACK);
	int problem = pthread_create(&manager->thread, &attributes, run_timer, manager);
	pthread_attr_destroy(&attributes);
	return problem;
}

struct operation_manager *operation_manager_create(struct event_hub *hub, struct error **error)
{
	struct operation_manager *manager = memory_alloc(sizeof(*manager));
	pthread_condattr_t clock;
	manager->hub = hub;
	manager->finished_end = &manager->finished;
	pthread_mutex_init(&manager->lock, NULL);
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&manager->timer, &clock);
	pthread_cond_init(&manager->idle, &clock);
	pthread_condattr_destroy(&clock);
	int problem = start_timer(manager);
	if (problem) {
		error_errno(error, problem, "starting the timer of operations");
		free(manager);
		return NULL;
	}
	return manager;
}

void operation_manager_add(struct operation_manager *manager, struct operation *operation)
{
	size_t bucket = bucket_of(operation->id);
	operation_ref(operation);
	pthread_mutex_lock(&manager->lock);
	operation->next = manager->buckets[bucket];
	manager->buckets[bucket] = operation;
	pthread_mutex_unlock(&manager->lock);
}

/* @operation: NULL when it was counted but never began. The manager may be gone afterwards. */
void operation_manager_finish(struct operation_manager *manager, struct operation *operation)
{
	pthread_mutex_lock(&manager->lock);
	if (operation) {
		clock_gettime(CLOCK_MONOTONIC, &operation->finished);
		bool first = !manager->finished;
		bool full = ++manager->finished_count > OPERATION_KEEP_MAX;
		*manager->finished_end = operation;
		manager->finished_end = &operation->next_finished;
		if (first || full)
			pthread_cond_signal(&manager->timer);
	}
	if (--manager->running == 0)
		pthread_cond_broadcast(&manager->idle);
	pthread_mutex_unlock(&manager->lock);
}

void operation_manager_publish_late(struct operation_manager *manager, struct operation *operation)
{
	pthread_mutex_lock(&manager->lock);
	bool first = !manager->late;
	if (!operation->listed_late) {
		operation->listed_late = true;
		operation->next_late = manager->late;
		manager->late = operation_ref(operation);
	}
	if (first && manager->late) {
		clock_gettime(CLOCK_MONOTONIC, &manager->late_at);
		operation_add_milliseconds(&manager->late_at, LATE);
		pthread_cond_signal(&manager->timer);
	}
	pthread_mutex_unlock(&manager->lock);
}

struct operation *operation_find(struct operation_manager *manager, const char *id)
{
	pthread_mutex_lock(&manager->lock);
	struct operation *operation = manager->buckets[bucket_of(id)];
	while (operation && strcasecmp(operation->id, id) != 0)
		operation = operation->next;
	if (operation)
		operation_ref(operation);
	pthread_mutex_unlock(&manager->lock);
	return operation;
}

/* References to all, so that their locks are taken one by one and not under the manager's. */
static struct operation **collect(struct operation_manager *manager, size_t *count)
{
	struct operation **all = NULL;
	size_t size = 0;
	*count = 0;
	pthread_mutex_lock(&manager->lock);
	for (size_t i = 0; i < OPERATION_BUCKETS; i++) {
		for (struct operation *one = manager->buckets[i]; one; one = one->next) {
			if (*count == size) {
				size = size ? size * 2 : 64;
				all = memory_realloc(all, size * sizeof(struct operation *));
			}
			all[(*count)++] = operation_ref(one);
		}
	}
	pthread_mutex_unlock(&manager->lock);
	return all;
}

static void list_one(json_t *list, struct operation *operation, int recursion)
{
	json_t *value = recursion ? operation_to_json(operation) : json_string(operation->url);
	char name[16];
	const char *status = operation_status_to_string(operation_get_status(operation));
	size_t i = 0;
	for (; i < sizeof(name) - 1 && status[i]; i++)
		name[i] = (char)(status[i] | 0x20); /* lower case */
	name[i] = '\0';
	json_t *group = json_object_get(list, name);
	if (!group) {
		group = json_array();
		json_object_set_new(list, name, group);
	}
	json_array_append_new(group, value);
}

json_t *operation_manager_list(struct operation_manager *manager, int recursion,
			       const char *project)
{
	size_t count;
	cleanup_free struct operation **all = collect(manager, &count);
	json_t *list = json_object();
	for (size_t i = 0; i < count; i++) {
		if (!project || strcmp(all[i]->project, project) == 0)
			list_one(list, all[i], recursion);
		operation_unref(all[i]);
	}
	return list;
}

int operation_manager_stop(struct operation_manager *manager, int timeout)
{
	size_t count;
	struct timespec end;
	clock_gettime(CLOCK_MONOTONIC, &end);
	operation_add_milliseconds(&end, timeout);
	pthread_mutex_lock(&manager->lock);
	manager->stopping = true;
	pthread_mutex_unlock(&manager->lock);
	cleanup_free struct operation **all = collect(manager, &count);
	for (size_t i = 0; i < count; i++) {
		operation_cancel(all[i], NULL);
		operation_refuse_sockets(all[i]);
		operation_unref(all[i]);
	}
	pthread_mutex_lock(&manager->lock);
	int problem = 0;
	while (!problem && manager->running > 0)
		problem = pthread_cond_timedwait(&manager->idle, &manager->lock, &end);
	bool idle = manager->running == 0;
	pthread_mutex_unlock(&manager->lock);
	return idle ? 0 : -1;
}

/* The timer forgets everything that has finished before it ends. */
void operation_manager_free(struct operation_manager *manager)
{
	if (!manager)
		return;
	pthread_mutex_lock(&manager->lock);
	manager->stopping = true;
	manager->ending = true;
	pthread_cond_signal(&manager->timer);
	pthread_mutex_unlock(&manager->lock);
	pthread_join(manager->thread, NULL);
	pthread_cond_destroy(&manager->timer);
	pthread_cond_destroy(&manager->idle);
	pthread_mutex_destroy(&manager->lock);
	free(manager);
}
