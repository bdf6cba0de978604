/* Reading images. */
#include "db/images.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "db/internal.h"
#include "memory.h"

#define SELECT_IMAGES                                                                              \
	"SELECT id, fingerprint, filename, architecture, type, size, public, auto_update, cached," \
	" created_at, uploaded_at, expires_at, last_used_at, template, template_options"           \
	" FROM images"
#define SELECT_PROPERTIES "SELECT image_id, key, value FROM images_properties"
#define SELECT_ALIASES	  "SELECT image_id, name, 'description', description FROM images_aliases"

enum { FINGERPRINT_LENGTH = 64 };

void image_row_clear(struct image_row *row)
{
	free(row->fingerprint);
	free(row->filename);
	free(row->architecture);
	free(row->type);
	free(row->template);
	json_decref(row->template_options);
	json_decref(row->properties);
	json_decref(row->aliases);
	*row = (struct image_row){0};
}

void image_list_clear(struct image_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		image_row_clear(&list->rows[i]);
	free(list->rows);
	*list = (struct image_list){0};
}

static void read_row(const struct query *query, struct image_row *row)
{
	const char *options = query_peek(query, 14);
	*row = (struct image_row){
		.id = query_number(query, 0),
		.fingerprint = query_text(query, 1),
		.filename = query_text(query, 2),
		.architecture = query_text(query, 3),
		.type = query_text(query, 4),
		.size = query_number(query, 5),
		.public = query_number(query, 6) != 0,
		.auto_update = query_number(query, 7) != 0,
		.cached = query_number(query, 8) != 0,
		.created_at = query_number(query, 9),
		.uploaded_at = query_number(query, 10),
		.expires_at = query_number(query, 11),
		.last_used_at = query_number(query, 12),
		.template = query_text(query, 13),
		.template_options = options ? json_loads(options, JSON_DECODE_ANY, NULL) : NULL,
		.properties = json_object(),
		.aliases = json_array(),
	};
}

static int read_rows(struct connection *connection, const char *sql, const struct value *values,
		     size_t value_count, struct image_list *list, struct error **error)
{
	cleanup_query struct query query = {0};
	if (query_start(&query, connection, sql, values, value_count, error) < 0)
		return -1;
	int result;
	while ((result = query_next(&query, error)) > 0) {
		list->rows = memory_realloc(list->rows, (list->count + 1) * sizeof(*list->rows));
		read_row(&query, &list->rows[list->count++]);
	}
	return result;
}

/* {name: {"description": text}} is what the query gives, [{name, description}] what rows hold. */
static void list_aliases(json_t *list, json_t *by_name)
{
	const char *name;
	json_t *alias;
	json_object_foreach (by_name, name, alias) {
		json_object_set_new(alias, "name", json_string(name));
		json_array_append(list, alias);
	}
}

static int load_maps(struct connection *connection, const char *properties, const char *aliases,
		     const struct value *values, size_t value_count, struct image_list *list,
		     struct error **error)
{
	size_t count = list->count;
	cleanup_free struct map_owner *owners = memory_alloc(count * sizeof(*owners));
	for (size_t i = 0; i < count; i++)
		owners[i] = (struct map_owner){list->rows[i].id, list->rows[i].properties};
	if (maps_load(connection, properties, values, value_count, owners, count, error) < 0)
		return -1;
	json_t *all = json_array();
	for (size_t i = 0; i < count; i++) {
		json_t *by_name = json_object();
		json_array_append_new(all, by_name);
		owners[i] = (struct map_owner){list->rows[i].id, by_name};
	}
	int result = maps_load(connection, aliases, values, value_count, owners, count, error);
	for (size_t i = 0; i < count; i++)
		list_aliases(list->rows[i].aliases, json_array_get(all, i));
	json_decref(all);
	return result;
}

static int load_one_maps(struct connection *connection, struct image_list *list,
			 struct error **error)
{
	return load_maps(connection, SELECT_PROPERTIES " WHERE image_id = ?1",
			 SELECT_ALIASES " WHERE image_id = ?1 ORDER BY name",
			 VALUES(NUMBER(list->rows[0].id)), list, error);
}

/* Lower case in @low, and in @high the first text after all that begin so; false if not
 * hexadecimal. */
static bool prefix_range(const char *prefix, char *low, char *high)
{
	size_t length = strlen(prefix);
	if (length > FINGERPRINT_LENGTH)
		return false;
	for (size_t i = 0; i < length; i++) {
		if (!isxdigit((unsigned char)prefix[i]))
			return false;
		low[i] = (char)tolower((unsigned char)prefix[i]);
	}
	low[length] = '\0';
	memcpy(high, low, length);
	strcpy(high + length, "g");
	return true;
}

static int fail_not_found(const char *name, struct error **error)
{
	return error_set(error, ERROR_NOT_FOUND, "Image not found: \"%s\"", name);
}

static int find_by_prefix(struct connection *connection, const char *prefix,
			  struct image_list *list, struct error **error)
{
	char low[FINGERPRINT_LENGTH + 1], high[FINGERPRINT_LENGTH + 2];
	if (!*prefix)
		return error_set(error, ERROR_INVALID, "the fingerprint of an image is empty");
	if (!prefix_range(prefix, low, high))
		return fail_not_found(prefix, error);
	if (read_rows(connection,
		      SELECT_IMAGES " WHERE fingerprint >= ?1 AND fingerprint < ?2 LIMIT 2",
		      VALUES(TEXT(low), TEXT(high)), list, error) < 0)
		return -1;
	if (list->count == 0)
		return fail_not_found(prefix, error);
	if (list->count > 1)
		return error_set(error, ERROR_INVALID,
				 "more than one image has a fingerprint that begins with \"%s\": "
				 "give more of it",
				 prefix);
	return load_one_maps(connection, list, error);
}

static int find_by_alias(struct connection *connection, const char *alias, struct image_list *list,
			 struct error **error)
{
	if (read_rows(connection,
		      SELECT_IMAGES
		      " WHERE id = (SELECT image_id FROM images_aliases WHERE name = ?1)",
		      VALUES(TEXT(alias)), list, error) < 0)
		return -1;
	if (list->count == 0)
		return fail_not_found(alias, error);
	return load_one_maps(connection, list, error);
}

typedef int find_function(struct connection *connection, const char *text, struct image_list *list,
			  struct error **error);

static int get(struct db *db, find_function *find, const char *text, struct image_row *row,
	       struct error **error)
{
	*row = (struct image_row){0};
	cleanup_image_list struct image_list list = {0};
	cleanup_reader struct reader reader = {0};
	if (reader_open(db, &reader, error) < 0 ||
	    find(reader.connection, text, &list, error) < 0 || list.count == 0)
		return -1;
	*row = list.rows[0];
	list.count = 0;
	return 0;
}

int db_image_get(struct db *db, const char *prefix, struct image_row *row, struct error **error)
{
	return get(db, find_by_prefix, prefix, row, error);
}

int db_image_get_by_alias(struct db *db, const char *alias, struct image_row *row,
			  struct error **error)
{
	return get(db, find_by_alias, alias, row, error);
}

int db_image_list(struct db *db, struct image_list *list, struct error **error)
{
	*list = (struct image_list){0};
	cleanup_reader struct reader reader = {0};
	if (reader_open(db, &reader, error) < 0)
		return -1;
	if (read_rows(reader.connection, SELECT_IMAGES " ORDER BY uploaded_at, id", NO_VALUES, list,
		      error) == 0 &&
	    load_maps(reader.connection, SELECT_PROPERTIES " ORDER BY image_id",
		      SELECT_ALIASES " ORDER BY image_id, name", NO_VALUES, list, error) == 0)
		return 0;
	image_list_clear(list);
	return -1;
}

json_t *db_image_used_by(struct db *db, const char *fingerprint, struct error **error)
{
	cleanup_reader struct reader reader = {0};
	if (reader_open(db, &reader, error) < 0)
		return NULL;
	json_t *names = json_array();
	struct map_owner owner = {0, names};
	if (maps_load(reader.connection,
		      "SELECT 0, name FROM instances WHERE image = ?1 ORDER BY name",
		      VALUES(TEXT(fingerprint)), &owner, 1, error) == 0)
		return names;
	json_decref(names);
	return NULL;
}
