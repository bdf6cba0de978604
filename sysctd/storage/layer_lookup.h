/* How overlayfs reads a layer, for layer_merge.c (fs/overlayfs/namei.c, ovl_lookup_single()). */
#ifndef SYSCT_STORAGE_LAYER_LOOKUP_H
#define SYSCT_STORAGE_LAYER_LOOKUP_H

#include <stdbool.h>
#include <sys/stat.h>

#include "error.h"

#define LAYER_OPAQUE   "trusted.overlay.opaque"
#define LAYER_REDIRECT "trusted.overlay.redirect"

enum layer_entry { LAYER_NOTHING, LAYER_WHITEOUT, LAYER_DIRECTORY, LAYER_OTHER };

/* What @name in the directory is; -1 with an error. @status: filled unless it is nothing. */
int layer_entry(int directory, const char *name, struct stat *status, struct error **error);

/* ERROR_UNSUPPORTED for a regular file whose data is in another (metacopy=on). */
int layer_check_data(int directory, const char *name, struct error **error);

/* How a directory goes on in the layers below its own. */
struct layer_below {
	int lower; /* its directory in the lower layer of two, to be closed; -1: it has none there */
	char *rest; /* its path in what lies below both, "" or "/a/b"; NULL: nothing of that is seen */
};

void layer_below_clear(struct layer_below *below);

/* The entry @name of a directory that goes on as @from, seen from above the lower layer. */
int layer_step(const struct layer_below *from, const char *name, struct layer_below *to,
	       struct error **error);

/* The same of a directory @name of the upper layer, whose own attributes say where it goes on.
 * @root: of the lower layer. */
int layer_continue(int root, int upper, const char *name, const struct layer_below *from,
		   struct layer_below *to, struct error **error);

/* "PATH/NAME"; NULL of NULL. The caller frees it. */
char *layer_join(const char *path, const char *name);

#endif
