/* Which devices an instance may open: a BPF program on its cgroup2 directory. */
#ifndef SYSCT_DEVICES_H
#define SYSCT_DEVICES_H

#include <jansson.h>

#include "error.h"

/**
 * devices_restrict - attach the rules to a cgroup2 directory.
 * @cgroup: its descriptor.
 * @rules: "linux.resources.devices" of the runtime-spec: the first entry is
 * the deny-all rule, the others allow {type, major, minor, access}; a major or
 * minor that is absent or negative means any.
 * Works on hybrid hosts too (BPF_PROG_TYPE_CGROUP_DEVICE, bpf(2)).
 */
int devices_restrict(int cgroup, const json_t *rules, struct error **error);

#endif
