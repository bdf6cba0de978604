/* See pack_links.h. */
#include "backup/pack_links.h"

#include <search.h>
#include <stdlib.h>

#include "memory.h"

struct link {
	dev_t device;
	ino_t inode;
	char *path;
};

static int compare(const void *a, const void *b)
{
	const struct link *one = a, *other = b;
	if (one->inode != other->inode)
		return one->inode < other->inode ? -1 : 1;
	if (one->device != other->device)
		return one->device < other->device ? -1 : 1;
	return 0;
}

const char *pack_links_find(struct pack_links *links, const struct stat *status, const char *path)
{
	const struct link key = {.device = status->st_dev, .inode = status->st_ino};
	struct link *const *found = tfind(&key, &links->root, compare);
	if (found)
		return (*found)->path;
	struct link *link = memory_alloc(sizeof(*link));
	*link = (struct link){status->st_dev, status->st_ino, memory_strdup(path)};
	tsearch(link, &links->root, compare);
	return NULL;
}

static void free_link(void *data)
{
	struct link *link = data;
	free(link->path);
	free(link);
}

void pack_links_clear(struct pack_links *links)
{
	tdestroy(links->root, free_link);
	links->root = NULL;
}
