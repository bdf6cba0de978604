/*
 * The copy of what a running instance writes into: first while it runs, then, while its control
 * group is frozen, of what changed since. It is thawed whatever happens: a file beside the
 * monitor's tells a daemon that comes after one that was killed meanwhile.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "fault.h"
#include "file.h"
#include "instance/internal.h"
#include "instance/snapshots.h"
#include "log.h"
#include "memory.h"
#include "server.h"
#include "storage/storage.h"

enum { FREEZE_TIMEOUT = 10000, MOST_RUNS = 4, LITTLE = 4 << 20 /* bytes */ };

#define FROZEN_NOTE "frozen-for-snapshot"

/* ---- files that processes have mapped to write into, shared (tree_copy.h) ---- */

/* "7f..-7f.. rw-s 00000000 00:2e 1234   /var/lib/x": proc_pid_maps(5). */
static void note_mapping(const char *line, json_t *paths)
{
	const char *permissions = strchr(line, ' '), *path = strchr(line, '/');
	if (permissions && path && permissions[2] == 'w' && permissions[4] == 's')
		json_object_set_new(paths, path + 1, json_true());
}

static void note_process(const char *pid, json_t *paths)
{
	cleanup_free char *path = memory_printf("/proc/%s/maps", pid);
	cleanup_free char *maps = file_try_read_at(AT_FDCWD, path);
	char *rest = maps;
	for (char *line; rest && (line = strsep(&rest, "\n"));)
		note_mapping(line, paths);
}

static void note_group(int parent, const char *name, json_t *paths)
{
	cleanup_dir DIR *dir = file_open_directory_at(parent, name);
	struct dirent *entry;
	if (!dir)
		return;
	cleanup_free char *processes = file_try_read_at(dirfd(dir), "cgroup.procs");
	char *rest = processes;
	for (char *pid; rest && (pid = strsep(&rest, "\n"));)
		if (*pid)
			note_process(pid, paths);
	while ((entry = readdir(dir)))
		if (entry->d_type == DT_DIR && strcmp(entry->d_name, ".") != 0 &&
		    strcmp(entry->d_name, "..") != 0)
			note_group(dirfd(dir), entry->d_name, paths);
}

static void distrust_all(const json_t *paths, struct tree_copy *copy)
{
	const char *path;
	json_t *unused;
	json_object_foreach ((json_t *)paths, path, unused)
		tree_copy_distrust(copy, path);
}

/* Before a run. @unprotected: files that have to be copied again whatever their times are. */
static void protect_mapped(const struct cgroup *cgroup, struct tree_copy *copy, json_t *unprotected)
{
	json_t *mapped = json_object();
	const char *path;
	json_t *unused;
	note_group(cgroup->unified, ".", mapped);
	json_object_foreach (mapped, path, unused)
		if (!tree_copy_protect(copy, path))
			json_object_set_new(unprotected, path, json_true());
	json_decref(mapped);
}

/* ---- holding it still ---- */

static char *note_path(const struct instance *instance)
{
	cleanup_free char *directory = instance_run_directory(instance);
	return memory_printf("%s/" FROZEN_NOTE, directory);
}

static int freeze(const struct instance *instance, const struct cgroup *cgroup,
		  struct error **error)
{
	cleanup_free char *note = note_path(instance);
	cleanup_close int fd = open(note, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_errno(error, errno, "creating %s", note);
	if (cgroup_freeze(cgroup, true, FREEZE_TIMEOUT, error) == 0)
		return 0;
	unlink(note);
	return -1;
}

static void thaw(const struct instance *instance, const struct cgroup *cgroup)
{
	cleanup_error struct error *error = NULL;
	cleanup_free char *note = note_path(instance);
	if (cgroup_thaw(cgroup, &error) < 0)
		log_event(LOG_LEVEL_ERROR, instance->name, "%s", error_message(error));
	unlink(note);
}

void instance_thaw_forgotten(struct instance *instance)
{
	cleanup_free char *note = note_path(instance);
	if (access(note, F_OK) < 0)
		return;
	log_event(LOG_LEVEL_WARNING, instance->name,
		  "it was frozen for a snapshot that was not finished: thawing it");
	thaw(instance, &instance->cgroup);
	/* Who asks next for its state shall not find it frozen. */
	cgroup_freeze(&instance->cgroup, false, FREEZE_TIMEOUT, NULL);
}

static long long microseconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

/* ---- the copy ---- */

/* Each run is shorter than the one before, or the last one while it runs. */
static int copy_running(const struct cgroup *cgroup, json_t *unprotected, struct tree_copy *copy,
			struct error **error)
{
	for (int run = 0; run < MOST_RUNS; run++) {
		protect_mapped(cgroup, copy, unprotected);
		if (tree_copy_run(copy, error) < 0)
			return -1;
		fault_point("snapshot.copied");
		if (run > 0 && tree_copy_written(copy) < LITTLE)
			break;
	}
	return 0;
}

static int copy_still(struct instance *instance, const struct cgroup *cgroup, json_t *unprotected,
		      struct tree_copy *copy, struct error **error)
{
	bool frozen_before = instance_get_state(instance) == INSTANCE_FROZEN;
	long long start = microseconds();
	if (!frozen_before && freeze(instance, cgroup, error) < 0)
		return -1;
	fault_point("snapshot.frozen");
	if (!tree_copy_can_protect(copy))
		note_group(cgroup->unified, ".", unprotected);
	distrust_all(unprotected, copy);
	int result = tree_copy_run(copy, error);
	if (!frozen_before)
		thaw(instance, cgroup);
	log_event(LOG_LEVEL_DEBUG, instance->name, "snapshot frozen_us=%lld bytes=%llu",
		  microseconds() - start, tree_copy_written(copy));
	return result;
}

static int copy_live(struct instance *instance, const struct cgroup *cgroup, struct tree_copy *copy,
		     struct error **error)
{
	json_t *unprotected = json_object();
	int result = copy_running(cgroup, unprotected, copy, error);
	if (result == 0)
		result = copy_still(instance, cgroup, unprotected, copy, error);
	json_decref(unprotected);
	return result;
}

/* ---- at once ---- */

/* Else what was written before is written out while the instance is held. */
static void write_out(const struct storage *storage, const struct layer_row *top)
{
	cleanup_free char *path = storage_layer_path(storage, top);
	cleanup_free char *tree = memory_printf("%s/rootfs", path);
	cleanup_close int fd = open(tree, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0)
		syncfs(fd);
}

static int clone_live(struct instance *instance, const struct cgroup *cgroup,
		      const struct layer_place *place, const struct layer_row *top,
		      struct error **error)
{
	bool frozen_before = instance_get_state(instance) == INSTANCE_FROZEN;
	write_out(instance->server->storage, top);
	long long start = microseconds();
	if (!frozen_before && freeze(instance, cgroup, error) < 0)
		return -1;
	fault_point("snapshot.frozen");
	int result = storage_layer_clone(instance->server->storage, place, top, error);
	if (!frozen_before)
		thaw(instance, cgroup);
	log_event(LOG_LEVEL_DEBUG, instance->name, "snapshot frozen_us=%lld",
		  microseconds() - start);
	return result;
}

/* ---- either ---- */

static int copy_files(struct instance *instance, const struct cgroup *cgroup,
		      const struct layer_place *place, const struct layer_row *top,
		      struct error **error)
{
	struct storage *storage = instance->server->storage;
	cleanup_tree_copy struct tree_copy *copy = storage_layer_copy(storage, place, top, error);
	if (!copy)
		return -1;
	fault_point("snapshot.layer");
	/* Synced: else a loss of power would leave a snapshot with holes. */
	if ((cgroup ? copy_live(instance, cgroup, copy, error) : tree_copy_run(copy, error)) == 0 &&
	    tree_copy_sync(copy, error) == 0)
		return 0;
	storage_layer_abort(storage, place->pool, place->directory);
	return -1;
}

int snapshot_copy(struct instance *instance, const struct layer_place *place,
		  const struct layer_row *top, bool running, struct error **error)
{
	bool clones = storage_clones(place->driver) && strcmp(place->pool, top->pool) == 0;
	struct cgroup cgroup = CGROUP_INIT;
	cleanup_free char *path = instance_cgroup_path(instance);
	if (!running)
		return clones ? storage_layer_clone(instance->server->storage, place, top, error)
			      : copy_files(instance, NULL, place, top, error);
	if (cgroup_open(&cgroup, path, error) < 0)
		return -1;
	int result = clones ? clone_live(instance, &cgroup, place, top, error)
			    : copy_files(instance, &cgroup, place, top, error);
	cgroup_close(&cgroup);
	return result;
}
