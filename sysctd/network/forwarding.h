/* Settings of the host's network (sysctl(8), net.*). */
#ifndef SYSCT_NETWORK_FORWARDING_H
#define SYSCT_NETWORK_FORWARDING_H

#include "error.h"

/* The host forwards packets of the family from now on; it is left so. */
int forwarding_enable(int family, struct error **error);

/* net.FAMILY.conf.INTERFACE.KEY; @family: "ipv4", "ipv6". Missing is fine. */
void sysctl_set(const char *family, const char *interface, const char *key, const char *value);

#endif
