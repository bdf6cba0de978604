/*
 * The event hub: what happens is published once and reaches any number of
 * subscribers. Publishing never waits for a subscriber: each has a bounded
 * queue, and one that overflows is cut off. Nothing is built when nobody
 * listens.
 */
#ifndef SYSCT_EVENTS_H
#define SYSCT_EVENTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "error.h"

enum event_type { EVENT_LIFECYCLE, EVENT_OPERATION, EVENT_LOGGING, EVENT_TYPE_COUNT };

enum { EVENT_QUEUE_MAX = 1024, EVENT_QUEUE_BYTES = 4 << 20 };

struct event_hub;
struct event_subscriber;

const char *event_type_to_string(enum event_type type); /* "lifecycle" */
int event_type_from_string(const char *name);		/* -1 when there is none */

struct event_hub *event_hub_create(void);
void event_hub_free(struct event_hub *hub); /* after its last subscriber */

/* Whether somebody listens to @type: spares building metadata for nobody. */
bool event_hub_wanted(struct event_hub *hub, enum event_type type);

/**
 * event_hub_publish - tell all who listen.
 * @project: NULL is "default".
 * @metadata: takes the reference.
 */
void event_hub_publish(struct event_hub *hub, enum event_type type, const char *project,
		       json_t *metadata);

/**
 * event_hub_lifecycle - publish LXD's lifecycle event.
 * @action: "instance-started".
 * @source: "/1.0/instances/mybox".
 * @context: takes the reference; NULL is {}.
 */
void event_hub_lifecycle(struct event_hub *hub, const char *action, const char *source,
			 json_t *context);

/**
 * event_hub_subscribe - begin to listen.
 * @types: bit (1 << type) for each wanted type.
 * @project: events of this project and of none; NULL is all.
 */
struct event_subscriber *event_hub_subscribe(struct event_hub *hub, unsigned types,
					     const char *project, struct error **error);
void event_hub_unsubscribe(struct event_subscriber *subscriber);

/* Becomes readable (eventfd) when something was queued or the subscriber was cut off. */
int event_subscriber_fd(const struct event_subscriber *subscriber);

/* Makes the descriptor unreadable until more comes; false when the subscriber was cut off. */
bool event_subscriber_clear(struct event_subscriber *subscriber);

/**
 * event_subscriber_next - take the oldest event.
 * Returns its JSON text, to be given to event_text_unref(), or NULL when the
 * queue is empty. One text is shared by all who get it.
 */
struct event_text {
	unsigned references;
	size_t length;
	char text[];
};
struct event_text *event_subscriber_next(struct event_subscriber *subscriber);
void event_text_unref(struct event_text *text);

/* RFC 3339 with nanoseconds, as all times of the API: "2024-01-02T03:04:05.123456789Z". */
enum { EVENT_TIME_SIZE = 40 };
struct timespec;
void event_format_time(const struct timespec *time, char text[static EVENT_TIME_SIZE]);

#endif
