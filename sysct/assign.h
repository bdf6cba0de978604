/* "key=value" words of the command line, as objects of the API. */
#ifndef SYSCT_ASSIGN_H
#define SYSCT_ASSIGN_H

#include <jansson.h>

#include "lib/error.h"

/* Adds "key=value" to @object as a string; @what names it in the error. */
int assign_add(json_t *object, const char *word, const char *what, struct error **error);

/* "device,key=value,key=value" into the map of devices. */
int assign_device(json_t *devices, const char *word, struct error **error);

#endif
