/* See volume_words.h. */
#include "volume_words.h"

#include <stdlib.h>
#include <string.h>

#include "lib/memory.h"

void volume_words_clear(struct volume_words *words)
{
	free(words->type);
	free(words->volume);
	free(words->snapshot);
	*words = (struct volume_words){0};
}

/* A volume cannot be called like a type where something follows. */
static bool is_type(const char *word, size_t length)
{
	static const char *const types[] = {"custom", "container", "image", "virtual-machine"};
	for (size_t i = 0; word[length] && i < sizeof(types) / sizeof(types[0]); i++)
		if (strlen(types[i]) == length && strncmp(types[i], word, length) == 0)
			return true;
	return false;
}

struct volume_words volume_words_of(const char *word)
{
	struct volume_words words = {0};
	size_t length = strcspn(word, "/");
	bool typed = is_type(word, length);
	words.type = typed ? memory_strndup(word, length) : memory_strdup("custom");
	if (typed)
		word += length + 1;
	length = strcspn(word, "/");
	words.volume = memory_strndup(word, length);
	if (word[length])
		words.snapshot = memory_strdup(word + length + 1);
	return words;
}

char *volume_words_path(const char *pool, const struct volume_words *words)
{
	if (words->snapshot)
		return client_path("/1.0/storage-pools/%s/volumes/%s/%s/snapshots/%s", pool,
				   words->type, words->volume, words->snapshot, NULL);
	return client_path("/1.0/storage-pools/%s/volumes/%s/%s", pool, words->type, words->volume,
			   NULL);
}

char *volume_words_pool(struct cli *cli, const char *word, const char **rest, struct error **error)
{
	const char *slash = strchr(word, '/');
	if (!slash || slash == word || !slash[1]) {
		cli_usage(cli, error, "\"%s\" is not POOL/VOLUME", word);
		return NULL;
	}
	*rest = slash + 1;
	return memory_strndup(word, (size_t)(slash - word));
}
