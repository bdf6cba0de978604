/* Layers as directories: making, copying, mounting and taking them away (db/layers.h says who needs which). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "cleanup.h"
#include "db/layers.h"
#include "fault.h"
#include "file.h"
#include "image/store.h"
#include "instance/merger.h"
#include "log.h"
#include "memory.h"
#include "server.h"
#include "storage/internal.h"
#include "storage/usage.h"

char *storage_layer_directory(const char *token)
{
	return memory_printf("%s/%s", storage_kind_directory(STORAGE_LAYERS), token);
}

void storage_make_token(char token[static UUID_STR_LEN])
{
	uuid_t uuid;
	uuid_generate(uuid);
	uuid_unparse_lower(uuid, token);
}

char *storage_new_layer_directory(void)
{
	char token[UUID_STR_LEN];
	storage_make_token(token);
	return storage_layer_directory(token);
}

char *storage_pending_directory(const char *token)
{
	return memory_printf("%s/" STORAGE_NEW "%s", storage_kind_directory(STORAGE_LAYERS), token);
}

char *storage_instance_directory(const char *uuid)
{
	return memory_printf("%s/%s", storage_kind_directory(STORAGE_INSTANCES), uuid);
}

char *storage_layer_path(const struct storage *storage, const struct layer_row *layer)
{
	return memory_printf("%s/%s/%s", storage->root, layer->pool, layer->directory);
}

char *storage_layer_tree(const struct storage *storage, const struct layer_row *layer)
{
	return memory_printf("%s/%s/%s/%s", storage->root, layer->pool, layer->directory,
			     layer->flat ? "rootfs" : "upper");
}

char *storage_new_path(const struct storage *storage, const char *pool, const char *directory)
{
	const char *name = strrchr(directory, '/') + 1;
	return memory_printf("%s/%s/%.*s" STORAGE_NEW "%s", storage->root, pool,
			     (int)(name - directory), directory, name);
}

int storage_layer_attach(const struct storage *storage, const struct layer_row *layer,
			 struct error **error)
{
	cleanup_free char *path = storage_layer_path(storage, layer);
	return storage_attach(path, error);
}

int storage_layer_use(const struct storage *storage, const struct layer_row *layer,
		      struct error **error)
{
	cleanup_free char *path = storage_layer_path(storage, layer);
	storage_detach(path);
	return storage_attach(path, error);
}

bool storage_stacks(const char *driver)
{
	const struct storage_driver *functions = storage_driver_find(driver, NULL);
	return functions && functions->stack;
}

bool storage_clones(const char *driver)
{
	const struct storage_driver *functions = storage_driver_find(driver, NULL);
	return functions && functions->tree_clone;
}

bool storage_sends(const char *driver)
{
	const struct storage_driver *functions = storage_driver_find(driver, NULL);
	return functions && functions->tree_freeze;
}

/* ---- making ---- */

/* Whether what is done there is on the disk before what the database does after it. Of journals that is so;
 * btrfs has a log for each fsync(2) alone, and another file system a time of its own. */
static bool keeps_order(const struct storage *storage, int fd)
{
	struct stat ours, theirs;
	struct statfs system;
	return fstat(fd, &theirs) == 0 && stat(storage->root, &ours) == 0 &&
	       ours.st_dev == theirs.st_dev && fstatfs(fd, &system) == 0 &&
	       system.f_type != BTRFS_SUPER_MAGIC;
}

static int write_out(const char *path, const char *name, struct error **error)
{
	cleanup_free char *whole = memory_printf("%s/%s", path, name);
	cleanup_close int fd = open(whole, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 || fsync(fd) < 0 ? error_errno(error, errno, "writing out %s", whole) : 0;
}

/* A layer that is empty: else its row could be there after a loss of power, and not the layer. Trees are
 * written out by what fills them. */
static int settle_empty(const struct storage *storage, const char *path, struct error **error)
{
	cleanup_close int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return error_errno(error, errno, "opening %s", path);
	if (keeps_order(storage, fd))
		return 0;
	return write_out(path, "upper", error) < 0 || write_out(path, "work", error) < 0
		       ? -1
		       : write_out(path, ".", error);
}

/* What is made in it from now on counts for somebody. */
static int count(const struct storage *storage, const struct storage_driver *driver,
		 const char *path, const struct layer_row *with, struct error **error)
{
	if (!driver->count)
		return 0;
	cleanup_free char *other = with ? storage_layer_path(storage, with) : NULL;
	return driver->count(path, other, error);
}

/* The empty directory that becomes the layer; the caller frees the path. */
static char *begin(struct storage *storage, const struct layer_place *place,
		   const struct storage_driver **driver, struct error **error)
{
	*driver = storage_driver_find(place->driver, error);
	char *path = *driver ? storage_new_path(storage, place->pool, place->directory) : NULL;
	if (path && storage_make_fresh(path, error) == 0) {
		if (count(storage, *driver, path, NULL, error) == 0)
			return path;
		storage_remove(path, NULL);
	}
	free(path);
	return NULL;
}

static int end(int result, const char *path, const struct layer_place *place, struct error **error)
{
	if (result == 0)
		return 0;
	storage_remove(path, NULL);
	return error_prefix(error, "creating a layer in pool %s", place->pool);
}

static struct tree_copy *open_copy(const char *from, const char *to, struct error **error)
{
	cleanup_close int source = open(from, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	cleanup_close int target = open(to, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (source >= 0 && target >= 0)
		return tree_copy_new(steal_fd(&source), steal_fd(&target));
	error_errno(error, errno, "opening %s", source < 0 ? from : to);
	return NULL;
}

int storage_copy_tree(const char *from, const char *to, struct error **error)
{
	cleanup_tree_copy struct tree_copy *copy = open_copy(from, to, error);
	return copy && tree_copy_run(copy, error) == 0 ? tree_copy_sync(copy, error) : -1;
}

/* @from: a directory with "rootfs" in it, for the new one @path. */
static int copy_flat(const struct storage_driver *driver, const char *from, const char *path,
		     bool same_pool, uint64_t size, struct error **error)
{
	cleanup_free char *source = memory_printf("%s/rootfs", from);
	cleanup_free char *target = memory_printf("%s/rootfs", path);
	if (same_pool && driver->tree_clone)
		return driver->tree_clone(from, path, error);
	return storage_attach(from, error) < 0 || driver->tree_create(path, size, error) < 0
		       ? -1
		       : storage_copy_tree(source, target, error);
}

static char *find_image(struct server *server, const char *pool, const char *fingerprint,
			struct error **error)
{
	char *image = storage_image_path(server->storage, pool, fingerprint);
	if (access(image, F_OK) == 0)
		return image;
	error_set(error, ERROR_NOT_FOUND, "image %s is missing from pool %s", fingerprint, pool);
	free(image);
	return NULL;
}

static int make_above(const struct storage *storage, const struct storage_driver *driver,
		      const char *path, const char *tree, uint32_t tree_base, uint32_t id_base,
		      const struct layer_row *with, struct error **error)
{
	if (driver->stack->above(path, tree, tree_base, id_base, error) < 0)
		return -1;
	/* Not before: it may be full, which ends the daemon's writes on xfs as well. */
	if (with && count(storage, driver, path, with, error) < 0)
		return -1;
	return settle_empty(storage, path, error);
}

int storage_layer_first(struct server *server, const struct layer_place *place, uint32_t id_base,
			const char *fingerprint, struct error **error)
{
	const struct storage_driver *driver;
	cleanup_free char *path = begin(server->storage, place, &driver, error);
	if (!path)
		return -1;
	const char *pool = driver->keeps_images ? place->pool : image_pool(server);
	cleanup_free char *image = find_image(server, pool, fingerprint, error);
	cleanup_free char *tree = image ? memory_printf("%s/rootfs", image) : NULL;
	int result = -1;
	if (image)
		result = driver->stack ? make_above(server->storage, driver, path, tree, 0, id_base,
						    NULL, error)
				       : copy_flat(driver, image, path, driver->keeps_images,
						   place->size, error);
	return end(result, path, place, error);
}

int storage_layer_instead(struct storage *storage, const struct layer_place *place,
			  const struct layer_row *below, const struct layer_row *with,
			  uint32_t id_base, struct error **error)
{
	const struct storage_driver *driver;
	cleanup_free char *tree = storage_layer_tree(storage, below);
	cleanup_free char *path = begin(storage, place, &driver, error);
	if (!path)
		return -1;
	return end(make_above(storage, driver, path, tree, below->id_base, id_base, with, error),
		   path, place, error);
}

int storage_layer_above(struct storage *storage, const struct layer_place *place,
			const struct layer_row *below, uint32_t id_base, struct error **error)
{
	return storage_layer_instead(storage, place, below, NULL, id_base, error);
}

int storage_layer_empty(struct storage *storage, const struct layer_place *place,
			struct error **error)
{
	const struct storage_driver *driver;
	cleanup_free char *path = begin(storage, place, &driver, error);
	return path ? end(driver->tree_create(path, place->size, error), path, place, error) : -1;
}

struct tree_copy *storage_layer_copy(struct storage *storage, const struct layer_place *place,
				     const struct layer_row *source, struct error **error)
{
	cleanup_free char *from = storage_layer_tree(storage, source);
	cleanup_free char *path = storage_new_path(storage, place->pool, place->directory);
	cleanup_free char *to = memory_printf("%s/%s", path, source->flat ? "rootfs" : "upper");
	if (storage_layer_attach(storage, source, error) < 0)
		return NULL;
	int made = source->flat
			   ? storage_layer_empty(storage, place, error)
			   : storage_layer_above(storage, place, source, source->id_base, error);
	struct tree_copy *copy = made < 0 ? NULL : open_copy(from, to, error);
	if (made == 0 && !copy)
		storage_remove(path, NULL);
	return copy;
}

int storage_layer_clone(struct storage *storage, const struct layer_place *place,
			const struct layer_row *source, struct error **error)
{
	const struct storage_driver *driver;
	cleanup_free char *from = storage_layer_path(storage, source);
	cleanup_free char *path = begin(storage, place, &driver, error);
	return path ? end(driver->tree_clone(from, path, error), path, place, error) : -1;
}

int storage_layer_freeze(struct storage *storage, const struct layer_place *place,
			 const struct layer_row *source, struct error **error)
{
	const struct storage_driver *driver;
	cleanup_free char *from = storage_layer_path(storage, source);
	cleanup_free char *path = begin(storage, place, &driver, error);
	return path ? end(driver->tree_freeze(from, path, error), path, place, error) : -1;
}

int storage_layer_bare(struct storage *storage, const struct layer_place *place,
		       struct error **error)
{
	const struct storage_driver *driver;
	cleanup_free char *path = begin(storage, place, &driver, error);
	return path ? 0 : -1;
}

int storage_layer_duplicate(struct storage *storage, const struct layer_place *place,
			    const struct layer_row *source, struct error **error)
{
	if (source->flat && storage_clones(place->driver))
		return storage_layer_clone(storage, place, source, error);
	cleanup_tree_copy struct tree_copy *copy =
		storage_layer_copy(storage, place, source, error);
	if (!copy)
		return -1;
	if (tree_copy_run(copy, error) == 0 && tree_copy_sync(copy, error) == 0)
		return 0;
	storage_layer_abort(storage, place->pool, place->directory);
	return -1;
}

int storage_layer_commit(struct storage *storage, const char *pool, const char *directory,
			 struct error **error)
{
	cleanup_free char *new = storage_new_path(storage, pool, directory);
	cleanup_free char *path = memory_printf("%s/%s/%s", storage->root, pool, directory);
	storage_detach(new);
	return rename(new, path) < 0 ? error_errno(error, errno, "creating %s", path) : 0;
}

void storage_layer_abort(struct storage *storage, const char *pool, const char *directory)
{
	cleanup_free char *new = storage_new_path(storage, pool, directory);
	storage_remove(new, NULL);
}

/* ---- mounting ---- */

static json_t *describe_flat(const struct storage *storage, const struct layer_row *layer)
{
	cleanup_free char *path = storage_layer_tree(storage, layer);
	return json_pack("{s:s, s:s, s:I}", "driver", "bind", "path", path, "base",
			 (json_int_t)layer->id_base);
}

static void add_lower(json_t *lower, const char *path, uint32_t id_base)
{
	json_array_append_new(lower,
			      json_pack("{s:s, s:I}", "path", path, "base", (json_int_t)id_base));
}

static int add_image(struct storage *storage, const struct layer_row *lowest, json_t *lower,
		     struct error **error)
{
	if (!lowest->image || !storage_image_exists(storage, lowest->pool, lowest->image))
		return error_set(error, ERROR_NOT_FOUND, "image %s is missing from pool %s",
				 lowest->image ? lowest->image : "", lowest->pool);
	cleanup_free char *image = storage_image_path(storage, lowest->pool, lowest->image);
	cleanup_free char *path = memory_printf("%s/rootfs", image);
	add_lower(lower, path, 0);
	return 0;
}

/* overlayfs.rst, "Multiple lower layers": the first of the list is the uppermost. */
static json_t *list_lower(struct storage *storage, const struct layer_list *chain, size_t first,
			  struct error **error)
{
	const struct layer_row *lowest = &chain->rows[chain->count - 1];
	json_t *lower = json_array();
	for (size_t i = first; i < chain->count; i++) {
		cleanup_free char *below = storage_layer_tree(storage, &chain->rows[i]);
		add_lower(lower, below, chain->rows[i].id_base);
	}
	if (lowest->flat || add_image(storage, lowest, lower, error) == 0)
		return lower;
	json_decref(lower);
	return NULL;
}

static json_t *describe_stacked(struct storage *storage, const struct layer_list *chain,
				struct error **error)
{
	cleanup_free char *path = storage_layer_path(storage, &chain->rows[0]);
	cleanup_free char *upper = memory_printf("%s/upper", path);
	cleanup_free char *work = memory_printf("%s/work", path);
	json_t *lower = list_lower(storage, chain, 1, error);
	if (!lower)
		return NULL;
	/* An index would know the layers below by their inodes, which change when two are merged. */
	return json_pack("{s:s, s:o, s:s, s:s, s:{s:s, s:s}}", "driver", "overlay", "lower", lower,
			 "upper", upper, "work", work, "options", "redirect_dir", "on", "index",
			 "off");
}

static int check_there(struct storage *storage, const struct layer_row *top, struct error **error)
{
	cleanup_free char *path = storage_layer_path(storage, top);
	if (access(path, F_OK) == 0)
		return 0;
	return error_set(error, ERROR_NOT_FOUND, "the root volume is missing from pool %s (%s)",
			 top->pool, top->directory);
}

json_t *storage_layers_describe(struct storage *storage, const struct layer_list *chain,
				struct error **error)
{
	const struct layer_row *top = &chain->rows[0];
	if (check_there(storage, top, error) < 0 ||
	    (top->flat && storage_layer_attach(storage, top, error) < 0))
		return NULL;
	return top->flat ? describe_flat(storage, top) : describe_stacked(storage, chain, error);
}

json_t *storage_layers_list(struct storage *storage, const struct layer_list *chain,
			    struct error **error)
{
	return check_there(storage, &chain->rows[0], error) < 0
		       ? NULL
		       : list_lower(storage, chain, 0, error);
}

/* ---- taking away ---- */

/* Its row would go while its files are on a disk that comes back, or while they are mounted. */
static bool must_stay(struct storage *storage, const struct layer_row *layer,
		      const struct strbuf *mounted)
{
	cleanup_free char *path = storage_layer_path(storage, layer);
	return !storage_pool_available(storage, layer->pool) ||
	       storage_layer_is_mounted(mounted, path);
}

static int discard(struct storage *storage, const struct layer_row *layer, struct error **error)
{
	cleanup_free char *path = storage_layer_path(storage, layer);
	cleanup_free char *deleted =
		storage_path(storage, layer->pool, STORAGE_LAYERS, STORAGE_DELETED,
			     strrchr(layer->directory, '/') + 1);
	if (rename(path, deleted) == 0 || errno == ENOENT)
		return 0;
	/* A full btrfs keeps blocks for what removes, and none for what renames. */
	return errno == ENOSPC || errno == EDQUOT ? storage_remove(path, error)
						  : error_errno(error, errno, "deleting %s", path);
}

/* Else a layer could be there again after a loss of power, and its row gone. */
static int settle(struct storage *storage, const char *pool, struct error **error)
{
	cleanup_free char *path = memory_printf("%s/%s", storage->root, pool);
	cleanup_close int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_errno(error, errno, "opening %s", path);
	if (!keeps_order(storage, fd) && syncfs(fd) < 0)
		return error_errno(error, errno, "writing out %s", path);
	return 0;
}

/* Of the layers that are away. */
static int delete_rows(struct server *server, const struct layer_list *gone, struct error **error)
{
	for (size_t i = 0; i < gone->count; i++) {
		const struct layer_row *layer = &gone->rows[i];
		bool same = i > 0 && strcmp(layer->pool, gone->rows[i - 1].pool) == 0;
		if (!same && settle(server->storage, layer->pool, error) < 0)
			return -1;
		fault_point("layers.discarded");
		if (db_layer_delete(server->db, layer->id, error) < 0)
			return -1;
	}
	return 0;
}

int storage_layers_sweep(struct server *server, struct error **error)
{
	cleanup_layer_list struct layer_list dead = {0};
	cleanup_strbuf struct strbuf mounted = {0};
	int result = db_layers_dead(server->db, &dead, error);
	if (result < 0 || dead.count == 0)
		return result;
	storage_read_mounted(server, &mounted);
	/* Of borrowed rows. */
	struct layer_list gone = {memory_alloc(dead.count * sizeof(struct layer_row)), 0};
	for (size_t i = 0; i < dead.count && result == 0; i++) {
		if (must_stay(server->storage, &dead.rows[i], &mounted))
			continue;
		result = discard(server->storage, &dead.rows[i], error);
		gone.rows[gone.count] = dead.rows[i];
		gone.count += result == 0;
	}
	if (delete_rows(server, &gone, result < 0 ? NULL : error) < 0)
		result = -1;
	free(gone.rows);
	storage_reclaim(server->storage);
	return result;
}

void storage_tidy(struct server *server)
{
	usage_wake(server->usage);
	merger_wake(server->merger);
}
