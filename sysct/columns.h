/* The columns of `sysct list -c`, and what an instance shows in each. */
#ifndef SYSCT_COLUMNS_H
#define SYSCT_COLUMNS_H

#include <jansson.h>
#include <stddef.h>

#include "lib/error.h"
#include "lib/strbuf.h"
#include "output.h"

/* What the server must be asked for a column: more costs more. */
enum column_source { COLUMN_PLAIN, COLUMN_NETWORK, COLUMN_STATE };

struct column_row {
	char letter;
	const char *header;
	const char *help;
	enum column_source source;
	void (*append)(struct strbuf *cell, const json_t *instance);
};

/* Ended by a row without letter. */
extern const struct column_row column_rows[];

struct column {
	const struct column_row *row; /* NULL for a key */
	char *header;
	char *key; /* of config or, with device, of that device */
	char *device;
	long width; /* -1: as wide as it gets */
};

struct columns {
	struct column *list;
	size_t count;
};

#define cleanup_columns __attribute__((cleanup(columns_free)))

/* "ns4,user.purpose:FOR,devices:eth0.parent:ON:10", as in lxc. */
int columns_parse(struct columns *columns, const char *text, struct error **error);
void columns_free(struct columns *columns);
enum column_source columns_source(const struct columns *columns);

/* Whether name, status, type, ephemeral, snapshots and addresses are enough: the usual list. */
bool columns_are_brief(const struct columns *columns);

/* Starts @table with the headers; then one call for each instance. */
void columns_start(const struct columns *columns, struct table *table);
void columns_add(const struct columns *columns, struct table *table, const json_t *instance);

#endif
