/* The network interfaces of a network namespace with their state, as LXD's JSON. */
#ifndef SYSCT_NETWORK_INTERFACES_H
#define SYSCT_NETWORK_INTERFACES_H

#include <jansson.h>
#include <sys/types.h>

/* How much is asked for: the addresses alone, of interfaces that have some, cost a third. */
enum interface_detail { INTERFACES_ADDRESSES, INTERFACES_COUNTERS };

/**
 * interfaces_read - {name: {addresses, counters, hwaddr, host_name, mtu, state, type}} of the
 * namespace of a process, or of our own for 0. Empty when the process is gone.
 */
json_t *interfaces_read(pid_t pid, enum interface_detail detail);

#endif
