/* What can stand at the end of a command line, for the shell's completion. */
#ifndef SYSCT_COMPLETE_H
#define SYSCT_COMPLETE_H

#include "cli.h"

/**
 * complete_append - candidates for the last of @words, one a line.
 * @words: what follows "sysct"; the last one is being typed and may be "".
 * The daemon is asked for names; when it is away or slow there are none.
 */
void complete_append(struct strbuf *out, char *const *words, int count);

#endif
