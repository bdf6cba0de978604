/*
 * See events.h. One lock guards the list of subscribers and all queues: what
 * happens under it is a few pointers and at most one write to an eventfd per
 * subscriber, which cannot block. The text of an event is made once, before
 * the lock is taken, and shared.
 */
#include "events.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "memory.h"

struct event_subscriber {
	struct event_hub *hub;
	unsigned types;
	char *project;
	int fd;
	bool signalled;
	bool overflowed;
	struct event_text *queue[EVENT_QUEUE_MAX]; /* a ring */
	size_t first, count, bytes;
	struct event_subscriber *previous, *next;
};

struct event_hub {
	pthread_mutex_t lock;
	struct event_subscriber *subscribers;
	_Atomic unsigned wanted; /* the types of all subscribers together */
};

static const char *const type_names[EVENT_TYPE_COUNT] = {
	[EVENT_LIFECYCLE] = "lifecycle",
	[EVENT_OPERATION] = "operation",
	[EVENT_LOGGING] = "logging",
};

const char *event_type_to_string(enum event_type type)
{
	return type < EVENT_TYPE_COUNT ? type_names[type] : "";
}

int event_type_from_string(const char *name)
{
	for (int i = 0; i < EVENT_TYPE_COUNT; i++)
		if (strcmp(type_names[i], name) == 0)
			return i;
	return -1;
}

void event_format_time(const struct timespec *when, char text[static EVENT_TIME_SIZE])
{
	struct tm parts;
	gmtime_r(&when->tv_sec, &parts);
	size_t length = strftime(text, EVENT_TIME_SIZE, "%Y-%m-%dT%H:%M:%S", &parts);
	snprintf(text + length, EVENT_TIME_SIZE - length, ".%09ldZ", when->tv_nsec);
}

struct event_hub *event_hub_create(void)
{
	struct event_hub *hub = memory_alloc(sizeof(*hub));
	pthread_mutex_init(&hub->lock, NULL);
	return hub;
}

void event_hub_free(struct event_hub *hub)
{
	if (!hub)
		return;
	pthread_mutex_destroy(&hub->lock);
	free(hub);
}

bool event_hub_wanted(struct event_hub *hub, enum event_type type)
{
	return hub && atomic_load(&hub->wanted) & 1u << type;
}

void event_text_unref(struct event_text *text)
{
	if (text && __atomic_sub_fetch(&text->references, 1, __ATOMIC_ACQ_REL) == 0)
		free(text);
}

static struct event_text *make_text(enum event_type type, const char *project, json_t *metadata)
{
	struct timespec now;
	char when[EVENT_TIME_SIZE];
	clock_gettime(CLOCK_REALTIME, &now);
	event_format_time(&now, when);
	json_t *event = json_pack("{s:s, s:s, s:O, s:s, s:s}", "type", event_type_to_string(type),
				  "timestamp", when, "metadata", metadata, "location", "none",
				  "project", project);
	cleanup_free char *dump = event ? json_dumps(event, JSON_COMPACT) : NULL;
	json_decref(event);
	if (!dump)
		return NULL;
	size_t length = strlen(dump);
	struct event_text *text = memory_alloc(sizeof(*text) + length + 1);
	text->references = 1;
	text->length = length;
	memcpy(text->text, dump, length + 1);
	return text;
}

/* Under the lock. */
static void signal_subscriber(struct event_subscriber *subscriber)
{
	uint64_t one = 1;
	if (subscriber->signalled)
		return;
	subscriber->signalled = true;
	if (write(subscriber->fd, &one, sizeof(one)) < 0)
		return; /* only when the counter is full, and then it is readable */
}

static struct event_text *take_first(struct event_subscriber *subscriber)
{
	struct event_text *text = subscriber->queue[subscriber->first];
	subscriber->first = (subscriber->first + 1) % EVENT_QUEUE_MAX;
	subscriber->count--;
	subscriber->bytes -= text->length;
	return text;
}

static void empty_queue(struct event_subscriber *subscriber)
{
	while (subscriber->count > 0)
		event_text_unref(take_first(subscriber));
}

/* Under the lock. An overflow empties the queue: nobody will read it any more. */
static void push(struct event_subscriber *subscriber, struct event_text *text)
{
	if (subscriber->overflowed)
		return;
	if (subscriber->count == EVENT_QUEUE_MAX ||
	    subscriber->bytes + text->length > EVENT_QUEUE_BYTES) {
		subscriber->overflowed = true;
		empty_queue(subscriber);
	} else {
		__atomic_add_fetch(&text->references, 1, __ATOMIC_RELAXED);
		size_t at = (subscriber->first + subscriber->count++) % EVENT_QUEUE_MAX;
		subscriber->queue[at] = text;
		subscriber->bytes += text->length;
	}
	signal_subscriber(subscriber);
}

void event_hub_publish(struct event_hub *hub, enum event_type type, const char *project,
		       json_t *metadata)
{
	if (!project)
		project = "default";
	struct event_text *text =
		event_hub_wanted(hub, type) ? make_text(type, project, metadata) : NULL;
	json_decref(metadata);
	if (!text)
		return;
	pthread_mutex_lock(&hub->lock);
	for (struct event_subscriber *one = hub->subscribers; one; one = one->next)
		if (one->types & 1u << type &&
		    (!one->project || !*project || strcmp(one->project, project) == 0))
			push(one, text);
	pthread_mutex_unlock(&hub->lock);
	event_text_unref(text);
}

void event_hub_lifecycle(struct event_hub *hub, const char *action, const char *source,
			 json_t *context)
{
	if (event_hub_wanted(hub, EVENT_LIFECYCLE))
		event_hub_publish(hub, EVENT_LIFECYCLE, NULL,
				  json_pack("{s:s, s:s, s:o}", "action", action, "source", source,
					    "context", context ? context : json_object()));
	else
		json_decref(context);
}

/* Under the lock. */
static void count_wanted(struct event_hub *hub)
{
	unsigned wanted = 0;
	for (struct event_subscriber *one = hub->subscribers; one; one = one->next)
		wanted |= one->types;
	atomic_store(&hub->wanted, wanted);
}

struct event_subscriber *event_hub_subscribe(struct event_hub *hub, unsigned types,
					     const char *project, struct error **error)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fd < 0) {
		error_errno(error, errno, "subscribing to events");
		return NULL;
	}
	struct event_subscriber *subscriber = memory_alloc(sizeof(*subscriber));
	subscriber->hub = hub;
	subscriber->types = types;
	subscriber->project = project ? memory_strdup(project) : NULL;
	subscriber->fd = fd;
	pthread_mutex_lock(&hub->lock);
	subscriber->next = hub->subscribers;
	if (subscriber->next)
		subscriber->next->previous = subscriber;
	hub->subscribers = subscriber;
	count_wanted(hub);
	pthread_mutex_unlock(&hub->lock);
	return subscriber;
}

void event_hub_unsubscribe(struct event_subscriber *subscriber)
{
	if (!subscriber)
		return;
	struct event_hub *hub = subscriber->hub;
	pthread_mutex_lock(&hub->lock);
	if (subscriber->previous)
		subscriber->previous->next = subscriber->next;
	else
		hub->subscribers = subscriber->next;
	if (subscriber->next)
		subscriber->next->previous = subscriber->previous;
	count_wanted(hub);
	pthread_mutex_unlock(&hub->lock);
	empty_queue(subscriber);
	close(subscriber->fd);
	free(subscriber->project);
	free(subscriber);
}

int event_subscriber_fd(const struct event_subscriber *subscriber)
{
	return subscriber->fd;
}

bool event_subscriber_clear(struct event_subscriber *subscriber)
{
	uint64_t count;
	pthread_mutex_lock(&subscriber->hub->lock);
	if (subscriber->signalled && read(subscriber->fd, &count, sizeof(count)) > 0)
		subscriber->signalled = false;
	bool alive = !subscriber->overflowed;
	pthread_mutex_unlock(&subscriber->hub->lock);
	return alive;
}

struct event_text *event_subscriber_next(struct event_subscriber *subscriber)
{
	pthread_mutex_lock(&subscriber->hub->lock);
	struct event_text *text = subscriber->count > 0 ? take_first(subscriber) : NULL;
	pthread_mutex_unlock(&subscriber->hub->lock);
	return text;
}
