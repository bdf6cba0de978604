/* A socket that tells about the server: a client connects and gets one line of JSON. */
#ifndef SYSCT_LXCFS_STATUS_SOCKET_H
#define SYSCT_LXCFS_STATUS_SOCKET_H

#include "error.h"

/* @path: absolute; a socket that nobody listens to any more is replaced. For root alone. -1 with *error. */
int status_socket_listen(const char *path, struct error **error);

/* Answers one client: {"pid", "version", "mountpoint", "workers": how many there were so far}. */
void status_socket_answer(int listener, const char *mountpoint, unsigned workers);

#endif
