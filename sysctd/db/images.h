/* Images by fingerprint, their properties and aliases. */
#ifndef SYSCT_DB_IMAGES_H
#define SYSCT_DB_IMAGES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "db/db.h"
#include "error.h"

struct image_row {
	int64_t id;
	char *fingerprint; /* SHA-256, 64 hexadecimal digits */
	char *filename;
	char *architecture;
	char *type; /* "container" */
	int64_t size;
	bool public;
	bool auto_update;
	bool cached;
	int64_t created_at;
	int64_t uploaded_at;
	int64_t expires_at;
	int64_t last_used_at;
	char *template;		  /* that it was built with, or NULL */
	json_t *template_options; /* what the template was given, any JSON, or NULL */
	json_t *properties;	  /* {key: value} */
	json_t *aliases;	  /* [{name, description}], by name; filled when read */
};

struct image_list {
	struct image_row *rows;
	size_t count;
};

struct alias_row {
	int64_t id;
	char *name;
	char *description;
	char *fingerprint; /* of its image */
	char *type;	   /* of its image; filled when read */
};

struct alias_list {
	struct alias_row *rows;
	size_t count;
};

void image_row_clear(struct image_row *row);
void image_list_clear(struct image_list *list);
void alias_row_clear(struct alias_row *row);
void alias_list_clear(struct alias_list *list);
#define cleanup_image_row  __attribute__((cleanup(image_row_clear)))
#define cleanup_image_list __attribute__((cleanup(image_list_clear)))
#define cleanup_alias_row  __attribute__((cleanup(alias_row_clear)))
#define cleanup_alias_list __attribute__((cleanup(alias_list_clear)))

/* Fills row->id (and uploaded_at, type where they are empty); ERROR_EXISTS. Not the aliases. */
int db_image_create(struct db *db, struct image_row *row, struct error **error);

/**
 * db_image_get - by fingerprint or the beginning of one.
 * ERROR_NOT_FOUND; ERROR_INVALID when several images begin so.
 */
int db_image_get(struct db *db, const char *prefix, struct image_row *row, struct error **error);
int db_image_get_by_alias(struct db *db, const char *alias, struct image_row *row,
			  struct error **error);

/* All images, oldest upload first. */
int db_image_list(struct db *db, struct image_list *list, struct error **error);

/* Stores filename, public, auto_update, cached, expires_at and properties for the image row->id. */
int db_image_update(struct db *db, const struct image_row *row, struct error **error);

/* Its aliases go with it. Instances made from it stay. */
int db_image_delete(struct db *db, int64_t id, struct error **error);
int db_image_touch(struct db *db, int64_t id, int64_t last_used_at, struct error **error);

/* Names of the instances made from it, as an array. */
json_t *db_image_used_by(struct db *db, const char *fingerprint, struct error **error);

/* Needs name and fingerprint; fills id. ERROR_EXISTS, ERROR_NOT_FOUND (image). */
int db_alias_create(struct db *db, struct alias_row *row, struct error **error);

/* Create the alias, or point the one there is at row->fingerprint, in one transaction. */
int db_alias_set(struct db *db, struct alias_row *row, struct error **error);
int db_alias_get(struct db *db, const char *name, struct alias_row *row, struct error **error);
int db_alias_list(struct db *db, struct alias_list *list, struct error **error);

/* Stores description and fingerprint (moves it to that image) for the alias row->name. */
int db_alias_update(struct db *db, const struct alias_row *row, struct error **error);
int db_alias_rename(struct db *db, const char *name, const char *new_name, struct error **error);
int db_alias_delete(struct db *db, const char *name, struct error **error);

#endif
