/* A new instance from a backup in the body of a request. */
#ifndef SYSCT_API_INSTANCE_IMPORT_H
#define SYSCT_API_INSTANCE_IMPORT_H

#include "api/request.h"
#include "api/response.h"

/* route.body_begin of POST /1.0/instances: directs the body, if it is a backup. */
int instance_import_begin(struct request *request, struct error **error);

/* Its handler then: request_data() is not NULL. */
struct response *instance_import(struct request *request, struct error **error);

#endif
