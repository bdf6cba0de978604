/* Background operations: waiting for one with a progress display, or for many at once. */
#ifndef SYSCT_OPERATION_H
#define SYSCT_OPERATION_H

#include "cli.h"

/**
 * operation_finish - bring a reply to its end: wait when it is an operation.
 * @label: what the progress line says, "Launching mybox".
 * @result: the operation's last state, or NULL if not wanted; the caller owns it.
 *
 * SIGINT and SIGTERM ask the daemon to cancel the operation; a second one, or
 * one that cannot be cancelled, ends the program and the operation goes on.
 */
int operation_finish(struct cli *cli, const struct reply *reply, const char *label, json_t **result,
		     struct error **error);

/* A request and its operation. */
int operation_run(struct cli *cli, const char *method, const char *path, const json_t *body,
		  const char *label, json_t **result, struct error **error);

/* The error of an operation that ended without success; 0 if it succeeded. */
int operation_check(const json_t *operation, struct error **error);

/* Many objects, each with a connection of its own, so that the daemon works on all at once. */
struct batch_item {
	const char *name;
	struct client *client;
	struct reply reply;
	struct error *error;
	bool sent;
};

struct batch {
	struct batch_item *items;
	int count;
};

#define cleanup_batch __attribute__((cleanup(batch_free)))

void batch_init(struct batch *batch, char *const *names, int count);
void batch_free(struct batch *batch);

/**
 * batch_run - one request for each item that has no error yet: all are sent,
 * then all answers read, then all operations waited for.
 * @path_format: of client_path(), with one %s for the name.
 */
void batch_run(struct batch *batch, const char *method, const char *path_format,
	       const json_t *body);

/* Prints the errors but the last, which becomes *error; 0 when all went well. */
int batch_finish(struct cli *cli, struct batch *batch, struct error **error);

#endif
