/* Attaching to an instance's monitor on behalf of a client. */
#ifndef SYSCT_API_EXEC_H
#define SYSCT_API_EXEC_H

#include <jansson.h>
#include <pthread.h>
#include <stdbool.h>

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

/*
 * JSON commands of a client's control WebSocket, in a thread of their own
 * (control.c). A client may connect it late, or never as pylxd does. When it
 * closes, the monitor's socket is shut down, which ends the command.
 */
struct control_reader {
	struct operation *operation;
	int monitor;  /* the control socket to the monitor: signals */
	int terminal; /* a pty master to resize, or -1: the monitor is told */
	pthread_t thread;
	bool runs;
	pthread_mutex_t lock; /* guards what follows */
	struct websocket *websocket;
	bool closing;
};

void control_begin(struct control_reader *control, struct operation *operation, int monitor,
		   int terminal);

/* Ends the client's connection; control_end() waits for the thread and frees. */
void control_close(struct control_reader *control);
void control_end(struct control_reader *control);

#endif
