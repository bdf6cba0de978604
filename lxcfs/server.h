/*
 * The file system: FUSE's requests answered from the table of files. Three or four requests make a reading: open, read,
 * read at the end, release; nothing is flushed, and nothing is cached by the kernel, since a page of it would be shown
 * to other instances too.
 */
#ifndef SYSCT_LXCFS_SERVER_H
#define SYSCT_LXCFS_SERVER_H

#include "lxcfs/host.h"
#include "lxcfs/shared.h"

struct fuse_custom_io;
struct fuse_session;
struct server;

/* @host and @shared must outlive it. NULL with *error. */
struct server *server_open(struct host *host, struct shared *shared, struct error **error);

/* For the worker, which receives and processes requests (fuse_lowlevel.h). */
struct fuse_session *server_session(struct server *server);

#endif
