/* YAML as people edit it, and JSON as the API speaks it, by libyaml. */
#ifndef SYSCT_YAML_TEXT_H
#define SYSCT_YAML_TEXT_H

#include <jansson.h>

#include "error.h"

/* A YAML document of a JSON value; the caller frees it. */
char *yaml_from_json(const json_t *data, struct error **error);

/**
 * yaml_to_json - the first document of @text; null for an empty one.
 * Values below "config", "devices" and "properties" are strings in the API,
 * so `limits.cpu: 2` becomes "2" there.
 */
json_t *yaml_to_json(const char *text, struct error **error);

#endif
