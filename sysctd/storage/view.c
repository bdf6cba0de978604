/*
 * See view.h. An overlay is mounted in a mount namespace that only one thread has, which ends when the
 * root is open: the descriptor alone keeps it (mount_namespaces(7), unshare(2)).
 */
#include "storage/view.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "memory.h"
#include "runtime/idmap.h"
#include "strbuf.h"
#include "storage/internal.h"

enum { ID_RANGE = 65536 };

struct viewing {
	struct storage *storage;
	const json_t *lower; /* of storage_layers_list() */
	const char *upper;   /* a layer's directory; NULL: nothing is written */
	int result;
	struct error **error;
};

static int attach(const json_t *layer, const char *point, struct error **error)
{
	const char *path = json_string_value(json_object_get(layer, "path"));
	uid_t base = (uid_t)json_integer_value(json_object_get(layer, "base"));
	cleanup_close int shift = base ? idmap_user_namespace(base, 0, ID_RANGE, error) : -1;
	if ((base && shift < 0) || mkdir(point, 0700) < 0)
		return base && shift < 0 ? -1 : error_errno(error, errno, "making %s", point);
	return idmap_attach(path, point, shift, false, error);
}

/* In the working directory: "l0:l1:...". */
static int attach_all(const json_t *lower, struct strbuf *options, struct error **error)
{
	size_t i;
	const json_t *layer;
	strbuf_printf(options, "lowerdir=");
	json_array_foreach ((json_t *)lower, i, layer) {
		char point[24];
		snprintf(point, sizeof(point), "l%zu", i);
		if (attach(layer, point, error) < 0)
			return -1;
		strbuf_printf(options, "%s%s", i ? ":" : "", point);
	}
	return 0;
}

static int mount_all(struct viewing *viewing, struct error **error)
{
	cleanup_strbuf struct strbuf options = {0};
	if (attach_all(viewing->lower, &options, error) < 0)
		return -1;
	if (viewing->upper)
		strbuf_printf(&options, ",upperdir=%s/upper,workdir=%s/work,redirect_dir=on",
			      viewing->upper, viewing->upper);
	else if (json_array_size(viewing->lower) < 2) /* one alone is refused (overlayfs.rst) */
		strbuf_printf(&options, ":e");
	if (mkdir("e", 0755) < 0 || mkdir("m", 0700) < 0)
		return error_errno(error, errno, "making a mount point");
	if (mount("overlay", "m", "overlay", viewing->upper ? 0 : MS_RDONLY, options.text) < 0)
		return error_errno(error, errno, "mounting layers");
	int fd = open("m", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? error_errno(error, errno, "opening layers") : fd;
}

static int view(struct viewing *viewing, struct error **error)
{
	cleanup_free char *place = memory_printf("%s/.view", viewing->storage->root);
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return error_errno(error, errno, "making a mount namespace");
	if ((mkdir(place, 0700) < 0 && errno != EEXIST) ||
	    mount("tmpfs", place, "tmpfs", MS_NODEV | MS_NOSUID, "size=1m") < 0 || chdir(place) < 0)
		return error_errno(error, errno, "mounting %s", place);
	return mount_all(viewing, error);
}

static void *run(void *data)
{
	struct viewing *viewing = data;
	viewing->result = view(viewing, viewing->error);
	return NULL;
}

static int run_in_thread(struct viewing *viewing)
{
	pthread_t thread;
	int problem = pthread_create(&thread, NULL, run, viewing);
	if (problem)
		return error_errno(viewing->error, problem, "starting a thread");
	pthread_join(thread, NULL);
	return viewing->result;
}

static int open_flat(struct storage *storage, const struct layer_row *layer, struct error **error)
{
	cleanup_free char *tree = storage_layer_tree(storage, layer);
	if (storage_layer_attach(storage, layer, error) < 0)
		return -1;
	int fd = open(tree, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? error_errno(error, errno, "opening %s", tree) : fd;
}

int storage_view_open(struct storage *storage, const struct layer_list *chain, struct error **error)
{
	if (chain->rows[0].flat)
		return open_flat(storage, &chain->rows[0], error);
	return storage_view_open_above(storage, chain, NULL, error);
}

int storage_view_open_above(struct storage *storage, const struct layer_list *chain,
			    const char *path, struct error **error)
{
	json_t *lower = storage_layers_list(storage, chain, error);
	struct viewing viewing = {
		.storage = storage, .lower = lower, .upper = path, .error = error};
	int fd = lower ? run_in_thread(&viewing) : -1;
	json_decref(lower);
	return fd;
}
