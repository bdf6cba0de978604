/* GET /1.0/events: the event hub over a WebSocket. */
#ifndef SYSCT_API_EVENT_STREAM_H
#define SYSCT_API_EVENT_STREAM_H

#include "router.h"

extern const struct route api_event_routes[];

#endif
