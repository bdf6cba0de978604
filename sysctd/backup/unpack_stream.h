/*
 * Receives what btrfs sent (send_stream.h), as this process may: into subvolumes below the directories of the
 * backup's trees, with the owners of the container, and without what archives leave out, too. btrfs itself would want all rights of
 * the host for it, and knows nothing of ids.
 */
#ifndef SYSCT_BACKUP_UNPACK_STREAM_H
#define SYSCT_BACKUP_UNPACK_STREAM_H

#include <archive.h>
#include <jansson.h>

#include "error.h"

struct unpack_streams;

/* @root: the directory in a subvolume whose files alone are wanted; "" for all. */
struct unpack_streams *unpack_streams_new(const char *root);
void unpack_streams_free(struct unpack_streams *streams);

/* The stream in @reader becomes the subvolume "rootfs" in the directory @tree. @map: of ids (unpack_ids.h). */
int unpack_stream(struct unpack_streams *streams, const char *tree, const json_t *map,
		  struct archive *reader, struct error **error);

/* When all are there: the wanted files become the top of each. */
int unpack_streams_finish(struct unpack_streams *streams, struct error **error);

#endif
