/* Where images are kept: the pool's directory and the database's row, made and removed together. */
#ifndef SYSCT_IMAGE_STORE_H
#define SYSCT_IMAGE_STORE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "error.h"

struct server;

/* The pool that images are kept in. One function, until instances say which pool they want. */
const char *image_pool(const struct server *server);

/* Where templates work; everything below it goes at the next start. The caller frees it. */
char *image_builds_directory(const struct server *server);

/**
 * struct image_result - an image that is unpacked, but not stored yet.
 * @token: of storage_image_begin().
 * @metadata: the template's metadata.json.
 * @aliases: [name] it shall have.
 * @wanted: the alias that was asked for, NULL for none.
 * @take_aliases: whether @aliases that belong to other images are moved, too.
 */
struct image_result {
	const char *token;
	const char *fingerprint;
	int64_t size;
	const json_t *metadata;
	const char *template;
	json_t *options;
	const json_t *aliases;
	const char *wanted;
	bool take_aliases;
};

/* Makes it appear: files, row and aliases. On failure nothing stays. */
int image_store_commit(struct server *server, const struct image_result *result,
		       struct error **error);

/**
 * image_store_release - after an instance was deleted: remove the files of its
 * image if the image itself was deleted before and no other instance has it.
 */
int image_store_release(struct server *server, const char *fingerprint, struct error **error);

#endif
