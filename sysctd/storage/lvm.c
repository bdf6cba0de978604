/*
 * The driver lvm (lvm.h says what it makes): a tree is a thin volume with a file system, a copy of it a thin
 * snapshot, which costs the same however large it is (lvmthin(7)). To make one LVM suspends the device of the
 * origin, by which the kernel freezes the file system on it: what the snapshot has is whole.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uuid/uuid.h>

#include "cleanup.h"
#include "fault.h"
#include "file.h"
#include "memory.h"
#include "storage/dm.h"
#include "storage/internal.h"
#include "storage/lvm.h"

enum { SECTOR = 512, NAME_LENGTH = 33 };

#define GROWING "lvm.growing" /* beside LVM_NOTE while the volume is larger than its file system */

/* What is mounted there is of our making. */
static int check(const char *path, struct error **error)
{
	return lvm_is_mounted(path)
		       ? 0
		       : error_set(error, ERROR_INTERNAL, "nothing is mounted at %s", path);
}

/* ---- the note ---- */

/* NULL: the tree is none of this driver. */
static char *read_note(const char *path)
{
	cleanup_free char *note = memory_printf("%s/" LVM_NOTE, path);
	char *name = file_try_read_at(AT_FDCWD, note);
	if (name && strlen(name) == NAME_LENGTH && name[0] == 't' &&
	    strspn(name + 1, "0123456789abcdef") == NAME_LENGTH - 1)
		return name;
	free(name);
	return NULL;
}

/* A name that no volume has, noted on the disk. */
static char *make_note(const char *path, struct error **error)
{
	uuid_t uuid;
	char name[NAME_LENGTH + 1] = "t";
	cleanup_free char *note = memory_printf("%s/" LVM_NOTE, path);
	uuid_generate(uuid);
	for (size_t i = 0; i < sizeof(uuid); i++)
		snprintf(name + 1 + 2 * i, 3, "%02x", uuid[i]);
	return file_replace_at(AT_FDCWD, note, name, strlen(name), 0600, true, error) < 0
		       ? NULL
		       : memory_strdup(name);
}

/* ---- mounting ---- */

static int activate(const struct lvm_pool *pool, const char *volume, struct error **error)
{
	cleanup_free char *name = memory_printf("%s/%s", pool->group, volume);
	const char *words[] = {"lvchange", "-ay", "-K", name, NULL};
	return lvm_run(pool, words, NULL, error);
}

/* blkid(8) would tell, too: a pool may have been told another one since. */
static const char *find_filesystem(const char *device)
{
	char magic[4] = "";
	cleanup_close int fd = open(device, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && pread(fd, magic, sizeof(magic), 0) == (ssize_t)sizeof(magic) &&
	    memcmp(magic, "XFSB", sizeof(magic)) == 0)
		return "xfs";
	return "ext4";
}

static int attach(const struct lvm_pool *pool, const char *path, const char *volume,
		  struct error **error)
{
	cleanup_free char *place = memory_printf("%s/rootfs", path);
	cleanup_free char *device = lvm_device(pool, volume);
	cleanup_free char *name = dm_name(pool->group, volume);
	char text[DM_TEXT];
	uint64_t sectors;
	if (mkdir(place, 0700) < 0 && errno != EEXIST)
		return error_errno(error, errno, "creating %s", place);
	if (dm_status(name, &sectors, text) < 0 && activate(pool, volume, error) < 0)
		return -1;
	if (lvm_mount_volume(pool, volume, find_filesystem(device), pool->options, place, error) ==
	    0)
		return 0;
	rmdir(place);
	return -1;
}

/* Mounting and unmounting of one tree are done one after the other, as by instances with one volume that start
 * together; until the descriptor is closed. */
static int lock_tree(const char *path, struct error **error)
{
	cleanup_close int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || flock(fd, LOCK_EX) < 0)
		return error_errno(error, errno, "locking %s", path);
	return steal_fd(&fd);
}

/* Not after an error of the device, as in a full pool: until it is mounted anew nothing can be written then. */
static bool is_sound(const char *place)
{
	cleanup_close int fd = open(place, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
	return fd >= 0 || (errno != EROFS && errno != EIO);
}

static int tree_attach(const char *path, struct error **error)
{
	cleanup_free char *volume = read_note(path);
	cleanup_free char *place = memory_printf("%s/rootfs", path);
	cleanup_lvm_pool struct lvm_pool pool = {0};
	if (!volume)
		return 0;
	cleanup_close int lock = lock_tree(path, error);
	if (lock < 0)
		return -1;
	/* One that somebody looks into stays as it is. */
	if (lvm_is_mounted(place) && (is_sound(place) || umount2(place, UMOUNT_NOFOLLOW) < 0))
		return 0;
	return lvm_pool_of_tree(path, &pool, error) < 0 ? -1 : attach(&pool, path, volume, error);
}

/* Without the place nobody can take it for a tree that is empty. */
static int tree_detach(const char *path, struct error **error)
{
	cleanup_free char *volume = read_note(path);
	cleanup_free char *place = memory_printf("%s/rootfs", path);
	if (!volume)
		return 0;
	cleanup_close int lock = lock_tree(path, error);
	if (lock < 0)
		return -1;
	if (lvm_is_mounted(place) && umount2(place, UMOUNT_NOFOLLOW) < 0)
		return error_errno(error, errno, "unmounting %s", place);
	if (rmdir(place) < 0 && errno != ENOENT)
		return error_errno(error, errno, "removing %s", place);
	return 0;
}

/* ---- making and removing ---- */

static int format(const char *device, const char *filesystem, struct error **error)
{
	/* What was never written to is zero, so tables and journal need not be. */
	static const char options[] = "nodiscard,lazy_itable_init=1,lazy_journal_init=1";
	const char *ext4[] = {"mkfs.ext4", "-q", "-E", options, device, NULL};
	const char *xfs[] = {"mkfs.xfs", "-q", "-K", device, NULL};
	return strcmp(filesystem, "xfs") == 0 ? lvm_run_program(xfs, "xfsprogs", error)
					      : lvm_run_program(ext4, "e2fsprogs", error);
}

static int fill(const struct lvm_pool *pool, const char *path, const char *volume,
		struct error **error)
{
	cleanup_free char *device = lvm_device(pool, volume);
	cleanup_free char *lost = memory_printf("%s/rootfs/lost+found", path);
	if (format(device, pool->filesystem, error) < 0 || attach(pool, path, volume, error) < 0)
		return -1;
	/* It would be in every instance; e2fsck(8) makes one when it needs it. */
	if (rmdir(lost) < 0 && errno != ENOENT)
		return error_errno(error, errno, "removing %s", lost);
	return 0;
}

static int tree_create(const char *path, uint64_t bytes, struct error **error)
{
	cleanup_lvm_pool struct lvm_pool pool = {0};
	if (lvm_pool_of_tree(path, &pool, error) < 0 || lvm_check_room(&pool, error) < 0)
		return -1;
	cleanup_free char *volume = make_note(path, error);
	cleanup_free char *size =
		memory_printf("%llub", (unsigned long long)(bytes ? bytes : pool.volume_size));
	const char *words[] = {"lvcreate", "--yes", "-Wn",	"-kn",	      "--addtag",
			       pool.tag,   "-V",    size,	"--thinpool", pool.thin_pool,
			       "-n",	   volume,  pool.group, NULL};
	if (!volume || lvm_run(&pool, words, NULL, error) < 0)
		return -1;
	fault_point("lvm.volume");
	return fill(&pool, path, volume, error);
}

/* What was written before is on the disk before the device is suspended, which takes no time then. */
static void write_out(const char *path)
{
	cleanup_free char *place = memory_printf("%s/rootfs", path);
	cleanup_close int fd =
		lvm_is_mounted(place) ? open(place, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
				      : -1;
	if (fd >= 0)
		syncfs(fd);
}

static int tree_clone(const char *from, const char *path, struct error **error)
{
	cleanup_lvm_pool struct lvm_pool pool = {0};
	cleanup_free char *origin = read_note(from);
	if (!origin)
		return error_set(error, ERROR_INTERNAL, "%s/" LVM_NOTE " names no volume", from);
	if (lvm_pool_of_tree(path, &pool, error) < 0 || lvm_check_room(&pool, error) < 0)
		return -1;
	cleanup_free char *volume = make_note(path, error);
	cleanup_free char *source = memory_printf("%s/%s", pool.group, origin);
	const char *words[] = {"lvcreate", "--yes", "-s",   "-kn",  "--addtag",
			       pool.tag,   "-n",    volume, source, NULL};
	if (!volume)
		return -1;
	write_out(from);
	if (lvm_run(&pool, words, NULL, error) < 0)
		return -1;
	fault_point("lvm.clone");
	return 0;
}

static int tree_remove(const char *path, struct error **error)
{
	cleanup_lvm_pool struct lvm_pool pool = {0};
	cleanup_free char *volume = read_note(path);
	if (!volume)
		return 0;
	if (tree_detach(path, error) < 0 || lvm_pool_of_tree(path, &pool, error) < 0)
		return -1;
	cleanup_free char *name = memory_printf("%s/%s", pool.group, volume);
	const char *words[] = {"lvremove", "--yes", name, NULL};
	struct error *problem = NULL;
	if (lvm_run(&pool, words, NULL, &problem) < 0 && lvm_has_volume(&pool, volume)) {
		error_move(error, problem);
		return -1;
	}
	error_free(problem);
	fault_point("lvm.removed");
	return 0;
}

/* ---- sizes ---- */

static int usage(const char *path, int64_t *own, int64_t *all)
{
	cleanup_lvm_pool struct lvm_pool pool = {0};
	cleanup_free char *volume = read_note(path);
	char text[DM_TEXT];
	uint64_t sectors;
	unsigned long long mapped;
	if (!volume || lvm_pool_of_tree(path, &pool, NULL) < 0)
		return -1;
	cleanup_free char *name = dm_name(pool.group, volume);
	if (dm_status(name, &sectors, text) < 0 || sscanf(text, "%llu", &mapped) != 1)
		return -1;
	/* What is shared with others is not told. */
	*own = *all = (int64_t)mapped * SECTOR;
	return 0;
}

static int size_of(const char *device, uint64_t *bytes, struct error **error)
{
	cleanup_close int fd = open(device, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, BLKGETSIZE64, bytes) < 0)
		return error_errno(error, errno, "looking at %s", device);
	return 0;
}

/* Volumes are whole extents of the group. */
static int round_up(const struct lvm_pool *pool, uint64_t *bytes, struct error **error)
{
	const char *words[] = {"vgs", "--noheadings",	"--nosuffix", "--units", "b",
			       "-o",  "vg_extent_size", pool->group,  NULL};
	cleanup_strbuf struct strbuf out = {0};
	if (lvm_run(pool, words, &out, error) < 0)
		return -1;
	uint64_t extent = out.text ? strtoull(out.text, NULL, 10) : 0;
	if (extent)
		*bytes = (*bytes + extent - 1) / extent * extent;
	return 0;
}

static int grow_filesystem(const char *path, const char *device, struct error **error)
{
	cleanup_free char *place = memory_printf("%s/rootfs", path);
	const char *ext4[] = {"resize2fs", device, NULL};
	const char *xfs[] = {"xfs_growfs", place, NULL};
	return strcmp(find_filesystem(device), "xfs") == 0
		       ? lvm_run_program(xfs, "xfsprogs", error)
		       : lvm_run_program(ext4, "e2fsprogs", error);
}

/* Done again after a crash: the note says that the volume is larger already. */
static int grow_tree(const struct lvm_pool *pool, const char *path, const char *volume,
		     uint64_t now, uint64_t bytes, struct error **error)
{
	cleanup_free char *note = memory_printf("%s/" GROWING, path);
	cleanup_free char *device = lvm_device(pool, volume);
	cleanup_free char *name = memory_printf("%s/%s", pool->group, volume);
	cleanup_free char *size = memory_printf("%llub", (unsigned long long)bytes);
	const char *words[] = {"lvextend", "-L", size, name, NULL};
	if (now >= bytes && access(note, F_OK) < 0)
		return 0;
	if (file_replace_at(AT_FDCWD, note, "", 0, 0600, true, error) < 0 ||
	    (now < bytes && lvm_run(pool, words, NULL, error) < 0))
		return -1;
	fault_point("lvm.extended");
	if (tree_attach(path, error) < 0 || grow_filesystem(path, device, error) < 0)
		return -1;
	unlink(note);
	return 0;
}

/* Without a limit it is what volumes of the pool have, unless it was larger already. */
static int limit(const char *path, uint64_t bytes, struct error **error)
{
	cleanup_lvm_pool struct lvm_pool pool = {0};
	cleanup_free char *volume = read_note(path);
	uint64_t now = 0, wanted = bytes;
	if (!volume)
		return error_set(error, ERROR_INTERNAL, "%s/" LVM_NOTE " names no volume", path);
	if (lvm_pool_of_tree(path, &pool, error) < 0 || tree_attach(path, error) < 0)
		return -1;
	cleanup_free char *device = lvm_device(&pool, volume);
	if (bytes == 0)
		wanted = pool.volume_size;
	if (size_of(device, &now, error) < 0)
		return -1;
	if (bytes && wanted < now && round_up(&pool, &wanted, error) < 0)
		return -1;
	if (bytes && wanted < now)
		return error_set(error, ERROR_INVALID,
				 "the file system has %llu MiB already and cannot be made smaller: "
				 "give a \"size\" of that at least, or copy what is in it to a new "
				 "one; new ones have the pool's volume.size",
				 (unsigned long long)(now >> 20));
	return grow_tree(&pool, path, volume, now, wanted, error);
}

const struct storage_driver storage_lvm = {
	.name = "lvm",
	.help = "thin volumes of LVM with a file system each, and their snapshots",
	.keeps_images = true,
	.check = check,
	.tree_create = tree_create,
	.tree_clone = tree_clone,
	.names_sources = true,
	.plan = lvm_plan,
	.make = lvm_make,
	.mount = lvm_mount,
	.leave = lvm_leave,
	.release = lvm_release,
	.tree_attach = tree_attach,
	.tree_detach = tree_detach,
	.tree_remove = tree_remove,
	.usage = usage,
	.limit = limit,
	.space = lvm_space,
	.grow = lvm_grow,
};
