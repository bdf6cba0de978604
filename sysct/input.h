/* Input for commands that take YAML: a pipe, a file, or the user's editor. */
#ifndef SYSCT_INPUT_H
#define SYSCT_INPUT_H

#include <jansson.h>
#include <stdbool.h>

#include "lib/error.h"

/* All of @fd as text; the caller frees it. */
char *input_read_text(int fd, struct error **error);

/* All of @fd as one YAML document. */
json_t *input_read_yaml(int fd, struct error **error);

/**
 * input_read_configuration - a mapping given as `sysct launch IMAGE < config.yaml`.
 * Only a file that is still at its start is read: the input of a script that
 * runs us is left alone. An empty object when there is none.
 */
json_t *input_read_configuration(struct error **error);

/**
 * input_edit - let the user change @text in $VISUAL, $EDITOR or vi.
 * Returns the new text, or NULL. The file has the mode 0600 and is removed.
 */
char *input_edit(const char *text, struct error **error);

/* Asks on the terminal; Enter means yes. */
bool input_confirm(const char *question);

#endif
