/* libnftables(3): commands as nft(8) takes them, in one transaction. */
#ifndef SYSCT_NETWORK_NFTABLES_H
#define SYSCT_NETWORK_NFTABLES_H

#include <stdbool.h>

#include "error.h"

/* All or nothing. */
int nftables_run(const char *commands, struct error **error);

/**
 * nftables_list - what nft(8) lists, without counters and the elements of sets.
 * @what: "table inet sysct", "chain ip filter FORWARD". @handles: with the numbers of the rules.
 * The caller frees it; NULL when there is none.
 */
char *nftables_list(const char *what, bool handles);

#endif
