/* Percent-encoding of URLs (RFC 3986). */
#ifndef SYSCT_API_PERCENT_H
#define SYSCT_API_PERCENT_H

#include <stdbool.h>
#include <stddef.h>

/**
 * percent_decode - undo %XX.
 * @plus: '+' is a space, as in queries.
 * Returns a string to be freed; NULL for a broken escape or an escaped NUL.
 */
char *percent_decode(const char *text, size_t length, bool plus);

#endif
