/* What LXD has in the stream of a subvolume in place of what we have on the disk. */
#ifndef SYSCT_BACKUP_SEND_REWRITE_H
#define SYSCT_BACKUP_SEND_REWRITE_H

#include <jansson.h>

#include "backup/send_stream.h"

/**
 * send_rewrite - append @command to @stream, as the entry of pack.h says.
 * "name" is what the subvolume is called; "below", where there is one, the directory that its files move into, and "files"
 * what lies beside that.
 */
int send_rewrite(struct strbuf *stream, const struct send_command *command, const json_t *entry,
		 struct error **error);

#endif
