/*
 * What has changed, told after each commit: for the descriptions that pools have of what lies in them
 * (sysctd/recover). Triggers of the writer's connection notice every change, whoever makes it.
 */
#ifndef SYSCT_DB_CHANGES_H
#define SYSCT_DB_CHANGES_H

#include <stddef.h>
#include <stdint.h>

#include "db/db.h"
#include "error.h"

/* What a description tells of, by the id of its row. A layer stands for all above it. */
enum change_kind { CHANGE_INSTANCE, CHANGE_VOLUME, CHANGE_IMAGE, CHANGE_POOL, CHANGE_LAYER };

struct change {
	enum change_kind kind;
	int64_t id;
};

struct change_list {
	struct change *rows; /* each once */
	size_t count;
};

void change_list_clear(struct change_list *list);
#define cleanup_change_list __attribute__((cleanup(change_list_clear)))

/**
 * db_changes_watch - notice changes from now on.
 * @wake: called after each commit that changed something of these, by the thread that commits. It
 * must neither wait nor use the database.
 */
int db_changes_watch(struct db *db, void (*wake)(void *data), void *data, struct error **error);

/* What was committed since the last call, to be cleared; it may have more than was changed. */
void db_changes_take(struct db *db, struct change_list *list);

/* A name that this database alone has, made when it is asked for the first time. The caller frees it. */
char *db_identity(struct db *db, struct error **error);

#endif
