/* Whose backups are: an instance or a custom volume. */
#include <stdlib.h>

#include "backup/internal.h"
#include "cleanup.h"
#include "instance/instance.h"
#include "instance/internal.h"
#include "memory.h"

struct backup_owner backup_owner_of_instance(struct instance *instance)
{
	return (struct backup_owner){
		.server = instance->server,
		.kind = BACKUP_OF_INSTANCE,
		.id = instance->id,
		.instance = instance_ref(instance),
	};
}

struct backup_owner backup_owner_of_volume(struct server *server, const struct volume_row *row)
{
	return (struct backup_owner){
		.server = server,
		.kind = BACKUP_OF_VOLUME,
		.id = row->id,
		.pool = memory_strdup(row->pool),
		.name = memory_strdup(row->name),
	};
}

struct backup_owner backup_owner_copy(const struct backup_owner *owner)
{
	struct backup_owner copy = *owner;
	if (owner->instance) {
		instance_ref(owner->instance);
	} else {
		copy.pool = memory_strdup(owner->pool);
		copy.name = memory_strdup(owner->name);
	}
	return copy;
}

void backup_owner_clear(struct backup_owner *owner)
{
	if (owner->instance)
		instance_unref(owner->instance);
	free(owner->pool);
	free(owner->name);
	*owner = (struct backup_owner){0};
}

char *backup_owner_url(const struct backup_owner *owner)
{
	return owner->instance ? memory_printf("/1.0/instances/%s", owner->instance->name)
			       : memory_printf("/1.0/storage-pools/%s/volumes/custom/%s",
					       owner->pool, owner->name);
}

const char *backup_owner_instance(const struct backup_owner *owner)
{
	return owner->instance ? owner->instance->name : NULL;
}
