/* --help, made from the table of commands. */
#ifndef SYSCT_HELP_H
#define SYSCT_HELP_H

#include "command.h"
#include "lib/strbuf.h"

/* The program ("" as prefix) or a group such as "config". */
void help_group(struct strbuf *out, const char *prefix);
void help_command(struct strbuf *out, const struct command *command);

#endif
