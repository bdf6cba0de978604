/* Backups of instances and of custom volumes: a file below STATE/backups each (backup/store.c). */
#ifndef SYSCT_DB_BACKUPS_H
#define SYSCT_DB_BACKUPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "db/db.h"
#include "error.h"

enum backup_kind { BACKUP_OF_INSTANCE, BACKUP_OF_VOLUME, BACKUP_KIND_COUNT };

struct backup_row {
	int64_t id;
	enum backup_kind kind;
	int64_t owner_id; /* of the instance or volume */
	char *name;
	char *file; /* below STATE/backups */
	int64_t created_at;
	int64_t expires_at; /* 0: never */
	bool only;	    /* without snapshots */
	bool optimized;
};

struct backup_list {
	struct backup_row *rows;
	size_t count;
};

void backup_row_clear(struct backup_row *row);
void backup_list_clear(struct backup_list *list);
#define cleanup_backup_row  __attribute__((cleanup(backup_row_clear)))
#define cleanup_backup_list __attribute__((cleanup(backup_list_clear)))

/* Of one owner (by id; 0: of all of that kind), in the order in which they were made. */
int db_backup_list(struct db *db, enum backup_kind kind, int64_t owner_id, struct backup_list *list,
		   struct error **error);
int db_backup_get(struct db *db, enum backup_kind kind, int64_t owner_id, const char *name,
		  struct backup_row *row, struct error **error);

/* Fills row->id. ERROR_EXISTS; ERROR_NOT_FOUND when the owner is gone. */
int db_backup_create(struct db *db, struct backup_row *row, struct error **error);
int db_backup_rename(struct db *db, const struct backup_row *row, const char *name,
		     struct error **error);
int db_backup_delete(struct db *db, const struct backup_row *row, struct error **error);

/* The earliest time after @after at which one of any kind expires; 0: none does. */
int db_backup_next_expiry(struct db *db, int64_t after, int64_t *time, struct error **error);

#endif
