/* The filters of `sysct list FILTER...`. */
#ifndef SYSCT_FILTER_H
#define SYSCT_FILTER_H

#include <jansson.h>
#include <stdbool.h>

#include "lib/error.h"

/**
 * filter_matches - does @instance satisfy one filter?
 * A word matches names that begin with it or that it matches as a regular
 * expression; "key=value" matches the configuration, where parts of the key
 * may be abbreviated ("u.for=ci"), and type=, status=, architecture=,
 * location=, ipv4= and ipv6= match these (several values parted by commas).
 * Returns 1, 0, or -1 for a filter that cannot be read.
 */
int filter_matches(const char *filter, const json_t *instance, struct error **error);

/* True when the filter looks at the state of an instance. */
bool filter_needs_state(const char *filter);

#endif
