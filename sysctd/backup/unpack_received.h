/* Changes in a subvolume that is received: all but the data of files (unpack_stream.c). */
#ifndef SYSCT_BACKUP_UNPACK_RECEIVED_H
#define SYSCT_BACKUP_UNPACK_RECEIVED_H

#include <jansson.h>

#include "backup/send_stream.h"
#include "error.h"

/* Where a path leads: a directory that is open, and the last name; "." for the root. */
struct received_place {
	int directory;
	const char *name; /* a part of the path */
};

/* Never out of @root, nor through a symbolic link; received_leave() closes it. */
int received_find(int root, const char *path, struct received_place *place, struct error **error);
void received_leave(struct received_place *place);

struct received_tree {
	int root;
	const json_t *map;  /* of ids */
	const char *wanted; /* the directory whose owners must be in the map; "": all */
};

int received_change(const struct received_tree *tree, const struct send_command *command,
		    struct error **error);

/* What is in the directory @name becomes what is in @root, which becomes as that was; the rest goes. */
int received_lift(int root, const char *name, struct error **error);

#endif
