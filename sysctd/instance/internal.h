/* What the files of instance/ share. */
#ifndef SYSCT_INSTANCE_INTERNAL_H
#define SYSCT_INSTANCE_INTERNAL_H

#include <uuid/uuid.h>

#include "db/objects.h"
#include "instance/instance.h"
#include "storage/storage.h"

struct watcher;

struct watcher *watcher_create(struct server *server, struct error **error);
void watcher_free(struct watcher *watcher);
struct watcher *instance_registry_watcher(struct instance_registry *registry);

struct instance *instance_ref(struct instance *instance);

/* Calls @visit for every instance, with a reference held, without the registry's lock. */
void instance_registry_each(struct server *server,
			    void (*visit)(struct instance *instance, void *data), void *data);

/* Between its two calls a start is under way (cgroup_hold_back()). */
void instance_registry_starting(struct server *server, bool begin);

/* The monitor reported the end, or died: clean up and tell. @state: its last message, or NULL. */
void instance_ended(struct instance *instance, const json_t *state);

/* reason.c: what @state says of the end is kept until the next start, unless a stop was asked for. */
void instance_keep_reason(struct instance *instance, const json_t *state);
void instance_forget_reason(struct instance *instance);
void instance_load_reason(struct instance *instance);

/* What it lacks while it runs, for people; NULL: nothing. A restarted daemon loads it. */
void instance_warn(struct instance *instance, const char *warning);
void instance_load_warning(struct instance *instance);

/* Why it stopped, with the console's last lines; NULL when it was asked to. The caller frees it. */
char *instance_explain_end(struct instance *instance);

/* Addresses for NICs that have none yet, as after a change of a profile; stored in row->config too. */
int instance_assign_nics(struct server *server, struct instance_row *row,
			 const json_t *expanded_devices, struct error **error);

/* "sysct.nics" of the spec that it runs with; a new array. */
json_t *instance_running_nics(struct instance *instance);

/* What instance_update() does before it stores @new, for a stopped instance whose lock is held. */
int instance_prepare_update(struct instance *instance, const struct instance_row *old,
			    struct instance_row *new, struct error **error);

/* A daemon was killed while it held this instance still for a snapshot: it goes on. */
void instance_thaw_forgotten(struct instance *instance);

/* ---- parts of making one (create.c) ---- */

/* A new UUID, of an instance or a layer. */
void instance_make_uuid(char text[static UUID_STR_LEN]);

int instance_check_request(struct server *server, const struct instance_request *request,
			   struct error **error);

/* Everything that the row means together with its profiles; assigns addresses, fills row->pool. */
int instance_check_new(struct server *server, struct instance_row *row, struct error **error);

/* Where the volume of a new one is made, and whether that is flat (db/layers.h): row->flat_layer.
 * The pool is at hand then. @pool is filled, and borrowed by @place; the directory is the caller's. */
int instance_place_volume(struct server *server, struct instance_row *row, struct object_row *pool,
			  struct layer_place *place, struct error **error);

/* Whether a "size" that the root disk has can be kept in that pool. */
int instance_check_root_size(struct server *server, const char *pool, const json_t *devices,
			     struct error **error);

/* ERROR_INVALID when a "size" that @old has not is less than what the root disk has. */
int instance_check_root_fits(struct server *server, const struct instance_row *row,
			     const json_t *old, const json_t *devices, struct error **error);

/* What it writes into is kept to that size from now on. */
int instance_limit_root(struct server *server, const struct instance_row *row,
			const json_t *devices, struct error **error);

/* It is stored, and its volume there: into the registry, the log and the events. */
void instance_announce(struct server *server, const struct instance_row *row);

/* The same for one that was recovered, and may run still (load.c). */
void instance_recall(struct server *server, const struct instance_row *row);

/* Signal that asks init for a clean stop, by the image's init. */
int instance_stop_signal(const json_t *expanded_config);

/* Removes row, volume and registry entry of a stopped instance whose lock is held. */
int instance_destroy(struct instance *instance, struct error **error);

#endif
