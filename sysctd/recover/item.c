/*
 * What a description says (internal.h). It is root's own, so it is believed; but it may be cut off, or edited:
 * whatever is used as a path, a name or a number is looked at.
 */
#include <stdlib.h>
#include <string.h>

#include "api/render.h"
#include "cleanup.h"
#include "instance/instance.h"
#include "instance/schedule.h"
#include "memory.h"
#include "recover/internal.h"
#include "volume/volume.h"
#include "yaml_text.h"

#define IDMAP "volatile.last_state.idmap"

enum { NEWEST_VERSION = 1, FINGERPRINT_LENGTH = 64 };

const char *recover_kind_to_string(enum recover_kind kind)
{
	static const char *const names[] = {
		[RECOVER_IMAGE] = "image",
		[RECOVER_VOLUME] = "custom",
		[RECOVER_INSTANCE] = "container",
	};
	return names[kind];
}

const char *recover_item_name(const struct recover_item *item)
{
	return item->kind == RECOVER_IMAGE    ? item->image.fingerprint
	       : item->kind == RECOVER_VOLUME ? item->volume.name
					      : item->instance.name;
}

void recover_item_clear(struct recover_item *item)
{
	for (size_t i = 0; i < item->layer_count; i++) {
		free(item->layers[i].row.directory);
		free(item->layers[i].row.image);
	}
	for (size_t i = 0; i < item->snapshot_count; i++) {
		snapshot_row_clear(&item->snapshots[i].row);
		instance_row_clear(&item->snapshots[i].content);
	}
	free(item->layers);
	free(item->snapshots);
	instance_row_clear(&item->instance);
	volume_row_clear(&item->volume);
	image_row_clear(&item->image);
	json_decref(item->profiles);
	free(item->pool);
	free(item->file);
	free(item->problem);
	*item = (struct recover_item){0};
}

/* ---- fields ---- */

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text ? text : "";
}

static char *copy_text(const json_t *object, const char *key)
{
	return memory_strdup(text_of(object, key));
}

static int fail(const char *what, struct error **error)
{
	return error_set(error, ERROR_INVALID, "the description is broken: %s", what);
}

static int take_time(const json_t *object, const char *key, int64_t *time, struct error **error)
{
	return render_parse_time(json_object_get(object, key), key, time, error);
}

static int take_id(const json_t *object, const char *key, uint32_t *id, struct error **error)
{
	json_int_t number = json_integer_value(json_object_get(object, key));
	if (!json_is_integer(json_object_get(object, key)) || number < 0 || number > UINT32_MAX)
		return fail("a number of ids is missing or out of range", error);
	*id = (uint32_t)number;
	return 0;
}

/* A name of the daemon's making, such as a UUID: of hexadecimal digits and "-". */
static bool is_token(const char *text)
{
	return *text && text[strspn(text, "0123456789abcdef-")] == '\0' && strlen(text) <= 64;
}

static bool is_fingerprint(const char *text)
{
	return strlen(text) == FINGERPRINT_LENGTH && is_token(text);
}

static bool is_directory(const char *text)
{
	const char *name = strchr(text, '/');
	return name && is_token(name + 1) &&
	       (strncmp(text, "instances/", 10) == 0 || strncmp(text, "layers/", 7) == 0);
}

/* ---- layers ---- */

static int find_layer(const struct recover_item *item, const char *directory, size_t *index,
		      struct error **error)
{
	for (size_t i = 0; i < item->layer_count; i++)
		if (strcmp(item->layers[i].row.directory, directory) == 0) {
			*index = i;
			return 0;
		}
	return fail("it names a layer that it does not have", error);
}

/* Below are earlier ones only, so that there is no circle. */
static int take_layer(struct recover_item *item, const json_t *object, struct error **error)
{
	const char *directory = text_of(object, "directory"), *parent = text_of(object, "parent");
	const char *image = text_of(object, "image");
	size_t below = item->layer_count, same;
	uint32_t id_base;
	if (!is_directory(directory) || (*image && !is_fingerprint(image)))
		return fail("a layer is no directory of a pool", error);
	if (find_layer(item, directory, &same, NULL) == 0)
		return fail("it has a layer twice", error);
	if ((*parent && find_layer(item, parent, &below, error) < 0) ||
	    take_id(object, "id_base", &id_base, error) < 0)
		return -1;
	item->layers[item->layer_count] = (struct recover_layer){
		.row = {.pool = item->pool,
			.directory = memory_strdup(directory),
			.image = *image ? memory_strdup(image) : NULL,
			.id_base = id_base,
			.flat = json_is_true(json_object_get(object, "flat")),
			.bytes = -1},
		.parent = below,
	};
	item->layer_count++;
	return 0;
}

static int take_layers(struct recover_item *item, const json_t *own, struct error **error)
{
	const json_t *layers = json_object_get(own, "layers");
	size_t i;
	const json_t *layer;
	item->layers = memory_alloc((json_array_size(layers) + 1) * sizeof(*item->layers));
	json_array_foreach (layers, i, layer)
		if (take_layer(item, layer, error) < 0)
			return -1;
	return find_layer(item, text_of(own, "layer"), &item->layer, error);
}

/* ---- instances and their snapshots ---- */

/* What LXD does not know stands beside the configuration. */
static json_t *take_config(const json_t *object, struct error **error)
{
	json_t *config = render_map_field(object, "config", error);
	json_t *ours = config ? render_map_field(object, "sysct", error) : NULL;
	if (ours) {
		json_object_del(config, IDMAP);
		json_object_update(config, ours);
		json_decref(ours);
		return config;
	}
	json_decref(config);
	return NULL;
}

static json_t *take_devices(const json_t *object, struct error **error)
{
	const json_t *from = json_object_get(object, "devices");
	json_t *devices = json_object(), *device;
	const char *name;
	json_object_foreach ((json_t *)from, name, device) {
		json_t *keys = render_map_field(from, name, error);
		if (!keys) {
			json_decref(devices);
			return NULL;
		}
		json_object_set_new(devices, name, keys);
	}
	return devices;
}

static int take_profiles(const json_t *object, json_t **profiles, struct error **error)
{
	const json_t *from = json_object_get(object, "profiles");
	size_t i;
	const json_t *name;
	*profiles = json_is_array(from) ? json_deep_copy(from) : json_array();
	json_array_foreach (*profiles, i, name)
		if (!json_is_string(name))
			return fail("a profile has no name", error);
	return 0;
}

static int take_content(struct instance_row *row, const json_t *object, struct error **error)
{
	row->description = copy_text(object, "description");
	row->architecture = copy_text(object, "architecture");
	row->ephemeral = json_is_true(json_object_get(object, "ephemeral"));
	row->config = take_config(object, error);
	row->devices = row->config ? take_devices(object, error) : NULL;
	return row->devices ? take_profiles(object, &row->profiles, error) : -1;
}

static int take_snapshot(struct recover_item *item, const json_t *object, const json_t *own,
			 struct error **error)
{
	const char *name = text_of(object, "name");
	struct recover_snapshot *snapshot = &item->snapshots[item->snapshot_count];
	if (snapshot_check_name(name, error) < 0 ||
	    find_layer(item, text_of(json_object_get(own, "snapshots"), name), &snapshot->layer,
		       error) < 0)
		return -1;
	item->snapshot_count++;
	snapshot->row.name = memory_strdup(name);
	snapshot->row.description = copy_text(object, "description");
	return take_content(&snapshot->content, object, error) < 0 ||
			       take_time(object, "created_at", &snapshot->row.created_at, error) <
				       0 ||
			       take_time(object, "expires_at", &snapshot->row.expires_at, error) < 0
		       ? -1
		       : 0;
}

static int take_snapshots(struct recover_item *item, const json_t *snapshots, const json_t *own,
			  struct error **error)
{
	size_t i;
	const json_t *snapshot;
	item->snapshots = memory_alloc((json_array_size(snapshots) + 1) * sizeof(*item->snapshots));
	json_array_foreach (snapshots, i, snapshot)
		if (take_snapshot(item, snapshot, own, error) < 0)
			return -1;
	return 0;
}

static int take_instance(struct recover_item *item, const json_t *document, const json_t *own,
			 struct error **error)
{
	const json_t *container = json_object_get(document, "container");
	const json_t *profiles = json_object_get(document, "profiles");
	struct instance_row *row = &item->instance;
	item->kind = RECOVER_INSTANCE;
	row->name = copy_text(container, "name");
	row->uuid = copy_text(own, "uuid");
	row->pool = memory_strdup(item->pool);
	if (json_is_string(json_object_get(own, "image")))
		row->image = copy_text(own, "image");
	if (!is_token(row->uuid))
		return fail("it has no uuid", error);
	if (instance_check_name(row->name, error) < 0 ||
	    take_id(own, "id_base", &row->id_base, error) < 0 ||
	    take_id(own, "id_count", &row->id_count, error) < 0 ||
	    take_content(row, container, error) < 0 ||
	    take_time(container, "created_at", &row->created_at, error) < 0 ||
	    take_time(container, "last_used_at", &row->last_used_at, error) < 0)
		return -1;
	item->profiles = json_is_array(profiles) ? json_deep_copy(profiles) : json_array();
	return take_layers(item, own, error) < 0
		       ? -1
		       : take_snapshots(item, json_object_get(document, "snapshots"), own, error);
}

/* ---- volumes and images ---- */

static int take_volume(struct recover_item *item, const json_t *document, const json_t *own,
		       struct error **error)
{
	const json_t *volume = json_object_get(document, "volume");
	struct volume_row *row = &item->volume;
	item->kind = RECOVER_VOLUME;
	row->pool = memory_strdup(item->pool);
	row->name = copy_text(volume, "name");
	row->description = copy_text(volume, "description");
	row->config = render_map_field(volume, "config", error);
	if (!row->config || volume_check_name(row->name, error) < 0 ||
	    take_time(volume, "created_at", &row->created_at, error) < 0 ||
	    take_layers(item, own, error) < 0)
		return -1;
	return take_snapshots(item, json_object_get(document, "volume_snapshots"), own, error);
}

static int take_image(struct recover_item *item, const json_t *document, const json_t *own,
		      struct error **error)
{
	const json_t *image = json_object_get(document, "image");
	const json_t *aliases = json_object_get(image, "aliases");
	struct image_row *row = &item->image;
	item->kind = RECOVER_IMAGE;
	*row = (struct image_row){
		.fingerprint = copy_text(image, "fingerprint"),
		.filename = copy_text(image, "filename"),
		.architecture = copy_text(image, "architecture"),
		.type = copy_text(image, "type"),
		.size = json_integer_value(json_object_get(image, "size")),
		.public = json_is_true(json_object_get(image, "public")),
		.auto_update = json_is_true(json_object_get(image, "auto_update")),
		.cached = json_is_true(json_object_get(image, "cached")),
		.properties = render_map_field(image, "properties", error),
		.aliases = json_is_array(aliases) ? json_deep_copy(aliases) : json_array(),
		.template_options = json_deep_copy(json_object_get(own, "template_options")),
	};
	if (json_is_string(json_object_get(own, "template")))
		row->template = copy_text(own, "template");
	if (!is_fingerprint(row->fingerprint))
		return fail("it has no fingerprint", error);
	return !row->properties || take_time(image, "created_at", &row->created_at, error) < 0 ||
			       take_time(image, "uploaded_at", &row->uploaded_at, error) < 0 ||
			       take_time(image, "expires_at", &row->expires_at, error) < 0
		       ? -1
		       : 0;
}

/* ---- all ---- */

static int parse(struct recover_item *item, const json_t *document, struct error **error)
{
	const json_t *own = json_object_get(document, "sysct");
	json_int_t version = json_integer_value(json_object_get(own, "version"));
	if (version < 1)
		return fail("it is cut off, or not of sysct", error);
	if (version > NEWEST_VERSION)
		return error_set(
			error, ERROR_UNSUPPORTED,
			"the description is of a newer sysctd (version %lld): install that",
			(long long)version);
	if (json_is_object(json_object_get(document, "container")))
		return take_instance(item, document, own, error);
	if (json_is_object(json_object_get(document, "volume")))
		return take_volume(item, document, own, error);
	if (json_is_object(json_object_get(document, "image")))
		return take_image(item, document, own, error);
	return fail("it tells of nothing", error);
}

int recover_item_parse(struct recover_item *item, const char *pool, const char *text,
		       struct error **error)
{
	*item = (struct recover_item){.pool = memory_strdup(pool)};
	json_t *document = yaml_to_json(text, error);
	int result = document ? parse(item, document, error) : -1;
	json_decref(document);
	return result;
}
