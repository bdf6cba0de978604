/* Lists and texts of the API that a command only prints. */
#ifndef SYSCT_FETCH_H
#define SYSCT_FETCH_H

#include "cli.h"
#include "output.h"

/* GET @path, a list, and print it in the format asked for; @add adds the row of one entry. */
int fetch_list(struct cli *cli, const char *path, const char *const *headers, size_t columns,
	       void (*add)(struct table *table, const json_t *entry), struct error **error);

/* GET @path, which is no JSON, and print it as it is. */
int fetch_text(struct cli *cli, const char *path, struct error **error);

#endif
