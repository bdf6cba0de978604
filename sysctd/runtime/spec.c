/* See spec.h. */
#include "spec.h"

#include <string.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "memory.h"

const json_t *spec_get(const json_t *object, const char *path)
{
	cleanup_free char *copy = memory_strdup(path);
	char *rest = copy;
	for (char *key; object && (key = strsep(&rest, "."));)
		object = json_object_get(object, key);
	return object;
}

char **spec_strings(const json_t *array)
{
	size_t count = json_array_size(array);
	char **strings = memory_alloc((count + 1) * sizeof(char *));
	size_t used = 0;
	for (size_t i = 0; i < count; i++) {
		const char *text = json_string_value(json_array_get(array, i));
		if (text)
			strings[used++] = (char *)text;
	}
	return strings;
}

static int first_mapping(const json_t *maps, uid_t *outside, struct error **error)
{
	const json_t *map = json_array_get(maps, 0);
	if (!map || json_integer_value(json_object_get(map, "containerID")) != 0 ||
	    json_integer_value(json_object_get(map, "hostID")) <= 0)
		return error_set(error, ERROR_INVALID,
				 "the first id mapping must map id 0 to an unprivileged id");
	*outside = (uid_t)json_integer_value(json_object_get(map, "hostID"));
	return 0;
}

static int check(struct spec *spec, struct error **error)
{
	const json_t *json = spec->json;
	spec->process = json_object_get(json, "process");
	spec->mounts = json_object_get(json, "mounts");
	spec->linux_ = json_object_get(json, "linux");
	spec->rootfs = spec_get(json, "sysct.rootfs");
	spec->nics = spec_get(json, "sysct.nics");
	spec->proxies = spec_get(json, "sysct.proxies");
	spec->lxcfs = spec_get(json, "sysct.lxcfs");
	spec->disks = spec_get(json, "sysct.disks");
	spec->name = json_string_value(spec_get(json, "sysct.name"));
	spec->cgroup = json_string_value(spec_get(json, "linux.cgroupsPath"));
	spec->console_log = json_string_value(spec_get(json, "sysct.console_log"));
	spec->seccomp = json_string_value(spec_get(json, "sysct.seccomp"));
	spec->seccomp_listener = json_is_true(spec_get(json, "sysct.seccomp_listener"));
	if (!spec->name || !spec->cgroup || !json_is_array(spec->mounts) || !spec->rootfs)
		return error_set(
			error, ERROR_INVALID,
			"sysct.name, sysct.rootfs, linux.cgroupsPath and mounts are needed");
	if (json_array_size(json_object_get(spec->process, "args")) == 0)
		return error_set(error, ERROR_INVALID, "process.args is empty");
	uid_t gid;
	if (first_mapping(json_object_get(spec->linux_, "uidMappings"), &spec->root_uid, error) <
		    0 ||
	    first_mapping(json_object_get(spec->linux_, "gidMappings"), &gid, error) < 0)
		return -1;
	spec->root_gid = (gid_t)gid;
	return 0;
}

int spec_load(struct spec *spec, const char *path, struct error **error)
{
	json_error_t problem;
	struct stat status = {0};
	stat(path, &status);
	*spec = (struct spec){.json = json_load_file(path, JSON_REJECT_DUPLICATES, &problem),
			      .written_at = status.st_ctim};
	if (!spec->json)
		return error_set(error, ERROR_INVALID, "%s, line %d: %s", path, problem.line,
				 problem.text);
	if (check(spec, error) == 0)
		return 0;
	spec_free(spec);
	return error_prefix(error, "%s", path);
}

json_t *spec_read_nics(const struct spec *spec, const char *path)
{
	struct stat status;
	if (stat(path, &status) < 0 ||
	    memcmp(&status.st_ctim, &spec->written_at, sizeof(status.st_ctim)) == 0)
		return json_incref((json_t *)spec->nics);
	json_t *fresh = json_load_file(path, JSON_REJECT_DUPLICATES, NULL);
	json_t *nics = json_incref((json_t *)spec_get(fresh, "sysct.nics"));
	json_decref(fresh);
	return nics;
}

void spec_free(struct spec *spec)
{
	json_decref(spec->json);
	*spec = (struct spec){0};
}
