/*
 * Images: found by alias or fingerprint, built once by a template when an
 * alias is asked for that no image has yet.
 */
#ifndef SYSCT_IMAGE_IMAGE_H
#define SYSCT_IMAGE_IMAGE_H

#include <jansson.h>

#include "db/images.h"
#include "error.h"

struct image_builder;
struct operation;
struct server;

struct image_builder *image_builder_create(struct server *server, struct error **error);
void image_builder_free(struct image_builder *builder);

/**
 * image_require - the image of that alias or fingerprint (prefix).
 * Builds it with a template when no image has the alias and a template knows
 * it; two callers at once build it once: the second waits for the first.
 * @operation: gets the progress and is asked for cancellation; may be NULL.
 * @row: filled; clear it after use. ERROR_NOT_FOUND tells which templates there are.
 */
int image_require(struct server *server, const char *alias_or_fingerprint,
		  struct operation *operation, struct image_row *row, struct error **error);

/* Builds anew with @options ({key: value}) over the template's own and moves the aliases to it. */
int image_build(struct server *server, const char *alias, const json_t *options,
		struct operation *operation, struct image_row *row, struct error **error);

/* Removes the row and the files; files stay while an instance is made from it. */
int image_delete(struct server *server, const char *fingerprint, struct error **error);

/* At start: removes what an interrupted build left. */
int image_repair(struct server *server, struct error **error);

#endif
