/*
 * Builds in progress. A build runs in a thread of its own and belongs to all
 * who wait for it: who asks for the same template with the same options joins.
 * It is cancelled when the last of them gives up, or when the daemon stops.
 */
#ifndef SYSCT_IMAGE_BUILD_H
#define SYSCT_IMAGE_BUILD_H

#include <stdbool.h>

#include "error.h"
#include "image/template.h"

struct image_build;
struct image_builder;
struct operation;
struct server;

/**
 * build_join - build what @match tells, or wait for who is doing so.
 * @alias: what was asked for.
 * @take_aliases: as in struct image_result.
 * @operation: gets the progress and may cancel; NULL is fine.
 * Returns the fingerprint, to be freed; ERROR_CANCELLED, or the build's error.
 */
char *build_join(struct image_builder *builder, const char *alias,
		 const struct template_match *match, bool take_aliases, struct operation *operation,
		 struct error **error);

/* ---- for the run of a build (build_run.c) ---- */

struct build_request {
	struct server *server;
	const char *alias;
	const struct template_match *match;
	bool take_aliases;
	int cancel_fd; /* becomes readable */
	struct image_build *build;
};

/* In the build's thread: runs the template and stores the image. The fingerprint, or NULL. */
char *build_run(const struct build_request *request, struct error **error);

/* Tells all who wait. */
void build_progress(struct image_build *build, int percent, const char *text);

#endif
