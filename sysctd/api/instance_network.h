/* The network interfaces of an instance, seen from outside. */
#ifndef SYSCT_API_INSTANCE_NETWORK_H
#define SYSCT_API_INSTANCE_NETWORK_H

#include <jansson.h>
#include <sys/types.h>

/* "network" of an instance's state, by /proc/PID/net of its init; {} when it has gone. */
json_t *instance_network_render(pid_t pid);

#endif
