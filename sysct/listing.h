/* Commands that print lists and texts of the API. */
#ifndef SYSCT_LISTING_H
#define SYSCT_LISTING_H

#include "cli.h"
#include "output.h"

/* The option --format of such a command. */
extern const struct option_row listing_options[];

/* GET @path, a list, and print it in the format asked for; @add adds the row of one entry. */
int listing_print(struct cli *cli, const char *path, const char *const *headers, size_t columns,
		  void (*add)(struct table *table, const json_t *entry), struct error **error);

/* The same in the order of the answer, not of the first column. */
int listing_print_in_order(struct cli *cli, const char *path, const char *const *headers,
			   size_t columns, void (*add)(struct table *table, const json_t *entry),
			   struct error **error);

/* GET @path, which is no JSON, and print it as it is. */
int listing_print_text(struct cli *cli, const char *path, struct error **error);

/* How many entries the array @key of @object has, as a column. */
void listing_add_count(struct table *table, const json_t *object, const char *key);

#endif
