/* See lvm.h: what the configuration of a pool says, and what is decided where it says nothing. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "file.h"
#include "instance/config_keys_values.h"
#include "memory.h"
#include "storage/dm.h"
#include "storage/internal.h"
#include "storage/loop.h"
#include "storage/lvm.h"
#include "storage/pool_config.h"

/* Names of devices have 127 characters (linux/dm-ioctl.h), and each "-" of a name is two; what LVM appends to
 * the name of a thin pool needs some, too. */
enum { LONGEST_NAMES = 100 };

#define DEFAULT_THIN_POOL  "SysctThinPool"
#define DEFAULT_FILESYSTEM "ext4"
#define DEFAULT_OPTIONS	   "discard"
#define DEFAULT_SIZE	   "10GiB"

void lvm_pool_clear(struct lvm_pool *pool)
{
	free(pool->tag);
	free(pool->group);
	free(pool->thin_pool);
	free(pool->files);
	free(pool->device);
	free(pool->filesystem);
	free(pool->options);
	*pool = (struct lvm_pool){0};
}

static char *get(const json_t *config, const char *key, const char *otherwise)
{
	const char *value = pool_config_get(config, key);
	return memory_strdup(value ? value : otherwise);
}

/* lvm(8), "Valid names"; "_tdata" and the like are LVM's own. */
static int check_name(const char *what, const char *name, struct error **error)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+_.-";
	if (*name && *name != '-' && name[strspn(name, allowed)] == '\0' &&
	    strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && !strstr(name, "_t"))
		return 0;
	return error_set(
		error, ERROR_INVALID,
		"\"%s\" is no name for a %s: letters, digits and \"+_.-\", without \"_t\", "
		"not with \"-\" at its start",
		name, what);
}

static int check_names(const struct lvm_pool *pool, struct error **error)
{
	cleanup_free char *device = dm_name(pool->group, pool->files);
	if (check_name("volume group", pool->group, error) < 0 ||
	    check_name("thin pool", pool->thin_pool, error) < 0)
		return -1;
	if (strlen(device) <= LONGEST_NAMES)
		return 0;
	return error_set(error, ERROR_INVALID,
			 "the names of the volume group \"%s\" and the thin pool \"%s\" are too "
			 "long together: set shorter ones by lvm.vg_name and lvm.thinpool_name",
			 pool->group, pool->thin_pool);
}

int lvm_pool_configure(const char *name, const json_t *config, struct lvm_pool *pool,
		       struct error **error)
{
	const char *size = pool_config_get(config, "volume.size");
	struct stat status;
	cleanup_free char *source = get(config, "source", "");
	*pool = (struct lvm_pool){
		.tag = memory_printf("sysct.%s", name),
		.group = get(config, "lvm.vg_name", name),
		.thin_pool = get(config, "lvm.thinpool_name", DEFAULT_THIN_POOL),
		.filesystem = get(config, "volume.block.filesystem", DEFAULT_FILESYSTEM),
		.options = get(config, "volume.block.mount_options", DEFAULT_OPTIONS),
	};
	pool->files = memory_printf("%s_files", pool->thin_pool);
	if (source[0] == '/' && stat(source, &status) == 0)
		pool->device = S_ISBLK(status.st_mode) ? realpath(source, NULL) : loop_find(source);
	return size_parse(size ? size : DEFAULT_SIZE, &pool->volume_size, error);
}

/* ---- of a pool that is there ---- */

int lvm_pool_at(const char *path, struct lvm_pool *pool, struct error **error)
{
	cleanup_free char *marker = memory_printf("%s/" STORAGE_MARKER, path);
	cleanup_free char *text = file_try_read_at(AT_FDCWD, marker);
	json_t *content = text ? json_loads(text, 0, NULL) : NULL;
	const char *driver = json_string_value(json_object_get(content, "driver"));
	const char *name = json_string_value(json_object_get(content, "name"));
	const json_t *config = json_object_get(content, "config");
	*pool = (struct lvm_pool){0};
	int result = driver && name && strcmp(driver, storage_lvm.name) == 0
			     ? lvm_pool_configure(name, config, pool, error)
			     : error_set(error, ERROR_NOT_FOUND,
					 "%s does not say that this is a pool of the driver lvm",
					 marker);
	json_decref(content);
	return result;
}

/* ROOT/POOL/layers/TOKEN */
int lvm_pool_of_tree(const char *tree, struct lvm_pool *pool, struct error **error)
{
	cleanup_free char *path = memory_strdup(tree);
	for (int i = 0; i < 2; i++) {
		char *slash = strrchr(path, '/');
		if (slash)
			*slash = '\0';
	}
	return lvm_pool_at(path, pool, error);
}

/* ---- of a new one ---- */

/* Whether LVM has the volume, or the group where @volume is NULL, and what it says of @field. */
static char *look(const struct lvm_pool *pool, const char *field, const char *volume)
{
	/* Whatever it lies on. */
	const struct lvm_pool anywhere = {.group = pool->group};
	cleanup_free char *name =
		memory_printf("%s%s%s", pool->group, volume ? "/" : "", volume ? volume : "");
	const char *words[] = {volume ? "lvs" : "vgs", "--noheadings", "-o", field, name, NULL};
	cleanup_strbuf struct strbuf out = {0};
	if (lvm_run(&anywhere, words, &out, NULL) < 0 || !out.text)
		return NULL;
	char *start = out.text + strspn(out.text, " \n");
	start[strcspn(start, " \n")] = '\0';
	return memory_strdup(start);
}

/* One that the host has already. */
static int plan_group(struct lvm_pool *pool, const json_t *config, struct error **error)
{
	const char *text = pool_config_get(config, "lvm.vg.force_reuse");
	cleanup_free char *count = look(pool, "lv_count", NULL);
	cleanup_free char *type = look(pool, "segtype", pool->thin_pool);
	cleanup_free char *files = look(pool, "lv_name", pool->files);
	bool reuse = false;
	if (text && bool_parse(text, &reuse, error) < 0)
		return -1;
	if (!count)
		return error_set(error, ERROR_INVALID,
				 "there is no volume group \"%s\": give the name of one, a block "
				 "device, or no source at all for a file of sysct's own",
				 pool->group);
	if (strcmp(count, "0") != 0 && !reuse)
		return error_set(error, ERROR_INVALID,
				 "volume group \"%s\" is not empty (it has %s logical volumes): "
				 "lvm.vg.force_reuse=true makes the pool beside them",
				 pool->group, count);
	if (files)
		return error_set(
			error, ERROR_EXISTS,
			"%s/%s, which a pool has beside its thin pool, is there already: name "
			"another by lvm.thinpool_name",
			pool->group, files);
	if (type && strcmp(type, "thin-pool") != 0)
		return error_set(error, ERROR_INVALID,
				 "%s/%s is no thin pool, it is of the type \"%s\": name another by "
				 "lvm.thinpool_name",
				 pool->group, pool->thin_pool, type);
	return 0;
}

static int plan_new_group(struct lvm_pool *pool, struct error **error)
{
	cleanup_free char *count = look(pool, "lv_count", NULL);
	return count ? error_set(error, ERROR_EXISTS,
				 "there is a volume group \"%s\" already: name another by "
				 "lvm.vg_name, or give source=%s to use it",
				 pool->group, pool->group)
		     : 0;
}

static void fill_in(json_t *config, const char *key, const char *value)
{
	if (!pool_config_get(config, key))
		json_object_set_new(config, key, json_string(value));
}

int lvm_plan(const char *name, json_t *config, struct error **error)
{
	const char *source = pool_config_get(config, "source");
	const char *group = pool_config_get(config, "lvm.vg_name");
	bool named = source && source[0] != '/';
	cleanup_lvm_pool struct lvm_pool pool = {0};
	if (lvm_check_host(error) < 0)
		return -1;
	if (named && group && strcmp(source, group) != 0)
		return error_set(error, ERROR_INVALID,
				 "source and lvm.vg_name name two volume groups, \"%s\" and \"%s\"",
				 source, group);
	fill_in(config, "lvm.vg_name", named ? source : name);
	fill_in(config, "lvm.thinpool_name", DEFAULT_THIN_POOL);
	if (lvm_pool_configure(name, config, &pool, error) < 0 || check_names(&pool, error) < 0)
		return -1;
	return named ? plan_group(&pool, config, error) : plan_new_group(&pool, error);
}
