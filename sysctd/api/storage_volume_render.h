/* Custom volumes in the API: what the files storage_volume*.c share. */
#ifndef SYSCT_API_STORAGE_VOLUME_RENDER_H
#define SYSCT_API_STORAGE_VOLUME_RENDER_H

#include <jansson.h>

#include "api/request.h"
#include "db/volumes.h"
#include "operation.h"

#define VOLUMES "/1.0/storage-pools/{pool}/volumes"

/* A volume as LXD tells of it, with its users; NULL on failure. */
json_t *volume_render(struct server *server, const struct volume_row *row, struct error **error);

/* "resources" of an operation on it. */
json_t *volume_render_resources(const char *pool, const char *name);

/* What its ETag is made of. */
json_t *volume_etag_content(const struct volume_row *row);

/* ERROR_UNSUPPORTED when the type in the path is not "custom", which alone can be changed. */
int volume_check_type(const struct request *request, struct error **error);

/* The volume in the path. */
int volume_of_request(const struct request *request, struct volume_row *row, struct error **error);

/* What an operation works on, copied; members may be NULL. */
struct volume_task {
	struct server *server;
	char *pool, *name, *new_pool, *new_name, *snapshot, *description;
	json_t *config;
	bool snapshots, replace;
	int64_t expires_at; /* of a snapshot */
};

/* 202; @what is copied. */
struct response *volume_run(const struct request *request, const char *description,
			    int (*run)(struct operation *, void *, struct error **),
			    const struct volume_task *what, struct error **error);

#endif
