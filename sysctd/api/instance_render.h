/* Instances as LXD's JSON. */
#ifndef SYSCT_API_INSTANCE_RENDER_H
#define SYSCT_API_INSTANCE_RENDER_H

#include <jansson.h>

#include "db/instances.h"
#include "db/profiles.h"
#include "error.h"

struct instance;
struct request;
struct server;

/* How much of an instance's state is read: most of the cost of a long list. */
enum instance_detail {
	INSTANCE_PLAIN,
	INSTANCE_NETWORK, /* status, pid and addresses: ?state=network (ours) */
	INSTANCE_FULL,
};

/**
 * instance_render - one instance.
 * @profiles: all of them, to expand the configuration; NULL leaves that out.
 * @instance: for its state; NULL when it is gone meanwhile.
 * @detail: more than INSTANCE_PLAIN comes with "state", "snapshots" and "backups" (recursion=2).
 */
json_t *instance_render(const struct instance_row *row, const struct profile_list *profiles,
			struct instance *instance, enum instance_detail detail,
			struct error **error);

/* What an ETag of an instance is made from: what PUT can change, without the description. */
json_t *instance_render_etag(const struct instance_row *row);

/* The instance that the request's path names: a reference, or NULL with ERROR_NOT_FOUND. */
struct instance *instance_of_request(struct request *request, struct error **error);

/* The "resources" of an operation on an instance. */
json_t *instance_render_resources(const char *name);

/* "/1.0/instances/NAME/state". @devices: expanded, for the size of the root disk; NULL leaves that out. */
json_t *instance_render_state(struct instance *instance, const json_t *devices,
			      enum instance_detail detail);

#endif
