/* Tables in the formats of `list`, and text that is safe to show on a terminal. */
#ifndef SYSCT_OUTPUT_H
#define SYSCT_OUTPUT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "lib/error.h"
#include "lib/strbuf.h"

enum output_format { OUTPUT_TABLE, OUTPUT_COMPACT, OUTPUT_CSV, OUTPUT_JSON, OUTPUT_YAML };

/* A table under construction. Cells may hold several lines. */
struct table {
	size_t columns;
	char **headers;
	char **cells; /* row after row */
	size_t cell_count;
};

#define cleanup_table __attribute__((cleanup(table_free)))

/* "table", "csv", ... ; NULL means table. */
int output_format_parse(const char *name, enum output_format *format, struct error **error);

/* @headers: copied. */
void table_init(struct table *table, const char *const *headers, size_t columns);
void table_free(struct table *table);

/* Adds the next cell of the current row; @text is copied, NULL is "". */
void table_add(struct table *table, const char *text);

/* Sorts the rows by the text of their first column, numbers in names by value. */
void table_sort(struct table *table);

/* Renders a table as OUTPUT_TABLE, OUTPUT_COMPACT or OUTPUT_CSV. */
void table_render(const struct table *table, enum output_format format, bool colour,
		  struct strbuf *out);

/**
 * output_print - print a list in @format: @table, or @data for json and yaml.
 */
int output_print(const struct table *table, const json_t *data, enum output_format format,
		 struct error **error);

/* One JSON value, indented, with a newline. */
int output_json(const json_t *data, struct error **error);

/* The text with control characters replaced, so that nothing in it steers the terminal. */
void output_append_clean(struct strbuf *out, const char *text);

/* "Label: text" in a line of its own; nothing for an empty text. */
void output_print_text(const char *label, const char *text);

/* The number of terminal columns that UTF-8 text takes (one for each code point). */
size_t output_width(const char *text, size_t length);

/* Colours are for terminals, and not with NO_COLOR or TERM=dumb. */
bool output_colour(FILE *stream);

/* Flushes stdout; a full disk or closed pipe is an error. */
int output_flush(struct error **error);

#endif
