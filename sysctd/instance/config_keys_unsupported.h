/* Keys that are not in the table of config_keys.c: known elsewhere, or a slip of the pen. */
#ifndef SYSCT_INSTANCE_CONFIG_KEYS_UNSUPPORTED_H
#define SYSCT_INSTANCE_CONFIG_KEYS_UNSUPPORTED_H

#include <stdbool.h>

/* Whether LXD or Incus has a key that sysct has not yet. */
bool config_key_is_unsupported(const char *name);

/* The key of sysct, LXD or Incus that was probably meant; NULL when none is near. */
const char *config_key_nearest(const char *name);

/* Whether @name is @pattern, or begins as it does where it ends with "*" (and goes on). */
bool config_key_matches(const char *pattern, const char *name);

#endif
