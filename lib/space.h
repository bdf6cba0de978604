/* What an operation that met a full disk says: how much it needs, and how much there was. */
#ifndef SYSCT_SPACE_H
#define SYSCT_SPACE_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"

/* Looked at before the operation writes anything; what it has written is gone when it fails. */
struct space {
	char *where;	 /* "pool \"default\"" */
	uint64_t free;	 /* bytes */
	uint64_t inodes; /* UINT64_MAX where there is no limit */
};

/* Of the file system below @path; takes @where. */
struct space space_look(const char *path, char *where);
void space_clear(struct space *space);
#define cleanup_space __attribute__((cleanup(space_clear)))

/**
 * space_explain - an error of a full disk becomes one sentence that tells of space; another is left.
 * @space: one that was not looked at yet leaves the error, too.
 * @what: that failed: "the copy".
 * @need: bytes that it writes altogether; -1: nobody knows.
 * Returns -1.
 */
int space_explain(const struct space *space, const char *what, int64_t need, struct error **error);

/* Whether it is one that space_explain() explains: before @need is counted for it. */
bool space_is_short(struct error *const *error);

#endif
