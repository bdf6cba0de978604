/* The parts of both tables of ACLs that are always the same. Internal to acl*.c. */
#ifndef SYSCT_NETWORK_ACL_TABLES_H
#define SYSCT_NETWORK_ACL_TABLES_H

#include "strbuf.h"

/* Sets, maps and chains of the family bridge, without elements and lists. */
void acl_tables_bridge(struct strbuf *text);

/* Those of the family inet; rules for networks follow. */
void acl_tables_inet(struct strbuf *text);

/* Commands that empty the table but for what is known of connections; @listing is the table as nft(8)
 * lists it. */
void acl_tables_clear(struct strbuf *text, const char *table, const char *listing);

#endif
