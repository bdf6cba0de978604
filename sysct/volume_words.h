/* Words of the command line that name a volume, as LXD's client has them. */
#ifndef SYSCT_VOLUME_WORDS_H
#define SYSCT_VOLUME_WORDS_H

#include "cli.h"

/* "[TYPE/]VOLUME[/SNAPSHOT]"; the type is custom when none is named. */
struct volume_words {
	char *type, *volume;
	char *snapshot; /* or NULL */
};

void volume_words_clear(struct volume_words *words);
#define cleanup_volume_words __attribute__((cleanup(volume_words_clear)))

struct volume_words volume_words_of(const char *word);

/* "/1.0/storage-pools/POOL/volumes/TYPE/VOLUME[/snapshots/SNAPSHOT]"; the caller frees it. */
char *volume_words_path(const char *pool, const struct volume_words *words);

/* "POOL/REST" of a copy; the caller frees the pool. NULL and a usage error without a slash. */
char *volume_words_pool(struct cli *cli, const char *word, const char **rest, struct error **error);

#endif
