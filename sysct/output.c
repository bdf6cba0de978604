/* See output.h. */
#include "output.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/memory.h"
#include "lib/yaml_text.h"

static const char *const format_names[] = {
	[OUTPUT_TABLE] = "table", [OUTPUT_COMPACT] = "compact", [OUTPUT_CSV] = "csv",
	[OUTPUT_JSON] = "json",	  [OUTPUT_YAML] = "yaml",
};

int output_format_parse(const char *name, enum output_format *format, struct error **error)
{
	*format = OUTPUT_TABLE;
	for (size_t i = 0; name && i < sizeof(format_names) / sizeof(format_names[0]); i++) {
		if (strcmp(format_names[i], name) == 0) {
			*format = (enum output_format)i;
			return 0;
		}
	}
	if (!name)
		return 0;
	return error_set(error, ERROR_INVALID,
			 "unknown format '%s'; it is one of table, compact, csv, json, yaml", name);
}

void table_init(struct table *table, const char *const *headers, size_t columns)
{
	*table = (struct table){.columns = columns};
	table->headers = memory_alloc(sizeof(char *) * columns);
	for (size_t i = 0; i < columns; i++)
		table->headers[i] = memory_strdup(headers[i]);
}

void table_free(struct table *table)
{
	for (size_t i = 0; i < table->columns && table->headers; i++)
		free(table->headers[i]);
	for (size_t i = 0; i < table->cell_count; i++)
		free(table->cells[i]);
	free(table->headers);
	free(table->cells);
	*table = (struct table){0};
}

void table_add(struct table *table, const char *text)
{
	/* Room grows in powers of two. */
	if ((table->cell_count & (table->cell_count - 1)) == 0) {
		size_t room = table->cell_count ? table->cell_count * 2 : 1;
		table->cells = memory_realloc(table->cells, sizeof(char *) * room);
	}
	table->cells[table->cell_count++] = memory_strdup(text ? text : "");
}

static int compare_rows(const void *a, const void *b)
{
	return strverscmp(**(char ***)a, **(char ***)b);
}

void table_sort(struct table *table)
{
	size_t rows = table->columns ? table->cell_count / table->columns : 0;
	if (rows < 2)
		return;
	char ***order = memory_alloc(sizeof(char **) * rows);
	char **sorted = memory_alloc(sizeof(char *) * rows * table->columns);
	for (size_t i = 0; i < rows; i++)
		order[i] = table->cells + i * table->columns;
	qsort(order, rows, sizeof(*order), compare_rows);
	for (size_t i = 0; i < rows; i++)
		memcpy(sorted + i * table->columns, order[i], sizeof(char *) * table->columns);
	memcpy(table->cells, sorted, sizeof(char *) * rows * table->columns);
	free(order);
	free(sorted);
}

void output_append_clean(struct strbuf *out, const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;
		/* C1 controls are 0xc2 0x80..0x9f in UTF-8. */
		bool c1 = c == 0xc2 && (unsigned char)text[1] >= 0x80 &&
			  (unsigned char)text[1] < 0xa0;
		if (c1)
			text++;
		bool control = c1 || c < ' ' || c == 0x7f;
		strbuf_append_bytes(out, control ? "?" : text, 1);
	}
}

void output_print_text(const char *label, const char *text)
{
	cleanup_strbuf struct strbuf line = {0};
	output_append_clean(&line, text);
	if (line.length)
		printf("%s: %s\n", label, line.text);
}

size_t output_width(const char *text, size_t length)
{
	size_t width = 0;
	for (size_t i = 0; i < length; i++)
		width += ((unsigned char)text[i] & 0xc0) != 0x80;
	return width;
}

bool output_colour(FILE *stream)
{
	const char *never = getenv("NO_COLOR");
	const char *terminal = getenv("TERM");
	return isatty(fileno(stream)) && !(never && *never) && terminal && *terminal &&
	       strcmp(terminal, "dumb") != 0;
}

static void render_csv(const struct table *table, struct strbuf *out)
{
	for (size_t i = 0; i < table->cell_count && table->columns; i++) {
		const char *text = table->cells[i];
		if (i % table->columns)
			strbuf_append_char(out, ',');
		if (!text[strcspn(text, ",\"\r\n")]) {
			strbuf_append(out, text);
		} else {
			strbuf_append_char(out, '"');
			for (; *text; text++) {
				if (*text == '"')
					strbuf_append_char(out, '"');
				strbuf_append_char(out, *text);
			}
			strbuf_append_char(out, '"');
		}
		if ((i + 1) % table->columns == 0)
			strbuf_append_char(out, '\n');
	}
}

/* Line number @line of a cell, cleaned, or "" when it has fewer. */
static void append_line(struct strbuf *out, const char *text, size_t line)
{
	for (; line > 0 && text; line--) {
		const char *newline = strchr(text, '\n');
		text = newline ? newline + 1 : NULL;
	}
	if (!text)
		return;
	cleanup_free char *part = memory_strndup(text, strcspn(text, "\n"));
	output_append_clean(out, part);
}

static size_t count_lines(const char *text)
{
	size_t lines = 1;
	while ((text = strchr(text, '\n')) != NULL) {
		lines++;
		text++;
	}
	return lines;
}

static size_t cell_width(const char *text)
{
	size_t width = 0, lines = count_lines(text);
	for (size_t line = 0; line < lines; line++) {
		cleanup_strbuf struct strbuf part = {0};
		append_line(&part, text, line);
		size_t now = output_width(part.text ? part.text : "", part.length);
		width = now > width ? now : width;
	}
	return width;
}

static size_t *column_widths(const struct table *table)
{
	size_t *widths = memory_alloc(sizeof(size_t) * (table->columns + 1));
	for (size_t i = 0; i < table->columns; i++)
		widths[i] = cell_width(table->headers[i]);
	for (size_t i = 0; i < table->cell_count && table->columns; i++) {
		size_t width = cell_width(table->cells[i]);
		size_t *column = &widths[i % table->columns];
		*column = width > *column ? width : *column;
	}
	return widths;
}

static void append_repeated(struct strbuf *out, char c, size_t count)
{
	while (count--)
		strbuf_append_char(out, c);
}

static void append_rule(struct strbuf *out, const size_t *widths, size_t columns)
{
	for (size_t i = 0; i < columns; i++) {
		strbuf_append_char(out, '+');
		append_repeated(out, '-', widths[i] + 2);
	}
	strbuf_append(out, "+\n");
}

/* The colour of a state, whichever column it stands in. */
static const char *colour_of(const char *text)
{
	static const struct {
		const char *text, *colour;
	} colours[] = {
		{"RUNNING", "\033[32m"}, {"STOPPED", "\033[31m"},  {"FROZEN", "\033[36m"},
		{"ERROR", "\033[1;31m"}, {"STARTING", "\033[33m"}, {"STOPPING", "\033[33m"},
	};
	for (size_t i = 0; i < sizeof(colours) / sizeof(colours[0]); i++)
		if (strcmp(colours[i].text, text) == 0)
			return colours[i].colour;
	return NULL;
}

struct renderer {
	const struct table *table;
	const size_t *widths;
	struct strbuf *out;
	bool borders, colour;
};

static void render_cell(const struct renderer *r, const char *text, size_t line, size_t column)
{
	cleanup_strbuf struct strbuf part = {0};
	append_line(&part, text, line);
	const char *shown = part.text ? part.text : "";
	const char *colour = r->colour ? colour_of(shown) : NULL;
	bool last = column + 1 == r->table->columns;
	strbuf_append(r->out, r->borders ? "| " : "");
	if (colour)
		strbuf_append(r->out, colour);
	strbuf_append(r->out, shown);
	if (colour)
		strbuf_append(r->out, "\033[0m");
	if (r->borders || !last)
		append_repeated(r->out, ' ', r->widths[column] - output_width(shown, part.length));
	strbuf_append(r->out, r->borders ? " " : last ? "" : "  ");
}

static void render_row(const struct renderer *r, char *const *cells)
{
	size_t lines = 1;
	for (size_t i = 0; i < r->table->columns; i++) {
		size_t now = count_lines(cells[i]);
		lines = now > lines ? now : lines;
	}
	for (size_t line = 0; line < lines; line++) {
		for (size_t i = 0; i < r->table->columns; i++)
			render_cell(r, cells[i], line, i);
		strbuf_append(r->out, r->borders ? "|\n" : "\n");
	}
}

void table_render(const struct table *table, enum output_format format, bool colour,
		  struct strbuf *out)
{
	if (format == OUTPUT_CSV) {
		render_csv(table, out);
		return;
	}
	cleanup_free size_t *widths = column_widths(table);
	struct renderer renderer = {table, widths, out, format == OUTPUT_TABLE, colour};
	if (renderer.borders)
		append_rule(out, widths, table->columns);
	render_row(&renderer, table->headers);
	if (renderer.borders)
		append_rule(out, widths, table->columns);
	for (size_t i = 0; i < table->cell_count; i += table->columns)
		render_row(&renderer, table->cells + i);
	if (renderer.borders && table->cell_count)
		append_rule(out, widths, table->columns);
}

int output_flush(struct error **error)
{
	if (fflush(stdout) != 0 || ferror(stdout))
		return error_errno(error, errno, "writing the output");
	return 0;
}

int output_json(const json_t *data, struct error **error)
{
	cleanup_free char *text = json_dumps(data, JSON_INDENT(2) | JSON_ENCODE_ANY);
	if (!text)
		return error_set(error, ERROR_INTERNAL, "the answer cannot be encoded as JSON");
	printf("%s\n", text);
	return output_flush(error);
}

int output_print(const struct table *table, const json_t *data, enum output_format format,
		 struct error **error)
{
	if (format == OUTPUT_JSON)
		return output_json(data, error);
	cleanup_strbuf struct strbuf out = {0};
	if (format == OUTPUT_YAML) {
		cleanup_free char *text = yaml_from_json(data, error);
		if (!text)
			return -1;
		strbuf_append(&out, text);
	} else {
		table_render(table, format, output_colour(stdout), &out);
	}
	if (out.length)
		fwrite(out.text, 1, out.length, stdout);
	return output_flush(error);
}
