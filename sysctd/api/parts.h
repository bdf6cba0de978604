/* Bodies of networks and zones (db/objects.h), and of what belongs to them (db/parts.h). */
#ifndef SYSCT_API_PARTS_H
#define SYSCT_API_PARTS_H

#include <jansson.h>
#include <stdbool.h>

#include "db/objects.h"
#include "db/parts.h"
#include "error.h"

/**
 * part_take_body - description, configuration and list of a body into the row.
 * @patch: laid over what the row has, else in place of it.
 * @field: of the list; @take copies one of its objects, which it checks, into an empty one.
 */
int part_take_body(const json_t *body, bool patch, const char *field,
		   int (*take)(const json_t *given, json_t *kept, struct error **error),
		   struct part_row *row, struct error **error);

/* Description and configuration of a body into a row of objects.h: replaced, or for @patch laid over. */
int object_take_body(const json_t *body, bool patch, struct object_row *row, struct error **error);

#endif
