/* See parts.h. */
#include "api/parts.h"

#include <stdlib.h>

#include "api/render.h"
#include "memory.h"

static int take_all(const json_t *given, json_t *list,
		    int (*take)(const json_t *given, json_t *kept, struct error **error),
		    struct error **error)
{
	size_t i;
	const json_t *one;
	json_array_foreach (given, i, one) {
		json_t *kept = json_object();
		json_array_append_new(list, kept);
		if (!json_is_object(one))
			return error_set(error, ERROR_INVALID, "number %zu must be an object",
					 i + 1);
		if (take(one, kept, error) < 0)
			return error_prefix(error, "number %zu", i + 1);
	}
	return 0;
}

/* NULL with *error. */
static json_t *take_list(const json_t *body, const char *field, bool patch,
			 const struct part_row *row,
			 int (*take)(const json_t *given, json_t *kept, struct error **error),
			 struct error **error)
{
	const json_t *given = json_object_get(body, field);
	bool present = given && !json_is_null(given);
	if (!present && patch)
		return json_deep_copy(row->list);
	if (present && !json_is_array(given)) {
		error_set(error, ERROR_INVALID, "\"%s\" must be a list", field);
		return NULL;
	}
	json_t *list = json_array();
	if (take_all(given, list, take, error) == 0)
		return list;
	json_decref(list);
	error_prefix(error, "\"%s\"", field);
	return NULL;
}

int part_take_body(const json_t *body, bool patch, const char *field,
		   int (*take)(const json_t *given, json_t *kept, struct error **error),
		   struct part_row *row, struct error **error)
{
	const char *description = patch ? row->description : "";
	json_t *config = render_map_field(body, "config", error);
	json_t *list = config ? take_list(body, field, patch, row, take, error) : NULL;
	if (!list || render_text_field(body, "description", &description, error) < 0) {
		json_decref(config);
		json_decref(list);
		return -1;
	}
	if (patch)
		json_object_update_missing(config, row->config);
	json_decref(row->config);
	json_decref(row->list);
	row->config = config;
	row->list = list;
	char *copy = memory_strdup(description);
	free(row->description);
	row->description = copy;
	return 0;
}

int object_take_body(const json_t *body, bool patch, struct object_row *row, struct error **error)
{
	const char *description = patch ? row->description : "";
	json_t *config = render_map_field(body, "config", error);
	if (!config || render_text_field(body, "description", &description, error) < 0) {
		json_decref(config);
		return -1;
	}
	if (patch)
		json_object_update_missing(config, row->config);
	json_decref(row->config);
	row->config = config;
	char *copy = memory_strdup(description);
	free(row->description);
	row->description = copy;
	return 0;
}
