/*
 * What a service manager is told (sd_notify(3), which describes the protocol for those who do not link libsystemd) and
 * keeps: systemd ends all processes of a service whose main one was killed. The descriptors that it holds meanwhile
 * keep the mount alive, and the next start goes on with them (FileDescriptorStoreMax= in systemd.service(5)).
 */
#ifndef SYSCT_LXCFS_SERVICE_H
#define SYSCT_LXCFS_SERVICE_H

#include <stdbool.h>

#include "lxcfs/worker.h"

/* Ready, and the descriptors to keep. Does nothing where no manager waits for that (NOTIFY_SOCKET). */
void service_tell_ready(const struct inheritance *inheritance);

/**
 * service_take_kept - descriptors that an earlier start left with the manager (sd_listen_fds(3)).
 * @inheritance: gets fuse and memory when the mount point still is that mount; else what was kept is closed.
 * Returns whether it goes on.
 */
bool service_take_kept(struct inheritance *inheritance);

#endif
