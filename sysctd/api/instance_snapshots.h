/* Snapshots of instances as LXD's JSON, and restoring one. */
#ifndef SYSCT_API_INSTANCE_SNAPSHOTS_H
#define SYSCT_API_INSTANCE_SNAPSHOTS_H

#include <jansson.h>

#include "db/profiles.h"
#include "db/snapshots.h"
#include "error.h"

struct request;
struct response;

/* One of them; @profiles NULL: with its name and time alone. */
json_t *snapshot_render(const struct snapshot_row *row, const struct profile_list *profiles,
			struct error **error);

/* Those of the instance @id among all of @list, for "snapshots" of an instance. */
json_t *snapshots_render(const struct snapshot_list *list, int64_t id,
			 const struct profile_list *profiles, struct error **error);

/* PUT of an instance with "restore": an operation. @name may have "INSTANCE/" before it. */
struct response *snapshot_restore(struct request *request, const char *name, struct error **error);

#endif
