/*
 * The file system: FUSE's requests answered from the table of files. Three or four requests make a reading: open, read,
 * read at the end, release; nothing is flushed, and nothing is cached by the kernel, since a page of it would be shown
 * to other instances too.
 */
#ifndef SYSCT_LXCFS_SERVER_H
#define SYSCT_LXCFS_SERVER_H

#include <stddef.h>

#include "lxcfs/host.h"
#include "lxcfs/shared.h"

struct server;

/* @host and @shared must outlive it. NULL with *error. */
struct server *server_open(struct host *host, struct shared *shared, struct error **error);

/* @fuse: the descriptor to which answers are written; it stays the caller's. */
int server_connect(struct server *server, int fuse, struct error **error);

/**
 * server_process - answer one request.
 * @request: as it was received; from any thread.
 */
void server_process(const struct server *server, char *request, size_t length);

#endif
