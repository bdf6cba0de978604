/* See snapshots.h: taking, naming and removing them. */
#include "instance/snapshots.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <uuid/uuid.h>

#include "cleanup.h"
#include "db/objects.h"
#include "events.h"
#include "fault.h"
#include "instance/internal.h"
#include "log.h"
#include "memory.h"
#include "server.h"
#include "storage/storage.h"

enum {
	LONGEST_NAME = 63,
	LOCK_TIMEOUT = 30000,
	/* So many below each other are slow to look through: what comes then is copied beside. */
	MOST_LAYERS = 100,
};

int snapshot_check_name(const char *name, struct error **error)
{
	size_t length = strlen(name), good = 0;
	while (name[good] && (isalnum((unsigned char)name[good]) || strchr("-_.:+@", name[good])))
		good++;
	if (length > 0 && length <= LONGEST_NAME && good == length && name[0] != '.')
		return 0;
	return error_set(error, ERROR_INVALID,
			 "\"%s\" is not a name for a snapshot: 1 to %d letters, digits and -_.:+@, "
			 "not \".\" first",
			 name, LONGEST_NAME);
}

void snapshot_publish(struct instance *instance, const char *action, const char *name)
{
	cleanup_free char *source =
		memory_printf("/1.0/instances/%s/snapshots/%s", instance->name, name);
	event_hub_lifecycle(instance->server->events, action, source, NULL);
}

/* ---- taking one ---- */

/* One more than the highest there is, so that a name is not soon used for another. */
static char *make_name(struct server *server, int64_t id, struct error **error)
{
	cleanup_snapshot_list struct snapshot_list list = {0};
	unsigned next = 0;
	if (db_snapshot_list(server->db, id, &list, error) < 0)
		return NULL;
	for (size_t i = 0; i < list.count; i++) {
		char *end;
		const char *name = list.rows[i].name;
		if (strncmp(name, "snap", 4) != 0 || !isdigit((unsigned char)name[4]))
			continue;
		unsigned long number = strtoul(name + 4, &end, 10);
		if (!*end && number >= next && number < 1000000000)
			next = (unsigned)number + 1;
	}
	return memory_printf("snap%u", next);
}

struct taking {
	struct instance *instance;
	struct instance_row row;
	struct object_row pool;
	struct layer_list chain;
	char token[UUID_STR_LEN];
	bool running;
	bool beside;	  /* the snapshot gets a copy */
	int64_t replaced; /* the id of a snapshot; 0: none */
};

static void taking_clear(struct taking *taking)
{
	instance_row_clear(&taking->row);
	object_row_clear(&taking->pool);
	layer_list_clear(&taking->chain);
}
#define cleanup_taking __attribute__((cleanup(taking_clear)))

static int prepare(struct taking *taking, struct error **error)
{
	struct instance *instance = taking->instance;
	struct db *db = instance->server->db;
	enum instance_state state = instance_get_state(instance);
	uuid_t uuid;
	uuid_generate(uuid);
	uuid_unparse_lower(uuid, taking->token);
	taking->running = state == INSTANCE_RUNNING || state == INSTANCE_FROZEN;
	if (!taking->running && state != INSTANCE_STOPPED && state != INSTANCE_ERROR)
		return error_set(error, ERROR_BUSY, "The instance is %s: try again",
				 instance_state_to_string(state));
	if (db_instance_get_by_id(db, instance->id, &taking->row, error) < 0 ||
	    db_object_get(db, &db_pools, taking->row.pool, &taking->pool, error) < 0)
		return -1;
	if (db_layer_chain(db, taking->row.layer_id, &taking->chain, error) < 0)
		return -1;
	taking->beside = taking->running || taking->chain.count > MOST_LAYERS;
	return 0;
}

/* The new layer is the snapshot's, beside that of the instance, or the instance's, above. */
static int store(struct taking *taking, struct snapshot_row *taken, struct error **error)
{
	struct db *db = taking->instance->server->db;
	const struct layer_row *top = &taking->chain.rows[0];
	cleanup_free char *directory = storage_layer_directory(taking->token);
	struct layer_row layer = {
		.parent_id = taking->beside ? top->parent_id : top->id,
		.pool = taking->pool.name,
		.directory = directory,
		.id_base = top->id_base,
	};
	if (db_begin(db, DB_DURABLE, error) < 0)
		return -1;
	int result = taking->replaced ? db_snapshot_delete(db, taking->replaced, error) : 0;
	if (result == 0)
		result = db_layer_create(db, &layer, error);
	taken->layer_id = taking->beside ? layer.id : top->id;
	if (result == 0)
		result = db_snapshot_create(db, taken, &taking->row, error);
	if (result == 0 && !taking->beside)
		result = db_instance_set_layer(db, taking->row.id, layer.id, error);
	if (result == 0)
		return db_commit(db, error);
	db_rollback(db);
	return -1;
}

static int take(struct taking *taking, struct snapshot_row *taken, struct error **error)
{
	struct storage *storage = taking->instance->server->storage;
	const struct layer_row *top = &taking->chain.rows[0];
	const char *pool = taking->pool.name, *driver = taking->pool.kind;
	taken->created_at = db_now();
	if (storage_layer_create(storage, driver, top, taking->token, error) < 0)
		return -1;
	fault_point("snapshot.layer");
	if ((taking->beside && snapshot_copy(taking->instance, driver, top, taking->token,
					     taking->running, error) < 0) ||
	    store(taking, taken, error) < 0) {
		storage_layer_abort(storage, pool, taking->token);
		return -1;
	}
	fault_point("snapshot.committed");
	return storage_layer_commit(storage, pool, taking->token, error);
}

/* Before anything is copied. */
static int check_name(struct taking *taking, const char *name, bool replace, struct error **error)
{
	struct instance *instance = taking->instance;
	cleanup_snapshot_row struct snapshot_row other = {0};
	if (db_snapshot_get(instance->server->db, instance->id, name, &other, NULL) < 0)
		return 0;
	taking->replaced = other.id;
	return replace ? 0 : error_set(error, ERROR_EXISTS, "Snapshot \"%s\" already exists", name);
}

int instance_snapshot(struct instance *instance, const struct snapshot_request *request,
		      struct snapshot_row *taken, struct error **error)
{
	const char *name = request->name && *request->name ? request->name : NULL;
	*taken = (struct snapshot_row){0};
	if ((name && snapshot_check_name(name, error) < 0) ||
	    instance_lock(instance, "snapshot", LOCK_TIMEOUT, error) < 0)
		return -1;
	cleanup_instance_lock struct instance *held = instance;
	cleanup_taking struct taking taking = {.instance = held};
	taken->name = name ? memory_strdup(name) : make_name(held->server, held->id, error);
	taken->description = memory_strdup(request->description ? request->description : "");
	if (!taken->name || check_name(&taking, taken->name, request->replace, error) < 0 ||
	    prepare(&taking, error) < 0 || take(&taking, taken, error) < 0) {
		snapshot_row_clear(taken);
		return -1;
	}
	if (taking.replaced)
		storage_tidy(held->server);
	log_event(LOG_LEVEL_INFO, held->name, "instance-snapshot-created %s", taken->name);
	snapshot_publish(held, "instance-snapshot-created", taken->name);
	return 0;
}

/* ---- changing them ---- */

int instance_snapshot_describe(struct instance *instance, const char *name, const char *description,
			       struct error **error)
{
	struct db *db = instance->server->db;
	cleanup_snapshot_row struct snapshot_row row = {0};
	if (db_snapshot_get(db, instance->id, name, &row, error) < 0 ||
	    db_snapshot_describe(db, row.id, description, error) < 0)
		return -1;
	snapshot_publish(instance, "instance-snapshot-updated", name);
	return 0;
}

int instance_snapshot_rename(struct instance *instance, const char *name, const char *new_name,
			     struct error **error)
{
	struct db *db = instance->server->db;
	cleanup_snapshot_row struct snapshot_row row = {0};
	if (snapshot_check_name(new_name, error) < 0 ||
	    db_snapshot_get(db, instance->id, name, &row, error) < 0 ||
	    db_snapshot_rename(db, &row, new_name, error) < 0)
		return -1;
	snapshot_publish(instance, "instance-snapshot-renamed", new_name);
	return 0;
}

int instance_snapshot_delete(struct instance *instance, const char *name, struct error **error)
{
	struct server *server = instance->server;
	cleanup_snapshot_row struct snapshot_row row = {0};
	if (instance_lock(instance, "delete a snapshot", LOCK_TIMEOUT, error) < 0)
		return -1;
	cleanup_instance_lock struct instance *held = instance;
	if (db_snapshot_get(server->db, held->id, name, &row, error) < 0 ||
	    db_snapshot_delete(server->db, row.id, error) < 0)
		return -1;
	fault_point("snapshot.deleted");
	storage_tidy(server);
	log_event(LOG_LEVEL_INFO, held->name, "instance-snapshot-deleted %s", name);
	snapshot_publish(held, "instance-snapshot-deleted", name);
	return 0;
}
