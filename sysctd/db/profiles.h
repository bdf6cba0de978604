/* Profiles: configuration and devices that instances share. */
#ifndef SYSCT_DB_PROFILES_H
#define SYSCT_DB_PROFILES_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "db/db.h"
#include "error.h"

struct profile_row {
	int64_t id;
	char *name;
	char *description;
	json_t *config;	 /* {key: value} */
	json_t *devices; /* {device: {key: value}} */
	json_t *used_by; /* [instance name], by name; filled when read */
};

struct profile_list {
	struct profile_row *rows;
	size_t count;
};

void profile_row_clear(struct profile_row *row);
void profile_list_clear(struct profile_list *list);
#define cleanup_profile_row  __attribute__((cleanup(profile_row_clear)))
#define cleanup_profile_list __attribute__((cleanup(profile_list_clear)))

/* The row of that name, or NULL. */
const struct profile_row *profile_list_find(const struct profile_list *list, const char *name);

/* Fills row->id; ERROR_EXISTS. */
int db_profile_create(struct db *db, struct profile_row *row, struct error **error);
int db_profile_get(struct db *db, const char *name, struct profile_row *row, struct error **error);
int db_profile_list(struct db *db, struct profile_list *list, struct error **error);

/* Stores description, config and devices for the profile row->id. */
int db_profile_update(struct db *db, const struct profile_row *row, struct error **error);

/* "default" cannot be renamed or deleted (ERROR_INVALID). */
int db_profile_rename(struct db *db, const char *name, const char *new_name, struct error **error);

/* ERROR_BUSY, naming the instances, while one uses it. */
int db_profile_delete(struct db *db, const char *name, struct error **error);

#endif
