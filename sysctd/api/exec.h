/* Attaching to an instance's monitor on behalf of a client. */
#ifndef SYSCT_API_EXEC_H
#define SYSCT_API_EXEC_H

#include <jansson.h>

#include "error.h"
#include "operation.h"

struct instance;
struct request;
struct response;

/**
 * attach_by_descriptors - the local fast path: 101, then one message with the
 * client's descriptors, which goes on to the monitor with @request added. The
 * monitor answers the client on its control descriptor; we are out of it.
 * @instance, @monitor_request: taken.
 */
struct response *attach_by_descriptors(struct instance *instance, json_t *monitor_request);

/**
 * exec_sessions_run - the body of a WebSocket exec operation (exec_session.c).
 * @monitor_request: {"op": "exec", ...}. Sets "return" in the metadata.
 */
int exec_session_run(struct operation *operation, struct instance *instance,
		     const json_t *monitor_request, bool connected, struct error **error);

/* The same for the console (console.c): slots "0" and "control". */
int console_session_run(struct operation *operation, struct instance *instance,
			const json_t *monitor_request, struct error **error);

/* JSON commands of a client's control WebSocket until it closes (control.c). */
struct control_reader {
	struct websocket *websocket;
	int monitor;  /* the control socket to the monitor: signals */
	int terminal; /* a pty master to resize, or -1: the monitor is told */
};

/* Thread function; shuts the monitor's socket down when the client has gone. */
void *control_read(void *control_reader);

#endif
