/*
 * Who else looks after the host's network and is told of our bridges over the
 * system bus, where it runs: systemd-resolved, which then finds the names of instances,
 * and firewalld, which then lets their packets pass. The manager's thread alone uses
 * the bus and waits for no answer, and nobody is started by being told.
 */
#ifndef SYSCT_NETWORK_HOST_BUS_H
#define SYSCT_NETWORK_HOST_BUS_H

#include <poll.h>
#include <stdbool.h>

struct networks;

/* A bridge came, went or changed: they are told when the manager's thread next looks. */
void host_bus_touch(struct networks *networks);

/* Connects, reads what came, tells what is to be told. The manager's lock is held. */
void host_bus_look(struct networks *networks);

/* What to wait for, and for how long at most (ms, -1: for ever); fd -1 where there is no bus. */
struct pollfd host_bus_wait(const struct networks *networks, int *timeout);

/* The thread has ended. With @forget firewalld knows none of our bridges any more. */
void host_bus_close(struct networks *networks, bool forget);

#endif
