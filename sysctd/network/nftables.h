/* libnftables(3): commands as nft(8) takes them, in one transaction. */
#ifndef SYSCT_NETWORK_NFTABLES_H
#define SYSCT_NETWORK_NFTABLES_H

#include "error.h"

/* All or nothing. */
int nftables_run(const char *commands, struct error **error);

/* A table as nft(8) lists it, without the elements of its sets; NULL when there is none. Caller frees. */
char *nftables_list(const char *family, const char *table);

#endif
