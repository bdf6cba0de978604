/*
 * The `filter` query of LXD's lists:
 *
 *	name eq web01 and config.limits.memory eq 1GiB
 *	not (status eq running or ephemeral eq true)
 *	name eq "(^web$|^web.*)"
 *
 * Words are separated by blanks; a value with blanks stands in quotes.
 * Operators: eq, ne; not, and, or; parentheses around clauses. As in LXD, `and`
 * and `or` bind equally and from the left, words of the language and names at
 * the first level are matched in any case, and a value compared with a string
 * is a regular expression without regard to case, anchored at both ends
 * unless it has a ^ or $ of its own. `name=value` is short for `name eq value`.
 */
#ifndef SYSCT_API_FILTER_H
#define SYSCT_API_FILTER_H

#include <jansson.h>
#include <stdbool.h>

#include "error.h"

struct filter;

/**
 * filter_compile - parse a filter.
 * @text: NULL or empty is no filter: *filter is NULL, and matches everything.
 * ERROR_INVALID tells the place of the mistake.
 */
int filter_compile(const char *text, struct filter **filter, struct error **error);

/* @object: as listed with recursion=1. Keys may contain dots: config.limits.memory. */
bool filter_match(const struct filter *filter, const json_t *object);
void filter_free(struct filter *filter);

#endif
