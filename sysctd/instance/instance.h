/*
 * Instances while the daemon runs: one object each, found by name, with its
 * state, the link to its monitor and the lock that an operation holds. The
 * configuration is always read from the database.
 *
 * The state changes in one function (instance_set_state), which checks the
 * transition and publishes the event.
 */
#ifndef SYSCT_INSTANCE_INSTANCE_H
#define SYSCT_INSTANCE_INSTANCE_H

#include <jansson.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "db/instances.h"
#include "error.h"
#include "runtime/cgroup.h"
#include "runtime/monitor_link.h"

struct instance_registry;
struct operation;
struct server;

enum instance_state {
	INSTANCE_STOPPED,
	INSTANCE_STARTING,
	INSTANCE_RUNNING,
	INSTANCE_FROZEN,
	INSTANCE_STOPPING,
	INSTANCE_ERROR,
	INSTANCE_STATE_COUNT
};

const char *instance_state_to_string(enum instance_state state); /* "Running" */
int instance_state_code(enum instance_state state);		 /* LXD's: 103 */

struct instance {
	struct instance *next; /* in its bucket of the registry */
	struct server *server;
	int references;
	int64_t id;
	char *name;
	char *uuid;
	bool ephemeral;
	bool deleted; /* its row is gone; who still holds it must let go */

	pthread_mutex_t lock; /* guards what follows; never held while waiting for others */
	pthread_cond_t changed;
	enum instance_state state;
	const char *busy; /* what the operation that holds it does: "start"; NULL when free */
	struct monitor_link link;
	struct cgroup cgroup; /* open while it runs */
	char *last_error;     /* why it stopped, where that is worth telling */
	char *warning;	      /* what it has not as it should while it runs, or NULL */
	bool restarting;      /* its end is followed by a start: an ephemeral one stays */
	bool stop_wanted;     /* the stop under way was asked for through the API */
	bool kill_wanted;     /* and by force: a boot that comes in between ends too */
};

/* ---- the registry (registry.c) ---- */

struct instance_registry *instance_registry_create(struct server *server, struct error **error);

/* One object for every row, and the monitors that still run (after storage_repair()). */
int instance_registry_load(struct server *server, struct error **error);

/* After that: those that run have the limits of their root disks, as their rows say. */
void instances_limit_roots(struct server *server);

/* Ends the watching thread. Instances go on. */
void instance_registry_free(struct instance_registry *registry);

/* A reference, to be given to instance_unref(); NULL with ERROR_NOT_FOUND. */
struct instance *instance_find(struct server *server, const char *name, struct error **error);
void instance_unref(struct instance *instance);

static inline void cleanup_instance_pointer(struct instance **instance)
{
	if (*instance)
		instance_unref(*instance);
}
#define cleanup_instance __attribute__((cleanup(cleanup_instance_pointer)))

/* Puts a new row into the registry. Returns a reference. */
struct instance *instance_add(struct server *server, const struct instance_row *row);
void instance_remove(struct instance *instance);
void instance_set_name(struct instance *instance, const char *name);

/* How many run (for the daemon's own log and idle check). */
unsigned instance_count_running(struct server *server);

/* ---- state and lock (state.c) ---- */

/* Takes the operation lock; waits for the holder up to @timeout ms, then ERROR_BUSY names it. */
int instance_lock(struct instance *instance, const char *what, int timeout, struct error **error);
void instance_unlock(struct instance *instance);

static inline void cleanup_instance_lock_pointer(struct instance **instance)
{
	if (*instance)
		instance_unlock(*instance);
}
/* Releases the operation lock at the end of the scope. */
#define cleanup_instance_lock __attribute__((cleanup(cleanup_instance_lock_pointer)))

enum instance_state instance_get_state(struct instance *instance);
void instance_set_state(struct instance *instance, enum instance_state state);

/* Waits until it is stopped; ERROR_TIMEOUT after @timeout ms (-1: for ever). */
int instance_wait_stopped(struct instance *instance, int timeout, struct error **error);

/* Waits while it is starting, at most @timeout ms. */
void instance_wait_started(struct instance *instance, int timeout);

/* ERROR_INVALID "is not running" and the like, as the peers say it. */
int instance_check_running(struct instance *instance, struct error **error);

/* Directory of its monitor, and its control group relative to the hierarchies. Caller frees. */
char *instance_run_directory(const struct instance *instance);
char *instance_cgroup_path(const struct instance *instance);
char *instance_log_directory(const struct instance *instance);

/* Why it stopped by itself, in a line; NULL when it runs or was asked to stop. The caller frees it. */
char *instance_reason(struct instance *instance);

/* What it lacks while it runs, in a line, or NULL. The caller frees it. */
char *instance_warning(struct instance *instance);

/* "/1.0/instances/NAME" lifecycle event; @action is "instance-started". */
void instance_publish(struct instance *instance, const char *action);

/* ---- watching monitors (watch.c) ---- */

/* Watches the link; on its end the instance becomes stopped, and an ephemeral one is deleted. */
int instance_watch(struct instance *instance, struct error **error);

/* ---- what one can do with an instance ---- */

/* Makes "amber-otter": a name that no instance has. The caller frees it. */
char *instance_make_name(struct server *server);

/* What POST /1.0/instances asks for; members are borrowed. */
struct instance_request {
	const char *name; /* NULL: one is made up */
	const char *description;
	const char *image;			   /* alias or fingerprint */
	const json_t *config, *devices, *profiles; /* profiles NULL: ["default"] */
	bool ephemeral;
};

/**
 * instance_create - row, id range and root volume (create.c).
 * @row: filled with what was stored. On failure nothing of it is left.
 */
int instance_create(struct server *server, const struct instance_request *request,
		    struct operation *operation, struct instance_row *row, struct error **error);

struct copy_request {
	struct instance *source;
	const char *snapshot; /* of it; NULL: what it is now */
	bool snapshots;	      /* its snapshots are copied, too */
	struct instance_request
		instance; /* without an image; what it says is laid over the source's */
	struct operation
		*operation; /* gets the progress of a copy to another pool, and may cancel */
};

/**
 * instance_copy - a new instance that begins as the source is, or was (copy.c).
 * It has a range of ids, addresses and a layer of its own. The source may run: it is held still for a
 * moment (branch.h). @row: filled with what was stored. On failure nothing is left.
 */
int instance_copy(const struct copy_request *request, struct instance_row *row,
		  struct error **error);

/**
 * instance_refresh - a stopped copy becomes what the source is now (refresh.c).
 * Files and, if the request says so, snapshots; its configuration stays. Of the request the source,
 * "snapshots" and the operation count.
 */
int instance_refresh(struct instance *target, const struct copy_request *request,
		     struct error **error);

/* instance_move - a stopped one, with its snapshots, to another pool (across.c).
 * @operation: gets the progress, and may cancel. */
int instance_move(struct instance *instance, const char *pool, struct operation *operation,
		  struct error **error);

/* From stopped to init running (start.c). */
int instance_start(struct instance *instance, struct error **error);

/**
 * instance_stop - through init, or at once (stop.c).
 * @timeout: seconds for init, -1 for the default; afterwards ERROR_TIMEOUT,
 * and the instance goes on. @force: ends every process.
 */
int instance_stop(struct instance *instance, bool force, int timeout, struct error **error);
int instance_restart(struct instance *instance, bool force, int timeout, struct error **error);
int instance_freeze(struct instance *instance, bool freeze, struct error **error);

/* delete.c; ERROR_INVALID while it runs. */
int instance_delete(struct instance *instance, struct error **error);
int instance_rename(struct instance *instance, const char *name, struct error **error);

/**
 * instance_update - store configuration, devices, profiles, description, ephemeral (update.c).
 * @row: as read by db_instance_get() and changed. Live keys are applied to a
 * running instance first; if that fails nothing is stored.
 */
int instance_update(struct instance *instance, struct instance_row *row, struct error **error);

/* After a profile has been stored: applies it to the running instances that use it. */
int instances_profile_changed(struct server *server, const char *profile, struct error **error);

/* Valid host name, at most 63 characters (RFC 1123); ERROR_INVALID says what is wrong. */
int instance_check_name(const char *name, struct error **error);

/* ---- the runtime's spec (spec_make.c) ---- */

/* The OCI config.json plus "sysct" of an instance; a new reference, or NULL. */
json_t *instance_make_spec(struct instance *instance, const struct instance_row *row,
			   struct error **error);

/**
 * instance_make_resources - "linux.resources" for limits.*; a new reference, or NULL.
 * Keys that are unset come as "no limit". @self: whom they are for, so that its
 * own CPUs do not count as taken; NULL for one that does not run.
 */
json_t *instance_make_resources(struct server *server, const struct instance *self,
				const json_t *expanded_config, struct error **error);

/* The expanded configuration and devices of a row. */
int instance_expand(struct server *server, const struct instance_row *row, json_t **config,
		    json_t **devices, struct error **error);

/* "size" of the root disk in bytes, by expanded devices; 0: none. */
uint64_t instance_root_size(const json_t *devices);

/* At daemon start: boot.autostart and volatile.last_state.power (autostart.c). */
void instances_autostart(struct server *server);

#endif
