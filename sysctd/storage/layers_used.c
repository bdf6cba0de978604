/*
 * What running instances have mounted. The specification that a monitor has beside it says so: it is
 * there before anything is mounted, survives this daemon, and goes when nothing is mounted any more. A
 * layer that was merged with another stays in its place as long as one names it.
 */
#include <dirent.h>
#include <string.h>

#include "cleanup.h"
#include "memory.h"
#include "runtime/monitor_link.h"
#include "server.h"
#include "storage/internal.h"

static void add_paths(json_t *paths, json_t *value)
{
	const char *text = json_string_value(value);
	const char *key;
	size_t i;
	json_t *inside;
	if (text && text[0] == '/')
		json_array_append(paths, value);
	json_object_foreach (value, key, inside)
		add_paths(paths, inside);
	json_array_foreach (value, i, inside)
		add_paths(paths, inside);
}

json_t *storage_layers_used(const struct server *server)
{
	cleanup_free char *path = memory_printf("%s/instances", server->paths.run);
	cleanup_dir DIR *dir = opendir(path);
	struct dirent *entry;
	json_t *paths = json_array();
	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		cleanup_free char *directory = memory_printf("%s/%s", path, entry->d_name);
		json_t *spec = monitor_read_spec(directory);
		add_paths(paths, json_object_get(json_object_get(spec, "sysct"), "rootfs"));
		json_decref(spec);
	}
	return paths;
}

bool storage_layer_is_used(const json_t *used, const char *path)
{
	size_t i, length = strlen(path);
	json_t *value;
	json_array_foreach ((json_t *)used, i, value) {
		const char *text = json_string_value(value);
		if (strncmp(text, path, length) == 0 && text[length] == '/')
			return true;
	}
	return false;
}
