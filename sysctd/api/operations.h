/* /1.0/operations: list, show, cancel, wait, connect a WebSocket. */
#ifndef SYSCT_API_OPERATIONS_H
#define SYSCT_API_OPERATIONS_H

#include "router.h"

extern const struct route api_operation_routes[];

#endif
