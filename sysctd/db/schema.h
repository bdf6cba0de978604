/* The schema, version by version, and the migration between versions. Internal to sysctd/db. */
#ifndef SYSCT_DB_SCHEMA_H
#define SYSCT_DB_SCHEMA_H

#include "db/query.h"
#include "error.h"

enum {
	DB_APPLICATION_ID = 0x53597343, /* "SYsC", in the header of the file */
	DB_SCHEMA_VERSION = 6,
};

/**
 * schema_upgrade - bring a database from @version (0: empty) to the present one.
 * One transaction a step, which also sets the version; a step that fails leaves the
 * version before it. The connection is in no WAL mode, so that the version in the
 * file's header is always the true one.
 */
int schema_upgrade(struct connection *connection, int version, struct error **error);

#endif
