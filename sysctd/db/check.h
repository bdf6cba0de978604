/* What a file is, before anything is written to it. Internal to sysctd/db. */
#ifndef SYSCT_DB_CHECK_H
#define SYSCT_DB_CHECK_H

#include <stdbool.h>

#include "error.h"

struct database_state {
	int version;	   /* of the schema; 0 when there is no database yet */
	bool half_changed; /* killed in a migration: @version is only true after SQLite opened it */
};

/**
 * check_database - whether db_open() may use the file.
 * ERROR_PRECONDITION for a file that is foreign, newer or damaged; it and its
 * directory are unchanged then.
 */
int check_database(const char *path, struct database_state *state, struct error **error);

#endif
