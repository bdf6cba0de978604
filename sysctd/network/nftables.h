/* libnftables(3): commands as nft(8) takes them, in one transaction. */
#ifndef SYSCT_NETWORK_NFTABLES_H
#define SYSCT_NETWORK_NFTABLES_H

#include "error.h"

/* All or nothing. */
int nftables_run(const char *commands, struct error **error);

#endif
