/* The man page, made from the table of commands. */
#ifndef SYSCT_MANUAL_H
#define SYSCT_MANUAL_H

#include "lib/strbuf.h"

/* sysct(1) in man(7) format. */
void manual_append(struct strbuf *out);

#endif
