/*
 * Names of backups that are being made: their rows come at the end, and another one that is begun meanwhile
 * must not get the same.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "backup/internal.h"
#include "cleanup.h"
#include "db/db.h"
#include "memory.h"
#include "server.h"

struct reserved {
	struct reserved *next;
	enum backup_kind kind;
	int64_t owner_id;
	char *name;
};

struct backup_names {
	pthread_mutex_t lock;
	struct reserved *first;
};

struct backup_names *backup_names_create(void)
{
	struct backup_names *names = memory_alloc(sizeof(*names));
	*names = (struct backup_names){.lock = PTHREAD_MUTEX_INITIALIZER};
	return names;
}

void backup_names_free(struct backup_names *names)
{
	if (names)
		pthread_mutex_destroy(&names->lock);
	free(names);
}

static bool is_of(const struct reserved *reserved, const struct backup_owner *owner)
{
	return reserved->kind == owner->kind && reserved->owner_id == owner->id;
}

/* The number of "backup7"; -1: it is another name. */
static long number_of(const char *name)
{
	char *end;
	if (strncmp(name, "backup", strlen("backup")) != 0)
		return -1;
	long number = strtol(name + strlen("backup"), &end, 10);
	return end > name + strlen("backup") && !*end && number < 1000000000 ? number : -1;
}

/* One more than the highest there is. */
static char *make_name(const struct backup_names *names, const struct backup_owner *owner,
		       const struct backup_list *list)
{
	long highest = -1;
	for (size_t i = 0; i < list->count; i++)
		if (number_of(list->rows[i].name) > highest)
			highest = number_of(list->rows[i].name);
	for (const struct reserved *one = names->first; one; one = one->next)
		if (is_of(one, owner) && number_of(one->name) > highest)
			highest = number_of(one->name);
	return memory_printf("backup%ld", highest + 1);
}

static bool is_taken(const struct backup_names *names, const struct backup_owner *owner,
		     const struct backup_list *list, const char *name)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->rows[i].name, name) == 0)
			return true;
	for (const struct reserved *one = names->first; one; one = one->next)
		if (is_of(one, owner) && strcmp(one->name, name) == 0)
			return true;
	return false;
}

/* With the lock held. */
static char *reserve(struct backup_names *names, const struct backup_owner *owner, const char *name,
		     struct error **error)
{
	cleanup_backup_list struct backup_list list = {0};
	if (db_backup_list(owner->server->db, owner->kind, owner->id, &list, error) < 0)
		return NULL;
	if (*name && is_taken(names, owner, &list, name)) {
		error_set(error, ERROR_EXISTS, "Backup \"%s\" already exists", name);
		return NULL;
	}
	struct reserved *one = memory_alloc(sizeof(*one));
	*one = (struct reserved){
		.next = names->first,
		.kind = owner->kind,
		.owner_id = owner->id,
		.name = *name ? memory_strdup(name) : make_name(names, owner, &list),
	};
	names->first = one;
	return memory_strdup(one->name);
}

char *backup_name_reserve(const struct backup_owner *owner, const char *name, struct error **error)
{
	struct backup_names *names = owner->server->backup_names;
	pthread_mutex_lock(&names->lock);
	char *reserved = reserve(names, owner, name, error);
	pthread_mutex_unlock(&names->lock);
	return reserved;
}

void backup_name_release(const struct backup_owner *owner, const char *name)
{
	struct backup_names *names = owner->server->backup_names;
	pthread_mutex_lock(&names->lock);
	struct reserved **at = &names->first;
	while (*at && (!is_of(*at, owner) || strcmp((*at)->name, name) != 0))
		at = &(*at)->next;
	struct reserved *found = *at;
	if (found) {
		*at = found->next;
		free(found->name);
		free(found);
	}
	pthread_mutex_unlock(&names->lock);
}
