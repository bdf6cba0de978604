/* Files with several names: which was written into the archive already, and as what. */
#ifndef SYSCT_BACKUP_PACK_LINKS_H
#define SYSCT_BACKUP_PACK_LINKS_H

#include <sys/stat.h>

struct pack_links {
	void *root; /* tsearch(3) */
};

/* The name that it has in the archive; NULL when this is its first, which is remembered then. */
const char *pack_links_find(struct pack_links *links, const struct stat *status, const char *path);
void pack_links_clear(struct pack_links *links);

#endif
