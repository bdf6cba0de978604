/* What the files of the operations share. */
#ifndef SYSCT_OPERATION_INTERNAL_H
#define SYSCT_OPERATION_INTERNAL_H

#include <pthread.h>
#include <time.h>

#include "operation.h"

enum { OPERATION_SECRET_SIZE = 65, OPERATION_BUCKETS = 256 };

struct operation_socket {
	char *name;
	char secret[OPERATION_SECRET_SIZE];
	struct websocket *websocket;
	bool connected;
};

/* Somebody who waits; woken by every change. */
struct operation_waiter {
	int fd;
	struct operation_waiter *next;
};

/*
 * @lock guards everything below it; above it nothing changes. The metadata is
 * never changed but replaced, so that who has a reference may read it without
 * the lock. Order of locks: the operation's, then the hub's or the manager's;
 * an operation's lock is never taken under the manager's.
 */
struct operation {
	unsigned references; /* atomic */
	struct operation_manager *manager;
	char id[37];
	char *url;
	enum operation_class class;
	char *description;
	char *project;
	json_t *resources;
	struct timespec created;
	struct operation_spec spec; /* functions and data only */
	struct operation *next;	    /* in its bucket; the manager's lock */
	struct operation *next_finished;
	struct operation *next_late; /* the manager's lock */
	bool listed_late;	     /* likewise */
	struct timespec finished;    /* monotonic */

	pthread_mutex_t lock;
	pthread_cond_t cancel_done;
	enum operation_status status;
	json_t *metadata;
	char *error;
	struct timespec updated;
	bool may_cancel;
	bool cancelled;
	bool cancel_running;
	int cancel_fd;		   /* -1 until asked for */
	struct timespec published; /* monotonic; of progress */
	bool late;		   /* progress that was not published yet */
	struct operation_waiter *waiters;
	struct operation_socket *sockets; /* OPERATION_MAX_SOCKETS, or NULL */
	size_t socket_count;
};

/*
 * @lock guards all. Every operation is in its bucket by id; finished ones are
 * also in a list, oldest first. The timer thread waits for the oldest one to
 * expire, for progress to be published late, or, where there is neither, for a
 * signal.
 */
struct operation_manager {
	struct event_hub *hub;
	pthread_mutex_t lock;
	pthread_cond_t timer;
	pthread_cond_t idle;
	pthread_t thread;
	struct operation *buckets[OPERATION_BUCKETS];
	struct operation *finished, **finished_end;
	unsigned finished_count;
	struct operation *late;
	struct timespec late_at;
	unsigned running;
	bool stopping;
	bool ending;
};

/* A change was made: sets updated_at, publishes, wakes. Under the operation's lock. */
void operation_changed(struct operation *operation);

/* The one function that changes the state. Under the operation's lock. */
void operation_set_status(struct operation *operation, enum operation_status status);
bool operation_ended(enum operation_status status);

/* operation_to_json() under the operation's lock. */
json_t *operation_describe(const struct operation *operation);

/* operation_manager.c */
void operation_manager_add(struct operation_manager *manager, struct operation *operation);
void operation_manager_finish(struct operation_manager *manager, struct operation *operation);
void operation_manager_publish_late(struct operation_manager *manager, struct operation *operation);

/* operation_wait.c */
int operation_make_sockets(struct operation *operation, const char *const *names,
			   struct error **error);
void operation_free_sockets(struct operation *operation);

/* Nobody can connect any more; who waits for a connection fails. */
void operation_refuse_sockets(struct operation *operation);

static inline void operation_add_milliseconds(struct timespec *time, long milliseconds)
{
	time->tv_sec += milliseconds / 1000;
	time->tv_nsec += milliseconds % 1000 * 1000000L;
	if (time->tv_nsec >= 1000000000L) {
		time->tv_sec++;
		time->tv_nsec -= 1000000000L;
	}
}

static inline bool operation_time_before(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec != b->tv_sec ? a->tv_sec < b->tv_sec : a->tv_nsec < b->tv_nsec;
}

#endif
