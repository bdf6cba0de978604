/* Names of machine architectures as the kernel and LXD's API spell them. */
#ifndef SYSCT_API_ARCHITECTURES_H
#define SYSCT_API_ARCHITECTURES_H

#include <jansson.h>

/* What instances can run here, the host's own first; a new array. */
json_t *architectures_of_host(void);

#endif
