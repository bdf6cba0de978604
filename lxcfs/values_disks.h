/* What an instance read from and wrote to block devices. */
#ifndef SYSCT_LXCFS_VALUES_DISKS_H
#define SYSCT_LXCFS_VALUES_DISKS_H

#include "lxcfs/instance.h"

enum { DISKS_MOST = 128 };

enum disk_action { DISK_READ, DISK_WRITE, DISK_DISCARD, DISK_ACTIONS };

struct disk {
	unsigned major, minor;
	struct {
		uint64_t requests, bytes;
		uint64_t wait, service; /* ns; 0 where the kernel does not account them */
	} actions[DISK_ACTIONS];
};

struct disks {
	unsigned count;
	struct disk disks[DISKS_MOST];
};

/*
 * Those with any, in the kernel's order. v1 with the policy "throttle" counts on a device only from when a first
 * limit was set for it on the host (Linux 6.10 and newer).
 */
void disks_read(struct instance *instance, struct disks *disks);

#endif
