/*
 * Background operations (LXD's /1.0/operations). Each runs in a detached
 * thread of its own; its state changes in one function, which tells the event
 * hub and whoever waits. updated_at grows with every change, so that a client
 * that names the last one it saw misses nothing. A finished operation stays
 * readable for 30 seconds, or until a thousand others have finished; nothing is
 * timed while there is none.
 */
#ifndef SYSCT_OPERATION_H
#define SYSCT_OPERATION_H

#include <jansson.h>
#include <stdbool.h>

#include "error.h"

struct event_hub;
struct operation;
struct operation_manager;
struct websocket;

/* The values are LXD's API (doc: "status codes"). */
enum operation_status {
	OPERATION_RUNNING = 103,
	OPERATION_CANCELLING = 104,
	OPERATION_PENDING = 105,
	OPERATION_SUCCESS = 200,
	OPERATION_FAILURE = 400,
	OPERATION_CANCELLED = 401,
};

enum operation_class { OPERATION_TASK, OPERATION_WEBSOCKET, OPERATION_TOKEN };

/* How long, and how many, operations are remembered after their end. */
enum { OPERATION_KEEP_SECONDS = 30, OPERATION_KEEP_MAX = 1000 };

enum { OPERATION_MAX_SOCKETS = 8 };

const char *operation_status_to_string(enum operation_status status); /* "Running" */
const char *operation_class_to_string(enum operation_class class);    /* "websocket" */

/**
 * struct operation_spec - what to run.
 * @description: "Creating instance".
 * @resources: {"instances": ["/1.0/instances/x"]}; takes the reference, may be NULL.
 * @metadata: takes the reference; NULL is none yet. For OPERATION_WEBSOCKET
 * "fds" is added to it.
 * @project: NULL is "default".
 * @sockets: OPERATION_WEBSOCKET: names of the slots ("0", "control"), ended by
 * NULL; each gets a secret in metadata.fds.
 * @may_cancel: whether DELETE is allowed; implied by @cancel.
 * @run: in the operation's thread. -1 with *error fails it (ERROR_CANCELLED, or
 * any error after a cancel was asked for: Cancelled).
 * @cancel: called once, in the thread of the one who cancels, after
 * operation_cancelled() has become true; must not block. May be NULL.
 * @destroy: frees @data after @run, in every case; may be NULL.
 */
struct operation_spec {
	enum operation_class class;
	const char *description;
	json_t *resources;
	json_t *metadata;
	const char *project;
	const char *const *sockets;
	bool may_cancel;
	int (*run)(struct operation *operation, void *data, struct error **error);
	void (*cancel)(struct operation *operation, void *data);
	void *data;
	void (*destroy)(void *data);
};

struct operation_manager *operation_manager_create(struct event_hub *hub, struct error **error);

/**
 * operation_manager_stop - refuse new ones, cancel what can be cancelled, wait.
 * Returns 0 when none runs any more, -1 after @timeout milliseconds.
 */
int operation_manager_stop(struct operation_manager *manager, int timeout);

/* After a stop that returned 0. Operations that others still hold stay valid. */
void operation_manager_free(struct operation_manager *manager);

/**
 * operation_run - start at once.
 * What @spec gives away is taken in every case, @data too (@destroy is called
 * when no thread can be had or the manager stops).
 * @operation: a reference for the caller; NULL when not wanted.
 */
int operation_run(struct operation_manager *manager, const struct operation_spec *spec,
		  struct operation **operation, struct error **error);

struct operation *operation_ref(struct operation *operation);
void operation_unref(struct operation *operation);

static inline void cleanup_operation_pointer(struct operation **operation)
{
	if (*operation)
		operation_unref(*operation);
}

#define cleanup_operation __attribute__((cleanup(cleanup_operation_pointer)))

/* A reference to the operation of that id, or NULL. */
struct operation *operation_find(struct operation_manager *manager, const char *id);

/* As LXD lists them: {"running": [URL, ...]}, with recursion {"running": [{}, ...]}. */
json_t *operation_manager_list(struct operation_manager *manager, int recursion,
			       const char *project);

const char *operation_id(const struct operation *operation);
const char *operation_url(const struct operation *operation); /* "/1.0/operations/ID" */
json_t *operation_to_json(struct operation *operation);	      /* a new reference */
enum operation_status operation_get_status(struct operation *operation);

/* ---- for the worker ---- */

/**
 * operation_progress - tell how far it is.
 * Sets metadata.progress = {"stage", "percent"} and metadata.STAGE_progress =
 * @text, which is what `lxc` shows. At most ten events a second; a value that
 * came too early for one is published when its time has come.
 * @percent: -1 when unknown.
 */
void operation_progress(struct operation *operation, const char *stage, int percent,
			const char *text);

/* metadata.@key = @value (reference taken); published. NULL removes it. */
void operation_set_metadata(struct operation *operation, const char *key, json_t *value);

/* Whether a cancel was asked for. */
bool operation_cancelled(struct operation *operation);

/**
 * operation_cancel_fd - readable (eventfd) from then on.
 * For poll(2) by @run only, and not to be read; closed when @run has returned.
 * -1 when there are no descriptors left.
 */
int operation_cancel_fd(struct operation *operation);

/**
 * operation_wait_socket - the connection of a slot, when a client has made it.
 * @timeout: milliseconds, -1 for ever.
 * The caller owns what it gets. NULL with ERROR_TIMEOUT, ERROR_CANCELLED, or
 * ERROR_NOT_FOUND when the slot was closed or its connection taken before.
 */
struct websocket *operation_wait_socket(struct operation *operation, const char *name, int timeout,
					struct error **error);

/* Nobody can connect this slot any more; whoever waits for it returns. */
void operation_close_socket(struct operation *operation, const char *name);

/* ---- for the API ---- */

/* ERROR_INVALID when it cannot be cancelled or has ended. */
int operation_cancel(struct operation *operation, struct error **error);

/**
 * operation_secret_check - whether a secret opens a slot that is still free.
 * ERROR_NOT_FOUND for a wrong secret, ERROR_INVALID when connected already.
 */
int operation_secret_check(struct operation *operation, const char *secret, struct error **error);

/* Puts a connection in its slot; takes @websocket in every case. */
int operation_connect(struct operation *operation, const char *secret, struct websocket *websocket,
		      struct error **error);

/**
 * operation_wait - until it has ended or changed.
 * @timeout: milliseconds, -1 for ever.
 * @since: an updated_at; a difference ends the wait. NULL waits for the end.
 * @client_fd: a socket whose hang-up ends the wait too (request_fd()); -1 for none.
 * Returns 1 when the operation ended or changed, 0 otherwise.
 */
int operation_wait(struct operation *operation, int timeout, const char *since, int client_fd);

#endif
