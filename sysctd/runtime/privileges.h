/* What a process of an instance gives up before it runs a program of the instance. */
#ifndef SYSCT_PRIVILEGES_H
#define SYSCT_PRIVILEGES_H

#include "error.h"
#include "spec.h"

/* Keeps only "process.capabilities.bounding" in the bounding set (capabilities(7)). */
int privileges_drop_capabilities(const struct spec *spec, struct error **error);

/**
 * privileges_load_seccomp - read the filter that sysctd compiled.
 * The caller frees the bytes; NULL with *length 0 when the spec names none.
 */
int privileges_load_seccomp(const struct spec *spec, void **filter, size_t *length,
			    struct error **error);

/**
 * privileges_apply_seccomp - install it for this process and all that follow (seccomp(2)).
 * Where the spec wants a listener (seccomp_unotify(2)), it is sent over @sync: {"listener": true}.
 */
int privileges_apply_seccomp(const struct spec *spec, const void *filter, size_t length, int sync,
			     struct error **error);

/* Default dispositions, no blocked signals, umask 022, a new session keyring. */
void privileges_reset_process(void);

/* Gives @pid "process.rlimits"; from outside, since raising one needs real root (prlimit(2)). */
int privileges_set_rlimits(const struct spec *spec, pid_t pid, struct error **error);

#endif
