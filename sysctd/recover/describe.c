/* What pools say of themselves (recover.h). */
#include <string.h>

#include "api/render.h"
#include "backup/internal.h"
#include "cleanup.h"
#include "db/layers.h"
#include "memory.h"
#include "recover/internal.h"
#include "server.h"
#include "yaml_text.h"

enum { DESCRIPTION_VERSION = 1 };

char *describe_instance_file(const char *uuid)
{
	return memory_printf("instance-%s.yaml", uuid);
}

char *describe_volume_file(const char *name)
{
	return memory_printf("custom-%s.yaml", name);
}

char *describe_image_file(const char *fingerprint)
{
	return memory_printf("image-%s.yaml", fingerprint);
}

/* @own: the last member of it; the version, at its end, says that nothing was cut off. */
static char *to_text(json_t *document, json_t *own, struct error **error)
{
	json_object_set_new(own, "version", json_integer(DESCRIPTION_VERSION));
	char *text = document ? yaml_from_json(document, error) : NULL;
	if (!document)
		error_set(error, ERROR_INTERNAL, "it cannot be described");
	json_decref(document);
	return text;
}

/* ---- layers ---- */

static bool has_layer(const json_t *layers, const char *directory)
{
	size_t i;
	const json_t *layer;
	json_array_foreach (layers, i, layer)
		if (strcmp(json_string_value(json_object_get(layer, "directory")), directory) == 0)
			return true;
	return false;
}

/* Those that others have, too, are told with each. */
static int add_chain(struct server *server, int64_t id, json_t *layers, char **top,
		     struct error **error)
{
	cleanup_layer_list struct layer_list chain = {0};
	if (db_layer_chain(server->db, id, &chain, error) < 0)
		return -1;
	for (size_t i = chain.count; i > 0; i--) {
		const struct layer_row *row = &chain.rows[i - 1];
		if (has_layer(layers, row->directory))
			continue;
		json_array_append_new(layers,
				      json_pack("{s:s, s:s?, s:s?, s:I, s:b}", "directory",
						row->directory, "parent",
						i < chain.count ? chain.rows[i].directory : NULL,
						"image", row->image, "id_base",
						(json_int_t)row->id_base, "flat", row->flat));
	}
	*top = memory_strdup(chain.rows[0].directory);
	return 0;
}

static int add_layer(struct server *server, int64_t id, const char *name, json_t *object,
		     json_t *layers, struct error **error)
{
	cleanup_free char *top = NULL;
	if (add_chain(server, id, layers, &top, error) < 0)
		return -1;
	json_object_set_new(object, name, json_string(top));
	return 0;
}

/* The field "sysct", which the kinds add to. */
static json_t *start_own(struct server *server, int64_t layer, struct error **error)
{
	json_t *layers = json_array();
	json_t *own = json_pack("{s:{}, s:o}", "snapshots", "layers", layers);
	if (add_layer(server, layer, "layer", own, layers, error) == 0)
		return own;
	json_decref(own);
	return NULL;
}

static int add_snapshot(struct server *server, json_t *own, const char *name, int64_t layer,
			struct error **error)
{
	return add_layer(server, layer, name, json_object_get(own, "snapshots"),
			 json_object_get(own, "layers"), error);
}

/* ---- instances ---- */

static json_t *own_of_instance(struct server *server, const struct instance_row *row,
			       const struct snapshot_list *snapshots, struct error **error)
{
	json_t *own = start_own(server, row->layer_id, error);
	for (size_t i = 0; own && i < snapshots->count; i++) {
		const struct snapshot_row *snapshot = &snapshots->rows[i];
		if (add_snapshot(server, own, snapshot->name, snapshot->layer_id, error) == 0)
			continue;
		json_decref(own);
		own = NULL;
	}
	if (!own)
		return NULL;
	json_object_set_new(own, "uuid", json_string(row->uuid));
	json_object_set_new(own, "id_base", json_integer(row->id_base));
	json_object_set_new(own, "id_count", json_integer(row->id_count));
	if (row->image)
		json_object_set_new(own, "image", json_string(row->image));
	return own;
}

char *describe_instance(struct server *server, const struct instance_row *row, struct error **error)
{
	cleanup_snapshot_list struct snapshot_list snapshots = {0};
	cleanup_object_row struct object_row pool = {0};
	if (db_object_get(server->db, &db_pools, row->pool, &pool, error) < 0 ||
	    db_snapshot_list(server->db, row->id, &snapshots, error) < 0)
		return NULL;
	const struct backup_content content = {row, &pool, &snapshots};
	json_t *index = backup_index(server, NULL, &content, error);
	json_t *own = index ? own_of_instance(server, row, &snapshots, error) : NULL;
	json_t *document = own ? json_incref(json_object_get(index, "config")) : NULL;
	json_decref(index);
	if (!own)
		return NULL;
	json_object_set_new(document, "sysct", own);
	return to_text(document, own, error);
}

/* ---- volumes ---- */

static json_t *render_snapshots(const struct volume_snapshot_list *snapshots)
{
	json_t *array = json_array();
	for (size_t i = 0; i < snapshots->count; i++) {
		const struct volume_snapshot_row *row = &snapshots->rows[i];
		json_array_append_new(array,
				      json_pack("{s:s, s:s, s:O, s:s, s:o, s:o}", "name", row->name,
						"description", row->description, "config",
						row->config, "content_type", "filesystem",
						"created_at", render_time(row->created_at),
						"expires_at", render_time(row->expires_at)));
	}
	return array;
}

static json_t *render_volume(const struct volume_row *row)
{
	return json_pack("{s:s, s:s, s:O, s:s, s:s, s:s, s:o}", "name", row->name, "description",
			 row->description, "config", row->config, "type", "custom", "content_type",
			 "filesystem", "project", "default", "created_at",
			 render_time(row->created_at));
}

char *describe_volume(struct server *server, const struct volume_row *row, struct error **error)
{
	cleanup_volume_snapshot_list struct volume_snapshot_list snapshots = {0};
	if (db_volume_snapshot_list(server->db, row->id, &snapshots, error) < 0)
		return NULL;
	json_t *own = start_own(server, row->layer_id, error);
	for (size_t i = 0; own && i < snapshots.count; i++) {
		const struct volume_snapshot_row *snapshot = &snapshots.rows[i];
		if (add_snapshot(server, own, snapshot->name, snapshot->layer_id, error) == 0)
			continue;
		json_decref(own);
		own = NULL;
	}
	if (!own)
		return NULL;
	json_t *document =
		json_pack("{s:o, s:o, s:o}", "volume", render_volume(row), "volume_snapshots",
			  render_snapshots(&snapshots), "sysct", own);
	return to_text(document, own, error);
}

/* ---- images and pools ---- */

char *describe_image(const struct image_row *row, struct error **error)
{
	json_t *image = json_pack(
		"{s:s, s:s, s:s, s:s, s:I, s:b, s:b, s:b, s:O, s:O}", "fingerprint",
		row->fingerprint, "filename", row->filename ? row->filename : "", "architecture",
		row->architecture, "type", row->type, "size", (json_int_t)row->size, "public",
		row->public, "auto_update", row->auto_update, "cached", row->cached, "properties",
		row->properties, "aliases", row->aliases);
	json_object_set_new(image, "created_at", render_time(row->created_at));
	json_object_set_new(image, "uploaded_at", render_time(row->uploaded_at));
	json_object_set_new(image, "expires_at", render_time(row->expires_at));
	json_t *own = json_pack("{s:s?, s:O?}", "template", row->template, "template_options",
				row->template_options);
	return to_text(json_pack("{s:o, s:o}", "image", image, "sysct", own), own, error);
}

char *describe_pools(const struct object_list *pools, struct error **error)
{
	json_t *array = json_array();
	for (size_t i = 0; i < pools->count; i++) {
		const struct object_row *row = &pools->rows[i];
		json_array_append_new(array, json_pack("{s:s, s:s, s:s, s:O}", "name", row->name,
						       "driver", row->kind, "description",
						       row->description ? row->description : "",
						       "config", row->config));
	}
	json_t *own = json_object();
	return to_text(json_pack("{s:o, s:o}", "pools", array, "sysct", own), own, error);
}
