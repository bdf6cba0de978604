/* A new instance or custom volume from a backup in the body of a request. */
#ifndef SYSCT_API_BACKUP_IMPORT_H
#define SYSCT_API_BACKUP_IMPORT_H

#include "api/request.h"
#include "api/response.h"
#include "db/backups.h"

/* Whether the body is one (Content-Type: application/octet-stream). */
bool backup_import_is(const struct request *request);

/* In route.body_begin: directs the body. Of a volume the pool is in the path. */
int backup_import_begin(struct request *request, enum backup_kind kind, struct error **error);

/* The handler then: request_data() is not NULL. */
struct response *backup_import(struct request *request, struct error **error);

#endif
