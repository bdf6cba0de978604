/*
 * index.yaml of a custom volume. LXD tells by "volatile.idmap.last" from which number on ids of a volume
 * count on the disk; without it they count from 0, as ours do.
 */
#include "api/render.h"
#include "backup/internal.h"

static json_t *describe_volume(const struct volume_row *row)
{
	return json_pack("{s:O, s:s, s:s, s:s, s:[], s:s, s:s, s:s, s:o}", "config", row->config,
			 "description", row->description ? row->description : "", "name", row->name,
			 "type", "custom", "used_by", "location", "none", "content_type",
			 "filesystem", "project", "default", "created_at",
			 render_time(row->created_at));
}

static json_t *describe_snapshot(const struct volume_snapshot_row *row)
{
	return json_pack("{s:O, s:s, s:s, s:s, s:o, s:o}", "config", row->config, "description",
			 row->description ? row->description : "", "name", row->name,
			 "content_type", "filesystem", "expires_at", render_time(row->expires_at),
			 "created_at", render_time(row->created_at));
}

json_t *backup_index_volume(const struct volume_row *row, const struct object_row *pool,
			    const struct volume_snapshot_list *snapshots, struct error **error)
{
	json_t *names = json_array(), *objects = json_array();
	for (size_t i = 0; i < snapshots->count; i++) {
		json_array_append_new(names, json_string(snapshots->rows[i].name));
		json_array_append_new(objects, describe_snapshot(&snapshots->rows[i]));
	}
	json_t *config = json_pack("{s:o, s:o}", "volume", describe_volume(row), "volume_snapshots",
				   objects);
	return backup_index_of(row->name, "custom", pool, names, config, error);
}
