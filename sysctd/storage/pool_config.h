/* Keys of storage pools. */
#ifndef SYSCT_STORAGE_POOL_CONFIG_H
#define SYSCT_STORAGE_POOL_CONFIG_H

#include <jansson.h>
#include <stdint.h>

#include "error.h"
#include "storage/driver.h"

/* The value of a key; NULL when it is unset or empty. */
const char *pool_config_get(const json_t *config, const char *key);

/* Every key of a new pool: known, for this driver, and of a value that it can have. */
int pool_config_check(const struct storage_driver *driver, const json_t *config,
		      struct error **error);

/* The same of a changed configuration: some cannot change. */
int pool_config_check_change(const struct storage_driver *driver, const json_t *old,
			     const json_t *new, struct error **error);

/* Letters, digits, "-", "_" and ".". */
int pool_check_name(const char *name, struct error **error);

#endif
