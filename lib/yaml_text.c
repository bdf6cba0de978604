/* See yaml_text.h. */
#include "yaml_text.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "cleanup.h"
#include "memory.h"
#include "strbuf.h"

enum { DEPTH_MAX = 64 };

static void json_cleanup(json_t **json)
{
	json_decref(*json);
}
#define cleanup_json __attribute__((cleanup(json_cleanup)))

static json_t *json_steal(json_t **json)
{
	json_t *value = *json;
	*json = NULL;
	return value;
}

static int append_output(void *data, unsigned char *bytes, size_t length)
{
	strbuf_append_bytes(data, bytes, length);
	return 1;
}

/* Would another YAML reader take this plain text for something that is no string? */
static bool looks_typed(const char *text)
{
	static const char *const words[] = {
		"",    "~", "null", "true", "false", "yes", "no", "on",
		"off", "y", "n",    ".nan", ".inf",  "<<",  "=",
	};
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcasecmp(words[i], text) == 0)
			return true;
	const char *at = text + strspn(text, "+-.");
	/* Numbers of every base, times and dates begin with a digit and hold little else. */
	return isdigit((unsigned char)*at) && !at[strspn(at, "0123456789abcdefABCDEFxXoO_:.+-TZ ")];
}

static int emit(yaml_emitter_t *emitter, yaml_event_t *event)
{
	return yaml_emitter_emit(emitter, event) ? 0 : -1;
}

static int emit_scalar(yaml_emitter_t *emitter, const char *text, bool string)
{
	yaml_event_t event;
	yaml_scalar_style_t style = YAML_ANY_SCALAR_STYLE;
	if (string && strchr(text, '\n'))
		style = YAML_LITERAL_SCALAR_STYLE;
	else if (string && looks_typed(text))
		style = YAML_DOUBLE_QUOTED_SCALAR_STYLE;
	if (!yaml_scalar_event_initialize(&event, NULL, NULL, (const yaml_char_t *)text,
					  (int)strlen(text), 1, 1, style))
		return -1;
	return emit(emitter, &event);
}

static int emit_value(yaml_emitter_t *emitter, const json_t *value);

static int emit_object(yaml_emitter_t *emitter, const json_t *object)
{
	yaml_event_t event;
	const char *key;
	json_t *value;
	yaml_mapping_style_t style =
		json_object_size(object) ? YAML_BLOCK_MAPPING_STYLE : YAML_FLOW_MAPPING_STYLE;
	if (!yaml_mapping_start_event_initialize(&event, NULL, NULL, 1, style) ||
	    emit(emitter, &event) < 0)
		return -1;
	json_object_foreach ((json_t *)object, key, value)
		if (emit_scalar(emitter, key, true) < 0 || emit_value(emitter, value) < 0)
			return -1;
	return yaml_mapping_end_event_initialize(&event) ? emit(emitter, &event) : -1;
}

static int emit_array(yaml_emitter_t *emitter, const json_t *array)
{
	yaml_event_t event;
	size_t index;
	json_t *value;
	yaml_sequence_style_t style =
		json_array_size(array) ? YAML_BLOCK_SEQUENCE_STYLE : YAML_FLOW_SEQUENCE_STYLE;
	if (!yaml_sequence_start_event_initialize(&event, NULL, NULL, 1, style) ||
	    emit(emitter, &event) < 0)
		return -1;
	json_array_foreach (array, index, value)
		if (emit_value(emitter, value) < 0)
			return -1;
	return yaml_sequence_end_event_initialize(&event) ? emit(emitter, &event) : -1;
}

static int emit_value(yaml_emitter_t *emitter, const json_t *value)
{
	if (json_is_object(value))
		return emit_object(emitter, value);
	if (json_is_array(value))
		return emit_array(emitter, value);
	if (json_is_string(value))
		return emit_scalar(emitter, json_string_value(value), true);
	cleanup_free char *text = json_dumps(value, JSON_ENCODE_ANY);
	return text ? emit_scalar(emitter, text, false) : -1;
}

static int emit_document(yaml_emitter_t *emitter, const json_t *data)
{
	yaml_event_t event;
	if (!yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING) ||
	    emit(emitter, &event) < 0)
		return -1;
	if (!yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1) ||
	    emit(emitter, &event) < 0)
		return -1;
	if (emit_value(emitter, data) < 0)
		return -1;
	if (!yaml_document_end_event_initialize(&event, 1) || emit(emitter, &event) < 0)
		return -1;
	return yaml_stream_end_event_initialize(&event) ? emit(emitter, &event) : -1;
}

char *yaml_from_json(const json_t *data, struct error **error)
{
	cleanup_strbuf struct strbuf out = {0};
	yaml_emitter_t emitter;
	if (!yaml_emitter_initialize(&emitter)) {
		error_set(error, ERROR_INTERNAL, "YAML writer cannot start");
		return NULL;
	}
	yaml_emitter_set_output(&emitter, append_output, &out);
	yaml_emitter_set_unicode(&emitter, 1);
	yaml_emitter_set_width(&emitter, -1);
	if (emit_document(&emitter, data) < 0)
		error_set(error, ERROR_INTERNAL, "writing YAML: %s",
			  emitter.problem ? emitter.problem : "unknown problem");
	yaml_emitter_delete(&emitter);
	return error && *error ? NULL : strbuf_steal(&out);
}

struct reader {
	yaml_parser_t parser;
	struct error **error;
	int depth;
};

static int read_event(struct reader *reader, yaml_event_t *event)
{
	if (yaml_parser_parse(&reader->parser, event))
		return 0;
	const char *problem = reader->parser.problem;
	return error_set(reader->error, ERROR_INVALID, "YAML, line %zu: %s",
			 reader->parser.problem_mark.line + 1,
			 problem ? problem : "cannot be read");
}

/* The core schema without its fractions: no field of the API has one. */
static json_t *resolve_plain(const char *text)
{
	if (!*text || strcmp(text, "~") == 0 || strcmp(text, "null") == 0)
		return json_null();
	if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
		return json_boolean(text[0] == 't');
	char canonical[32];
	long long number = strtoll(text, NULL, 10);
	snprintf(canonical, sizeof(canonical), "%lld", number);
	/* "007" and "+7" stay text: the number would be written otherwise. */
	return strcmp(canonical, text) == 0 ? json_integer(number) : json_string(text);
}

static json_t *read_value(struct reader *reader, const yaml_event_t *event);

static json_t *read_sequence(struct reader *reader)
{
	cleanup_json json_t *array = json_array();
	for (;;) {
		yaml_event_t event;
		if (read_event(reader, &event) < 0)
			return NULL;
		bool end = event.type == YAML_SEQUENCE_END_EVENT;
		json_t *value = end ? NULL : read_value(reader, &event);
		yaml_event_delete(&event);
		if (end)
			return json_steal(&array);
		if (!value || json_array_append_new(array, value) < 0)
			return NULL;
	}
}

static int read_member(struct reader *reader, json_t *object, const yaml_event_t *key)
{
	yaml_event_t event;
	if (key->type != YAML_SCALAR_EVENT)
		return error_set(reader->error, ERROR_INVALID, "YAML, line %zu: a key must be text",
				 key->start_mark.line + 1);
	const char *name = (const char *)key->data.scalar.value;
	if (json_object_get(object, name))
		return error_set(reader->error, ERROR_INVALID,
				 "YAML, line %zu: key \"%s\" stands twice",
				 key->start_mark.line + 1, name);
	if (read_event(reader, &event) < 0)
		return -1;
	json_t *value = read_value(reader, &event);
	yaml_event_delete(&event);
	if (!value)
		return -1;
	if (json_object_set_new(object, name, value) < 0)
		return error_set(reader->error, ERROR_INVALID, "YAML, line %zu: bad key",
				 key->start_mark.line + 1);
	return 0;
}

static json_t *read_mapping(struct reader *reader)
{
	cleanup_json json_t *object = json_object();
	for (;;) {
		yaml_event_t key;
		if (read_event(reader, &key) < 0)
			return NULL;
		bool end = key.type == YAML_MAPPING_END_EVENT;
		int result = end ? 0 : read_member(reader, object, &key);
		yaml_event_delete(&key);
		if (end)
			return json_steal(&object);
		if (result < 0)
			return NULL;
	}
}

static json_t *read_scalar(struct reader *reader, const yaml_event_t *event)
{
	const char *text = (const char *)event->data.scalar.value;
	bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && !event->data.scalar.tag;
	json_t *value = plain ? resolve_plain(text) : json_string(text);
	if (!value)
		error_set(reader->error, ERROR_INVALID, "YAML, line %zu: text is not UTF-8",
			  event->start_mark.line + 1);
	return value;
}

static json_t *read_value(struct reader *reader, const yaml_event_t *event)
{
	json_t *value = NULL;
	if (++reader->depth > DEPTH_MAX)
		error_set(reader->error, ERROR_INVALID, "YAML is nested too deeply");
	else if (event->type == YAML_SCALAR_EVENT)
		value = read_scalar(reader, event);
	else if (event->type == YAML_SEQUENCE_START_EVENT)
		value = read_sequence(reader);
	else if (event->type == YAML_MAPPING_START_EVENT)
		value = read_mapping(reader);
	else
		error_set(reader->error, ERROR_INVALID, "YAML, line %zu: aliases are not supported",
			  event->start_mark.line + 1);
	reader->depth--;
	return value;
}

static json_t *read_document(struct reader *reader)
{
	for (;;) {
		yaml_event_t event;
		if (read_event(reader, &event) < 0)
			return NULL;
		bool end = event.type == YAML_STREAM_END_EVENT;
		bool skip = event.type == YAML_STREAM_START_EVENT ||
			    event.type == YAML_DOCUMENT_START_EVENT;
		json_t *value = end || skip ? NULL : read_value(reader, &event);
		yaml_event_delete(&event);
		if (!skip)
			return end ? json_null() : value;
	}
}

static void make_string(json_t *object, const char *key, json_t *value)
{
	if (json_is_null(value)) {
		json_object_set_new(object, key, json_string(""));
	} else if (json_is_boolean(value) || json_is_number(value)) {
		cleanup_free char *text = json_dumps(value, JSON_ENCODE_ANY);
		json_object_set_new(object, key, json_string(text));
	}
}

static void make_strings(json_t *object)
{
	const char *key;
	json_t *value;
	json_object_foreach (object, key, value) {
		if (json_is_object(value))
			make_strings(value);
		else
			make_string(object, key, value);
	}
}

json_t *yaml_to_json(const char *text, struct error **error)
{
	static const char *const maps[] = {"config", "devices", "properties"};
	struct reader reader = {.error = error};
	if (!yaml_parser_initialize(&reader.parser)) {
		error_set(error, ERROR_INTERNAL, "YAML reader cannot start");
		return NULL;
	}
	yaml_parser_set_input_string(&reader.parser, (const unsigned char *)text, strlen(text));
	json_t *data = read_document(&reader);
	yaml_parser_delete(&reader.parser);
	for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++) {
		json_t *map = json_object_get(data, maps[i]);
		if (json_is_object(map))
			make_strings(map);
	}
	return data;
}
