/* The network interfaces of a starting instance: "sysct.nics" of the spec (doc/architecture.md). */
#ifndef SYSCT_NICS_H
#define SYSCT_NICS_H

#include <jansson.h>
#include <sys/types.h>

#include "error.h"

/**
 * nics_create - make those of @nics (may be NULL) in the network namespace of @pid.
 * On failure nothing is left; afterwards they go with that namespace.
 */
int nics_create(const json_t *nics, pid_t pid, struct error **error);

/* What can be changed of one that is there: "isolated", "hairpin", "ingress". */
int nics_adjust(const json_t *nic, struct error **error);

/**
 * nics_prepare - in the instance, before its init: addresses of managed networks come of MAC
 * addresses that the host has seen to being the only ones, so IPv6 need not look for doubles, which
 * takes one to two seconds (ip-sysctl.rst, accept_dad).
 */
void nics_prepare(const json_t *nics);

#endif
