/* Backups of instances and volumes as LXD's JSON. */
#ifndef SYSCT_API_BACKUPS_H
#define SYSCT_API_BACKUPS_H

#include <jansson.h>
#include <stdint.h>

#include "db/backups.h"

/* Those of @list that are of the instance or volume @id; a new array. */
json_t *backups_render(const struct backup_list *list, int64_t id);

#endif
