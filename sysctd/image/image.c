/* See image.h. */
#include "image/image.h"

#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "image/build.h"
#include "image/store.h"
#include "image/template.h"
#include "log.h"
#include "server.h"
#include "storage/storage.h"

/* Whether the row's files are there; a row without them is as good as none. */
static bool is_whole(struct server *server, const struct image_row *row)
{
	if (storage_image_exists(server->storage, image_pool(server), row->fingerprint))
		return true;
	log_event(LOG_LEVEL_WARNING, NULL, "the files of image %s are missing", row->fingerprint);
	return false;
}

static bool could_be_fingerprint(const char *text)
{
	size_t length = strlen(text);
	return length > 0 && length <= 64 && strspn(text, "0123456789abcdef") == length;
}

/* 1 when found, 0 when not, -1 on failure. */
static int find_stored(struct server *server, const char *name, struct image_row *row,
		       struct error **error)
{
	cleanup_error struct error *problem = NULL;
	int found = db_image_get_by_alias(server->db, name, row, &problem);
	if (found < 0 && problem && problem->kind == ERROR_NOT_FOUND &&
	    could_be_fingerprint(name)) {
		error_free(steal_pointer(&problem));
		found = db_image_get(server->db, name, row, &problem);
	}
	if (found == 0 && is_whole(server, row))
		return 1;
	image_row_clear(row);
	if (found == 0 || (problem && problem->kind == ERROR_NOT_FOUND))
		return 0;
	error_move(error, steal_pointer(&problem));
	return -1;
}

static int build_and_get(struct server *server, const char *alias,
			 const struct template_match *match, bool take_aliases,
			 struct operation *operation, struct image_row *row, struct error **error)
{
	cleanup_free char *fingerprint =
		build_join(server->images, alias, match, take_aliases, operation, error);
	return fingerprint ? db_image_get(server->db, fingerprint, row, error) : -1;
}

int image_require(struct server *server, const char *alias_or_fingerprint,
		  struct operation *operation, struct image_row *row, struct error **error)
{
	cleanup_template_match struct template_match match = {0};
	*row = (struct image_row){0};
	int found = find_stored(server, alias_or_fingerprint, row, error);
	if (found != 0)
		return found < 0 ? -1 : 0;
	if (template_find(server, alias_or_fingerprint, &match, error) < 0)
		return -1;
	return build_and_get(server, alias_or_fingerprint, &match, false, operation, row, error);
}

/*
 * With options of its own an image is not what the template's aliases mean:
 * only the one that was asked for moves.
 */
int image_build(struct server *server, const char *alias, const json_t *options,
		struct operation *operation, struct image_row *row, struct error **error)
{
	cleanup_template_match struct template_match match = {0};
	*row = (struct image_row){0};
	if (template_find(server, alias, &match, error) < 0 ||
	    template_match_override(&match, options, error) < 0)
		return -1;
	if (json_object_size(options) > 0)
		json_array_clear(match.aliases);
	return build_and_get(server, alias, &match, true, operation, row, error);
}
