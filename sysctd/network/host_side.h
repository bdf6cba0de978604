/*
 * What NICs need on the host beside their interface: VLANs of interfaces, routes,
 * and that an interface answers for addresses (keys: nic_host.c). A file in
 * STATE/nics says what was made for an instance, so that it goes whoever died meanwhile.
 */
#ifndef SYSCT_NETWORK_HOST_SIDE_H
#define SYSCT_NETWORK_HOST_SIDE_H

#include <jansson.h>

#include "error.h"

struct networks;

/**
 * host_side_up - these are the NICs of an instance that is about to run, or runs with others so far.
 * The manager's lock is held, and networks->running has them. On failure nothing of it is left.
 */
int host_side_up(const struct networks *networks, const char *uuid, const json_t *nics,
		 struct error **error);

/* It does not run any more; interfaces that the host has lent are back. */
void host_side_down(const struct networks *networks, const char *uuid);

/* A starting daemon: what ended instances have left goes; networks->running is filled. */
void host_side_sweep(const struct networks *networks);

/* A bridge was made again: what its ports need comes again too. */
void host_side_mend(const struct networks *networks, const char *bridge);

#endif
