/*
 * What goes into the backup of an instance, of one instant: of the instance a branch as for a snapshot (instance/branch.h),
 * of the snapshots the layers that they keep. Nobody names the branch; it is held while it is
 * read (db_layer_hold()), and after a crash nobody holds it.
 *
 * A stopped instance gets an empty layer above its own for that time. If it was not used meanwhile, that is
 * taken away again, so that its chain does not grow with each backup.
 */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "backup/internal.h"
#include "cleanup.h"
#include "fault.h"
#include "file.h"
#include "instance/branch.h"
#include "instance/instance.h"
#include "log.h"
#include "memory.h"
#include "server.h"
#include "storage/storage.h"
#include "yaml_text.h"

enum { LOCK_TIMEOUT = 30000 };

/* ---- the request for sysct-pack ---- */

void backup_source_request(struct backup_source *source, const struct backup_request *request)
{
	cleanup_free char *scratch = backups_directory(source->owner->server);
	source->request = json_pack("{s:s*, s:s, s:[]}", "compression", request->compression,
				    "scratch", scratch, "entries");
}

void backup_source_add_text(json_t *entries, const char *directory, const char *name,
			    const char *text, int mode)
{
	cleanup_free char *path = memory_printf("%s/%s", directory, name);
	json_array_append_new(
		entries, json_pack("{s:s, s:s, s:i}", "path", path, "text", text, "mode", mode));
}

/* LXD 5 lists what there is to be received: here a subvolume for each tree. */
static json_t *describe_streams(const json_t *index)
{
	json_t *list = json_array(), *name;
	size_t i;
	json_array_foreach (json_object_get(index, "snapshots"), i, name)
		json_array_append_new(list, json_pack("{s:s, s:O, s:b, s:s}", "path", "/",
						      "snapshot", name, "readonly", 1, "uuid", ""));
	json_array_append_new(list, json_pack("{s:s, s:s, s:b, s:s}", "path", "/", "snapshot", "",
					      "readonly", 0, "uuid", ""));
	return json_pack("{s:o}", "subvolumes", list);
}

int backup_source_add_index(struct backup_source *source, json_t *index, struct error **error)
{
	json_t *entries = json_object_get(source->request, "entries");
	if (source->driver) {
		json_object_set_new(index, "optimized", json_true());
		json_object_set_new(index, "optimized_header", json_true());
	}
	cleanup_free char *text = yaml_from_json(index, error);
	json_t *streams = text && source->driver ? describe_streams(index) : NULL;
	cleanup_free char *header = streams ? yaml_from_json(streams, error) : NULL;
	json_decref(streams);
	json_decref(index);
	if (!text || (source->driver && !header))
		return -1;
	backup_source_add_text(entries, "backup", "index.yaml", text, 0644);
	if (header)
		backup_source_add_text(entries, "backup", "optimized_header.yaml", header, 0644);
	return 0;
}

/* What the monitor would mount: all of it lower layers here, or a tree as it is. */
static json_t *describe_tree(const json_t *rootfs, uint32_t id_base, const char *path)
{
	json_t *upper = json_object_get(rootfs, "upper");
	if (!upper)
		return json_pack("{s:s, s:O, s:O}", "path", path, "flat",
				 json_object_get(rootfs, "path"), "base",
				 json_object_get(rootfs, "base"));
	json_t *layers = json_pack("[{s:O, s:I}]", "path", upper, "base", (json_int_t)id_base);
	json_array_extend(layers, json_object_get(rootfs, "lower"));
	return json_pack("{s:s, s:o}", "path", path, "layers", layers);
}

int backup_source_add_tree(json_t *entries, const char *path, struct server *server, int64_t layer,
			   struct error **error)
{
	cleanup_layer_list struct layer_list chain = {0};
	if (db_layer_chain(server->db, layer, &chain, error) < 0)
		return -1;
	json_t *rootfs = storage_layers_describe(server->storage, &chain, error);
	if (!rootfs)
		return -1;
	json_array_append_new(entries, describe_tree(rootfs, chain.rows[0].id_base, path));
	json_decref(rootfs);
	return 0;
}

struct part {
	const char *directory;
	const char *name; /* of its subvolume, where it is one */
	const char *architecture;
	const json_t *config;
	int64_t created_at;
	int64_t layer;
};

enum { SEARCH_BY_OWNER = 0100, READ_BY_OWNER = 0400, READ_BY_ALL = 0644 };

/* LXD has them beside the root directory. */
static int add_stream(struct backup_source *source, const struct part *part,
		      const char *backup_yaml, const char *metadata, struct error **error)
{
	json_t *files = json_pack("[{s:s, s:s, s:i}, {s:s, s:s, s:i}]", "path", "backup.yaml",
				  "text", backup_yaml, "mode", READ_BY_OWNER, "path",
				  "metadata.yaml", "text", metadata, "mode", READ_BY_ALL);
	return backup_source_add_stream(source, part->directory, part->name, "rootfs", files,
					part->layer, error);
}

static int add_part(struct backup_source *source, const struct part *part, const char *backup_yaml,
		    struct error **error)
{
	json_t *entries = json_object_get(source->request, "entries");
	cleanup_free char *metadata =
		backup_metadata(part->architecture, part->config, part->created_at, error);
	if (!metadata)
		return -1;
	if (source->driver)
		return add_stream(source, part, backup_yaml, metadata, error);
	json_array_append_new(
		entries, json_pack("{s:s, s:i}", "path", part->directory, "mode", SEARCH_BY_OWNER));
	backup_source_add_text(entries, part->directory, "backup.yaml", backup_yaml, READ_BY_OWNER);
	backup_source_add_text(entries, part->directory, "metadata.yaml", metadata, READ_BY_ALL);
	cleanup_free char *path = memory_printf("%s/rootfs", part->directory);
	return backup_source_add_tree(entries, path, source->owner->server, part->layer, error);
}

static int add_snapshots(struct backup_source *source, const struct backup_content *content,
			 const char *backup_yaml, struct error **error)
{
	for (size_t i = 0; i < content->snapshots->count; i++) {
		const struct snapshot_row *row = &content->snapshots->rows[i];
		cleanup_free char *directory = memory_printf("backup/snapshots/%s", row->name);
		const struct part part = {directory,   row->name,	row->architecture,
					  row->config, row->created_at, row->layer_id};
		if (add_part(source, &part, backup_yaml, error) < 0)
			return -1;
	}
	return 0;
}

/* LXD's order: the index, the snapshots, the container. */
static int add_all(struct backup_source *source, const struct backup_content *content,
		   int64_t layer, struct error **error)
{
	json_t *index =
		backup_index(source->owner->server, source->owner->instance, content, error);
	cleanup_free char *own =
		index ? yaml_from_json(json_object_get(index, "config"), error) : NULL;
	if (!own) {
		json_decref(index);
		return -1;
	}
	const struct part part = {"backup/container",	      ".backup",
				  content->row->architecture, content->row->config,
				  content->row->created_at,   layer};
	if (backup_source_add_index(source, index, error) < 0 ||
	    add_snapshots(source, content, own, error) < 0)
		return -1;
	return add_part(source, &part, own, error);
}

/* ---- the instant ---- */

int backup_source_hold(struct backup_source *source, int64_t layer, struct error **error)
{
	if (db_layer_hold(source->owner->server->db, layer, error) < 0)
		return -1;
	source->held =
		memory_realloc(source->held, (source->held_count + 1) * sizeof(*source->held));
	source->held[source->held_count++] = layer;
	return 0;
}

static int hold_snapshots(struct backup_source *source, const struct snapshot_list *snapshots,
			  struct error **error)
{
	for (size_t i = 0; i < snapshots->count; i++)
		if (backup_source_hold(source, snapshots->rows[i].layer_id, error) < 0)
			return -1;
	return 0;
}

static int store(struct backup_source *source, struct branch *branch,
		 const struct snapshot_list *snapshots, int64_t *layer, struct error **error)
{
	struct db *db = source->owner->server->db;
	cleanup_instance_row struct instance_row row = {0};
	if (db_begin(db, DB_DURABLE, error) < 0)
		return -1;
	if (branch_store(branch, layer, error) == 0 &&
	    backup_source_hold(source, *layer, error) == 0 &&
	    hold_snapshots(source, snapshots, error) == 0 &&
	    db_instance_get_by_id(db, source->owner->id, &row, error) == 0) {
		if (row.layer_id != branch->row.layer_id) {
			source->old_layer = branch->row.layer_id;
			source->new_layer = row.layer_id;
			source->last_used_at = row.last_used_at;
		}
		return db_commit(db, error);
	}
	db_rollback(db);
	/* What was held by it is not. */
	source->held_count = 0;
	return -1;
}

static int take(struct backup_source *source, struct branch *branch,
		const struct snapshot_list *snapshots, int64_t *layer, struct error **error)
{
	if (branch_begin(branch, error) < 0)
		return -1;
	if (store(source, branch, snapshots, layer, error) < 0) {
		branch_abort(branch);
		return -1;
	}
	fault_point("backup.branch");
	return branch_commit(branch, error);
}

static int open_locked(struct backup_source *source, struct branch *branch,
		       const struct backup_request *request, struct error **error)
{
	struct instance *instance = source->owner->instance;
	cleanup_snapshot_list struct snapshot_list snapshots = {0};
	int64_t layer = 0;
	if (!request->only &&
	    db_snapshot_list(instance->server->db, instance->id, &snapshots, error) < 0)
		return -1;
	if (take(source, branch, &snapshots, &layer, error) < 0)
		return -1;
	const struct backup_content content = {&branch->row, &branch->pool, &snapshots};
	backup_source_request(source, request);
	if (request->optimized)
		backup_source_optimize(source, &branch->pool);
	return add_all(source, &content, layer, error);
}

static int open_instance(struct backup_source *source, const struct backup_request *request,
			 struct error **error)
{
	struct instance *instance = source->owner->instance;
	if (instance_lock(instance, "backup", LOCK_TIMEOUT, error) < 0)
		return -1;
	cleanup_instance_lock struct instance *held = instance;
	struct branch branch = {.instance = held};
	int result = open_locked(source, &branch, request, error);
	branch_clear(&branch);
	return result;
}

int backup_source_open(struct backup_source *source, const struct backup_owner *owner,
		       const struct backup_request *request, struct error **error)
{
	*source = (struct backup_source){.owner = owner};
	cleanup_free char *directory = backups_directory(owner->server);
	if (file_make_directories(directory, 0700, error) < 0)
		return -1;
	return owner->instance ? open_instance(source, request, error)
			       : backup_source_open_volume(source, request, error);
}

/* ---- the end ---- */

static bool is_empty(const char *path)
{
	cleanup_dir DIR *dir = path ? opendir(path) : NULL;
	const struct dirent *entry;
	while (dir && (entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			return false;
	return dir != NULL;
}

static bool was_not_used(struct backup_source *source)
{
	struct server *server = source->owner->server;
	cleanup_instance_row struct instance_row row = {0};
	cleanup_layer_list struct layer_list chain = {0};
	if (db_instance_get_by_id(server->db, source->owner->id, &row, NULL) < 0 ||
	    row.layer_id != source->new_layer || row.last_used_at != source->last_used_at ||
	    db_layer_chain(server->db, row.layer_id, &chain, NULL) < 0)
		return false;
	json_t *rootfs = storage_layers_describe(server->storage, &chain, NULL);
	bool empty = is_empty(json_string_value(json_object_get(rootfs, "upper")));
	json_decref(rootfs);
	return empty;
}

static void take_back(struct backup_source *source)
{
	struct instance *instance = source->owner->instance;
	if (instance_lock(instance, "backup", LOCK_TIMEOUT, NULL) < 0)
		return;
	cleanup_instance_lock struct instance *held = instance;
	enum instance_state state = instance_get_state(held);
	if ((state == INSTANCE_STOPPED || state == INSTANCE_ERROR) && was_not_used(source))
		db_instance_set_layer(held->server->db, held->id, source->old_layer, NULL);
}

void backup_source_close(struct backup_source *source)
{
	struct server *server = source->owner->server;
	cleanup_error struct error *problem = NULL;
	backup_source_thaw(source);
	if (source->old_layer)
		take_back(source);
	for (size_t i = 0; i < source->held_count; i++)
		if (db_layer_release(server->db, source->held[i], &problem) < 0)
			log_event(LOG_LEVEL_WARNING, backup_owner_instance(source->owner), "%s",
				  error_message(problem));
	if (source->held_count)
		storage_tidy(server);
	free(source->held);
	json_decref(source->request);
	*source = (struct backup_source){0};
}
