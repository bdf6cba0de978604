/* Managed networks. */
#ifndef SYSCT_DB_NETWORKS_H
#define SYSCT_DB_NETWORKS_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "db/db.h"
#include "error.h"

struct network_row {
	int64_t id;
	char *name;
	char *type; /* "bridge" */
	char *description;
	json_t *config;		   /* {key: value} */
	json_t *used_by_instances; /* [name]; both filled when read */
	json_t *used_by_profiles;  /* [name] */
};

struct network_list {
	struct network_row *rows;
	size_t count;
};

void network_row_clear(struct network_row *row);
void network_list_clear(struct network_list *list);
#define cleanup_network_row  __attribute__((cleanup(network_row_clear)))
#define cleanup_network_list __attribute__((cleanup(network_list_clear)))

/* Fills row->id; ERROR_EXISTS. */
int db_network_create(struct db *db, struct network_row *row, struct error **error);
int db_network_get(struct db *db, const char *name, struct network_row *row, struct error **error);
int db_network_list(struct db *db, struct network_list *list, struct error **error);

/* Stores description and config for the network row->id. */
int db_network_update(struct db *db, const struct network_row *row, struct error **error);

/* ERROR_BUSY, naming the users, while there are some; so for a new name. */
int db_network_rename(struct db *db, const char *name, const char *new_name, struct error **error);
int db_network_delete(struct db *db, const char *name, struct error **error);

#endif
