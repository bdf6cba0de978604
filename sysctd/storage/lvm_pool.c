/* See lvm.h: making pools of the driver lvm, having them, and taking them away. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "fault.h"
#include "file.h"
#include "memory.h"
#include "storage/dm.h"
#include "storage/internal.h"
#include "storage/loop.h"
#include "storage/lvm.h"
#include "storage/pool_config.h"

enum {
	SECTOR = 512,
	LEAST_METADATA = 32, /* MiB: of a tree there are some 0.2 before anything is in it */
	FULL = 95	     /* %: of the metadata, which must never be full */
};

#define FILES_SIZE "256m" /* some 15000 trees */

/* ---- making ---- */

static int make_group(const struct lvm_pool *pool, bool wipe, struct error **error)
{
	/* Without --yes LVM asks before it overwrites something, and nobody answers. */
	const char *words[] = {"vgcreate",  "--setautoactivation", "n",	 "--addtag", pool->tag,
			       pool->group, pool->device,	   NULL, NULL};
	if (wipe)
		words[7] = "--yes";
	if (lvm_run(pool, words, NULL, error) == 0)
		return 0;
	return error_prefix(error, "making a volume group on %s%s", pool->device,
			    wipe ? "" : " (source.wipe=true overwrites what is there)");
}

static int make_files(const struct lvm_pool *pool, struct error **error)
{
	cleanup_free char *device = lvm_device(pool, pool->files);
	const char *create[] = {"lvcreate", "--yes", "-Wy",	  "--addtag",  pool->tag, "-L",
				FILES_SIZE, "-n",    pool->files, pool->group, NULL};
	/* Three inodes and three blocks for each tree. */
	const char *format[] = {"mkfs.ext4", "-q", "-i", "4096", device, NULL};
	return lvm_run(pool, create, NULL, error) < 0 ? -1
						      : lvm_run_program(format, "e2fsprogs", error);
}

/* How much of a group's space is free, in MiB; 0: it cannot be told. */
static uint64_t free_space(const struct lvm_pool *pool)
{
	const char *words[] = {"vgs", "--noheadings", "--nosuffix", "--units", "m",
			       "-o",  "vg_free",      pool->group,  NULL};
	cleanup_strbuf struct strbuf out = {0};
	return lvm_run(pool, words, &out, NULL) == 0 && out.text ? strtoull(out.text, NULL, 10) : 0;
}

/* What LVM would give to it is little where there are many snapshots. */
static char *metadata_size(uint64_t data)
{
	uint64_t wanted = data / 1024;
	return memory_printf(
		"%llum", (unsigned long long)(wanted > LEAST_METADATA ? wanted : LEAST_METADATA));
}

static int make_thin_pool(const struct lvm_pool *pool, struct error **error)
{
	cleanup_free char *metadata = metadata_size(free_space(pool));
	const char *words[] = {
		"lvcreate",	      "--yes",	"--type", "thin-pool", "--addtag", pool->tag,
		"--poolmetadatasize", metadata, "-l",	  "100%FREE",  "-n",	   pool->thin_pool,
		pool->group,	      NULL};
	/* One of a group that was there is used as it is. */
	return !pool->device && lvm_has_volume(pool, pool->thin_pool)
		       ? 0
		       : lvm_run(pool, words, NULL, error);
}

static int activate(const struct lvm_pool *pool, const char *how, struct error **error)
{
	cleanup_free char *ours = memory_printf("lv_tags={%s}", pool->tag);
	/* -K: also what others have marked to be skipped. */
	const char *words[] = {"lvchange", how, "-K", "--select", ours, pool->group, NULL};
	return lvm_run(pool, words, NULL, error);
}

static int make_all(const struct storage_source *source, bool wipe, struct error **error)
{
	cleanup_lvm_pool struct lvm_pool pool = {0};
	if (lvm_pool_configure(source->pool, source->config, &pool, error) < 0)
		return -1;
	if (pool.device && make_group(&pool, wipe, error) < 0)
		return -1;
	fault_point("lvm.group");
	/* They are active then, and keep the loop device of a file, which mounting finds. */
	return make_files(&pool, error) < 0 ? -1 : make_thin_pool(&pool, error);
}

int lvm_make(const struct storage_source *source, bool wipe, struct error **error)
{
	cleanup_free char *device = NULL;
	cleanup_close int loop = source->is_file ? loop_attach(source->source, &device, error) : -1;
	if (source->is_file && loop < 0)
		return -1;
	return make_all(source, wipe, error);
}

/* ---- having ---- */

/* After a loss of power the places of mounts are left: nobody shall take them for empty trees. */
static void remove_places(const char *path)
{
	for (int kind = 0; kind < STORAGE_KIND_COUNT; kind++) {
		cleanup_free char *name =
			memory_printf("%s/%s", path, storage_kind_directory(kind));
		cleanup_dir DIR *dir = opendir(name);
		struct dirent *entry;
		while (dir && (entry = readdir(dir))) {
			cleanup_free char *place = memory_printf("%s/rootfs", entry->d_name);
			unlinkat(dirfd(dir), place, AT_REMOVEDIR);
		}
	}
}

int lvm_mount(const struct storage_source *source, const char *device, const char *path,
	      struct error **error)
{
	cleanup_lvm_pool struct lvm_pool pool = {0};
	if (lvm_pool_configure(source->pool, source->config, &pool, error) < 0)
		return -1;
	if (source->is_file) {
		free(pool.device);
		pool.device = memory_strdup(device);
	}
	if (activate(&pool, "-ay", error) < 0 ||
	    lvm_mount_volume(&pool, pool.files, "ext4", "", path, error) < 0)
		return -1;
	/* So that what is unmounted here goes in the mount namespaces of monitors, too. */
	if (mount(NULL, path, NULL, MS_SHARED, NULL) < 0)
		return error_errno(error, errno, "sharing the mount of %s", path);
	remove_places(path);
	return 0;
}

/* mountinfo(5) has "\040" for a space. */
static void unescape(char *text)
{
	char *to = text;
	for (const char *from = text; *from; to++) {
		unsigned int code;
		if (*from == '\\' && sscanf(from + 1, "%3o", &code) == 1) {
			*to = (char)code;
			from += 4;
		} else
			*to = *from++;
	}
	*to = '\0';
}

int lvm_leave(const char *path, struct error **error)
{
	cleanup_file FILE *file = fopen("/proc/self/mountinfo", "re");
	cleanup_free char *below = memory_printf("%s/", path), *real = realpath(below, NULL);
	cleanup_free char *line = NULL;
	size_t size = 0;
	if (!file || !real)
		return error_errno(error, errno, "looking for mounts below %s", path);
	while (getline(&line, &size, file) > 0) {
		char place[4096];
		if (sscanf(line, "%*s %*s %*s %*s %4095s", place) != 1)
			continue;
		unescape(place);
		size_t length = strlen(real);
		if (strncmp(place, real, length) != 0 || place[length] != '/')
			continue;
		if (umount2(place, UMOUNT_NOFOLLOW) < 0)
			return error_errno(error, errno, "unmounting %s", place);
		rmdir(place);
	}
	return 0;
}

/* What a thin pool says of itself: blocks of metadata and of data. */
struct thin_status {
	unsigned long long used_metadata, metadata, used, total;
	uint64_t bytes;
};

/* The device is "-tpool" as soon as it has a thin volume. */
static int read_status(const struct lvm_pool *pool, struct thin_status *status)
{
	uint64_t sectors;
	char text[DM_TEXT];
	cleanup_free char *name = dm_name(pool->group, pool->thin_pool);
	cleanup_free char *thin = memory_printf("%s-tpool", name);
	if ((dm_status(thin, &sectors, text) < 0 && dm_status(name, &sectors, text) < 0) ||
	    sscanf(text, "%*s %llu/%llu %llu/%llu", &status->used_metadata, &status->metadata,
		   &status->used, &status->total) != 4 ||
	    status->total == 0)
		return -1;
	status->bytes = sectors * SECTOR;
	return 0;
}

int lvm_space(const char *path, struct storage_extent *extent)
{
	cleanup_lvm_pool struct lvm_pool pool = {0};
	struct thin_status status;
	if (lvm_pool_at(path, &pool, NULL) < 0 || read_status(&pool, &status) < 0)
		return -1;
	*extent = (struct storage_extent){status.bytes, status.bytes / status.total * status.used};
	return 0;
}

int lvm_check_room(const struct lvm_pool *pool, struct error **error)
{
	struct thin_status status;
	/* One that is not in use, or has failed, is told of by LVM. */
	if (read_status(pool, &status) < 0)
		return 0;
	if (status.used >= status.total)
		return error_set(
			error, ERROR_NO_SPACE,
			"the thin pool %s/%s is full (%llu MiB): delete something, or make "
			"the pool larger",
			pool->group, pool->thin_pool, (unsigned long long)(status.bytes >> 20));
	if (status.used_metadata * 100 >= status.metadata * FULL)
		return error_set(error, ERROR_NO_SPACE,
				 "the metadata of the thin pool %s/%s is nearly full (%llu of %llu "
				 "blocks): delete something, or extend it (lvextend "
				 "--poolmetadatasize)",
				 pool->group, pool->thin_pool, status.used_metadata,
				 status.metadata);
	return 0;
}

int lvm_grow(const char *path, struct error **error)
{
	cleanup_lvm_pool struct lvm_pool pool = {0};
	if (lvm_pool_at(path, &pool, error) < 0)
		return -1;
	cleanup_free char *name = memory_printf("%s/%s", pool.group, pool.thin_pool);
	const char *device[] = {"pvresize", pool.device, NULL};
	if (lvm_run(&pool, device, NULL, error) < 0)
		return -1;
	/* In proportion, as when it was made. */
	cleanup_free char *more =
		memory_printf("+%llum", (unsigned long long)free_space(&pool) / 1024);
	const char *metadata[] = {"lvextend", "--poolmetadatasize", more, name, NULL};
	const char *data[] = {"lvextend", "-l", "+100%FREE", name, NULL};
	if (strcmp(more, "+0m") != 0 && lvm_run(&pool, metadata, NULL, error) < 0)
		return -1;
	return free_space(&pool) == 0 ? 0 : lvm_run(&pool, data, NULL, error);
}

/* ---- removing ---- */

/* Whether @list, words between commas, has @word. */
static bool has_word(const char *list, const char *word)
{
	size_t length = strlen(word);
	for (const char *at = list; (at = strstr(at, word)); at += length)
		if ((at == list || at[-1] == ',') && (at[length] == ',' || at[length] == '\0'))
			return true;
	return false;
}

/* Volumes that somebody else has made in what is ours would go with it. @group: that is ours, and not only what
 * has the tag. */
static int check_alone(const struct lvm_pool *pool, bool group, struct error **error)
{
	const char *words[] = {"lvs",	      "--noheadings",
			       "--separator", ":",
			       "-o",	      "lv_name,pool_lv,lv_tags",
			       pool->group,   NULL};
	cleanup_strbuf struct strbuf out = {0};
	const char *foreign = NULL;
	bool ours = group; /* what it is in */
	if (lvm_run(pool, words, &out, error) < 0)
		return -1;
	char *lines = out.text;
	for (char *line; lines && (line = strsep(&lines, "\n"));) {
		char *rest = line + strspn(line, " ");
		const char *name = strsep(&rest, ":"), *thin_pool = strsep(&rest, ":");
		if (rest && has_word(rest, pool->tag))
			ours = ours || strcmp(name, pool->thin_pool) == 0;
		else if (rest && (group || strcmp(thin_pool, pool->thin_pool) == 0))
			foreign = name;
	}
	return ours && foreign
		       ? error_set(error, ERROR_BUSY,
				   "volume group \"%s\" has the logical volume \"%s\", which is "
				   "not sysct's: remove it first",
				   pool->group, foreign)
		       : 0;
}

/* 1: the group is there, and was made for the pool; 0: it is there; -1: it is not. */
static int look_at_group(const struct lvm_pool *pool)
{
	const char *words[] = {"vgs", "--noheadings", "-o", "vg_tags", pool->group, NULL};
	cleanup_strbuf struct strbuf out = {0};
	if (lvm_run(pool, words, &out, NULL) < 0)
		return -1;
	if (!out.text)
		return 0;
	char *tags = out.text + strspn(out.text, " ");
	tags[strcspn(tags, " \n")] = '\0';
	return has_word(tags, pool->tag);
}

static int remove_volumes(const struct lvm_pool *pool, struct error **error)
{
	cleanup_free char *ours = memory_printf("lv_tags={%s}", pool->tag);
	const char *words[] = {"lvremove", "--yes", "--select", ours, pool->group, NULL};
	return check_alone(pool, false, error) < 0 ? -1 : lvm_run(pool, words, NULL, error);
}

static int remove_group(const struct lvm_pool *pool, struct error **error)
{
	const char *group[] = {"vgremove", "--yes", pool->group, NULL};
	const char *device[] = {"pvremove", "--yes", pool->device, NULL};
	if (check_alone(pool, true, error) < 0 || lvm_run(pool, group, NULL, error) < 0)
		return -1;
	return pool->device ? lvm_run(pool, device, NULL, error) : 0;
}

int lvm_release(const struct storage_source *source, bool remove, struct error **error)
{
	cleanup_lvm_pool struct lvm_pool pool = {0};
	if (lvm_pool_configure(source->pool, source->config, &pool, error) < 0)
		return -1;
	/* A file that no loop device has holds nothing that is in use. */
	if (source->source[0] == '/' && !pool.device)
		return 0;
	/* A loop device would end with the last volume. */
	cleanup_close int held = pool.device ? open(pool.device, O_RDONLY | O_CLOEXEC) : -1;
	int group = look_at_group(&pool);
	if (group < 0)
		return 0;
	if (!remove)
		return activate(&pool, "-an", error);
	/* What is on a group of others is the volumes alone. */
	return group && pool.device ? remove_group(&pool, error) : remove_volumes(&pool, error);
}
