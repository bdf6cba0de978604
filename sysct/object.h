/* Things of the API that have a configuration: read, changed and written back whole. */
#ifndef SYSCT_OBJECT_H
#define SYSCT_OBJECT_H

#include "cli.h"

enum object_kind {
	OBJECT_INSTANCE,
	OBJECT_SNAPSHOT,
	OBJECT_PROFILE,
	OBJECT_POOL,
	OBJECT_NETWORK,
	OBJECT_NETWORK_ACL,
	OBJECT_IMAGE,
	OBJECT_ALIAS,
	OBJECT_SERVER,
	OBJECT_FORWARD, /* of a network */
	OBJECT_ZONE,
	OBJECT_RECORD,		/* of a zone */
	OBJECT_VOLUME,		/* of a pool */
	OBJECT_VOLUME_SNAPSHOT, /* its part is VOLUME/SNAPSHOT */
};

struct object {
	enum object_kind kind;
	const char *name; /* NULL for the server */
	const char *part; /* its name in the thing @name, where it has one */
};

/* How many words name one: 2 for what is part of another. */
int object_words(enum object_kind kind);

/* "/1.0/profiles/NAME"; the caller frees it. */
char *object_path(const struct object *object);

json_t *object_read(struct cli *cli, const struct object *object, struct error **error);

/* The members of @data that a PUT of @kind takes, as a new object. */
json_t *object_writable(enum object_kind kind, const json_t *data);

/* PUT @body; @etag may be NULL. */
int object_write(struct cli *cli, const struct object *object, const json_t *body, const char *etag,
		 struct error **error);

/**
 * object_change - read, let @change alter the writable members, write back if
 * nobody else wrote meanwhile, else begin again.
 */
int object_change(struct cli *cli, const struct object *object,
		  int (*change)(json_t *body, void *data, struct error **error), void *data,
		  struct error **error);

/* Lets the user edit the writable members as YAML, or reads them from a pipe. */
int object_edit(struct cli *cli, const struct object *object, struct error **error);

/* The member @key of @body as an object, made when it is missing. */
json_t *object_member(json_t *body, const char *key);

/* The rows of the table for get, set, unset, show and edit use these; variant is an object_kind. */
int object_run_get(struct cli *cli, struct error **error);
int object_run_set(struct cli *cli, struct error **error);
int object_run_unset(struct cli *cli, struct error **error);
int object_run_show(struct cli *cli, struct error **error);
int object_run_edit(struct cli *cli, struct error **error);

extern const struct option_row object_expanded_options[];

#endif
